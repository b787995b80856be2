"""`cache=` on every operation: what is a hit, what is not, and that a cache never hurts."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import threading
import time
import types
import warnings

import numpy as np
import pytest

import armillary as arm
from armillary.cache import MISSING, CacheWarning, MemoryStore, choice
from armillary.cache.axis import kept_or_computed
from armillary.cache.keys import key_of
from armillary.plugins import Implementation
from armillary.plugins.contracts import CONTRACTS
from armillary.plugins.records import Registered
from armillary.plugins.registry import get_registry
from armillary.search.box.cpu import bls as cpu_bls
from armillary.testing import simulated_galaxy
from armillary.testing.cache_values import arrays_in, difference
from armillary.testing.skies import uniform_sky

# ------------------------------------------------------------------ every operation


TIME = np.arange(0.0, 8.0, 0.05)
FLUX = 1.0 + 1e-3 * np.sin(TIME**2)
GALAXY = simulated_galaxy((50, 50), effective_radius=7.0, snr=300.0).image
OTHER_GALAXY = simulated_galaxy((50, 50), effective_radius=8.0, snr=300.0, seed=2).image
LEFT = uniform_sky(np.random.default_rng(1), 200)
NEAR = (LEFT[0] + 1e-4, LEFT[1])


def isophotes():
    return arm.fit.isophotes(GALAXY, max_sma=12.0, harmonics=())


def bls(**options):
    given = {"time": TIME, "flux": FLUX, "period": [0.9, 1.7, 2.2], "duration": 0.1}
    return arm.search.bls(**(given | options))


EPHEMERIS = {"period": 2.0, "t0": 1.0, "duration": 0.3}


def scores(**options):
    return arm.search.template_score(**({"time": TIME, "flux": FLUX} | EPHEMERIS | options))


def scan(**options):
    return arm.search.scan_t0(**({"time": TIME, "flux": FLUX} | EPHEMERIS | options))


def attribution(**options):
    return arm.search.attribute(**({"time": TIME, "flux": FLUX} | EPHEMERIS | options))


def nearest(**options):
    given = {"left": LEFT, "right": NEAR, "radius": 5.0}
    return arm.crossmatch.nearest(**(given | options))


def within(**options):
    given = {"left": LEFT, "right": NEAR, "radius": 3600.0}
    return arm.crossmatch.within(**(given | options))


def fit(**options):
    given = {"image": GALAXY, "max_sma": 12.0, "step": 0.3}
    return arm.fit.isophotes(**(given | options))


def forced(**options):
    given = {"image": GALAXY, "template": isophotes()}
    return arm.fit.forced_isophotes(**(given | options))


def model(**options):
    given = {"isophotes": isophotes(), "shape_or_image": (50, 50)}
    return arm.fit.ellipse_model(**(given | options))


#: What is called -> the call, and changes each of which asks for another answer.
CALLS = {
    "search.bls": (
        bls,
        [
            {"time": TIME + 1e-9},
            {"flux": FLUX[::-1]},
            {"flux_err": 1e-3},
            {"period": [0.9, 1.7, 2.3]},
            {"duration": 0.2},
            {"oversample": 11},
        ],
    ),
    "search.bls, with grids of its own": (
        lambda **o: bls(**({"period": None, "duration": None, "max_period": 3.0} | o)),
        [
            {"max_period": 2.9},
            {"min_period": 1.0},
            {"min_transits": 3},
            {"star": arm.Star(radius=0.5, mass=0.5)},
            {"duration": 0.1},
            {"period": [1.0, 2.0], "max_period": None},
        ],
    ),
    "search.template_score": (
        scores,
        [
            {"time": TIME + 1e-9},
            {"flux_err": 1e-3},
            {"period": [2.0, 2.1]},
            {"t0": 1.1},
            {"duration": 0.2},
            {"sharpness": 20.0},
            {"gradient": True},
        ],
    ),
    "search.template_score, along t0": (
        scan,
        [{"t0": 1.1}, {"n": 21}, {"half_span": 0.2}, {"sharpness": 20.0}],
    ),
    "search.template_score, point by point": (
        attribution,
        [{"t0": 1.1}, {"period": 2.1}, {"sharpness": 20.0}],
    ),
    "crossmatch.nearest": (
        nearest,
        [{"radius": 4.0}, {"k": 2}, {"min_radius": 0.1}, {"left": NEAR}, {"right": LEFT}],
    ),
    "crossmatch.nearest, mutual": (
        lambda **o: nearest(mutual=True, **o),
        [{"radius": 4.0}, {"min_radius": 0.1}, {"right": LEFT}],
    ),
    "crossmatch.within": (
        within,
        [{"radius": 3000.0}, {"min_radius": 1.0}, {"right": LEFT}],
    ),
    "crossmatch.within, with itself": (
        lambda **o: arm.crossmatch.within(LEFT, LEFT, o.pop("radius", 3600.0), **o),
        [{"radius": 3500.0}],
    ),
    "fit.isophotes": (
        fit,
        [
            {"image": OTHER_GALAXY},
            {"step": 0.2},
            {"sigma_clip": 2.5, "n_clip": 1},
            {"harmonics": (3,)},
            {"variance": 1.0},
            {"mask": np.pad(np.ones((4, 4), bool), ((0, 46), (0, 46)))},
            {"errors": "photutils"},
        ],
    ),
    "fit.forced_isophotes": (
        forced,
        [
            {"image": OTHER_GALAXY},
            {"integrator": "median"},
            {"template": [arm.fit.EllipseGeometry(24.0, 24.0, 5.0, 0.2, 0.4)]},
        ],
    ),
    "fit.ellipse_model": (
        model,
        [{"shape_or_image": (50, 51)}, {"fill": np.nan}, {"fill": -1.0}],
    ),
}  # fmt: skip

IDS = list(CALLS)


def apart_from_provenance(result):
    """A result, with no word of where it comes from."""
    if isinstance(result, list):
        return [apart_from_provenance(each) for each in result]
    if dataclasses.is_dataclass(result):
        fields = dataclasses.fields(result)
        return {f.name: getattr(result, f.name) for f in fields if f.name != "provenance"}
    return result


def hits(store, call):
    """A result, and whether it made hits only."""
    before = store.stats()
    result = call(cache=store)
    after = store.stats()
    if hasattr(result, "provenance"):
        assert result.provenance.cache_hit == (after.misses == before.misses)
    return result, after.hits > before.hits and after.misses == before.misses


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_second_call_is_a_hit_and_equal_in_every_field(name, kind, request):
    call, _ = CALLS[name]
    store = request.getfixturevalue(kind)()
    plain = call()
    first, hit = hits(store, call)
    assert not hit
    again, hit = hits(store, call)
    assert hit
    expected = apart_from_provenance(plain)
    assert difference(expected, apart_from_provenance(first)) == ""
    assert difference(expected, apart_from_provenance(again)) == ""
    if hasattr(again, "provenance"):
        assert plain.provenance == first.provenance
        assert again.provenance == dataclasses.replace(plain.provenance, cache_hit=True)
        assert not plain.provenance.cache_hit


@pytest.mark.parametrize("name", CALLS)
def test_arrays_of_a_hit_are_read_only_and_not_those_of_the_first_call(name, memory):
    call, _ = CALLS[name]
    store = memory()
    first = call(cache=store)
    before = [array.copy() for array in arrays_in(first)]
    for array in arrays_in(first):
        if array.flags.writeable:
            array[...] = 0  # it is the caller's
    for _ in range(2):
        found = arrays_in(call(cache=store))
        assert found and not any(array.flags.writeable for array in found)
        assert all(difference(a, b) == "" for a, b in zip(before, found, strict=True))


CHANGES = [(name, change) for name, (_, changes) in CALLS.items() for change in changes]


@pytest.mark.parametrize(
    ("name", "change"), CHANGES, ids=[f"{name} {sorted(change)}" for name, change in CHANGES]
)
def test_another_input_or_option_is_another_answer(name, change, memory):
    call, _ = CALLS[name]
    store = memory()
    call(cache=store)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            plain = call(**change)
        except (TypeError, ValueError) as error:
            pytest.fail(f"the change makes no sense: {error}")
        found = call(**change, cache=store)
    assert difference(apart_from_provenance(plain), apart_from_provenance(found)) == ""
    if hasattr(found, "provenance"):
        assert not found.provenance.cache_hit
    _, hit = hits(store, call)
    assert hit, "the first answer is gone"


@pytest.mark.parametrize("name", CALLS)
def test_threads_and_progress_make_no_difference(name, memory):
    call, _ = CALLS[name]
    store = memory()
    call(cache=store, threads=1)
    result, hit = hits(store, lambda **o: call(threads=2, progress=lambda *done: None, **o))
    assert hit
    if hasattr(result, "provenance") and not name.startswith("fit"):
        assert result.provenance.threads == 2  # of this call


@pytest.mark.parametrize("name", CALLS)
def test_another_backend_is_another_answer(name, memory):
    call, _ = CALLS[name]
    store = memory()
    call(cache=store)
    _, hit = hits(store, lambda **o: call(backend="reference", **o))
    assert not hit
    for backend in ("cpu", "reference"):
        result, hit = hits(store, lambda b=backend, **o: call(backend=b, **o))
        assert hit
        if hasattr(result, "provenance"):
            assert result.provenance.backend == backend
            assert result.provenance.chosen_by == f"backend={backend!r} in the call"


@pytest.mark.parametrize("name", CALLS)
def test_another_version_of_the_contract_is_another_answer(name, memory, monkeypatch):
    call, _ = CALLS[name]
    store = memory()
    call(cache=store)
    operation = name.partition(",")[0]
    monkeypatch.setitem(CONTRACTS, operation, CONTRACTS[operation] + 1)
    assert not hits(store, call)[1]
    assert hits(store, call)[1]


@pytest.mark.parametrize("name", CALLS)
def test_another_version_of_the_distribution_is_another_answer(name, memory, monkeypatch):
    call, _ = CALLS[name]
    store = memory()
    call(cache=store)
    backends = get_registry().implementations[name.partition(",")[0]]
    monkeypatch.setitem(backends, "cpu", dataclasses.replace(backends["cpu"], version="99.0"))
    assert not hits(store, call)[1]


def test_every_operation_with_results_has_a_contract():
    with_results = {name.partition(",")[0] for name in CALLS}
    assert with_results == CONTRACTS.keys()
    assert all(isinstance(version, int) for version in CONTRACTS.values())


@pytest.mark.parametrize("name", ["fit.isophotes", "fit.forced_isophotes"])
def test_images_of_many_are_kept_each_by_itself(name, disk):
    call, _ = CALLS[name]
    store = disk()
    call(cache=store)
    found = call(image=[OTHER_GALAXY, GALAXY, OTHER_GALAXY], cache=store, threads=1)
    assert [each.provenance.cache_hit for each in found] == [False, True, True]
    plain = call(image=[OTHER_GALAXY, GALAXY, OTHER_GALAXY])
    assert difference(apart_from_provenance(plain), apart_from_provenance(found)) == ""
    again = call(image=iter([OTHER_GALAXY, GALAXY]), cache=store, threads=2)
    assert [each.provenance.cache_hit for each in again] == [True, True]


def test_pixels_that_the_fit_does_not_see_are_counted_for_each_image(memory):
    """Masked or NaN, a pixel is the same to the fit; how many there were is told all the same."""
    store = memory()
    image = GALAXY.copy()
    image[:2, :2] = np.nan
    mask = np.zeros((50, 50), bool)
    mask[:2, :2] = True
    results = [fit(image=image, cache=store), fit(mask=mask, cache=store)]
    plain = [fit(image=image), fit(mask=mask)]
    assert [r.n_unusable for r in results] == [r.n_unusable for r in plain]


def test_light_curves_that_are_the_same_in_canonical_form_share_an_answer(memory):
    store = memory()
    first = bls(cache=store)
    order = np.random.default_rng(1).permutation(len(TIME))
    for change in (
        {"time": TIME[order], "flux": FLUX[order]},
        {"time": TIME.astype(">f8"), "flux": list(FLUX)},
        {"time": np.append(TIME, np.nan), "flux": np.append(FLUX, 1.0)},
    ):
        again = bls(**change, cache=store)
        assert again.provenance.cache_hit
        assert difference(first.depth, again.depth) == ""


def test_times_of_a_hit_are_those_of_the_call(memory):
    store = memory()
    exact = np.rint(TIME * 2**20) / 2**20
    first = bls(time=exact, cache=store)
    again = bls(time=exact + 2457000.0, cache=store)
    assert difference(bls(time=exact + 2457000.0).t0, again.t0) == ""
    assert np.allclose(again.t0 - 2457000.0, first.t0)


# ------------------------------------------------------------------ work that is not done


@pytest.fixture
def counting(monkeypatch):
    """A backend of search.bls that counts its calls, and does something before each."""
    calls = types.SimpleNamespace(n=0, before=lambda: None, lock=threading.Lock())

    def target(
        time, flux, flux_err, period, duration, duration_start, duration_stop, oversample=10
    ):
        with calls.lock:
            calls.n += 1
        calls.before()
        return cpu_bls(
            time, flux, flux_err, period, duration, duration_start, duration_stop, oversample
        )

    module = types.ModuleType("armillary_test_counting")
    module.target = target
    monkeypatch.setitem(sys.modules, module.__name__, module)
    record = Implementation(
        operation="search.bls", name="counting", target=f"{module.__name__}:target", api=1
    )
    backends = get_registry().implementations["search.bls"]
    backends["counting"] = Registered(record, "armillary-counting", "1.0")
    return calls


def together(n, work):
    """Call a function with 0 to n - 1, each in a thread, all at once; what they return or raise."""
    start, results = threading.Barrier(n), [None] * n

    def run(number):
        start.wait(20)
        try:
            results[number] = work(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


def test_a_hit_computes_nothing(counting, memory):
    store = memory()
    for _ in range(5):
        bls(backend="counting", cache=store)
    assert counting.n == 1
    said = store.stats()
    assert (said.hits, said.misses, said.stored, said.seconds_saved > 0) == (4, 1, 1, True)


def test_without_a_cache_everything_is_computed(counting):
    for _ in range(3):
        assert not bls(backend="counting").provenance.cache_hit
    assert counting.n == 3


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_threads_that_ask_at_the_same_time_compute_once(kind, counting, request):
    store = request.getfixturevalue(kind)()
    counting.before = lambda: threading.Event().wait(0.3)
    results = together(8, lambda number: bls(backend="counting", cache=store))
    assert counting.n == 1
    assert sorted(result.provenance.cache_hit for result in results) == [False] + [True] * 7
    for result in results:
        assert difference(results[0].depth, result.depth) == ""
    assert store.stats().stored == 1


def test_who_waited_gets_his_own_even_if_nothing_could_be_kept(counting):
    with MemoryStore(max_bytes=1) as store:

        def until_all_have_asked():
            deadline = time.monotonic() + 20
            while store.stats().misses < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.1)

        counting.before = until_all_have_asked
        results = together(4, lambda number: bls(backend="counting", cache=store))
    assert counting.n == 1
    arrays = [result.depth for result in results]
    assert all(difference(arrays[0], array) == "" for array in arrays)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_what_the_first_does_to_its_array_is_not_seen_by_those_who_waited(memory):
    """An image of a model is the caller's, who may add to it."""
    store = memory()
    shapes = [(50, 50)] * 6
    plain = model()

    def work(number):
        found = model(shape_or_image=shapes[number], cache=store)
        if found.flags.writeable:
            found += 1000.0
        return found

    results = together(6, work)
    computed = [found for found in results if found.flags.writeable]
    assert len(computed) <= 1
    others = [found for found in results if not found.flags.writeable]
    assert all(difference(plain, found) == "" for found in others)


