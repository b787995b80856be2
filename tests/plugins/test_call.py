"""A chosen backend is called with what it names, and held to the operation's contract."""

from __future__ import annotations

import contextvars
import threading

import numpy as np
import pytest

import armillary as arm
from armillary.plugins import (
    BackendUnavailable,
    ContractError,
    Request,
    UnsupportedOption,
)
from armillary.plugins.call import call, call_batch, checked_arrays
from armillary.plugins.select import choose
from armillary.runtime.blocks import run_blocks
from armillary.search.box import reference

from ..fake_device import land

RESULTS = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")


@pytest.fixture
def backend(install, plugin, record, module):
    """Install a backend ``twin`` of ``search.bls`` that is this function."""

    def make(function, **fields):
        module("twin_package", bls=function)
        install(plugin("twin-dist", record("twin", target="twin_package:bls", **fields)))

    return make


@pytest.fixture
def twin(light_curve, grid):
    """Run the backend ``twin``."""
    return lambda **options: arm.search.bls(*light_curve, **grid, backend="twin", **options)


# ------------------------------------------------------------------ what is passed


def named():
    """The plan of a backend that is called without a front door."""
    return choose(Request("search.bls"), "twin")


def test_a_target_gets_its_arguments_contiguous_native_and_float64(backend, twin):
    seen = {}

    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop):
        seen.update(locals())
        return reference.bls(time, flux, flux_err, period, duration, duration_start, duration_stop)

    backend(bls)
    twin()
    for name in ("time", "flux", "flux_err", "period", "duration"):
        assert seen[name].dtype == np.dtype("=f8")
        assert seen[name].flags.c_contiguous
    assert seen["time"][0] == 0.0


def test_conveniences_are_passed_where_named_and_dropped_where_not(backend):
    backend(lambda threads: threads)
    plan = named()
    assert call(plan, {}, {}, {"threads": 3, "progress": print}) == 3
    backend(lambda progress: progress)
    assert call(named(), {}, {}, {"threads": 3, "progress": None}) is None


def test_a_callback_is_told_what_a_target_tells_it(backend):
    told = []
    backend(lambda progress: progress(1, 4))
    call(named(), {}, {}, {"progress": lambda *amounts: told.append(amounts)})
    assert told == [(1, 4)]


def test_an_option_is_passed_where_named_default_or_not(backend):
    backend(lambda oversample: oversample)
    for value in (10, 20):
        assert call(named(), {}, {"oversample": (value, 10)}, {}) == value


def test_a_default_may_go_to_a_target_that_does_not_name_it(backend):
    backend(lambda: "ran")
    assert call(named(), {}, {"oversample": (10, 10)}, {}) == "ran"


@pytest.mark.parametrize("function", [lambda: None, lambda **anything: None, lambda *args: None])
def test_an_option_is_never_silently_ignored(backend, function):
    backend(function)
    with pytest.raises(UnsupportedOption) as caught:
        call(named(), {}, {"oversample": (20, 10)}, {})
    for words in ("oversample=20", "'twin'", "twin-dist 1.0", "backend='twin' in the call"):
        assert words in str(caught.value)
    assert "supported by 'cpu', 'reference'" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.linspace(1.0, 9.0, 40), r"right_radius=an array of shape \(40,\); it is supported by"),
        (list(range(1000)), r"right_radius=\[0, 1, 2, .{200,300} \.\.\.; it is supported by"),
    ],
    ids=["array", "list"],
)
def test_a_value_that_is_refused_is_told_in_brief(backend, value, words):
    backend(lambda: None)
    with pytest.raises(UnsupportedOption, match=words):
        call(named(), {}, {"right_radius": (value, None)}, {})


def test_the_front_door_refuses_an_option_that_the_backend_lacks(backend, twin):
    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop):
        return reference.bls(time, flux, flux_err, period, duration, duration_start, duration_stop)

    backend(bls)
    assert twin(threads=2, progress=lambda done, total: None).provenance.backend == "twin"
    with pytest.raises(UnsupportedOption, match="oversample=20"):
        twin(oversample=20)


