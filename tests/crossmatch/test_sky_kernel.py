"""The compiled matching against its definition in NumPy, and against 50 digits."""

from __future__ import annotations

import tracemalloc

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.crossmatch.sky import cpu, kernel, reference
from armillary.runtime import memory

pytestmark = pytest.mark.kernel

#: Promised accuracy of a separation, relative.
PROMISED = 1e-9
#: How far kernel and reference, both far better than that, may be apart.
TIGHT = 1e-12

NO_LIMIT = np.array([np.inf])


def positions(pairs):
    """Arrays of right ascensions and declinations."""
    ra, dec = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return np.ascontiguousarray(ra), np.ascontiguousarray(dec)


# ------------------------------------------------------------------ separations


def exact_separation(ra1, dec1, ra2, dec2):
    """Arcseconds, by Vincenty's formula in 50 digits."""
    with mpmath.workdps(50):
        a1, d1, a2, d2 = (mpmath.radians(mpmath.mpf(float(x))) for x in (ra1, dec1, ra2, dec2))
        turn = a2 - a1
        sin, cos = mpmath.sin, mpmath.cos
        east = cos(d2) * sin(turn)
        north = cos(d1) * sin(d2) - sin(d1) * cos(d2) * cos(turn)
        along = sin(d1) * sin(d2) + cos(d1) * cos(d2) * cos(turn)
        angle = mpmath.atan2(mpmath.sqrt(east**2 + north**2), along)
        return float(mpmath.degrees(angle) * 3600)


def neighbour(ra, dec, apart, angle):
    """A position some arcseconds away, near enough for a test."""
    s, a, d = np.radians(apart / 3600.0), np.radians(angle), np.radians(dec)
    dec2 = np.arcsin(np.clip(np.sin(d) * np.cos(s) + np.cos(d) * np.sin(s) * np.cos(a), -1, 1))
    if apart < 1.0 and abs(dec) < 89.0:
        dec2 = d + s * np.cos(a)
    turn = np.arctan2(np.sin(a) * np.sin(s) * np.cos(d), np.cos(s) - np.sin(d) * np.sin(dec2))
    ra2 = np.remainder(ra + np.degrees(turn), 360.0)
    return ra2, float(np.clip(np.degrees(dec2), -90.0, 90.0))


