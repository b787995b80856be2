"""The suite of convert.visibilities must fail backends that are wrong, each by its own check."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import h5py
import numpy as np
import pytest

from armillary.convert.visibility import cpu
from armillary.convert.visibility.phasing import Direction
from armillary.plugins import ContractError, Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry
from armillary.testing import CheckFailed, checks, run_checks
from armillary.testing.kit import run_check

OPERATION = "convert.visibilities"
MODULE = "armillary_test_conversions"

Arguments = dict[str, Any]
Target = Callable[..., int]
Fault = Callable[[Target], Target]
Register = Callable[[Target], str]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """A function that registers a target as the backend ``fake``."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    previous = set_registry(load_registry([]))

    def add(target: Target) -> str:
        module.target = target  # type: ignore[attr-defined]
        record = Implementation(operation=OPERATION, name="fake", target=f"{MODULE}:target", api=1)
        registry = load_registry([])
        registry.implementations[OPERATION]["fake"] = Registered(record, "armillary-fake", "1.0")
        set_registry(registry)
        return "fake"

    yield add
    set_registry(previous)


# ------------------------------------------------------------------ ways to be wrong


def calling(change: Callable[[Arguments], Arguments]) -> Fault:
    """The compiled backend, with some arguments changed."""

    def fault(right: Target) -> Target:
        @functools.wraps(right)
        def target(**arguments: Any) -> int:
            return right(**(arguments | change(arguments)))

        return target

    return fault


def after(change: Callable[[Arguments, int], int | None]) -> Fault:
    """The compiled backend, and something done to what it wrote."""

    def fault(right: Target) -> Target:
        @functools.wraps(right)
        def target(**arguments: Any) -> int:
            flagged = right(**arguments)
            changed = change(arguments, flagged)
            return flagged if changed is None else changed

        return target

    return fault


def writing(change: Callable[[h5py.File, Arguments], Any]) -> Fault:
    """The compiled backend, with its UVH5 files changed."""

    def edit(arguments: Arguments, _: int) -> None:
        if arguments["format"] == "uvh5":
            with h5py.File(arguments["out"], "r+") as file:
                change(file, arguments)

    return after(edit)


def dataset(
    name: str, change: Callable[[np.ndarray], Any], where: Callable[..., bool] = lambda *_: True
) -> Fault:
    """One dataset of its UVH5 files changed, where the file and the arguments are so."""

    def edit(file: h5py.File, arguments: Arguments) -> None:
        if where(file, arguments):
            file[name][...] = change(file[name][()])

    return writing(edit)


def in_a_measurement_set(column: str, change: Callable[[np.ndarray], np.ndarray]) -> Fault:
    """A column of its Measurement Sets changed, where it is there."""

    def edit(arguments: Arguments, _: int) -> None:
        if arguments["format"] != "ms":
            return
        from casacore import tables

        with tables.table(str(arguments["out"]), readonly=False, ack=False) as table:
            if column in table.colnames():
                table.putcol(column, change(table.getcol(column)))

    return after(edit)


def visibilities(
    change: Callable[[np.ndarray], Any], where: Callable[..., bool] = lambda *_: True
) -> Fault:
    return dataset("Data/visdata", change, where)


def is_turned(file: h5py.File, arguments: Arguments) -> bool:
    return isinstance(arguments.get("phase_center"), Direction)


def is_on_the_meridian(file: h5py.File, arguments: Arguments) -> bool:
    return isinstance(arguments.get("phase_center"), str)


def has_one_channel(file: h5py.File, arguments: Arguments) -> bool:
    return file["Data/visdata"].shape[1] == 1


def has_integers(file: h5py.File, arguments: Arguments) -> bool:
    with h5py.File(arguments["observation"].files[0].path) as first:
        return first["Data/visdata"].dtype.names is not None


def has_windows_and_times(file: h5py.File, arguments: Arguments) -> bool:
    return file["Header/Nspws"][()] > 1 and file["Header/Nphase"][()] > 1


def is_little_memory(file: h5py.File, arguments: Arguments) -> bool:
    return bool(arguments["memory"] < 1e6)


def both_reversed(file: h5py.File, arguments: Arguments) -> None:
    for name in ("Data/visdata", "Data/flags", "Data/nsamples"):
        file[name][...] = file[name][()][:, ::-1]
    file["Header/freq_array"][...] = file["Header/freq_array"][()][::-1]