def test_a_target_may_be_any_callable(backend):
    class Search:
        __hash__ = None

        def __call__(self, oversample):
            return oversample

    backend(Search())
    assert call(named(), {}, {"oversample": (20, 10)}, {}) == 20


def test_another_target_in_the_place_of_the_first_is_read_anew(backend):
    backend(lambda: "first")
    assert call(named(), {}, {"oversample": (10, 10)}, {}) == "first"
    backend(lambda oversample: "second")
    assert call(named(), {}, {"oversample": (20, 10)}, {}) == "second"


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("module_of_nobody:bls", "ModuleNotFoundError"),
        ("twin_package:nothing", "AttributeError"),
        ("twin_package:number", "TypeError"),
    ],
)
def test_a_target_that_cannot_be_had_is_unavailable_and_says_why(
    install, plugin, record, module, twin, target, reason
):
    module("twin_package", number=3)
    install(plugin("twin-dist", record("twin", target=target)))
    with pytest.raises(BackendUnavailable) as caught:
        twin()
    for words in ("twin-dist 1.0", "backend='twin' in the call", target, reason):
        assert words in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_target_that_leaves_the_process_at_import_is_unavailable(
    tmp_path, monkeypatch, install, plugin, record, twin
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "leaving_target.py").write_text("import sys\nsys.exit('no licence')\n")
    install(plugin("twin-dist", record("twin", target="leaving_target:bls")))
    with pytest.raises(BackendUnavailable, match="no licence"):
        twin()


def test_an_error_of_a_plugin_is_its_own_with_a_note_of_who_and_why(backend, twin):
    def bls(time, **_):
        raise ZeroDivisionError("by the plugin")

    backend(bls)
    with pytest.raises(ZeroDivisionError, match="by the plugin") as caught:
        twin()
    (note,) = caught.value.__notes__
    for words in ("search.bls backend 'twin' (twin-dist 1.0)", "backend='twin' in the call"):
        assert words in note
    assert "no other backend was tried" in note


@pytest.mark.parametrize("status", [0, 3, None])
def test_a_target_cannot_end_the_process(backend, twin, status):
    def bls(time, **_):
        raise SystemExit(status)

    backend(bls)
    with pytest.raises(RuntimeError, match=r"'twin' .*tried to end the process") as caught:
        twin()
    (note,) = caught.value.__notes__
    assert "raised by search.bls backend 'twin'" in note


def test_the_panic_of_a_target_is_its_own_with_a_note(backend, twin):
    class Panic(BaseException):
        pass

    def bls(time, **_):
        raise Panic

    backend(bls)
    with pytest.raises(Panic) as caught:
        twin()
    assert "backend='twin' in the call" in caught.value.__notes__[0]


class Enough(BaseException):
    """What a callback raises that has seen enough."""


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, Enough])
@pytest.mark.parametrize(("run", "given"), [(call, {}), (call_batch, [{}])])
def test_what_a_callback_raises_is_not_blamed_on_the_plugin(batch, kind, run, given):
    error = kind("mine")

    def progress(done, total):
        raise error

    plan = batch(lambda calls, progress: progress(0, 1), lambda progress: progress(0, 1))
    with pytest.raises(kind) as caught:
        run(plan, given, {}, {"progress": progress})
    assert caught.value is error
    assert not hasattr(error, "__notes__")


def test_what_a_plugin_makes_of_the_error_of_a_callback_is_its_own(backend):
    def bls(progress):
        try:
            progress(0, 1)
        except RuntimeError as error:
            raise ValueError("by the plugin") from error

    def progress(done, total):
        raise RuntimeError("mine")

    backend(bls)
    with pytest.raises(ValueError, match="by the plugin") as caught:
        call(named(), {}, {}, {"progress": progress})
    assert "raised by search.bls backend 'twin'" in caught.value.__notes__[0]


def test_an_interrupt_passes_a_target_untouched(backend, twin):
    def bls(time, **_):
        raise KeyboardInterrupt

    backend(bls)
    with pytest.raises(KeyboardInterrupt) as caught:
        twin()
    assert not hasattr(caught.value, "__notes__")