#: 1 micro-arcsecond to 179.999 degrees.
SEPARATIONS = [*10.0 ** np.arange(-6.0, 6.0), 324_000.0, 600_000.0, 179.99 * 3600, 179.999 * 3600]
PLACES = {
    "equator": (200.0, 0.0),
    "mid latitude": (77.7, -43.21),
    "zero": (0.0, 20.0),
    "full circle": (360.0, -20.0),
    "just below zero": (359.99999999, 60.0),
    "half circle": (180.0, 5.0),
    "negative": (-179.9999, 5.0),
    "arcseconds from the pole": (123.0, 90.0 - 2e-4),
    "micro-arcseconds from the pole": (45.0, -90.0 + 3e-10),
    "north pole": (30.0, 90.0),
    "south pole": (330.0, -90.0),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("function", [cpu.nearest, reference.nearest], ids=["cpu", "reference"])
def test_separations_are_accurate_from_a_micro_arcsecond_to_the_antipode(function, place):
    here = PLACES[place]
    for apart in SEPARATIONS:
        for angle in np.linspace(0.0, 330.0, 12):
            there = neighbour(*here, apart, angle)
            found = function(*positions([here]), *positions([there]), NO_LIMIT)["separation"][0]
            assert found == pytest.approx(exact_separation(*here, *there), rel=PROMISED, abs=1e-15)


@settings(max_examples=300)
@given(
    ra1=st.floats(-180.0, 360.0), dec1=st.floats(-90.0, 90.0),
    ra2=st.floats(-180.0, 360.0), dec2=st.floats(-90.0, 90.0),
)  # fmt: skip
@example(ra1=0.0, dec1=90.0, ra2=180.0, dec2=90.0).via("one pole, two names")
@example(ra1=0.0, dec1=0.0, ra2=360.0, dec2=0.0).via("one meridian, two names")
@example(ra1=-180.0, dec1=0.0, ra2=180.0, dec2=0.0).via("one meridian, two names")
@example(ra1=-180.0, dec1=0.0, ra2=360.0, dec2=0.0).via("opposite")
@example(ra1=0.0, dec1=-90.0, ra2=0.0, dec2=90.0).via("the poles")
def test_any_separation_is_accurate(ra1, dec1, ra2, dec2):
    exact = exact_separation(ra1, dec1, ra2, dec2)
    (found,) = cpu.nearest(*positions([(ra1, dec1)]), *positions([(ra2, dec2)]), NO_LIMIT)[
        "separation"
    ]
    # At the antipode the sine is flat; below a pico-arcsecond the unit of a pole's cosine counts.
    near_antipode = exact > 179.999 * 3600
    assert found == pytest.approx(exact, rel=2e-8 if near_antipode else PROMISED, abs=1e-12)


@pytest.mark.parametrize("ra", [0.0, 77.7, 360.0, -180.0])
@pytest.mark.parametrize("dec", [0.0, -12.3, 89.999999, 90.0, -90.0])
def test_identical_positions_have_separation_zero(ra, dec):
    found = cpu.nearest(*positions([(ra, dec)]), *positions([(ra, dec)]), np.zeros(1))
    assert found["separation"].tolist() == [0.0]


# ------------------------------------------------------------------ any catalogue

_TINY = st.sampled_from([0.0, 1e-13, 1e-10, 3e-9, 1e-6, 1e-4, 0.02, 1.0])
_SIGN = st.sampled_from([-1.0, 1.0])
_RA = st.one_of(
    st.floats(-180.0, 360.0),
    st.builds(
        lambda place, sign, step: float(np.clip(place + sign * step, -180.0, 360.0)),
        st.sampled_from([0.0, 90.0, 180.0, 270.0, 360.0, -180.0]), _SIGN, _TINY,
    ),
)  # fmt: skip
_DEC = st.one_of(
    st.floats(-90.0, 90.0),
    st.builds(
        lambda place, sign, step: float(np.clip(place + sign * step, -90.0, 90.0)),
        st.sampled_from([0.0, 45.0, 90.0, -90.0]), _SIGN, _TINY,
    ),
)  # fmt: skip
_CATALOGUE = st.lists(st.tuples(_RA, _DEC), max_size=25)
_RADIUS = st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 72.0, 3600.0, 2e5, 500_000.0, 648_000.0, np.inf])


def assert_same_pairs(found, wanted, limit_of, least):
    """The pairs of the definition; where rounding decides, either way."""
    assert {name: array.dtype.kind for name, array in found.items()} == {
        "left": "i", "right": "i", "separation": "f",
    }  # fmt: skip
    order = np.lexsort((found["right"], found["separation"], found["left"]))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    both = [
        {(i, j): s for i, j, s in zip(*pairs.values(), strict=True)} for pairs in (found, wanted)
    ]
    for pair in both[0].keys() & both[1].keys():
        assert both[0][pair] == pytest.approx(both[1][pair], rel=TIGHT, abs=1e-12)
    for pair in both[0].keys() ^ both[1].keys():
        apart = both[0].get(pair, both[1].get(pair))
        on_edge = [apart == pytest.approx(edge, rel=TIGHT) for edge in (limit_of(*pair), least)]
        assert any(on_edge), f"pair {pair} at {apart} arcsec"


@settings(max_examples=300)
@given(
    left=_CATALOGUE,
    right=_CATALOGUE,
    radius=_RADIUS,
    own=st.booleans(),
    right_own=st.booleans(),
    least=st.sampled_from([0.0, 1e-4, 100.0]),
    with_itself=st.booleans(),
)
def test_within_finds_the_pairs_of_the_definition(
    left, right, radius, own, right_own, least, with_itself
):
    right = left if with_itself else right
    radii = np.full(len(left), radius) * np.linspace(0.3, 1.0, len(left)) if own and left else None
    radii = np.array([radius]) if radii is None else np.nan_to_num(radii, nan=0.0)
    others = np.linspace(0.0, 200.0, len(right)) if right_own and right else None
    arguments = *positions(left), *positions(right), radii
    options = {"right_radius": others, "min_radius": least, "with_itself": with_itself}

    def limit_of(i, j):
        return np.hypot(radii[i if len(radii) > 1 else 0], 0.0 if others is None else others[j])

    found, wanted = (module.within(*arguments, **options) for module in (cpu, reference))
    assert_same_pairs(found, wanted, limit_of, least)


