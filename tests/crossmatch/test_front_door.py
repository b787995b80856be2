"""``nearest`` and ``within``: what they accept, what they refuse, and what they pass on."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.crossmatch import Catalog, n_sigma, nearest, within
from armillary.crossmatch.sky import cpu, reference
from armillary.crossmatch.sky.reference import separation
from armillary.plugins import ContractError, UnsupportedOption
from armillary.plugins.errors import UnknownBackend

BOTH = pytest.mark.parametrize("match", [nearest, within], ids=["nearest", "within"])

HERE = ([10.0, 20.0, 30.0], [0.0, 1.0, 2.0])


def pairs(matches):
    """The pairs as a list of rows."""
    return list(zip(matches.left.tolist(), matches.right.tolist(), strict=True))


def table_of_separations(left, right):
    return separation(left[0][:, None], left[1][:, None], *right)


# ------------------------------------------------------------------ what is refused


@BOTH
@pytest.mark.parametrize(
    ("radius", "words"),
    [
        (-1.0, "not -1.0"),
        (np.nan, "not nan"),
        ([1.0, -2.0, 3.0], "row 1 is -2.0"),
        ([1.0, 2.0, np.nan], "row 2 is nan"),
        (np.ma.array([1.0, 2.0, 3.0], mask=[True, False, False]), "row 0 is nan"),
        ([1.0, 2.0], "one for each of the 3 left rows"),
        ([[1.0, 2.0, 3.0]], "one-dimensional"),
        ("2", "numbers"),
        (2.0 * u.s, "not in s"),
        (2.0 * u.dimensionless_unscaled, "not in no unit"),
        (object(), "numbers"),
    ],
)
def test_a_bad_radius_is_an_error_that_names_it(match, radius, words):
    with pytest.raises(ValueError, match=f"^radius must be .*{words}|^radius must not .*{words}"):
        match(HERE, HERE, radius)


def test_within_needs_a_radius():
    with pytest.raises(ValueError, match="radius must be given"):
        within(HERE, HERE, None)


@pytest.mark.parametrize("k", [0, -1, 1.0, True, None, "1", np.float64(2), [1]])
def test_a_bad_k_is_an_error_that_names_it(k):
    with pytest.raises(ValueError, match="k must be a whole number of at least 1, not"):
        nearest(HERE, HERE, 1.0, k=k)


@pytest.mark.parametrize("k", [1, 2, np.int64(3), np.uint8(1), 1000])
def test_k_is_any_whole_number_and_may_exceed_what_is_there(k):
    matches = nearest(HERE, HERE, None, k=k)
    assert len(matches) == 3 * min(int(k), 3)


def test_mutual_is_about_the_one_nearest():
    with pytest.raises(ValueError, match=r"mutual=True .* k must then be 1, not 2"):
        nearest(HERE, HERE, 1.0, k=2, mutual=True)


@BOTH
@pytest.mark.parametrize("least", [-1.0, np.nan, np.inf, [0.0, 1.0, 2.0], "1", 1.0 * u.kg])
def test_a_bad_min_radius_is_an_error_that_names_it(match, least):
    with pytest.raises(ValueError, match=r"^min_radius must"):
        match(HERE, HERE, 1.0, min_radius=least)


@BOTH
@pytest.mark.parametrize("epoch", [np.nan, "2016", [2000.0, 2016.0], 5.0 * u.m])
def test_a_bad_epoch_is_an_error_that_names_it(match, epoch):
    with pytest.raises(ValueError, match=r"^epoch"):
        match(HERE, HERE, 1.0, epoch=epoch)


@BOTH
@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_a_bad_number_of_threads_is_an_error_that_names_it(match, threads):
    with pytest.raises(ValueError, match="threads must be a whole number"):
        match(HERE, HERE, 1.0, threads=threads)


@BOTH
def test_a_bad_progress_is_an_error_that_names_it(match):
    with pytest.raises(TypeError, match="progress must be None"):
        match(HERE, HERE, 1.0, progress=1)


def test_nearest_needs_two_catalogues():
    with pytest.raises(TypeError, match="right must be a Catalog"):
        nearest(HERE, None, 1.0)


@pytest.mark.parametrize("n", [0, -1.0, np.nan, np.inf, "3", None])
def test_a_bad_number_of_sigmas_is_an_error(n):
    with pytest.raises(ValueError, match="n must be positive and finite, not"):
        n_sigma(n)


# ------------------------------------------------------------------ the radius


@BOTH
@pytest.mark.parametrize("radius", [3.6 * u.arcsec, 1e-3 * u.deg, (3.6 * u.arcsec).to(u.rad)])
def test_a_radius_may_have_a_unit(match, radius):
    right = ([10.0009, 20.0011], [0.0, 1.0])
    assert pairs(match(HERE, right, radius)) == [(0, 0)]


@BOTH
@pytest.mark.parametrize("least", [1.0 * u.arcsec, 1.0, 1000.0 * u.mas])
def test_a_smallest_separation_leaves_out_what_is_nearer(match, least):
    right = ([10.0, 10.001, 10.0002], [0.0, 0.0, 0.0])
    assert pairs(match(HERE, right, 10.0, min_radius=least)) == [(0, 1)]


@BOTH
def test_radius_and_smallest_separation_include_their_edges(match):
    right = ([10.001], [0.0])
    apart = match(HERE, right, 10.0).separation[0]
    assert len(match(HERE, right, apart, min_radius=apart)) == 1
    assert len(match(HERE, right, np.nextafter(apart, 0.0))) == 0
    assert len(match(HERE, right, 10.0, min_radius=np.nextafter(apart, 10.0))) == 0


def test_no_radius_means_no_limit():
    matches = nearest(([0.0], [90.0]), ([77.0], [-90.0]), None)
    assert matches.separation[0] == pytest.approx(180.0 * 3600.0, rel=1e-12)


@BOTH
def test_each_left_row_may_have_its_own_radius(match):
    right = ([10.001, 20.001, 30.001], [0.0, 1.0, 2.0])
    assert pairs(match(HERE, right, [4.0, 3.0, np.inf], min_radius=0.0))[:1] == [(0, 0)]
    assert pairs(match(HERE, right, [4.0, 3.0, 3.7])) == [(0, 0), (2, 2)]
    assert pairs(match(HERE, right, [1.0, 2.0, 3.0] * u.arcmin / 30)) == [(1, 1), (2, 2)]


@BOTH
def test_rows_without_a_position_take_their_radii_with_them(match):
    left = ([np.nan, 20.0, 30.0, 40.0], [0.0, 1.0, np.nan, 3.0])
    right = ([np.inf, 20.001, 40.001], [0.0, 1.0, 3.0])
    radii = [100.0, 3.0, 100.0, 4.0]
    matches = match(left, right, radii)
    assert pairs(matches) == [(3, 2)]
    assert (matches.n_dropped_left, matches.n_dropped_right) == (2, 1)
    assert pairs(match(left, right, [100.0, 4.0, 100.0, 3.0])) == [(1, 1)]


@BOTH
def test_sigmas_are_combined_in_quadrature(match):
    left = Catalog([10.0, 20.0], [0.0, 0.0], error=0.3)
    # 3 sqrt(0.3^2 + 0.4^2) = 1.5 arcsec
    right = Catalog([10.0 + 1.49 / 3600, 20.0 + 1.51 / 3600], [0.0, 0.0], error=[0.4, 0.4])
    assert pairs(match(left, right, n_sigma(3))) == [(0, 0)]
    assert pairs(match(left, right, n_sigma(3.1))) == [(0, 0), (1, 1)]


@BOTH
@pytest.mark.parametrize("side", ["left", "right"])
def test_sigmas_need_errors_on_both_sides(match, side):
    sides = {
        name: Catalog(*HERE, error=None if name == side else 0.1) for name in ("left", "right")
    }
    with pytest.raises(ValueError, match=f"a radius of 3 sigma needs errors; {side} has none"):
        match(**sides, radius=n_sigma(3))


@BOTH
def test_rows_of_unknown_error_match_nothing_by_sigmas(match):
    left = Catalog(*HERE, error=[0.1, np.nan, 0.1])
    right = Catalog(*HERE, error=[np.nan, 0.1, 0.1])
    matches = match(left, right, n_sigma(3))
    assert pairs(matches) == [(2, 2)]
    assert (matches.n_dropped_left, matches.n_dropped_right) == (1, 1)
    assert len(match(left, right, 1.0)) == 3


# ------------------------------------------------------------------ each other's nearest


def mutual_by_brute_force(left, right, limit, least=0.0):
    """Pairs that are the nearest of each other among those that count."""
    apart = table_of_separations(left, right)
    apart = np.where((apart <= limit) & (apart >= least), apart, np.inf)
    forth, back = apart.argmin(axis=1), apart.argmin(axis=0)
    return [(i, int(j)) for i, j in enumerate(forth) if np.isfinite(apart[i, j]) and back[j] == i]


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    m=st.integers(1, 60),
    kind=st.sampled_from(["one", "rows", "sigmas", "none"]),
    least=st.sampled_from([0.0, 20.0]),
)
def test_mutual_pairs_are_those_of_brute_force(clustered, seed, n, m, kind, least):
    rng = np.random.default_rng(seed)
    left, right = clustered(seed, n), clustered(seed + 1, m)
    right = tuple(np.concatenate([a, b[: n // 2]]) for a, b in zip(right, left, strict=True))
    sides = left, right
    if kind == "sigmas":
        errors = rng.uniform(0, 30, n), rng.uniform(0, 30, len(right[0]))
        radius = n_sigma(2)
        limit = np.hypot(2 * errors[0][:, None], 2 * errors[1])
        sides = (
            Catalog(*left, error=errors[0]),
            Catalog(*right, error=errors[1]),
        )
    elif kind == "rows":
        radius = rng.uniform(0, 60, n)
        limit = radius[:, None]
    else:
        radius = {"one": 40.0, "none": None}[kind]
        limit = np.inf if radius is None else radius
    matches = nearest(*sides, radius, mutual=True, min_radius=least)
    assert pairs(matches) == mutual_by_brute_force(left, right, limit, least)
    # Each row at most once.
    assert len(np.unique(matches.right)) == len(matches)


def test_mutual_pairs_are_some_of_the_nearest(clustered):
    left, right = clustered(1, 500), clustered(2, 300)
    every, mutual = nearest(left, right, 60.0), nearest(left, right, 60.0, mutual=True)
    assert 0 < len(mutual) < len(every)
    assert set(pairs(mutual)) < set(pairs(every))


def test_mutual_drops_rows_without_a_position():
    left = ([np.nan, 10.0, 10.001], [0.0, 0.0, 0.0])
    matches = nearest(left, ([10.0009, np.nan], [0.0, 0.0]), 10.0, mutual=True)
    assert pairs(matches) == [(2, 0)]
    assert (matches.n_dropped_left, matches.n_dropped_right) == (1, 1)


# ------------------------------------------------------------------ a catalogue with itself


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 80), own=st.booleans())
def test_a_catalogue_with_itself_gives_each_pair_once(clustered, seed, n, own):
    """Of the pairs of the catalogue with a copy, those whose lower row is on the left."""
    catalog = clustered(seed, n)
    radius = np.random.default_rng(seed).uniform(0, 60, n) if own else 40.0
    itself, copy = within(catalog, None, radius), within(catalog, catalog, radius)
    upper = copy.left < copy.right
    np.testing.assert_array_equal(itself.left, copy.left[upper])
    np.testing.assert_array_equal(itself.right, copy.right[upper])
    np.testing.assert_array_equal(itself.separation, copy.separation[upper])
    assert itself.with_itself and not copy.with_itself


def test_a_catalogue_with_itself_counts_its_dropped_rows_on_both_sides():
    matches = within(([1.0, np.nan, 1.0], [2.0, 2.0, 2.0]), None, 1.0)
    assert pairs(matches) == [(0, 2)]
    assert (matches.n_dropped_left, matches.n_dropped_right) == (1, 1)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60), m=st.integers(0, 60))
def test_within_is_symmetric(clustered, seed, n, m):
    left, right = clustered(seed, n), clustered(seed + 1, m)
    there, back = within(left, right, 50.0), within(right, left, 50.0)
    order = np.lexsort((back.left, back.separation, back.right))
    np.testing.assert_array_equal(there.left, back.right[order])
    np.testing.assert_array_equal(there.separation, back.separation[order])


# ------------------------------------------------------------------ the two front doors together


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 6))
def test_the_nearest_are_the_first_of_those_within(clustered, seed, k):
    left, right = clustered(seed, 50), clustered(seed + 1, 70)
    every, some = within(left, right, 60.0), nearest(left, right, 60.0, k=k)
    first = np.searchsorted(every.left, every.left)  # where the pairs of a row begin
    keep = np.arange(len(every)) - first < k
    np.testing.assert_array_equal(some.left, every.left[keep])
    np.testing.assert_array_equal(some.right, every.right[keep])
    np.testing.assert_array_equal(some.separation, every.separation[keep])


def test_equal_separations_go_to_the_lower_rows():
    right = ([11.0, 9.0, 11.0, 10.0], [0.0, 0.0, 0.0, 1.0])
    matches = nearest(([10.0], [0.0]), right, None, k=3)
    assert matches.right.tolist() == [0, 1, 2]
    assert np.ptp(matches.separation) == 0.0


# ------------------------------------------------------------------ backends


@BOTH
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_backend_can_be_chosen_and_is_told(match, backend):
    operation = f"crossmatch.{match.__name__}"
    for matches in (match(HERE, HERE, 1.0, backend=backend, threads=2),):
        provenance = matches.provenance
        assert (provenance.operation, provenance.backend) == (operation, backend)
        assert (provenance.distribution, provenance.version) == ("armillary", arm.__version__)
        assert provenance.chosen_by == f"backend={backend!r} in the call"
        assert provenance.threads == 2
    with arm.use_backend(backend, "crossmatch"):
        assert match(HERE, HERE, 1.0).provenance.backend == backend
        assert arm.explain(operation).backend == backend


@BOTH
def test_the_default_is_the_compiled_one(match):
    provenance = match(HERE, HERE, 1.0).provenance
    assert (provenance.backend, provenance.chosen_by) == ("cpu", "default")


@BOTH
def test_an_unknown_backend_is_an_error_that_lists_the_known(match):
    with pytest.raises(UnknownBackend, match="no backend 'orrery'") as caught:
        match(HERE, HERE, 1.0, backend="orrery")
    assert "'cpu'" in str(caught.value) and "'reference'" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [("k", 2), ("min_radius", 1.0), ("right_radius", None)],
)
def test_an_option_that_a_backend_lacks_is_never_ignored(made_up, option, value):
    def simple(left_ra, left_dec, right_ra, right_dec, radius):
        return reference.nearest(left_ra, left_dec, right_ra, right_dec, radius)

    made_up(simple)
    assert pairs(nearest(HERE, HERE, 1.0, backend="twin")) == [(0, 0), (1, 1), (2, 2)]
    left = Catalog(*HERE, error=0.1)
    options = {} if option == "right_radius" else {option: value}
    radius = n_sigma(3) if option == "right_radius" else 1.0
    with pytest.raises(UnsupportedOption, match=f"does not support {option}="):
        nearest(left, left, radius, backend="twin", **options)


def test_a_plugin_gets_canonical_arguments(made_up):
    seen = {}

    def match(left_ra, left_dec, right_ra, right_dec, radius, k, right_radius, min_radius,
              threads, progress):  # fmt: skip
        seen.update(locals())
        return reference.nearest(left_ra, left_dec, right_ra, right_dec, radius)

    made_up(match)
    left = Table({"RA": np.array([725.0, np.nan], ">f4"), "Dec": [1, 2]})
    nearest(left, HERE, 1 * u.arcmin, backend="twin", threads=3)
    assert seen["left_ra"].tolist() == [5.0] and seen["radius"].tolist() == [60.0]
    for name in ("left_ra", "left_dec", "right_ra", "right_dec", "radius"):
        array = seen[name]
        assert array.dtype == np.dtype("=f8") and array.flags.c_contiguous
        assert not array.flags.writeable
    assert (seen["k"], seen["right_radius"], seen["min_radius"]) == (1, None, 0.0)
    assert (seen["threads"], seen["progress"]) == (3, None)


SOUND = {
    "left": np.array([0, 1, 1]),
    "right": np.array([0, 1, 2]),
    "separation": np.array([0.0, 0.1, 0.1]),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left", np.array([0, 1, 1], np.int32)),
        ("right", np.array([0.0, 1.0, 2.0])),
        ("separation", np.array([0, 0, 0])),
        ("separation", np.zeros(3, np.float32)),
        ("separation", np.zeros((3, 1))),
        ("separation", [0.0, 0.1, 0.1]),
        ("separation", np.zeros(2)),
        ("right", np.array([0, 1])),
        ("left", np.array([0, 1, 3])),
        ("left", np.array([-1, 1, 1])),
        ("right", np.array([0, 1, 3])),
        ("left", np.array([1, 0, 0])),
        ("separation", np.array([0.0, 0.2, 0.1])),
        ("right", np.array([0, 2, 1])),
        ("right", np.array([0, 1, 1])),
    ],
    ids=["left narrow", "right real", "separation whole", "separation narrow", "separation deep",
         "separation list", "separation short", "right short", "left outside", "left negative",
         "right outside", "left order", "separation order", "tied order", "pair twice"],
)  # fmt: skip
@BOTH
def test_a_result_that_breaks_the_contract_is_an_error_that_names_the_field(
    made_up, match, field, value
):
    result = SOUND

    def sound(left_ra, left_dec, right_ra, right_dec, radius):
        return result

    made_up(sound, f"crossmatch.{match.__name__}")
    assert pairs(match(HERE, HERE, 1.0, backend="twin")) == [(0, 0), (1, 1), (1, 2)]
    result = SOUND | {field: value}
    with pytest.raises(ContractError, match=f"'twin' .*twin-dist.*returned.*'{field}'"):
        match(HERE, HERE, 1.0, backend="twin")


# ------------------------------------------------------------------ threads and progress


@pytest.fixture
def in_parallel(monkeypatch):
    """Small problems in many blocks and on all threads."""
    monkeypatch.setattr(cpu, "MIN_PARALLEL_ROWS", 0)
    monkeypatch.setattr(cpu, "SEARCH_ROWS", 37)
    monkeypatch.setattr(cpu, "COPY_ROWS", 64)
    monkeypatch.setattr(cpu, "CHUNK_PAIRS", 50)


@pytest.mark.kernel
@pytest.mark.parametrize("radius", [1.0, 40.0, 100_000.0])
@BOTH
def test_threads_and_blocks_change_no_bit(monkeypatch, clustered, request, match, radius):
    left, right = clustered(3, 600), clustered(4, 500)
    whole = match(left, right, radius, threads=1)
    request.getfixturevalue("in_parallel")
    for threads in (1, 2, 3, 8):
        cut = match(left, right, radius, threads=threads)
        for name in ("left", "right", "separation"):
            assert getattr(cut, name).tobytes() == getattr(whole, name).tobytes()


def empty_sides():
    nothing = ([], [])
    return {"left": (nothing, HERE), "right": (HERE, nothing), "both": (nothing, nothing)}


def assert_progress(told):
    """It grows towards one total, which it reaches once."""
    assert len({total for _, total in told}) == 1
    done = [rows for rows, _ in told]
    assert done == sorted(done) and done[-1] == told[-1][1] > 0
    assert done.count(done[-1]) == 1


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("radius", [0.001, 60.0, None])
@pytest.mark.parametrize("mutual", [False, True])
def test_progress_is_told_and_reaches_the_total(in_parallel, clustered, mutual, radius, backend):
    told = []
    left, right = clustered(3, 600), clustered(4, 500)
    options = {"mutual": mutual, "backend": backend}
    nearest(left, right, radius, progress=lambda *done: told.append(done), **options)
    assert_progress(told)
    assert told[-1][1] == 600 * (2 if mutual else 1)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("side", empty_sides())
def test_progress_of_empty_sides_ends_too(side, mutual):
    told = []
    nearest(*empty_sides()[side], 1.0, mutual=mutual, progress=lambda *done: told.append(done))
    assert_progress(told)
    told.clear()
    within(*empty_sides()[side], 1.0, progress=lambda *done: told.append(done))
    assert_progress(told)


@pytest.mark.parametrize("mutual", [False, True])
def test_progress_that_a_backend_counts_its_own_way_is_told_in_rows(made_up, mutual):
    def match(left_ra, left_dec, right_ra, right_dec, radius, progress=None):
        for done in range(5):
            progress(done, 4)
        return reference.nearest(left_ra, left_dec, right_ra, right_dec, radius)

    made_up(match)
    told = []
    options = {"mutual": mutual, "progress": lambda *done: told.append(done)}
    nearest(HERE, HERE, 1.0, backend="twin", **options)
    assert_progress(told)


def test_progress_of_within_counts_left_rows(in_parallel, clustered):
    told = []
    within(clustered(3, 600), clustered(4, 500), 60.0, progress=lambda *done: told.append(done))
    assert told[-1] == (600, 600)


def test_an_error_of_progress_ends_the_match(in_parallel, clustered):
    def stop(done, total):
        raise InterruptedError("by the caller")

    with pytest.raises(InterruptedError, match="by the caller"):
        within(clustered(3, 600), clustered(4, 500), 60.0, progress=stop)