def sound(period, **changes):
    return {name: np.zeros(len(period)) for name in RESULTS} | changes


@pytest.mark.parametrize("field", RESULTS)
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.zeros(4, np.float32), "float32 of shape (4,)"),
        (np.zeros(4, ">f8"), ">f8|float64 of shape"),
        (np.zeros(4, np.int64), "int64"),
        (np.zeros(3), "shape (3,)"),
        (np.zeros((4, 1)), "shape (4, 1)"),
        (np.float64(0), "float64"),
        ([0.0] * 4, "list"),
        (None, "NoneType"),
        (np.ma.zeros(4), "MaskedArray"),
    ],
    ids=["narrow", "swapped", "whole", "short", "deep", "scalar", "list", "none", "masked"],
)
def test_a_wrong_field_of_a_result_is_named(backend, twin, field, value, found):
    def bls(period, **_):
        return sound(period, **{field: value})

    backend(_taking_all(bls))
    with pytest.raises(ContractError) as caught:
        twin()
    assert f"{field!r}" in str(caught.value)
    assert "'twin' (twin-dist 1.0)" in str(caught.value)
    assert any(words in str(caught.value) for words in found.split("|"))


@pytest.mark.parametrize("field", RESULTS)
def test_a_missing_field_of_a_result_is_named(backend, twin, field):
    def bls(period, **_):
        result = sound(period)
        del result[field]
        return result

    backend(_taking_all(bls))
    with pytest.raises(ContractError, match=f"twin-dist.*returned no '{field}'"):
        twin()


@pytest.mark.parametrize("result", [None, 3, (np.zeros(4),) * 6, np.zeros(4)])
def test_a_result_that_is_no_mapping_is_refused(backend, twin, result):
    backend(_taking_all(lambda period, **_: result))
    with pytest.raises(ContractError, match=f"returned {type(result).__name__}, not a mapping"):
        twin()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.zeros(5), "float64 of shape (5,), not a int64 array of 1 dimension"),
        (np.zeros((5, 1), np.int64), "int64 of shape (5, 1), not a int64 array of 1 dimension"),
        (np.zeros(5, np.int32), "int32 of shape (5,), not a int64 array"),
    ],
)
def test_a_field_may_have_any_length_and_a_dtype_of_its_own(backend, value, found):
    backend(lambda: None)
    shapes, dtypes = {"row": (None,), "where": (None, 2)}, {"row": np.int64}
    for n in (0, 1, 7):
        sound = {"row": np.zeros(n, np.int64), "where": np.zeros((n, 2))}
        assert checked_arrays(named(), sound, shapes, dtypes) == sound
    with pytest.raises(ContractError) as caught:
        checked_arrays(named(), sound | {"row": value}, shapes, dtypes)
    assert f"returned 'row' as {found}" in str(caught.value)
    with pytest.raises(ContractError, match=r"returned 'where' as float64 of shape \(7, 3\)"):
        checked_arrays(named(), sound | {"where": np.zeros((7, 3))}, shapes, dtypes)


def _taking_all(function):
    """The function under the parameters of the operation, none of its options."""

    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop):
        return function(period=period)

    return bls


# ------------------------------------------------------------------ many calls at once


@pytest.fixture
def batch(install, plugin, record, module):
    """Install a backend ``twin`` whose batch function this is; give its plan."""

    def make(function, target=reference.bls):
        module("twin_package", bls=target, bls_batch=function)
        fields = {"target": "twin_package:bls", "batch": "twin_package:bls_batch"}
        install(plugin("twin-dist", record("twin", **fields)))
        return named()

    return make


def test_a_batch_function_gets_every_call_and_what_it_names_of_the_rest(batch):
    plan = batch(lambda calls, oversample, threads: [(c["n"], oversample, threads) for c in calls])
    calls = [{"n": n} for n in range(3)]
    conveniences = {"threads": 2, "progress": print}
    found = call_batch(plan, calls, {"oversample": (20, 10)}, conveniences)
    assert found == [(n, 20, 2) for n in range(3)]