def antennas_exchanged(file: h5py.File, arguments: Arguments) -> None:
    header = file["Header"]
    first, second = header["ant_1_array"][()], header["ant_2_array"][()]
    header["ant_1_array"][...], header["ant_2_array"][...] = second, first


def antennas_sorted(file: h5py.File, arguments: Arguments) -> None:
    """Baselines of one direction, by their names alone."""
    header = file["Header"]
    pair = np.sort([header["ant_1_array"][()], header["ant_2_array"][()]], axis=0)
    header["ant_1_array"][...], header["ant_2_array"][...] = pair


def spread_nan(values: np.ndarray) -> np.ndarray:
    values[np.isnan(values).any(axis=(1, 2))] = np.nan
    return values


def without_extremes(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) > 1e30, 0.0, values)


def zero_where_flagged(file: h5py.File, arguments: Arguments) -> None:
    data = file["Data"]
    data["visdata"][...] = np.where(data["flags"][()], 0.0, data["visdata"][()])


def flagged_where_weightless(file: h5py.File, arguments: Arguments) -> None:
    data = file["Data"]
    data["flags"][...] = data["flags"][()] | (data["nsamples"][()] == 0.0)


def centers_forgotten(file: h5py.File, arguments: Arguments) -> None:
    for entry in file["Header/phase_center_catalog"].values():
        del entry["cat_type"]
        entry["cat_type"] = np.bytes_("unprojected")


def one_for_all(file: h5py.File, arguments: Arguments) -> None:
    """All integrations get the phase centre of the first."""
    if is_on_the_meridian(file, arguments):
        file["Header/phase_center_id_array"][...] = 0


def slightly_beside(right: Target) -> Target:
    """Turned to a place an arcsecond away from that which is written down."""

    @functools.wraps(right)
    def target(**arguments: Any) -> int:
        center = arguments.get("phase_center")
        if not isinstance(center, Direction):
            return right(**arguments)
        off = dataclasses.replace(center, dec=center.dec + 5e-6)
        flagged = right(**(arguments | {"phase_center": off}))
        if arguments["format"] == "uvh5":
            with h5py.File(arguments["out"], "r+") as file:
                for entry in file["Header/phase_center_catalog"].values():
                    entry["cat_lat"][...] = center.dec
        return flagged

    return target


def never_turned(arguments: Arguments) -> Arguments:
    """Directions are ignored, where data become UVH5."""
    turned = isinstance(arguments.get("phase_center"), Direction)
    return {"phase_center": None} if turned and arguments["format"] == "uvh5" else {}


def a_meridian_for_everybody(right: Target) -> Target:
    """Who does not say at which declination the meridian was tracked is not asked."""

    @functools.wraps(right)
    def target(**arguments: Any) -> int:
        try:
            return right(**arguments)
        except ValueError:
            return right(**(arguments | {"phase_center": None}))

    return target


def turned_about(angle: float) -> Callable[[np.ndarray], np.ndarray]:
    """u and v turned by some radians."""

    def change(uvw: np.ndarray) -> np.ndarray:
        turned = (uvw[:, 0] + 1j * uvw[:, 1]) * np.exp(1j * angle)
        return np.stack([turned.real, turned.imag, uvw[:, 2]], axis=1)

    return change


def no_matter_what(right: Target) -> Target:
    """A file that cannot be read counts as one that is not there."""

    @functools.wraps(right)
    def target(**arguments: Any) -> int:
        try:
            return right(**arguments)
        except (ValueError, OSError):
            observation = arguments["observation"]
            pieces = tuple((*piece[:2], None, *piece[3:]) for piece in observation.pieces)
            without = dataclasses.replace(observation, pieces=pieces)
            return right(**(arguments | {"observation": without}))

    return target


def backwards(arguments: Arguments) -> Arguments:
    """The last piece in time first."""
    observation = arguments["observation"]
    return {"observation": dataclasses.replace(observation, pieces=observation.pieces[::-1])}


def twice_told(arguments: Arguments) -> Arguments:
    """Progress that is counted twice."""
    report = arguments["progress"]
    if report is None:
        return {}
    return {"progress": lambda done, total: report(2 * done, total)}


def filled(change: Callable[[h5py.File, np.ndarray], None]) -> Fault:
    """What is written for missing subbands changed; ``change`` sees which channels they are."""

    def edit(file: h5py.File, arguments: Arguments) -> None:
        if arguments["observation"].missing:
            change(file, ~file["Data/nsamples"][()].any(axis=(0, 2)))

    return writing(edit)


