"""``crossmatch.nearest`` and ``crossmatch.within``: the kernels of sky.cu, and how work is cut."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.crossmatch.sky import cpu, reference
from armillary.plugins import Request
from armillary.runtime.memory import ResultTooLarge, memory_for_results
from armillary.testing import conformance
from armillary.testing.skies import (
    jittered,
    joined,
    ordinary_skies,
    polar_skies,
    skies_across_zero,
    small_skies,
    taken,
    uniform_sky,
)
from armillary_cupy import device, sky, zones

from .host import HostDevice

test_nearest = pytest.mark.gpu(conformance("crossmatch.nearest", "cupy"))
test_within = pytest.mark.gpu(conformance("crossmatch.within", "cupy"))
test_nearest_on_host = conformance("crossmatch.nearest", "cupy_on_host")
test_within_on_host = conformance("crossmatch.within", "cupy_on_host")

NAMES = ("left", "right", "separation")


def arcsec(radius):
    """The canonical form of a radius."""
    return np.atleast_1d(np.asarray(radius, dtype=np.float64))


def matched(on, function, left, right, radius, **options):
    """What a target gives on a device."""
    with device.use(on):
        return function(*left, *right, arcsec(radius), **options)


def require_same_pairs(found, expected):
    for name in ("left", "right"):
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_allclose(found["separation"], expected["separation"], rtol=1e-14)


def require_same_bits(found, expected):
    for name in NAMES:
        assert found[name].tobytes() == expected[name].tobytes()


# ------------------------------------------------------------------ the right pairs


@pytest.mark.parametrize("skies", [ordinary_skies, polar_skies, skies_across_zero, small_skies])
def test_pairs_are_those_of_the_compiled_default_whatever_is_asked_for(host, skies):
    rng = np.random.default_rng(1)
    for each in skies(7, 2):
        left, right = each.left, each.right
        radii = rng.exponential(each.scale, len(left[0]))
        others = rng.exponential(each.scale, len(right[0]))
        for radius, options in (
            (each.scale, {}),
            (4.0 * each.scale, {"min_radius": each.scale}),
            (radii, {}),
            (radii, {"right_radius": others}),
        ):
            found = matched(host, sky.within, left, right, radius, **options)
            require_same_pairs(found, cpu.within(*left, *right, arcsec(radius), **options))
            for k in (1, 3):
                found = matched(host, sky.nearest, left, right, radius, k=k, **options)
                expected = cpu.nearest(*left, *right, arcsec(radius), k=k, **options)
                require_same_pairs(found, expected)
        itself = matched(host, sky.within, left, left, each.scale, with_itself=True)
        expected = cpu.within(*left, *left, arcsec(each.scale), with_itself=True)
        require_same_pairs(itself, expected)


#: Right ascensions and declinations at which something changes, and numbers beside them.
EDGES_RA = st.sampled_from(
    [0.0, -0.0, 360.0, 180.0, -180.0, 1e-9, 359.999999999, 179.9999999, -179.9999999, 90.0, 270.0]
)
EDGES_DEC = st.sampled_from([0.0, -0.0, 90.0, -90.0, 89.9999999, -89.9999999, 1e-9, 45.0])
POSITIONS = st.lists(
    st.tuples(
        st.one_of(EDGES_RA, st.floats(-180.0, 360.0)), st.one_of(EDGES_DEC, st.floats(-90.0, 90.0))
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: tuple(zip(*rows, strict=True)))
RADIUS = st.one_of(st.sampled_from([0.0, 1e-6, 3600.0, 324000.0, 648000.0]), st.floats(0.0, 7e5))


@settings(max_examples=150)
@example(left=([0.0], [0.0]), right=([0.0, 0.0], [1e-200, 0.0]), radius=1e-6, least=0.0, k=1)
@given(left=POSITIONS, right=POSITIONS, radius=RADIUS, least=RADIUS, k=st.integers(1, 5))
def test_pairs_are_those_of_brute_force_at_every_edge_of_the_sphere(
    host, left, right, radius, least, k
):
    left, right = np.array(left), np.array(right)
    found = matched(host, sky.within, left, right, radius, min_radius=least)
    candidates = reference.within(*left, *right, arcsec(np.inf))
    apart = np.full((len(left[0]), len(right[0])), np.nan)
    apart[candidates["left"], candidates["right"]] = candidates["separation"]
    # Which side of a limit a pair is on that is nearer to it than rounding is anybody's guess.
    slack = 1e-9 * np.maximum(apart, 1e-6) + np.where(apart > 6.4e5, 0.02, 0.0)
    certain = (apart <= radius - slack) & (apart >= least + slack)
    possible = (apart <= radius + slack) & (apart >= least - slack)
    there = np.zeros(apart.shape, bool)
    there[found["left"], found["right"]] = True
    assert there.sum() == len(found["left"])
    assert np.all(there <= possible) and np.all(certain <= there)

    order = np.lexsort((found["right"], found["separation"], found["left"]))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    nearest = matched(host, sky.nearest, left, right, radius, min_radius=least, k=k)
    rank = np.arange(len(order)) - np.searchsorted(found["left"], found["left"])
    require_same_bits(nearest, {name: found[name][rank < k] for name in NAMES})


def test_many_rows_at_one_position_are_ordered_and_reach_as_far_as_the_farthest(host):
    rng = np.random.default_rng(2)
    places = uniform_sky(rng, 15)
    right = taken(places, rng.integers(0, 15, 300))
    reach = rng.uniform(0.0, 2.0, 300)
    for k in (1, 4):
        found = matched(host, sky.nearest, places, right, 0.5, k=k, right_radius=reach)
        expected = cpu.nearest(*places, *right, arcsec(0.5), k=k, right_radius=reach)
        require_same_bits(found, expected)


# ------------------------------------------------------------------ what may not matter


@pytest.fixture(scope="module")
def crowd():
    """Two catalogues with clumps and copies, in rows enough for many blocks."""
    rng = np.random.default_rng(3)
    base = joined(uniform_sky(rng, 1500), *(s.left for s in skies_across_zero(3, 1)))
    copies = taken(base, rng.integers(0, len(base[0]), 300))
    return joined(base, copies), joined(jittered(rng, base, 30.0), copies)


CALLS = {
    "nearest": (sky.nearest, {"radius": 40.0}),
    "nearest without a limit": (sky.nearest, {"radius": np.inf}),
    "three nearest": (sky.nearest, {"radius": 4e4, "k": 3}),
    "within": (sky.within, {"radius": 2e3}),
    "with itself": (sky.within, {"radius": 2e3, "with_itself": True}),
}


@pytest.fixture(params=CALLS)
def call(request, crowd):
    """A function that matches the crowd with itself, or with another, on a device."""
    function, options = CALLS[request.param]
    left, right = (crowd[0], crowd[0]) if "with_itself" in options else crowd
    return lambda on, **more: matched(on, function, left, right, **options, **more)


def test_the_order_of_threads_changes_no_bit(call, host):
    require_same_bits(call(HostDevice(backwards=True)), call(host))


def test_the_number_of_launches_changes_no_bit(call, host, monkeypatch):
    whole = call(host)
    monkeypatch.setattr(sky, "LAUNCH_VISITS", 0)
    monkeypatch.setattr(sky, "MIN_LAUNCH_ROWS", 100)
    cut = HostDevice()
    require_same_bits(call(cut), whole)
    assert cut.launches.count("find_pairs") > 20


@pytest.mark.parametrize("memory", [50_000, 200_000])
def test_blocks_of_both_catalogues_change_no_bit(call, host, memory):
    small = SmallDevice(memory)
    require_same_bits(call(small), call(host))
    assert small.launches.count("finish_rows") > 1
    assert small.launches.count("describe_zones") > 1
    assert small.xp.used == 0


class SmallDevice(HostDevice):
    """A device of so many bytes that may promise more, and whose results need none of them."""

    def __init__(self, memory, promised=None):
        super().__init__(memory)
        self.promised = promised

    def free_memory(self):
        return super().free_memory() if self.promised is None else self.promised

    def to_host(self, array):
        return array.copy()


def test_memory_that_runs_out_makes_blocks_smaller_and_changes_no_bit(call, host):
    boastful = SmallDevice(100_000, promised=10**12)
    require_same_bits(call(boastful), call(host))
    assert boastful.launches.count("finish_rows") > 1


def test_a_block_that_is_not_all_of_the_catalogue_after_all_is_not_kept(crowd, host):
    boastful = SmallDevice(100_000, promised=10**12)
    ra, dec = crowd[1]
    sorter = zones.Sorter(boastful, zones.Grid.of(np, ra, dec))
    blocks = zones.ZoneBlocks(boastful, sorter, ra, dec, ra[:0], k=0)
    assert boastful.xp.used == 0
    assert len(list(blocks)) > 1


# ------------------------------------------------------------------ what does not fit


def test_a_device_without_memory_for_a_row_is_an_error_that_says_what_is_needed(crowd):
    words = "one of .* parts of the left catalogue needs about .* of memory on the device"
    with pytest.raises(MemoryError, match=words):
        matched(SmallDevice(100), sky.nearest, *crowd, 1.0)


def test_pairs_of_one_row_that_do_not_fit_are_an_error_too(host):
    here = np.full(1, 10.0), np.zeros(1)
    there = np.full(4000, 10.0), np.zeros(4000)
    small = SmallDevice(60_000)
    assert len(matched(small, sky.within, there, here, 1.0)["left"]) == 4000
    with pytest.raises(MemoryError, match="the pairs of left rows 0 to 0, 4,000 of them, do not"):
        matched(small, sky.within, here, there, 1.0)


def test_a_result_larger_than_the_memory_of_the_host_is_refused(host, crowd):
    with (
        memory_for_results(100_000),
        pytest.raises(ResultTooLarge, match=r"would hold about .* pairs"),
    ):
        matched(host, sky.within, *crowd, 648_000.0)


# ------------------------------------------------------------------ progress


def test_progress_counts_left_rows_block_by_block(crowd):
    told = []
    small = SmallDevice(100_000)
    matched(small, sky.nearest, *crowd, 5.0, progress=lambda *done: told.append(done))
    n_left = len(crowd[0][0])
    done = [rows for rows, _ in told]
    assert done == sorted(set(done)) and len(done) > 1
    assert told[-1] == (n_left, n_left)


def test_an_error_of_progress_ends_the_match(host, crowd):
    def stop(done, total):
        raise InterruptedError("by the caller")

    with pytest.raises(InterruptedError, match="by the caller"):
        matched(host, sky.within, *crowd, 5.0, progress=stop)


# ------------------------------------------------------------------ catalogues on the device


@pytest.mark.parametrize(
    "match",
    [
        functools.partial(arm.crossmatch.nearest, radius=40.0),
        functools.partial(arm.crossmatch.nearest, radius=None, k=3),
        functools.partial(arm.crossmatch.nearest, radius=40.0, mutual=True),
        functools.partial(arm.crossmatch.within, radius=9e3, min_radius=5.0),
    ],
    ids=["nearest", "three nearest", "mutual", "within"],
)
def test_catalogues_on_the_device_stay_there_and_so_do_their_pairs(moon, crowd, match):
    there = match(*(tuple(map(moon.asarray, side)) for side in crowd))
    assert moon.fetched == []
    assert all(isinstance(getattr(there, name), moon.Array) for name in NAMES)
    require_same_pairs(vars(there.on_host()), vars(match(*crowd)))


def test_catalogues_on_the_host_give_pairs_on_the_host(moon, crowd):
    here = arm.crossmatch.nearest(*crowd, 40.0, backend="moon")
    assert all(type(getattr(here, name)) is np.ndarray for name in NAMES)
    require_same_pairs(vars(here), vars(arm.crossmatch.nearest(*crowd, 40.0)))


# ------------------------------------------------------------------ on a CUDA device


@pytest.fixture
def cupy():
    """cupy, with a limit of its pool that ends with the test."""
    reason = device.can_run(Request("crossmatch.nearest"))
    if reason is not True:
        pytest.skip(reason)
    import cupy

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.get_limit()
    yield cupy
    pool.set_limit(size=before)


@pytest.mark.gpu
def test_catalogues_of_cupy_give_pairs_of_cupy(cupy, crowd):
    there = arm.crossmatch.nearest(*(tuple(map(cupy.asarray, side)) for side in crowd), 40.0)
    assert all(isinstance(getattr(there, name), cupy.ndarray) for name in NAMES)
    assert there.provenance.backend == "cupy"
    require_same_pairs(vars(there.on_host()), vars(arm.crossmatch.nearest(*crowd, 40.0)))


@pytest.mark.gpu
def test_pairs_on_a_cuda_device_are_those_of_the_host(cupy, host, call):
    require_same_pairs(call(device.CudaDevice()), call(host))


@pytest.mark.gpu
def test_a_cuda_device_that_runs_out_of_memory_does_it_in_smaller_blocks(cupy, host, call):
    cupy.get_default_memory_pool().set_limit(size=400_000)
    require_same_pairs(call(device.CudaDevice()), call(host))