@settings(max_examples=300)
@given(
    left=_CATALOGUE,
    right=_CATALOGUE,
    radius=_RADIUS,
    k=st.sampled_from([1, 2, 3, 30]),
    right_own=st.booleans(),
    least=st.sampled_from([0.0, 1e-4, 100.0]),
)
def test_nearest_finds_the_separations_of_the_definition(left, right, radius, k, right_own, least):
    others = np.linspace(0.0, 200.0, len(right)) if right_own and right else None
    arguments = *positions(left), *positions(right), np.array([radius])
    options = {"k": k, "right_radius": others, "min_radius": least}
    found, wanted = (module.nearest(*arguments, **options) for module in (cpu, reference))
    if np.array_equal(found["left"], wanted["left"]):
        # Which of two rows is chosen may hang on the last bit, how near it is may not.
        np.testing.assert_allclose(
            found["separation"], wanted["separation"], rtol=TIGHT, atol=1e-12
        )
    else:
        on_edge = np.isclose(wanted["separation"], [[radius], [least]], rtol=TIGHT, atol=0.0)
        own_edge = others is not None and np.isclose(
            wanted["separation"], np.hypot(radius, others[wanted["right"]]), rtol=TIGHT
        )
        assert np.any(on_edge | own_edge)
    apart = reference.separation(
        arguments[0][found["left"]], arguments[1][found["left"]],
        arguments[2][found["right"]], arguments[3][found["right"]],
    )  # fmt: skip
    np.testing.assert_allclose(found["separation"], apart, rtol=TIGHT, atol=1e-12)


# ------------------------------------------------------------------ zones


def scattered(seed, n, *, width=2.0, ra=350.0, dec=-60.0):
    rng = np.random.default_rng(seed)
    return (
        np.remainder(ra + width * rng.uniform(0, 1, n), 360.0),
        dec + width * rng.uniform(0, 1, n),
    )


@pytest.mark.parametrize("n", [1, 2, 3, 47, 48, 49, 700, 5000])
@pytest.mark.parametrize("width", [1e-9, 1e-3, 2.0, 10.0])
def test_fields_of_any_size_and_density(n, width):
    left, right = scattered(n, 300, width=width), scattered(n + 1, n, width=width)
    radius = np.array([width * 3600.0 / np.sqrt(n)])
    for name, options in (("nearest", {"k": 1}), ("nearest", {"k": 3}), ("within", {})):
        found, wanted = (
            getattr(module, name)(*left, *right, radius, **options) for module in (cpu, reference)
        )
        np.testing.assert_array_equal(found["left"], wanted["left"])
        np.testing.assert_array_equal(found["right"], wanted["right"])
        np.testing.assert_allclose(found["separation"], wanted["separation"], rtol=TIGHT)


@pytest.mark.parametrize(
    "shape", ["one declination", "one right ascension", "one position", "line"]
)
@pytest.mark.parametrize("n_right", [10, 200])
def test_catalogues_that_fill_one_zone_or_one_column(shape, n_right):
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, n_right + 100), rng.uniform(-90, 90, n_right + 100)
    if shape in ("one declination", "one position"):
        dec[:] = 12.0
    if shape in ("one right ascension", "one position"):
        ra[:] = 34.0
    if shape == "line":
        dec = np.clip(ra / 2 - 90, -90, 90)
    sides = ra[:100].copy(), dec[:100].copy(), ra[100:].copy(), dec[100:].copy()
    for k in (1, 5):
        found, wanted = (module.nearest(*sides, NO_LIMIT, k=k) for module in (cpu, reference))
        np.testing.assert_array_equal(found["right"], wanted["right"])
    found, wanted = (module.within(*sides, np.array([7200.0])) for module in (cpu, reference))
    np.testing.assert_array_equal(found["left"], wanted["left"])
    np.testing.assert_array_equal(np.sort(found["right"]), np.sort(wanted["right"]))


@pytest.mark.parametrize("pole", [90.0, -90.0])
@pytest.mark.parametrize("from_pole", [1e-12, 1e-9, 1e-6, 1e-3, 0.5, 30.0, 89.9])
@pytest.mark.parametrize("ratio", [0.5, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.99, 2.0, 2.01])
def test_windows_of_right_ascension_lose_nothing_around_a_pole(pole, from_pole, ratio):
    """A ring around the pole and the circle of a radius near the distance of the ring."""
    n = 72
    ra = np.linspace(0.0, 360.0, n, endpoint=False)
    ring = ra, np.full(n, np.copysign(90.0 - from_pole, pole))
    from_pole = 90.0 - abs(ring[1][0])  # as far as float64 has it
    radius = np.array([min(ratio * from_pole, 180.0) * 3600.0])
    found, wanted = (module.within(*ring, *ring, radius) for module in (cpu, reference))

    def limit_of(i, j):
        return radius[0]

    assert_same_pairs(found, wanted, limit_of, 0.0)
    there = set(zip(found["left"].tolist(), found["right"].tolist(), strict=True))
    assert there == {(j, i) for i, j in there}