def test_other_keys_do_not_wait(counting, memory):
    store = memory()
    both = threading.Barrier(2)
    counting.before = lambda: both.wait(20)
    results = together(2, lambda n: bls(backend="counting", duration=0.1 + 0.1 * n, cache=store))
    assert [r.provenance.cache_hit for r in results] == [False, False]


def test_the_same_key_in_two_stores_is_computed_in_both(counting, memory):
    for store in (memory(), memory()):
        bls(backend="counting", cache=store)
    assert counting.n == 2


def test_where_the_first_fails_the_others_try_themselves(counting, memory):
    store = memory()

    def fails_twice():
        threading.Event().wait(0.1)
        if counting.n <= 2:
            raise RuntimeError("no device")

    counting.before = fails_twice
    results = together(5, lambda number: bls(backend="counting", cache=store))
    assert sum(isinstance(result, RuntimeError) for result in results) == 2
    assert counting.n == 3
    good = [result for result in results if not isinstance(result, RuntimeError)]
    assert sorted(result.provenance.cache_hit for result in good) == [False, True, True]


def test_a_call_that_fails_is_not_kept(counting, memory):
    store = memory()

    def fails():
        raise RuntimeError("no device")

    counting.before = fails
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no device"):
            bls(backend="counting", cache=store)
    assert counting.n == 2 and len(store) == 0
    counting.before = lambda: None
    assert not bls(backend="counting", cache=store).provenance.cache_hit
    assert bls(backend="counting", cache=store).provenance.cache_hit