def test_a_batch_function_ignores_no_option_silently(batch):
    plan = batch(lambda calls: list(calls))
    assert call_batch(plan, [{}], {"oversample": (10, 10)}, {}) == [{}]
    with pytest.raises(UnsupportedOption, match="oversample=20"):
        call_batch(plan, [{}], {"oversample": (20, 10)}, {})


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (None, "NoneType"),
        ((1, 2), "tuple"),
        ([1], "a list of 1"),
        ([1, 2, 3], "a list of 3"),
    ],
)
def test_a_batch_function_gives_a_list_with_an_entry_for_each_call(batch, result, found):
    plan = batch(lambda calls: result)
    with pytest.raises(ContractError, match=f"returned {found} for a batch of 2 calls") as caught:
        call_batch(plan, [{}, {}], {}, {})
    assert "'twin' (twin-dist 1.0)" in str(caught.value)


def test_a_batch_function_that_cannot_be_had_is_unavailable(install, plugin, record, module):
    module("twin_package", bls=reference.bls)
    fields = {"target": "twin_package:bls", "batch": "twin_package:bls_batch"}
    install(plugin("twin-dist", record("twin", **fields)))
    with pytest.raises(BackendUnavailable, match="twin_package:bls_batch raised AttributeError"):
        call_batch(named(), [{}], {}, {})


def test_an_error_of_a_batch_function_has_a_note_of_who_and_why(batch):
    def bls_batch(calls):
        raise ZeroDivisionError("by the plugin")

    with pytest.raises(ZeroDivisionError) as caught:
        call_batch(batch(bls_batch), [{}], {}, {})
    assert "raised by search.bls backend 'twin'" in caught.value.__notes__[0]


# ------------------------------------------------------------------ provenance


def test_a_result_says_who_computed_it_and_who_chose(backend, light_curve, grid):
    backend(reference.bls, precision="float32")
    with arm.use_backend("twin", "search"):
        provenance = arm.search.bls(*light_curve, **grid, threads=2).provenance
    assert provenance.to_dict() == {
        "operation": "search.bls",
        "backend": "twin",
        "distribution": "twin-dist",
        "version": "1.0",
        "precision": "float32",
        "chosen_by": "use_backend('twin', 'search')",
        "threads": 2,
        "cache_hit": False,
    }


def test_a_default_result_is_armillarys_own(light_curve, grid):
    provenance = arm.search.bls(*light_curve, **grid).provenance
    assert (provenance.backend, provenance.distribution) == ("cpu", "armillary")
    assert (provenance.version, provenance.chosen_by) == (arm.__version__, "default")


@pytest.mark.parametrize("backend_name", ["cpu", "reference"])
def test_what_is_explained_is_what_runs(light_curve, grid, backend_name):
    arm.set_backend(backend_name)
    told = arm.explain("search.bls")
    (active,) = [b for b in arm.list_backends("search.bls") if b.state == "active"]
    provenance = arm.search.bls(*light_curve, **grid).provenance
    assert provenance.backend == told.backend == active.name == backend_name
    assert provenance.chosen_by == told.chosen_by
    assert (provenance.distribution, provenance.version) == (active.distribution, active.version)


def test_installing_a_plugin_changes_no_result(light_curve, grid, install, plugin, record, module):
    before = arm.search.bls(*light_curve, **grid)
    module("greedy_package", bls=lambda **_: pytest.fail("nobody asked for it"))
    install(
        plugin("aaa", record("aaa", target="greedy_package:bls", arrays=("numpy", "moon"))),
        plugin("zzz", record("zzz", target="greedy_package:bls")),
    )
    after = arm.search.bls(*light_curve, **grid)
    assert after.provenance == before.provenance
    for name in RESULTS:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


# ------------------------------------------------------------------ arrays on a device


@pytest.fixture
def moon(monkeypatch):
    """A package whose arrays are on no host."""
    return land(monkeypatch)