@pytest.mark.parametrize("dec", [0.0, 60.0, 89.0, 89.99])
@pytest.mark.parametrize("radius", [0.01, 1.0, 1800.0, 36_000.0])
def test_windows_hold_the_whole_circle_of_the_radius(dec, radius):
    """Rows a little inside and a little outside, all around a row."""
    left = positions([(0.0, dec)])
    ways = [radius * (1.0 + x) for x in (-1e-3, -1e-6, 0.0, 1e-6, 1e-3)]
    angles = np.linspace(0.0, 360.0, 72, endpoint=False)
    ring = positions([neighbour(0.0, dec, way, angle) for way in ways for angle in angles])
    apart = reference.separation(*left, *ring)
    found = np.sort(cpu.within(*left, *ring, np.array([radius]))["right"])
    wanted = np.flatnonzero(apart <= radius)
    on_edge = np.flatnonzero(np.isclose(apart, radius, rtol=TIGHT, atol=0.0))
    assert 72 < len(wanted) < 4 * 72
    assert np.isin(np.setxor1d(found, wanted), on_edge).all()


def test_a_few_far_rows_do_not_spoil_the_zones_of_the_others():
    right = scattered(1, 3000, width=0.01)
    right = tuple(
        np.append(a, b) for a, b in zip(right, ([10.0, 200.0], [90.0, -90.0]), strict=True)
    )
    left = scattered(2, 200, width=0.01)
    found, wanted = (module.nearest(*left, *right, NO_LIMIT) for module in (cpu, reference))
    np.testing.assert_array_equal(found["right"], wanted["right"])


# ------------------------------------------------------------------ crowds


def crowd(n, *, spread=1e-4, seed=0):
    rng = np.random.default_rng(seed)
    return 83.8 + spread * rng.standard_normal(n), -5.4 + spread * rng.standard_normal(n)


def test_one_row_may_have_a_hundred_thousand_neighbours():
    right = crowd(100_000)
    found = cpu.within(*positions([(83.8, -5.4)]), *right, np.array([60.0]))
    assert len(found["left"]) == 100_000
    assert np.all(np.diff(found["separation"]) >= 0.0)
    np.testing.assert_array_equal(np.sort(found["right"]), np.arange(100_000))


def test_the_nearest_in_a_crowd_are_found_among_a_hundred_thousand():
    left, right = crowd(30, seed=1), crowd(100_000)
    for k in (1, 10):
        found, wanted = (
            module.nearest(*left, *right, np.array([3600.0]), k=k) for module in (cpu, reference)
        )
        np.testing.assert_array_equal(found["right"], wanted["right"])


def test_a_crowd_of_equal_positions_gives_its_lowest_rows():
    n = 100_000
    left, right = positions([(83.8, -5.4)] * 1000), positions([(83.8, -5.4)] * n)
    found = cpu.nearest(*left, *right, np.array([1.0]), k=2)
    assert found["right"].tolist() == [0, 1] * 1000
    assert not found["separation"].any()