def test_an_interrupted_call_is_not_kept_and_leaves_nobody_waiting(counting, memory):
    store = memory()

    def interrupted():
        if counting.n == 1:
            raise KeyboardInterrupt

    counting.before = interrupted
    with pytest.raises(KeyboardInterrupt):
        bls(backend="counting", cache=store)
    assert not bls(backend="counting", cache=store).provenance.cache_hit
    assert counting.n == 2


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_computation_that_asks_for_itself_does_not_wait_for_itself(kind, request):
    store = request.getfixturevalue(kind)()
    depth = []

    def compute():
        depth.append(1)
        if len(depth) < 4:
            value, hit = kept_or_computed(store, key_of("a"), compute, "")
            assert not hit
            return value + 1
        return 1

    def work(number):
        return kept_or_computed(store, key_of("a"), compute, "")

    ((value, hit),) = together(1, work)
    assert (value, hit, len(depth)) == (4, False, 4)
    assert kept_or_computed(store, key_of("a"), compute, "")[1]


# ------------------------------------------------------------------ which store


def asked(**options):
    """Whether a call is a hit."""
    return bls(**options).provenance.cache_hit


def test_a_store_may_be_asked_for_by_name_and_is_then_the_one_of_the_process():
    assert [asked(cache="memory") for _ in range(2)] == [False, True]
    with arm.use_cache("memory") as store:
        assert store is choice.store_named("memory") and store.stats().hits == 1
        assert asked()


