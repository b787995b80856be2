"""Who chooses the backend of a call: every level, its precedence, its strictness."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import armillary as arm
from armillary.plugins import BackendUnavailable, PluginWarning, Request, UnknownBackend
from armillary.plugins.records import Registered
from armillary.plugins.registry import Conflict, Registry, set_registry
from armillary.plugins.select import choose, process_backends

OPERATION = "search.bls"
FAMILY = "search"

#: The levels below the call, most binding first: (how, scope).
LEVELS = [
    ("block", OPERATION),
    ("set", OPERATION),
    ("set", FAMILY),
    ("set", None),
    ("env", OPERATION),
    ("env", FAMILY),
    ("env", None),
]
VARIABLES = {
    OPERATION: "ARMILLARY_BACKEND_SEARCH_BLS",
    FAMILY: "ARMILLARY_BACKEND_SEARCH",
    None: "ARMILLARY_BACKEND",
}


def chosen(operation=OPERATION, backend=None, **fields):
    return choose(Request(operation, **fields), backend).backend.record.name


def ask(patch, stack, level, name):
    """Ask for a backend at a level, until the patch and the stack are undone."""
    how, scope = level
    if how == "block":
        stack.enter_context(arm.use_backend(name, scope))
    elif how == "set":
        arm.set_backend(name, scope)
        stack.callback(arm.set_backend, None, scope)
    else:
        patch.setenv(VARIABLES[scope], name)


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


# ------------------------------------------------------------------ precedence


@pytest.fixture
def numbered(sky):
    """A backend for each level, so that the name that is chosen tells the level."""
    any_one = sky.implementations[OPERATION]["box"]
    for n in range(len(LEVELS)):
        record = replace(any_one.record, name=f"level{n}")
        sky.implementations[OPERATION][f"level{n}"] = Registered(record, "levels", "1.0")
    return sky


def test_nobody_asks_and_the_compiled_default_runs(sky):
    assert chosen() == "cpu"
    assert choose(Request(OPERATION)).chosen_by == "default"


@pytest.mark.parametrize("first", range(len(LEVELS)))
def test_the_most_binding_level_decides(numbered, monkeypatch, stack, first):
    # Asked for in the reverse order, so that it is not the last word that counts.
    for n in reversed(range(first, len(LEVELS))):
        ask(monkeypatch, stack, LEVELS[n], f"level{n}")
    assert chosen() == f"level{first}"
    assert chosen(backend="box") == "box"


@pytest.mark.parametrize("outer", [OPERATION, FAMILY, None])
@pytest.mark.parametrize("inner", [OPERATION, FAMILY, None])
def test_the_innermost_block_decides_whatever_its_scope(sky, outer, inner):
    with arm.use_backend("both", outer):
        with arm.use_backend("box", inner):
            assert chosen() == "box"
        assert chosen() == "both"
    assert chosen() == "cpu"


def test_a_block_ends_with_an_error_too(sky):
    with pytest.raises(KeyError), arm.use_backend("both"):
        raise KeyError
    assert chosen() == "cpu"


def test_what_was_set_can_be_taken_back_one_scope_at_a_time(sky):
    arm.set_backend("both")
    arm.set_backend("box", OPERATION)
    assert process_backends() == {None: "both", OPERATION: "box"}
    arm.set_backend(None, OPERATION)
    assert chosen() == "both"
    arm.set_backend(None)
    assert chosen() == "cpu"


def test_an_empty_variable_asks_for_nothing(sky, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BACKEND", " ")
    assert chosen() == "cpu"


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (("block", OPERATION), "use_backend('box', 'search.bls')"),
        (("block", None), "use_backend('box')"),
        (("set", FAMILY), "set_backend('box', 'search')"),
        (("env", OPERATION), "environment ARMILLARY_BACKEND_SEARCH_BLS=box"),
        (("env", None), "environment ARMILLARY_BACKEND=box"),
    ],
)
def test_a_choice_says_who_made_it(sky, monkeypatch, stack, level, words):
    ask(monkeypatch, stack, level, "box")
    assert choose(Request(OPERATION)).chosen_by == words
    assert choose(Request(OPERATION), "cpu").chosen_by == "backend='cpu' in the call"


# ------------------------------------------------------------------ strictness

WIDE = [level for level in [("block", FAMILY), ("block", None), *LEVELS] if level[1] != OPERATION]


@pytest.mark.parametrize("level", WIDE)
def test_a_wide_name_leaves_the_operations_alone_that_it_does_not_register(
    sky, monkeypatch, stack, level
):
    ask(monkeypatch, stack, level, "template")
    assert chosen("search.tls") == "template"
    assert chosen("search.bls") == "cpu"


@pytest.mark.parametrize("level", WIDE)
def test_what_a_wide_name_passes_over_goes_to_the_next_level(sky, monkeypatch, stack, level):
    if level != ("env", None):
        monkeypatch.setenv("ARMILLARY_BACKEND", "both")
        ask(monkeypatch, stack, level, "template")
        assert chosen("search.bls") == "both"


@pytest.mark.parametrize("level", [("block", FAMILY), ("set", FAMILY), ("env", FAMILY)])
def test_a_family_is_no_business_of_another_family(sky, monkeypatch, stack, level):
    ask(monkeypatch, stack, level, "both")
    assert chosen("search.tls") == "both"
    assert chosen("fit.isophotes") == "cpu"


@pytest.fixture
def tired(sky, module):
    """``box`` and ``both`` say that they cannot run."""
    module("tired_device", can_run=lambda request: "the device is asleep")
    for backends in sky.implementations.values():
        for name in backends.keys() & {"box", "both"}:
            record = replace(backends[name].record, can_run="tired_device:can_run")
            backends[name] = replace(backends[name], record=record)
    return sky


@pytest.mark.parametrize("level", [*LEVELS, ("block", FAMILY), ("block", None)])
def test_a_name_that_applies_runs_or_raises_at_every_level(tired, monkeypatch, stack, level):
    ask(monkeypatch, stack, level, "both")
    with pytest.raises(BackendUnavailable, match=r"search.bls: 'both' .*the device is asleep"):
        chosen()


def test_the_error_names_the_asker_the_distribution_and_the_reason(tired, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BACKEND_SEARCH", "box")
    with pytest.raises(BackendUnavailable) as caught:
        chosen()
    for word in ("armillary-box 1.0", "ARMILLARY_BACKEND_SEARCH=box", "the device is asleep"):
        assert word in str(caught.value)


@pytest.mark.parametrize("level", [level for level in LEVELS if level[0] == "env"])
def test_a_variable_with_an_unknown_name_is_an_error(sky, monkeypatch, stack, level):
    ask(monkeypatch, stack, level, "bxo")
    with pytest.raises(UnknownBackend, match=r"ARMILLARY_BACKEND.*'bxo'.*'box', 'cpu'"):
        chosen()


@pytest.mark.parametrize("scope", [OPERATION, FAMILY, None])
def test_an_unknown_name_is_an_error_where_it_is_given(sky, scope):
    with pytest.raises(UnknownBackend, match=r"set_backend.*'bxo'"):
        arm.set_backend("bxo", scope)
    with pytest.raises(UnknownBackend, match=r"use_backend.*'bxo'"), arm.use_backend("bxo", scope):
        pass
    assert process_backends() == {}
    with pytest.raises(UnknownBackend, match=r"backend='bxo' in the call.*'both', 'box', 'cpu'"):
        chosen(backend="bxo")


def test_a_name_of_another_operation_is_unknown_to_this_one(sky, monkeypatch):
    with pytest.raises(UnknownBackend, match=r"search\.bls; there are"):
        chosen(backend="template")
    monkeypatch.setenv("ARMILLARY_BACKEND_SEARCH_BLS", "template")
    with pytest.raises(UnknownBackend):
        chosen()


def test_a_name_of_another_family_is_unknown_to_this_one(sky, monkeypatch):
    with pytest.raises(UnknownBackend):
        arm.set_backend("ellipse", "search")
    monkeypatch.setenv("ARMILLARY_BACKEND_SEARCH", "ellipse")
    with pytest.raises(UnknownBackend, match="ARMILLARY_BACKEND_SEARCH=ellipse"):
        chosen()


def test_a_family_without_operations_says_that_it_has_none(sky):
    with pytest.raises(UnknownBackend, match="for cache; there are none"):
        arm.set_backend("cpu", "cache")


@pytest.mark.parametrize("scope", ["bls", "search.blss", "garden", ["search"], 3])
def test_an_unknown_scope_is_an_error(sky, scope):
    for ask_for in (arm.set_backend, lambda n, s: arm.use_backend(n, s).__enter__()):
        with pytest.raises(ValueError, match=r"neither an operation .* nor a family"):
            ask_for("cpu", scope)
    with pytest.raises(ValueError, match="neither"):
        arm.set_backend(None, scope)


@pytest.mark.parametrize("name", [1, ["cpu"], b"cpu"])
def test_a_backend_that_is_no_name_is_an_error(sky, name):
    with pytest.raises(TypeError, match="backend must be the name"):
        chosen(backend=name)
    with pytest.raises(TypeError, match="name must be the name"):
        arm.set_backend(name)


def test_a_block_needs_a_name(sky):
    with pytest.raises(TypeError, match="must be the name of a backend, not None"):
        arm.use_backend(None).__enter__()


@pytest.mark.parametrize("operation", [None, ["search.bls"], 3])
def test_an_operation_that_is_no_name_is_an_error(sky, operation):
    for ask_for in (arm.explain, arm.list_backends):
        with pytest.raises(ValueError, match="armillary has no operation"):
            ask_for(operation)


def test_an_unknown_operation_is_an_error_that_lists_those_there_are(sky):
    with pytest.raises(ValueError, match=r"'search.dreams'; it has fit.isophotes, search.bls"):
        chosen("search.dreams")
    with pytest.raises(ValueError, match=r"search\.dreams"):
        arm.explain("search.dreams", backend="cpu")
    with pytest.raises(ValueError, match=r"search\.dreams"):
        arm.list_backends("search.dreams")


# ------------------------------------------------------------------ what is not there, and why


def test_a_name_of_a_plugin_that_is_off_says_so(monkeypatch, install, plugin, module, distribution):
    module("hollow_plugin")
    monkeypatch.setenv("ARMILLARY_BLOCK", "alpha")
    with pytest.warns(PluginWarning):
        install(plugin("alpha"), distribution("hollow", {"hollow": "hollow_plugin"}))
    with pytest.raises(UnknownBackend, match="no backend 'twin'") as caught:
        chosen(backend="twin")
    assert "implements no hook" in str(caught.value)
    assert "named in ARMILLARY_BLOCK" in str(caught.value)


def test_a_name_that_two_plugins_claim_names_both(install, plugin, record):
    with pytest.warns(PluginWarning):
        install(plugin("alpha", record("both")), plugin("beta", record("both")))
    for ask_for in (
        lambda: chosen(backend="both"),
        lambda: arm.set_backend("both"),
        lambda: arm.set_backend("both", "search"),
        lambda: arm.set_backend("both", "search.bls"),
    ):
        with pytest.raises(BackendUnavailable, match=r"alpha 1.0 and beta 1.0"):
            ask_for()
    assert chosen() == "cpu"


@pytest.mark.parametrize("level", WIDE)
def test_a_wide_name_is_strict_where_it_is_claimed_twice(sky, monkeypatch, stack, level):
    claimant = sky.implementations[OPERATION].pop("both")
    sky.conflicts.append(Conflict(OPERATION, "both", (claimant, claimant)))
    ask(monkeypatch, stack, level, "both")
    assert chosen("search.tls") == "both"
    with pytest.raises(BackendUnavailable, match="claimed by"):
        chosen("search.bls")


# ------------------------------------------------------------------ can_run


def raise_(error):
    raise error


class Panic(BaseException):
    """What the panic of a compiled extension is in Python."""


class Unprintable:
    def __repr__(self):
        raise RuntimeError("not even this")


@pytest.mark.parametrize(
    ("can_run", "reason"),
    [
        (lambda request: "no device", "no device"),
        (lambda request: raise_(OSError("bus error")), "can_run raised OSError: bus error"),
        (lambda request: raise_(SystemExit(1)), "can_run raised SystemExit"),
        (lambda request: raise_(Panic("no driver")), "can_run raised Panic: no driver"),
        (lambda request: Unprintable(), "can_run returned a Unprintable that cannot be printed"),
        (lambda request: False, "can_run returned False"),
        (lambda request: None, "can_run returned None"),
        (lambda request: 1, "can_run returned 1"),
        (lambda request: "", "can_run returned ''"),
        (lambda: True, "can_run raised TypeError"),
    ],
)
def test_only_true_lets_a_backend_run(install, plugin, record, module, can_run, reason):
    module("device", can_run=can_run)
    install(plugin("alpha", record("twin", can_run="device:can_run")))
    with pytest.raises(BackendUnavailable) as caught:
        chosen(backend="twin")
    assert reason in str(caught.value)
    row = next(b for b in arm.list_backends(OPERATION) if b.name == "twin")
    assert row.state == "unavailable"
    assert reason in row.reason
    assert chosen() == "cpu"


@pytest.mark.parametrize("reference", ["module_of_nobody:can_run", "device:cannot_run"])
def test_a_can_run_that_is_not_there_is_a_reason(install, plugin, record, module, reference):
    module("device")
    install(plugin("alpha", record("twin", can_run=reference)))
    with pytest.raises(BackendUnavailable, match="can_run raised"):
        chosen(backend="twin")


def test_can_run_sees_the_request_and_is_not_asked_for_others(install, plugin, record, module):
    seen = []
    module("device", can_run=lambda request: seen.append(request) or True)
    install(plugin("alpha", record("twin", can_run="device:can_run")))
    assert chosen() == "cpu"
    assert seen == []
    request = Request(OPERATION, {"time": (5,)}, {"time": "float64"}, {"oversample": 3})
    assert choose(request, "twin").backend.record.name == "twin"
    assert seen == [request]


# ------------------------------------------------------------------ kinds of array


@pytest.fixture
def with_device(sky):
    """``box`` takes NumPy and moon arrays, ``both`` only sun arrays."""
    for name, arrays in (("box", ("numpy", "moon")), ("both", ("sun",))):
        registered = sky.implementations[OPERATION][name]
        record = replace(registered.record, arrays=arrays)
        sky.implementations[OPERATION][name] = replace(registered, record=record)
    return sky


def test_the_owner_of_an_array_type_is_chosen_for_it(with_device):
    assert chosen(arrays="moon") == "box"
    assert chosen(arrays="sun") == "both"
    assert "moon array" in choose(Request(OPERATION, arrays="moon")).chosen_by
    assert chosen() == "cpu"


def test_an_array_that_nothing_owns_is_an_error_not_a_copy(with_device):
    with pytest.raises(TypeError, match="no installed backend takes mars arrays"):
        chosen(arrays="mars")


def test_two_owners_are_a_question_not_a_guess(with_device):
    registered = with_device.implementations[OPERATION]["both"]
    record = replace(registered.record, arrays=("moon",))
    with_device.implementations[OPERATION]["both"] = replace(registered, record=record)
    with pytest.raises(BackendUnavailable, match="'both', 'box' all take moon"):
        chosen(arrays="moon")
    assert chosen(arrays="moon", backend="box") == "box"


def test_a_named_backend_never_takes_an_array_of_another_kind(with_device, monkeypatch):
    with pytest.raises(BackendUnavailable, match="takes 'numpy' arrays, not moon"):
        chosen(arrays="moon", backend="cpu")
    with pytest.raises(BackendUnavailable, match="takes 'sun' arrays, not numpy"):
        chosen(backend="both")
    monkeypatch.setenv("ARMILLARY_BACKEND", "both")
    with pytest.raises(BackendUnavailable, match="ARMILLARY_BACKEND=both"):
        chosen()


def test_an_owner_that_cannot_run_is_an_error_not_a_fallback(tired, with_device):
    record = replace(
        with_device.implementations[OPERATION]["box"].record, can_run="tired_device:can_run"
    )
    with_device.implementations[OPERATION]["box"] = Registered(record, "armillary-box", "1.0")
    with pytest.raises(BackendUnavailable, match="the owner of moon arrays, cannot run"):
        chosen(arrays="moon")


# ------------------------------------------------------------------ threads and tasks


def in_thread(function):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join()
    return answers[0]


def test_a_block_is_seen_by_its_own_thread_only(sky):
    with arm.use_backend("both"):
        assert chosen() == "both"
        assert in_thread(chosen) == "cpu"


def test_what_is_set_is_seen_by_every_thread(sky):
    arm.set_backend("both")
    assert in_thread(chosen) == "both"


def test_a_block_of_one_task_is_not_seen_by_another(sky):
    async def task(name, others):
        with arm.use_backend(name):
            await others.wait()
            return chosen()

    async def main():
        barrier = asyncio.Barrier(2)
        return await asyncio.gather(task("both", barrier), task("box", barrier))

    assert asyncio.run(main()) == ["both", "box"]
    assert chosen() == "cpu"


# ------------------------------------------------------------------ telling

NAMES = st.sampled_from(["cpu", "both", "box", "template", "ellipse", "nobody"])


def expected(sky, operation, wishes):
    """The rules of the choice once more, as briefly as they can be said."""
    for name, scope in wishes:
        covered = [
            o for o in sky.operations if scope is None or o == scope or o.startswith(f"{scope}.")
        ]
        if operation not in covered:
            continue
        if name in sky.backends(operation):
            return name
        if not any(name in sky.backends(o) for o in covered):
            return None
    return "cpu"


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    call=st.none() | NAMES,
    blocks=st.lists(st.tuples(NAMES, st.sampled_from([OPERATION, FAMILY, None])), max_size=3),
    process=st.dictionaries(st.sampled_from([OPERATION, FAMILY, None]), NAMES),
    environment=st.dictionaries(st.sampled_from([OPERATION, FAMILY, None]), NAMES),
    operation=st.sampled_from(["search.bls", "search.tls", "fit.isophotes"]),
)
def test_explain_list_and_choice_agree_for_any_settings(
    sky, call, blocks, process, environment, operation
):
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for scope, name in environment.items():
            patch.setenv(VARIABLES[scope], name)
        in_force_blocks, in_force_process = [], {}
        for name, scope in blocks:
            with contextlib.suppress(UnknownBackend):
                ask(patch, stack, ("block", scope), name)
                in_force_blocks.insert(0, (name, scope))
        for scope, name in process.items():
            with contextlib.suppress(UnknownBackend):
                ask(patch, stack, ("set", scope), name)
                in_force_process[scope] = name
        wishes = [
            *([(call, operation)] if call else []),
            *in_force_blocks,
            *((in_force_process[s], s) for s in VARIABLES if s in in_force_process),
            *((environment[s], s) for s in VARIABLES if s in environment),
        ]
        answer = expected(sky, operation, wishes)

        told = arm.explain(operation, backend=call)
        assert told.backend == answer
        if answer is None:
            assert told.problem
            with pytest.raises(UnknownBackend):
                chosen(operation, call)
        else:
            plan = choose(Request(operation), call)
            assert (plan.backend.record.name, plan.chosen_by) == (answer, told.chosen_by)
        if call is None:
            active = [b.name for b in arm.list_backends(operation) if b.state == "active"]
            assert active == ([answer] if answer else [])


def test_an_explanation_tells_everything_that_had_a_say(sky, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BACKEND_SEARCH", "both")
    with arm.use_backend("template"):
        text = repr(arm.explain("search.bls"))
    assert "'both' would run, chosen by environment ARMILLARY_BACKEND_SEARCH=both" in text
    assert "use_backend('template'): 'template' registers nothing for this operation" in text


def test_an_explanation_tells_what_is_overruled(sky, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BACKEND", "both")
    with arm.use_backend("box"):
        lines = arm.explain("search.bls").considered
    assert lines == (
        "use_backend('box'): 'box' applies",
        "environment ARMILLARY_BACKEND=both: 'both' is overruled",
    )


def test_an_explanation_of_nothing_says_why(sky):
    text = repr(arm.explain("search.bls", backend="nobody"))
    assert "nothing would run" in text
    assert "'nobody'" in text


def test_a_registry_can_be_put_back():
    mine = Registry()
    before = set_registry(mine)
    assert set_registry(before) is mine