def test_a_device_array_that_nobody_owns_is_an_error_not_a_copy(moon, light_curve, grid):
    with pytest.raises(TypeError, match="no installed backend takes moon arrays"):
        arm.search.bls(*map(moon.asarray, light_curve), **grid)
    assert moon.fetched == []


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_a_backend_of_the_host_is_unavailable_for_a_device_array(moon, light_curve, grid, name):
    arrays = [moon.asarray(values) for values in light_curve]
    with pytest.raises(BackendUnavailable, match=f"{name}.*not moon"):
        arm.search.bls(*arrays, **grid, backend=name)
    with arm.use_backend(name), pytest.raises(BackendUnavailable, match="not moon"):
        arm.search.bls(*arrays, **grid)
    assert moon.fetched == []


def test_the_owner_of_a_device_array_is_chosen_for_it(moon, light_curve, grid):
    moon.own("search.bls", reference.bls, name="twin")
    found = arm.search.bls(*map(moon.asarray, light_curve), **grid)
    assert found.provenance.backend == "twin"
    assert "moon array" in found.provenance.chosen_by
    assert arm.explain("search.bls", arrays="moon").backend == "twin"


def test_a_result_is_of_the_kind_of_the_input(moon, light_curve, grid):
    arrays = [moon.asarray(values) for values in light_curve]
    moon.own("search.bls", _taking_all(sound))
    assert isinstance(arm.search.bls(*arrays, **grid).depth, moon.Array)
    assert isinstance(arm.search.bls(*light_curve, **grid, backend="moon").depth, np.ndarray)
    # As of one that leaves its results where the periods are.
    moon.own("search.bls", _taking_all(sound), raw=True)
    with pytest.raises(ContractError, match="'delta_chi2' as ndarray, not a float64 moon array"):
        arm.search.bls(*arrays, **grid)


# ------------------------------------------------------------------ threads


def test_a_choice_is_made_before_the_work_goes_to_threads(backend, light_curve, grid):
    """The backend's own workers are new threads; what runs in them was chosen outside."""
    ran_in = set()

    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop, threads):
        results = {name: np.empty(len(period)) for name in RESULTS}
        meeting = threading.Barrier(2, timeout=10)

        def block(chosen):
            meeting.wait()
            ran_in.add(threading.get_ident())
            part = reference.bls(
                time,
                flux,
                flux_err,
                period[chosen],
                duration,
                duration_start[chosen],
                duration_stop[chosen],
            )
            for name in RESULTS:
                results[name][chosen] = part[name]

        halves = [slice(0, len(period) // 2), slice(len(period) // 2, len(period))]
        run_blocks(halves, block, threads=threads)
        return results

    backend(bls)
    with arm.use_backend("twin"):
        found = arm.search.bls(*light_curve, **grid, threads=2)
    assert found.provenance.backend == "twin"
    assert len(ran_in) == 2
    expected = arm.search.bls(*light_curve, **grid, backend="reference")
    np.testing.assert_array_equal(found.delta_chi2, expected.delta_chi2)


def test_searches_inside_worker_threads_follow_the_choice_outside(light_curve, grid):
    """As when several files are searched side by side under one ``use_backend``."""
    meeting = threading.Barrier(2, timeout=10)
    ran = []

    def one_file(_):
        meeting.wait()
        ran.append(arm.search.bls(*light_curve, **grid, threads=1).provenance.backend)

    with arm.use_backend("reference"):
        run_blocks([0, 1], one_file, threads=2)
    assert ran == ["reference", "reference"]


def test_a_block_inside_a_worker_thread_stays_there():
    mark = contextvars.ContextVar("mark", default="outside")
    meeting = threading.Barrier(2, timeout=10)
    seen = []

    def work(name):
        mark.set(name)
        meeting.wait()
        seen.append((name, mark.get()))

    contextvars.copy_context().run(run_blocks, ["a", "b"], work, threads=2)
    assert sorted(seen) == [("a", "a"), ("b", "b")]
    assert mark.get() == "outside"