def test_the_name_disk_means_the_folder_of_the_environment(monkeypatch, folder):
    monkeypatch.setenv("ARMILLARY_CACHE_PATH", str(folder))
    assert [asked(cache="disk") for _ in range(2)] == [False, True]
    assert (folder / "index.sqlite").exists()


def test_blocks_may_be_nested_and_the_innermost_counts(memory):
    outer, inner = memory(), memory()
    assert not asked()
    with arm.use_cache(outer):
        assert [asked(), asked()] == [False, True]
        with arm.use_cache(inner) as given:
            assert given is inner
            assert [asked(), asked()] == [False, True]
            with arm.use_cache(None) as given:
                assert given is None and not asked()
                assert asked(cache=inner)  # the call says so
        assert asked()
    assert not asked()
    assert (outer.stats().hits, inner.stats().hits) == (2, 2)


def test_a_block_ends_with_an_error_too(memory):
    with pytest.raises(KeyError), arm.use_cache(memory()):
        raise KeyError
    assert not asked() and not asked()


def test_a_block_is_of_its_thread(memory):
    store = memory()
    with arm.use_cache(store):
        asked()
        assert together(1, lambda number: asked()) == [False]
        assert asked()


def test_a_block_is_of_the_threads_that_an_operation_uses(memory):
    store = memory()
    with arm.use_cache(store):
        fit(image=[GALAXY, OTHER_GALAXY], threads=2)
        found = fit(image=[GALAXY, OTHER_GALAXY], threads=2)
    assert [each.provenance.cache_hit for each in found] == [True, True]