def unflagged(file: h5py.File, missing: np.ndarray) -> None:
    flags = file["Data/flags"][()]
    flags[:, missing] = False
    file["Data/flags"][...] = flags


def in_other_places(file: h5py.File, missing: np.ndarray) -> None:
    frequency = file["Header/freq_array"][()]
    frequency[missing] += 1e4
    file["Header/freq_array"][...] = frequency


#: Each call of what is restless has a number of its own.
_calls = itertools.count(1)


def touched(arguments: Arguments, flagged: int) -> None:
    with open(arguments["observation"].files[0].path, "ab") as file:
        file.write(b"seen")


def notes(arguments: Arguments, flagged: int) -> None:
    arguments["observation"].files[0].path.with_suffix(".seen").write_text("seen")


#: What is wrong -> the fault, and a check that must notice.
WRONG: dict[str, tuple[Fault, str]] = {
    "conjugates": (visibilities(np.conj), "nothing_is_lost"),
    "no flags": (dataset("Data/flags", np.zeros_like), "nothing_is_lost"),
    "weights of one": (dataset("Data/nsamples", np.ones_like), "nothing_is_lost"),
    "rows off by one": (visibilities(lambda v: np.roll(v, 1, axis=0)), "nothing_is_lost"),
    "beginnings of integrations": (
        dataset("Header/time_array", lambda t: t - 6.4 / 86_400.0),
        "nothing_is_lost",
    ),
    "antennas exchanged": (writing(antennas_exchanged), "nothing_is_lost"),
    "antennas moved": (
        dataset("Header/antenna_positions", lambda p: p * 1.001),
        "nothing_is_lost",
    ),
    "data that do not ascend": (visibilities(lambda v: v[:, ::-1]), "channels_ascend"),
    "nothing ascends": (writing(both_reversed), "channels_ascend"),
    "edges of channels": (
        dataset("Header/freq_array", lambda f: f - 122_070.3125),
        "channels_ascend",
    ),
    "polarizations exchanged": (
        visibilities(lambda v: v[..., ::-1]),
        "numbers_of_polarizations",
    ),
    "integers turned around": (
        visibilities(lambda v: v.imag + 1j * v.real, has_integers),
        "every_layout",
    ),
    "one channel is none": (visibilities(np.zeros_like, has_one_channel), "smallest_files"),
    "NaN that spread": (visibilities(spread_nan), "strange_values_stay_in_place"),
    "no extremes": (visibilities(without_extremes), "strange_values_stay_in_place"),
    "weights above zero": (
        dataset("Data/nsamples", lambda w: np.maximum(w, 0.0)),
        "strange_values_stay_in_place",
    ),
    "flagged values are zero": (writing(zero_where_flagged), "flagged_values_are_carried"),
    "no weight is flagged": (writing(flagged_where_weightless), "flagged_values_are_carried"),
    "a count that is off": (after(lambda _, flagged: flagged + 1), "flagged_values_are_carried"),
    "directions by name": (writing(antennas_sorted), "baselines_of_both_directions"),
    "uvw of its own": (
        dataset("Header/uvw_array", lambda uvw: uvw * 1.0001),
        "recorded_phase_centers_are_kept",
    ),
    "phase centres forgotten": (writing(centers_forgotten), "recorded_phase_centers_are_kept"),
    "an arcsecond beside": (slightly_beside, "turned_to_the_source"),
    "turned the other way": (visibilities(np.conj, is_turned), "turned_elsewhere"),
    "never turned": (calling(never_turned), "turned_elsewhere"),
    "v to the north of date": (
        dataset("Header/uvw_array", turned_about(2e-3), is_turned),
        "baselines_towards_a_phase_center",
    ),
    "w forgotten": (
        dataset("Header/uvw_array", lambda uvw: uvw * [1.0, 1.0, 0.0], is_turned),
        "baselines_towards_a_phase_center",
    ),
    "east for west": (
        dataset("Header/uvw_array", lambda uvw: uvw * [-1.0, 1.0, 1.0], is_turned),
        "source_is_where_it_was_put",
    ),
    "a loss with every turn": (
        visibilities(lambda v: v * np.float32(1.0 - 5e-6), is_turned),
        "turned_there_and_back",
    ),
    "turned to the meridian": (
        visibilities(lambda v: v * np.complex64(np.exp(1e-4j)), is_on_the_meridian),
        "meridian_leaves_data_alone",
    ),
    "one centre for all": (writing(one_for_all), "meridian_leaves_data_alone"),
    "a meridian for everybody": (a_meridian_for_everybody, "meridian_needs_a_declination"),
    "always one window": (calling(lambda a: {"merge": True}), "spectral_windows"),
    "never one window": (calling(lambda a: {"merge": False}), "spectral_windows"),
    "joined across a gap": (
        dataset("Header/flex_spw_id_array", np.zeros_like),
        "gap_in_the_band",
    ),
    "windows of other rows": (
        visibilities(lambda v: np.roll(v, 36, axis=0), has_windows_and_times),
        "windows_of_several_integrations",
    ),
    "missing channels as good ones": (filled(unflagged), "missing_subbands_are_filled"),
    "missing channels elsewhere": (filled(in_other_places), "missing_subbands_are_filled"),
    "the last piece first": (calling(backwards), "pieces_follow_each_other_in_time"),
    "another answer for another order": (
        visibilities(lambda v: v * np.float32(1.0 + 1e-6 * next(_calls))),
        "order_of_files",
    ),
    "an answer that depends on memory": (
        visibilities(lambda v: v * np.float32(1.0 + 1e-6), is_little_memory),
        "threads_and_memory",
    ),
    "another answer each time": (
        visibilities(lambda v: v * np.float32(1.0 + 1e-6 * next(_calls))),
        "repeated_call",
    ),
    "files that are touched": (after(touched), "inputs_are_left_alone"),
    "notes beside the files": (after(notes), "inputs_are_left_alone"),
    "no history": (calling(lambda a: {"history": ()}), "history_names_the_inputs"),
    "progress beyond the end": (calling(twice_told), "progress_ends_with_the_whole"),
    "errors that pass": (no_matter_what, "unreadable_data"),
    "chatter": (after(lambda a, n: print("converting")), "nothing_is_printed"),  # type: ignore[func-returns-value]
    "no number": (after(lambda a, n: "many"), "provenance"),  # type: ignore[arg-type, return-value]
}