def test_the_pairs_of_a_crowd_need_no_more_memory_than_is_counted():
    left, right = crowd(1000, seed=1), crowd(1000)
    tracemalloc.start()
    try:
        found = cpu.within(*left, *right, np.array([3600.0]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found["left"]) == 1_000_000
    assert peak < 1.1 * cpu.BYTES_PER_PAIR * 1_000_000


def test_pairs_come_in_chunks_of_whole_left_rows(monkeypatch):
    """However many pairs a block has, what the kernel holds is bounded by a chunk and a row."""
    chunks = []
    search = kernel.search

    def watched(*arguments):
        done, *pairs = search(*arguments)
        chunks.append(pairs[0])
        return done, *pairs

    monkeypatch.setattr(cpu, "kernel", _Watched(watched))
    monkeypatch.setattr(cpu, "CHUNK_PAIRS", 1000)
    cpu.within(*crowd(500, seed=1), *crowd(400), np.array([3600.0]))
    assert max(map(len, chunks)) < 1000 + 400
    rows = [set(chunk.tolist()) for chunk in chunks]
    assert sum(map(len, rows)) == 500


class _Watched:
    """The kernel with another ``search``."""

    def __init__(self, search):
        self.search = search

    def __getattr__(self, name):
        return getattr(kernel, name)


def test_a_result_that_would_not_fit_is_a_sentence_with_its_size(monkeypatch):
    monkeypatch.setattr("armillary.runtime.memory.available_memory", lambda: 2**20)
    with pytest.raises(MemoryError) as caught:
        cpu.within(*crowd(1000, seed=1), *crowd(1000), np.array([3600.0]))
    assert "the result would hold about 1e+06 pairs" in str(caught.value)
    assert "lower the radius" in str(caught.value)


def test_a_result_that_fits_is_not_refused_for_its_crowds(monkeypatch):
    """What counts is what was found, not what a dense part would mean for the whole."""
    monkeypatch.setattr("armillary.runtime.memory.available_memory", lambda: 2**22)
    monkeypatch.setattr(cpu, "SEARCH_ROWS", 64)
    left = tuple(map(np.append, crowd(100), scattered(0, 10_000)))
    found = cpu.within(*left, *crowd(100), np.array([1.0]))
    assert len(found["left"]) > 5000


def test_the_inputs_are_only_read():
    sides = *crowd(50), *crowd(40, seed=1), np.array([60.0])
    for array in sides:
        array.setflags(write=False)
    cpu.nearest(*sides)
    cpu.within(*sides, right_radius=sides[2])


@pytest.mark.parametrize("radius", [None, 100 * 3600.0])
def test_rows_far_from_a_dense_field_find_its_nearest(radius):
    rng = np.random.default_rng(11)
    right = 45.0 + rng.uniform(-0.5, 0.5, 3000), 45.0 + rng.uniform(-0.5, 0.5, 3000)
    left = rng.uniform(0.0, 360.0, 400), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 400)))
    found = arm.crossmatch.nearest(left, right, radius)
    expected = arm.crossmatch.nearest(left, right, radius, backend="reference")
    assert np.array_equal(found.left, expected.left)
    assert np.allclose(found.separation, expected.separation, rtol=1e-12)


def test_one_right_row_with_an_absurd_error_changes_no_other_match():
    rng = np.random.default_rng(12)
    left, right = rng.uniform(0.0, 50.0, (2, 500)), rng.uniform(0.0, 50.0, (2, 500))
    errors = np.full(500, 0.1)
    errors[7] = 9999.0
    catalogues = [
        arm.crossmatch.Catalog(*left, error=0.1),
        arm.crossmatch.Catalog(*right, error=errors),
    ]
    three = arm.crossmatch.n_sigma(3)
    for match in (arm.crossmatch.nearest, arm.crossmatch.within):
        found, expected = match(*catalogues, three), match(*catalogues, three, backend="reference")
        assert np.array_equal(found.left, expected.left)
        assert np.array_equal(found.right, expected.right)


def test_of_rows_at_one_position_the_lowest_that_reaches_is_the_nearest():
    z = np.zeros(5)
    left = arm.crossmatch.Catalog([0.0], [2.0 / 3600.0], error=[0.0])
    right = arm.crossmatch.Catalog(z, z, error=[0.1, 0.5, 0.8, 0.8, 3.0])
    assert arm.crossmatch.nearest(left, right, arm.crossmatch.n_sigma(3)).right.tolist() == [2]


def test_a_pole_is_one_position():
    ra = np.random.default_rng(13).uniform(0.0, 360.0, 200)
    for dec in (90.0, -90.0):
        found = arm.crossmatch.nearest((ra, np.full(200, dec)), (ra[::-1], np.full(200, dec)), 1.0)
        assert np.all(found.right == 0)
        assert np.all(found.separation == 0.0)


def test_far_too_many_pairs_are_refused_before_they_are_made(monkeypatch):
    searched = []
    search = cpu.kernel.search

    def counted(*arguments):
        result = search(*arguments)
        searched.append(len(result[1]))
        return result

    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    monkeypatch.setattr(cpu.kernel, "search", counted)
    spot = np.full(20_000, 10.0), np.full(20_000, 10.0)
    with pytest.raises(MemoryError, match=r"about 4e\+08 pairs"):
        arm.crossmatch.within(spot, spot, 1.0)
    assert sum(searched) < 5_000_000