def test_the_environment_may_choose(monkeypatch):
    monkeypatch.setenv("ARMILLARY_CACHE", " memory ")
    assert [asked(), asked()] == [False, True]
    with arm.use_cache(None):
        assert not asked()
    with MemoryStore() as store, arm.use_cache(store):
        assert not asked()


@pytest.mark.parametrize("value", ["", "0", "no", "off", "Off", "FALSE", "none", "  "])
def test_the_environment_may_choose_none(value, monkeypatch):
    monkeypatch.setenv("ARMILLARY_CACHE", value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [asked(), asked()] == [False, False]


@pytest.mark.parametrize("name", ["nobody", "disk"])
def test_a_store_of_the_environment_that_cannot_be_opened_is_told_once(name, monkeypatch, folder):
    folder.write_text("a file")
    monkeypatch.setenv("ARMILLARY_CACHE", name)
    monkeypatch.setenv("ARMILLARY_CACHE_PATH", str(folder))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert [asked(), asked(), asked()] == [False] * 3
    assert [w.category for w in told] == [CacheWarning]
    assert f"ARMILLARY_CACHE={name}" in str(told[0].message)


@pytest.mark.parametrize(
    "asking", [lambda name: bls(cache=name), lambda name: arm.use_cache(name).__enter__()]
)
def test_a_name_that_nobody_registers_is_an_error_that_lists_the_others(asking):
    with pytest.raises(arm.plugins.UnknownBackend, match=r"'nobody'.*'disk', 'memory'"):
        asking("nobody")


@pytest.mark.parametrize("store", [True, False, 3, {}, ["memory"], object, MemoryStore], ids=str)
def test_what_is_no_store_is_refused_before_anything_is_computed(store, counting):
    with pytest.raises(TypeError, match="must be a store"):
        bls(backend="counting", cache=store)
    with pytest.raises(TypeError, match="must be a store"), arm.use_cache(store):
        pass
    assert counting.n == 0


def test_a_store_must_have_all_that_a_store_has():
    class Half:
        def get(self, key, default=None):
            return default

    with pytest.raises(TypeError, match=r"has no put, delete"):
        bls(cache=Half())


# ------------------------------------------------------------------ stores that fail


class Failing(MemoryStore):
    """A store that raises where it is told to."""

    fails = ()

    def _maybe(self, what):
        if what in self.fails:
            raise OSError(f"no {what} today")

    def get(self, key, default=None):
        self._maybe("get")
        return super().get(key, default)

    def put(self, key, value, **options):
        self._maybe("put")
        return super().put(key, value, **options)

    def __contains__(self, key):
        self._maybe("in")
        return super().__contains__(key)


@pytest.mark.parametrize("fails", [("get",), ("put",), ("get", "put", "in"), ("in",)], ids=str)
def test_a_store_that_fails_costs_nothing_but_a_warning(fails):
    plain = bls()
    with Failing() as store:
        store.fails = fails
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = bls(cache=store)
    assert difference(apart_from_provenance(plain), apart_from_provenance(found)) == ""
    assert not found.provenance.cache_hit
    assert {w.category for w in told} == {CacheWarning}
    assert all("Failing" in str(w.message) and "today" in str(w.message) for w in told)


def test_a_store_that_was_closed_costs_nothing_but_a_warning():
    store = MemoryStore()
    store.close()
    with pytest.warns(CacheWarning, match="closed"):
        assert not asked(cache=store)


def test_a_store_that_refuses_costs_nothing():
    with MemoryStore(max_bytes=1) as store, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not asked(cache=store) and not asked(cache=store)
        assert store.stats().refused == 2


def test_a_value_that_another_armillary_left_under_the_key_is_not_served(disk, inside, folder):
    """Fields that differ from today's: as if nothing were there."""
    store = disk()
    asked(cache=store)
    ((data,),) = inside.rows(folder, "SELECT data FROM entries")
    assert data is not None
    inside.rows(folder, "UPDATE entries SET data = ?", data[:-1] + bytes([data[-1] ^ 1]))
    assert [asked(cache=store), asked(cache=store)] == [False, True]


def test_a_minimal_store_of_a_plugin_is_enough():
    """Everything that the protocol says, and no more: bytes in a dict."""

    class Plain:
        def __init__(self):
            self.bytes = {}

        def get(self, key, default=None):
            return arm.cache.decode(self.bytes[key]) if key in self.bytes else default

        def put(self, key, value, *, cost=None, label=""):
            assert cost > 0 and label == "search.bls by cpu"
            self.bytes[key] = arm.cache.encode(value)
            return True

        def delete(self, key):
            return self.bytes.pop(key, None) is not None

        def clear(self):
            self.bytes.clear()

        def keys(self):
            return iter(list(self.bytes))

        def stats(self):
            return arm.cache.Stats(entries=len(self.bytes))

        def close(self):
            pass

        def __len__(self):
            return len(self.bytes)

        def __contains__(self, key):
            return key in self.bytes

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.close()

    store = Plain()
    assert isinstance(store, arm.cache.Store)
    assert [asked(cache=store) for _ in range(3)] == [False, True, True]
    assert store.get(bytes(16), MISSING) is MISSING


# ------------------------------------------------------------------ what a reader found


def test_a_store_that_fails_is_left_alone_for_the_rest_of_the_call_and_named_once(memory):
    store = memory()
    store.close()
    with pytest.warns(CacheWarning) as told:
        bls(cache=store)
    assert len(told) == 1
    assert told[0].filename == __file__


class Unlocked(MemoryStore):
    """A store whose lock does not work."""

    def computing(self, key):
        raise OSError("no locks here")


def test_a_lock_that_fails_costs_nothing_but_a_warning():
    with Unlocked() as store, pytest.warns(CacheWarning, match="no locks here"):
        assert not bls(cache=store).provenance.cache_hit


def test_a_store_that_cannot_read_an_entry_may_have_it_replaced():
    class Unreadable(MemoryStore):
        def get(self, key, default=None):
            if self.unreadable:
                raise OSError("no such luck")
            return super().get(key, default)

    with Unreadable() as store:
        store.unreadable = True
        with pytest.warns(CacheWarning, match="no such luck"):
            bls(cache=store)
        store.unreadable = False
        assert bls(cache=store).provenance.cache_hit


def test_what_a_backend_wraps_counts_with_its_version(memory, monkeypatch):
    store = memory()
    bls(cache=store)
    registry = get_registry()
    cpu = registry.backends("search.bls")["cpu"]
    record = dataclasses.replace(cpu.record, depends=("numpy",))
    wrapping = dataclasses.replace(cpu, record=record)
    monkeypatch.setitem(registry.implementations["search.bls"], "cpu", wrapping)
    assert not bls(cache=store).provenance.cache_hit
    monkeypatch.setattr("armillary.cache.axis.version_of", lambda distribution: "99")
    assert not bls(cache=store).provenance.cache_hit
    assert bls(cache=store).provenance.cache_hit


def test_a_model_is_read_only_whether_it_was_computed_or_not(memory):
    store, found = memory(), isophotes()
    for _ in range(2):
        assert not arm.fit.ellipse_model(GALAXY, found, cache=store).flags.writeable
    assert arm.fit.ellipse_model(GALAXY, found).flags.writeable


def test_a_named_store_that_somebody_closed_is_opened_again():
    for _ in range(2):
        with arm.use_cache("memory") as store:
            assert not bls().provenance.cache_hit
        store.close()


def test_checks_compute_whatever_is_kept(memory):
    from armillary.testing import run_checks

    with arm.use_cache(memory()) as store:
        run_checks("crossmatch.within", "cpu")
        assert len(store) == 0


class StuckLock(MemoryStore):
    """A store whose lock cannot be given back."""

    @contextlib.contextmanager
    def computing(self, key):
        yield
        raise OSError("still locked")


def test_a_lock_that_cannot_be_given_back_costs_nothing_but_a_warning():
    with StuckLock() as store, pytest.warns(CacheWarning, match="still locked"):
        assert not bls(cache=store).provenance.cache_hit