#: The same, of Measurement Sets.
WRONG_SETS: dict[str, tuple[Fault, str]] = {
    "visibilities as UVH5 has them": (in_a_measurement_set("DATA", np.conj), "nothing_is_lost"),
    "polarizations as files have them": (
        in_a_measurement_set("DATA", lambda v: v[..., [0, 3, 1, 2]] if v.shape[-1] == 4 else v),
        "numbers_of_polarizations",
    ),
    "modified Julian days": (
        in_a_measurement_set("TIME", lambda t: t / 86_400.0),
        "nothing_is_lost",
    ),
    "baselines as UVH5 has them": (
        in_a_measurement_set("UVW", np.negative),
        "baselines_towards_a_phase_center",
    ),
    "both directions": (
        in_a_measurement_set("ANTENNA1", lambda a: a[::-1].copy()),
        "baselines_of_both_directions",
    ),
    "a model of its own": (
        in_a_measurement_set("MODEL_DATA", lambda v: v + 1.0),
        "columns_of_a_measurement_set",
    ),
    "corrected data": (
        in_a_measurement_set("CORRECTED_DATA", lambda v: 2.0 * v),
        "columns_of_a_measurement_set",
    ),
}


def check_named(name: str) -> Any:
    return next(check for check in checks(OPERATION) if check.name == name)


@pytest.mark.parametrize(("fault", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_backend_fails_the_check_that_is_meant_for_it(
    register: Register, fault: Fault, name: str
) -> None:
    outcome = run_check(check_named(name), register(fault(cpu.visibilities)))
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, CheckFailed | ContractError)


@pytest.mark.skipif(find_spec("casacore") is None, reason="python-casacore is not installed")
@pytest.mark.parametrize(("fault", "name"), WRONG_SETS.values(), ids=WRONG_SETS)
def test_so_does_one_whose_measurement_sets_are_wrong(
    register: Register, fault: Fault, name: str
) -> None:
    test_a_wrong_backend_fails_the_check_that_is_meant_for_it(register, fault, name)


def test_a_target_without_options_passes_if_it_refuses_them(register: Register) -> None:
    def plain(observation, out, format, history):  # type: ignore[no-untyped-def]
        return cpu.visibilities(observation, out, format, history=history)

    backend = register(plain)
    assert [o.message for o in run_checks(OPERATION, backend) if o.outcome != "passed"] == []


def test_checks_have_names_and_summaries() -> None:
    every = checks(OPERATION)
    assert len({check.name for check in every}) == len(every)
    assert all(check.summary.endswith(".") for check in every)
