"""What every backend of ``convert.visibilities`` must do.

Backends are called through the front door with simulated observations, whose truth is known, and
what they write is read back by h5py and casacore alone (``written_visibilities.py``). Checks
run for every format that the backend writes: UVH5, and Measurement Sets where python-casacore is.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..convert.visibility.api import visibilities
from ..plugins.errors import UnsupportedOption
from ..plugins.records import Provenance, Request
from ..plugins.registry import get_registry
from ..plugins.select import why_not
from .kit import CheckFailed, Suite, require
from .manners import PlainCall, add_manners, parameters_of_the_target
from .observations import (
    SECONDS_PER_DAY,
    SPEED_OF_LIGHT,
    SimulatedObservation,
    simulated_observation,
)
from .written_visibilities import WrittenVisibilities, read_column, read_together, read_written

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

OPERATION = "convert.visibilities"
SUITE = Suite()

ARGUMENTS = ("observation", "out", "format")

#: Promised of data that are turned: phases (radians) and relative amplitudes.
PHASE, AMPLITUDE = 1e-3, 1e-4
#: Promised of w, and of the length of u and v together (metres).
UVW = 1e-3
#: Promised of the direction of v (radians): those who define it differently, as the tangent to the
#: north of ICRS or over a degree of it, agree to some arcseconds here.
NORTH = 1e-4
#: Promised of phase centres (radians): 20 milliarcseconds where an hour angle is converted, and
#: rounding where a direction is given.
PLACE, GIVEN_PLACE = 1e-7, 1e-12
#: Promised of positions of antennas (metres).
ANTENNA = 1e-3
#: A Julian date resolves this (seconds).
TIME = 1e-4
#: Hertz, of channels of which there is no file.
FREQUENCY = 1.0
#: Values of single precision, turned there and back, relative to the largest.
ROUNDING = 1e-6

#: What must not change where nothing is turned.
EXACT = (
    "visibilities",
    "flags",
    "weights",
    "integration_time",
    "antenna1",
    "antenna2",
    "frequency",
    "channel_width",
    "polarization",
)
#: All of it, for two outputs of the same.
ALL = (*EXACT, "time", "baseline", "uvw", "center", "windows")

#: What AIPS codes become when a baseline's antennas are exchanged: XY is YX.
EXCHANGED = {-7: -8, -8: -7}


# ------------------------------------------------------------------ tools


@contextmanager
def observed(**options: Any) -> Iterator[tuple[SimulatedObservation, Path]]:
    """A simulated observation and a folder for outputs, both temporary."""
    with tempfile.TemporaryDirectory(prefix="armillary-") as name:
        folder = Path(name)
        (inputs := folder / "inputs").mkdir()
        yield simulated_observation(inputs, **options), folder


def formats(backend: str) -> list[str]:
    """What the backend can write here."""
    registered = get_registry().backends(OPERATION)[backend]
    there = ["uvh5"] if find_spec("casacore") is None else ["uvh5", "ms"]
    return [
        kind
        for kind in there
        if not why_not(registered, Request(OPERATION, options={"format": kind}))
    ]


def names(backend: str, option: str) -> bool:
    """Whether the target takes an option."""
    return option in parameters_of_the_target(OPERATION, backend)


def unturned(backend: str, observation: SimulatedObservation) -> list[tuple[str, dict[str, Any]]]:
    """Formats, and the options with which each gets the data as they are.

    Data that drift need phase centres to become a Measurement Set: those of the meridian.
    """
    cases: list[tuple[str, dict[str, Any]]] = []
    for kind in formats(backend):
        if kind == "uvh5" or observation.phase_center is not None:
            cases.append((kind, {}))
        elif names(backend, "phase_center"):
            cases.append((kind, {"phase": "meridian"}))
    return cases


def converted(
    backend: str,
    inputs: Sequence[Path],
    folder: Path,
    format: str = "uvh5",
    *,
    name: str = "out",
    **options: Any,
) -> WrittenVisibilities:
    """What the backend makes of some files, read back."""
    return read_written(output(backend, inputs, folder, format, name=name, **options))


def output(
    backend: str,
    inputs: Sequence[Path],
    folder: Path,
    format: str = "uvh5",
    *,
    name: str = "out",
    **options: Any,
) -> Path:
    """The same, not read yet."""
    out = folder / f"{name}.{format}"
    visibilities(inputs, out, backend=backend, overwrite=True, **options)
    return out


def supports(backend: str, option: str, run: Callable[[], Any]) -> bool:
    """Whether the target names an option; if it does not, ``run`` must refuse it."""
    if names(backend, option):
        return True
    try:
        run()
    except UnsupportedOption:
        return False
    raise CheckFailed(f"{option} is neither supported nor refused")


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal to the bit, NaN included."""
    if found.shape != expected.shape:
        return False
    kind = np.issubdtype(found.dtype, np.inexact)
    return bool(np.array_equal(found, expected, equal_nan=kind))


def require_same(
    what: str,
    found: WrittenVisibilities,
    expected: WrittenVisibilities,
    parts: Sequence[str] = EXACT,
) -> None:
    """Parts of two outputs are equal to the bit."""
    for part in parts:
        mine, other = np.asarray(getattr(found, part)), np.asarray(getattr(expected, part))
        require(
            mine.shape == other.shape,
            f"{what}: {part} are of shape {mine.shape}, not {other.shape}",
        )
        require(same(mine, other), f"{what}: {part} differ{_first_difference(mine, other)}")


def _first_difference(found: np.ndarray, expected: np.ndarray) -> str:
    differ = (found != expected) & ~((found != found) & (expected != expected))
    if not differ.any():
        return ""
    place = tuple(int(i) for i in np.argwhere(differ)[0])
    return f" at {place}: {found[place]!r}, not {expected[place]!r}"


def require_near(what: str, found: Any, expected: Any, most: float) -> None:
    """Numbers are within ``most`` of others."""
    off = np.abs(np.asarray(found) - np.asarray(expected)).max()
    require(off <= most, f"{what}: off by up to {off:.3g}, of which {most:g} are allowed")


def turned_truth(observation: SimulatedObservation, center: SkyCoord) -> np.ndarray:
    """Visibilities of the source, phased to a direction; shape (rows, channels, polarizations)."""
    path = observation.source_path.reshape(-1) - observation.uvw(center)[:, 2]
    turns = path[:, None] * observation.frequency / SPEED_OF_LIGHT
    order = np.argsort(-observation.polarization)
    return np.exp(2j * np.pi * turns)[:, :, None] * observation.amplitude[order]


def require_turned(what: str, found: np.ndarray, truth: np.ndarray) -> None:
    """Phases and amplitudes are those of the truth."""
    ratio = found / truth
    require_near(f"{what}, phases (radians)", np.angle(ratio), 0.0, PHASE)
    require_near(f"{what}, amplitudes", np.abs(ratio), 1.0, AMPLITUDE)


def require_uvw(what: str, found: np.ndarray, truth: np.ndarray) -> None:
    """Baselines are those of the truth, but for a little turn about the line of sight."""
    require_near(f"{what}, w (metres)", found[:, 2], truth[:, 2], UVW)
    length = np.hypot(truth[:, 0], truth[:, 1])
    require_near(f"{what}, u and v (metres)", np.hypot(found[:, 0], found[:, 1]), length, UVW)
    off = np.hypot(*(found - truth)[:, :2].T) - NORTH * length
    require(off.max() <= UVW, f"{what}: u and v do not point to the east and north of ICRS")


def beside(observation: SimulatedObservation) -> SkyCoord:
    """A phase centre that is neither where the source is nor where the telescope looks."""
    from astropy import units as u

    return observation.source.spherical_offsets_by(-1.2 * u.deg, 0.9 * u.deg)


def center_of(place: SkyCoord) -> np.ndarray:
    """Radians."""
    return np.stack([place.ra.rad, place.dec.rad], axis=-1)


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """A file of an observation, open for changes."""
    import h5py

    with h5py.File(path, "r+") as file:
        yield file


# ------------------------------------------------------------------ nothing is lost


@SUITE.check
def nothing_is_lost(backend: str) -> None:
    """Visibilities, flags, weights, rows and channels are those of the files, to the bit."""
    for layout in ("dsa110", "memo"):
        with observed(layout=layout, noise=0.1, flagged=0.2) as (observation, folder):
            recorded = read_together(observation.paths)
            for kind, options in unturned(backend, observation):
                found = converted(backend, observation.paths, folder, kind, **options)
                require_same(f"{layout} as {kind}", found, recorded)
                seconds = (found.time - recorded.time) * SECONDS_PER_DAY
                require_near(f"{layout} as {kind}, times (seconds)", seconds, 0.0, TIME)
                require_near(
                    f"{layout} as {kind}, antennas (metres)",
                    found.baseline,
                    np.tile(observation.baselines, (observation.n_times, 1)),
                    ANTENNA,
                )


@SUITE.check
def channels_ascend(backend: str) -> None:
    """Frequencies ascend, however they and the files are ordered, and channels go with them."""
    for layout in ("dsa110", "memo"):
        with observed(layout=layout, n_subbands=3, n_channels=5) as (observation, folder):
            truth = observation.visibilities()
            for kind, options in unturned(backend, observation):
                what = f"{layout} as {kind}"
                found = converted(backend, observation.paths, folder, kind, **options)
                require(np.all(np.diff(found.frequency) > 0), f"{what}: channels do not ascend")
                require_same_numbers(f"{what}, frequencies", found.frequency, observation.frequency)
                require_turned(what, found.visibilities, truth)


def require_same_numbers(what: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Two arrays are equal."""
    require(same(found, expected), f"{what} are {found!r:.60}, not {expected!r:.60}")


@SUITE.check
def numbers_of_polarizations(backend: str) -> None:
    """One, two and four polarisations each keep their own visibilities."""
    for n in (1, 2, 4):
        with observed(n_polarizations=n, noise=0.05, flagged=0.1) as (observation, folder):
            recorded = read_together(observation.paths)
            for kind, options in unturned(backend, observation):
                found = converted(backend, observation.paths, folder, kind, **options)
                require_same(f"{n} polarizations as {kind}", found, recorded)


@SUITE.check
def every_layout(backend: str) -> None:
    """Single and double precision and integers, compressed or not, in old files and new ones."""
    compressions = [None, "lzf", "gzip"]
    if find_spec("hdf5plugin") is not None:
        compressions.append("bitshuffle")
    for layout in ("dsa110", "memo"):
        for kind in ("complex64", "complex128", "int32"):
            for compression in compressions:
                options: dict[str, Any] = {"visibility_type": kind, "compression": compression}
                options |= {"layout": layout, "flux": 1e5, "noise": 10.0, "n_subbands": 2}
                with observed(n_times=2, **options) as (observation, folder):
                    found = converted(backend, observation.paths, folder)
                    what = f"{layout}, {kind}, {compression}"
                    require_same(what, found, read_together(observation.paths))


@SUITE.check
def smallest_files(backend: str) -> None:
    """One file, one channel, one time and two antennas are enough."""
    for options in (
        {"n_subbands": 1},
        {"n_channels": 1},
        {"n_subbands": 1, "n_channels": 1},
        {"n_times": 1},
        {"n_antennas": 2},
        {"n_subbands": 1, "n_channels": 1, "n_times": 1, "n_antennas": 2, "n_polarizations": 1},
    ):
        with observed(layout="memo", noise=0.1, **options) as (observation, folder):
            recorded = read_together(observation.paths)
            for kind in formats(backend):
                found = converted(backend, observation.paths, folder, kind)
                require_same(f"{options} as {kind}", found, recorded)


@SUITE.check
def strange_values_stay_in_place(backend: str) -> None:
    """Values of 1e37, NaN and weights below zero are carried, and never spread to neighbours."""
    with observed(layout="memo", noise=0.1) as (observation, folder):
        with edited(observation.paths[1]) as file:
            file["Data/visdata"][3, 2, 1] = 1e37 - 1e37j
            file["Data/visdata"][4, 1, 0] = np.nan
            file["Data/visdata"][40, 5, 1] = 1e-40
            file["Data/nsamples"][5, 0, 0] = -1.2e12
        recorded = read_together(observation.paths)
        for kind in formats(backend):
            found = converted(backend, observation.paths, folder, kind)
            require_same(f"strange values as {kind}", found, recorded)
            options = {"phase": beside(observation)}
            if not names(backend, "phase_center"):
                continue
            found = converted(backend, observation.paths, folder, kind, **options)
            _require_same_sizes(f"strange values turned, as {kind}", found, recorded)


def _require_same_sizes(
    what: str, found: WrittenVisibilities, recorded: WrittenVisibilities
) -> None:
    """A turn changes no amplitude, and no weight or flag."""
    require_same(what, found, recorded, ("flags", "weights"))
    mine, other = (np.abs(each.visibilities.astype(complex)) for each in (found, recorded))
    require(same(np.isnan(mine), np.isnan(other)), f"{what}: NaN are elsewhere")
    known = ~np.isnan(other)
    off = np.abs(mine - other)[known] - AMPLITUDE * other[known]
    # Numbers below the smallest of single precision may become zero.
    require(off.max() <= 1e-38, f"{what}: amplitudes differ by up to {off.max():.3g}")


@SUITE.check
def flagged_values_are_carried(backend: str) -> None:
    """What is flagged keeps its value and weight, and what has no weight is not flagged."""
    with observed(layout="memo", noise=0.3) as (observation, folder):
        for i, path in enumerate(observation.paths):
            rng = np.random.default_rng(i)
            with edited(path) as file:
                shape = file["Data/flags"].shape
                file["Data/flags"][...] = rng.random(shape) < 0.3
                file["Data/nsamples"][...] = rng.integers(0, 4, shape)
        recorded = read_together(observation.paths)
        for kind in formats(backend):
            out = folder / f"out.{kind}"
            (report,) = visibilities(observation.paths, out, backend=backend).observations
            require_same(f"flagged values as {kind}", read_written(out), recorded)
            fraction = recorded.flags.mean()
            require(
                report.flagged_fraction == fraction,
                f"the report says that {report.flagged_fraction} are flagged, not {fraction}",
            )


@SUITE.check
def baselines_of_both_directions(backend: str) -> None:
    """Baselines from a higher antenna to a lower one keep their data; CASA gets one direction."""
    with observed(layout="memo", n_polarizations=4, noise=0.1) as (observation, folder):
        recorded = read_together(observation.paths)
        for path in observation.paths:
            _exchange_antennas(path)
        for kind in formats(backend):
            found = converted(backend, observation.paths, folder, kind)
            if kind == "ms":
                require(
                    np.all(found.antenna1 <= found.antenna2),
                    "a Measurement Set has baselines of both directions",
                )
            require_same(f"baselines of both directions as {kind}", _one_way(found), recorded)
            require_near(f"their uvw as {kind} (metres)", _one_way(found).uvw, recorded.uvw, UVW)


def _exchange_antennas(path: Path) -> None:
    """Turn some baselines between different antennas around, at all times."""
    with edited(path) as file:
        header, data = file["Header"], file["Data"]
        first, second = header["ant_1_array"][()], header["ant_2_array"][()]
        rows = np.flatnonzero((first != second) & ((first + 2 * second) % 3 == 0))
        order = _exchanged_order(header["polarization_array"][()])
        for name in ("visdata", "flags", "nsamples"):
            values = data[name][()]
            part = values[rows][..., order]
            values[rows] = part.conj() if name == "visdata" else part
            data[name][...] = values
        first[rows], second[rows] = second[rows], first[rows]
        header["ant_1_array"][...], header["ant_2_array"][...] = first, second
        uvw = header["uvw_array"][()]
        uvw[rows] *= -1.0
        header["uvw_array"][...] = uvw


def _exchanged_order(polarization: np.ndarray) -> list[int]:
    codes = polarization.tolist()
    return [codes.index(EXCHANGED.get(code, code)) for code in codes]


def _one_way(found: WrittenVisibilities) -> WrittenVisibilities:
    """With all baselines from the lower antenna to the higher."""
    swap = found.antenna1 > found.antenna2
    order = _exchanged_order(found.polarization)
    cubes = {}
    for name in ("visibilities", "flags", "weights"):
        values = getattr(found, name).copy()
        part = values[swap][..., order]
        values[swap] = part.conj() if name == "visibilities" else part
        cubes[name] = values
    sign = np.where(swap, -1.0, 1.0)[:, None]
    return dataclasses.replace(
        found,
        **cubes,
        antenna1=np.minimum(found.antenna1, found.antenna2),
        antenna2=np.maximum(found.antenna1, found.antenna2),
        uvw=sign * found.uvw,
        baseline=sign * found.baseline,
    )


# ------------------------------------------------------------------ phase centres


@SUITE.check
def recorded_phase_centers_are_kept(backend: str) -> None:
    """Where none is asked for, phase centres and uvw are those of the files; drift data drift."""
    for layout in ("memo", "dsa110"):
        with observed(layout=layout) as (observation, folder):
            recorded = read_together(observation.paths)
            for kind in formats(backend) if layout == "memo" else ["uvh5"]:
                what = f"{layout} as {kind}"
                found = converted(backend, observation.paths, folder, kind)
                require_same(what, found, recorded, ("visibilities", "uvw"))
                there = np.isfinite(found.center)
                require(
                    same(there, np.isfinite(recorded.center)),
                    f"{what}: {'lost' if layout == 'memo' else 'gained'} a phase centre",
                )
                off = found.center[there], recorded.center[there]
                if there.any():
                    require_near(f"{what}, phase centre (radians)", *off, GIVEN_PLACE)


@SUITE.check
def turned_to_the_source(backend: str) -> None:
    """Turned to a source, its phase is flat to 1e-3 radians over all baselines and channels."""
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("a correlator that stops fringes", {"layout": "dsa110"}),
        ("one that drifts", {"layout": "dsa110", "fringe_stopped": False}),
        ("another phase centre", {"layout": "memo"}),
        ("low in the south", {"layout": "dsa110", "pointing_declination": -25.0}),
        ("high in the north", {"layout": "memo", "pointing_declination": 75.0}),
    )
    for what, options in cases:
        with observed(n_subbands=8, source_offset=(0.5, 0.3), **options) as (observation, folder):
            if not _turns(backend, observation, folder):
                return
            order = np.argsort(-observation.polarization)
            for kind in formats(backend):
                found = converted(
                    backend, observation.paths, folder, kind, phase=observation.source
                )
                require_turned(
                    f"{what}, as {kind}", found.visibilities, observation.amplitude[order]
                )
                require_near(
                    f"{what}, as {kind}, phase centre (radians)",
                    found.center,
                    center_of(observation.source),
                    GIVEN_PLACE,
                )


def _turns(backend: str, observation: SimulatedObservation, folder: Path) -> bool:
    """Whether the target takes a phase centre, or else refuses one."""
    return supports(
        backend,
        "phase_center",
        lambda: output(backend, observation.paths, folder, phase=observation.source),
    )


@SUITE.check
def turned_elsewhere(backend: str) -> None:
    """Turned to a place a degree away, phases are those of the delay that is left."""
    for layout in ("dsa110", "memo"):
        with observed(layout=layout, n_times=4) as (observation, folder):
            if not _turns(backend, observation, folder):
                return
            truth = turned_truth(observation, beside(observation))
            for kind in formats(backend):
                found = converted(
                    backend, observation.paths, folder, kind, phase=beside(observation)
                )
                require_turned(f"{layout} as {kind}", found.visibilities, truth)


@SUITE.check
def baselines_towards_a_phase_center(backend: str) -> None:
    """u, v and w are the baselines as seen from a new phase centre, to a millimetre along w."""
    for declination in (-20.0, 30.0):
        options: dict[str, Any] = {"pointing_declination": declination}
        with observed(n_times=4, **options) as (observation, folder):
            if not _turns(backend, observation, folder):
                return
            center = beside(observation)
            truth = observation.uvw(center)
            for kind in formats(backend):
                found = converted(backend, observation.paths, folder, kind, phase=center)
                require_uvw(f"declination {declination:g} as {kind}", found.uvw, truth)


@SUITE.check
def source_is_where_it_was_put(backend: str) -> None:
    """Beside the phase centre, a source is found at its offset from phases, u and v."""
    from astropy import units as u

    with observed(n_antennas=12, n_times=2) as (observation, folder):
        if not _turns(backend, observation, folder):
            return
        center = observation.source.directional_offset_by(30.0 * u.deg, 20.0 * u.arcsec)
        east, north = (
            part.to_value("arcsec") for part in center.spherical_offsets_to(observation.source)
        )
        for kind in formats(backend):
            found = converted(backend, observation.paths, folder, kind, phase=center)
            place = np.degrees(_offset(found)) * 3600.0
            require_near(f"offset as {kind} (arcsec)", place, [east, north], 0.05)


def _offset(found: WrittenVisibilities) -> np.ndarray:
    """To the east and north (radians), by least squares: V = exp(2 pi i (u l + v m))."""
    turns = np.angle(found.visibilities[..., 0]) / (2.0 * np.pi)
    waves = found.uvw[:, None, :2] * found.frequency[:, None] / SPEED_OF_LIGHT
    place, *_ = np.linalg.lstsq(waves.reshape(-1, 2), turns.reshape(-1), rcond=None)
    return np.asarray(place)


@SUITE.check
def turned_there_and_back(backend: str) -> None:
    """Turned away and back again, data are as they were, to rounding."""
    with observed(layout="memo", noise=0.1) as (observation, folder):
        if not _turns(backend, observation, folder):
            return
        here = output(backend, observation.paths, folder, name="here", phase=observation.source)
        away = output(backend, [here], folder, name="away", phase=beside(observation))
        back = converted(backend, [away], folder, name="back", phase=observation.source)
        before = read_written(here)
        require_same("turned away and back", back, before, (*EXACT[1:], "time", "center"))
        most = ROUNDING * np.abs(before.visibilities).max()
        require_near("turned away and back", back.visibilities, before.visibilities, most)
        require_near("its uvw (metres)", back.uvw, before.uvw, UVW)


@SUITE.check
def meridian_leaves_data_alone(backend: str) -> None:
    """On the meridian each integration has its phase centre and uvw, and data stay to the bit."""
    with observed(n_times=4, noise=0.1, flagged=0.1) as (observation, folder):

        def run(kind: str = "uvh5") -> WrittenVisibilities:
            return converted(backend, observation.paths, folder, kind, phase="meridian")

        if not supports(backend, "phase_center", run):
            return
        recorded = read_together(observation.paths)
        places = np.repeat(center_of(observation.meridian), observation.n_baselines, axis=0)
        for kind in formats(backend):
            found = run(kind)
            require_same(f"meridian as {kind}", found, recorded)
            require_near(f"phase centres as {kind} (radians)", found.center, places, PLACE)
            require_uvw(f"meridian as {kind}", found.uvw, _meridian_uvw(observation))
            require_near(
                f"delays as {kind} (metres)",
                found.uvw[:, 2],
                observation.recorded_path.reshape(-1),
                UVW,
            )


def _meridian_uvw(observation: SimulatedObservation) -> np.ndarray:
    return observation.uvw(observation.meridian)


@SUITE.check
def meridian_needs_a_declination(backend: str) -> None:
    """Files that do not say at which declination they tracked the meridian are refused for it."""
    for options in ({"fringe_stopped": False}, {"layout": "memo"}):
        with observed(**options) as (observation, folder):
            if not _turns(backend, observation, folder):
                return
            try:
                output(backend, observation.paths, folder, name="refused", phase="meridian")
            except ValueError as error:
                names_it = any(path.name in str(error) for path in observation.paths)
                require(names_it, f"{options}: the error names no file: {error}")
            else:
                raise CheckFailed(f"{options}: a meridian that nobody tracked is accepted")


# ------------------------------------------------------------------ windows, columns, gaps


@SUITE.check
def spectral_windows(backend: str) -> None:
    """Subbands without a gap become one spectral window, or keep their own; the data are equal."""
    with observed(layout="memo", n_subbands=3, noise=0.1) as (observation, folder):
        recorded = read_together(observation.paths)
        for kind in formats(backend):
            one = converted(backend, observation.paths, folder, kind)
            require_same(f"merged, as {kind}", one, recorded)
            require(one.windows == (18,), f"merged, as {kind}: windows of {one.windows} channels")

            def keep(kind: str = kind) -> WrittenVisibilities:
                return converted(backend, observation.paths, folder, kind, spectral_windows="keep")

            if not supports(backend, "merge", keep):
                continue
            many = keep()
            require_same(f"kept, as {kind}", many, recorded, (*EXACT, "windows", "uvw"))


@SUITE.check
def gap_in_the_band(backend: str) -> None:
    """Where a subband is missing that nobody expects, channels on either side are not joined."""
    with observed(layout="memo", n_subbands=4, noise=0.1) as (observation, folder):
        there = [observation.paths[0], *observation.paths[2:]]
        recorded = read_together(there)
        for kind in formats(backend):
            found = converted(backend, there, folder, kind)
            require_same(f"a gap, as {kind}", found, recorded)
            require(len(found.windows) > 1, f"a gap, as {kind}: one spectral window across it")


@SUITE.check
def windows_of_several_integrations(backend: str) -> None:
    """Windows, each with phase centres for every integration, keep their rows together."""
    with observed(n_subbands=3, noise=0.1) as (observation, folder):
        options = {"phase": "meridian", "spectral_windows": "keep"}
        recorded = read_together(observation.paths)
        for kind in formats(backend):

            def run(kind: str = kind) -> WrittenVisibilities:
                return converted(backend, observation.paths, folder, kind, **options)

            if not all(supports(backend, name, run) for name in ("phase_center", "merge")):
                return
            require_same(f"windows as {kind}", run(), recorded, (*EXACT, "windows"))


@SUITE.check
def missing_subbands_are_filled(backend: str) -> None:
    """Channels of missing subbands are there, flagged, at their own frequencies."""
    with observed(n_subbands=4, n_channels=5, noise=0.1) as (observation, folder):
        there = [observation.paths[1], observation.paths[3]]
        recorded = read_together(there)
        # sb00 is the highest: of quarters in the order of frequency, the first and third are there.
        filled = np.repeat([False, True, False, True], 5)
        for kind, options in unturned(backend, observation):
            found = converted(
                backend,
                there,
                folder,
                kind,
                expected_subbands=4,
                on_incomplete="fill",
                **options,
            )
            what = f"two of four subbands, as {kind}"
            require_near(f"{what}, Hz", found.frequency, observation.frequency, FREQUENCY)
            require(found.flags[:, filled].all(), f"{what}: missing channels are not flagged")
            require(not found.weights[:, filled].any(), f"{what}: missing channels have weights")
            require(
                not found.visibilities[:, filled].any(), f"{what}: missing channels have values"
            )
            for part in ("visibilities", "flags", "weights"):
                mine, other = getattr(found, part)[:, ~filled], getattr(recorded, part)
                require(same(mine, other), f"{what}: {part} of those there differ")


@SUITE.check
def columns_of_a_measurement_set(backend: str) -> None:
    """MODEL_DATA is zero and CORRECTED_DATA equals DATA, where they are asked for."""
    columns = ("DATA", "MODEL_DATA", "CORRECTED_DATA")
    if "ms" not in formats(backend):
        return
    with observed(layout="memo", noise=0.1) as (observation, folder):

        def run() -> Path:
            return output(backend, observation.paths, folder, "ms", columns=columns)

        if not supports(backend, "columns", run):
            return
        data, model, corrected = (read_column(run(), name) for name in columns)
        require(same(data, corrected), "CORRECTED_DATA is not DATA")
        require(model.shape == data.shape and not model.any(), "MODEL_DATA is not zero")


# ------------------------------------------------------------------ times


@SUITE.check
def pieces_follow_each_other_in_time(backend: str) -> None:
    """An observation cut into pieces in time gives what it gives whole."""
    with observed(n_times=5, noise=0.1, flagged=0.1) as (observation, folder):
        (cut := folder / "pieces").mkdir()
        pieces = [_cut(path, cut, part) for path in observation.paths for part in (0, 1)]
        for kind, options in unturned(backend, observation):
            whole = converted(backend, observation.paths, folder, kind, **options)
            joined = converted(backend, pieces[::-1], folder, kind, name="joined", **options)
            require_same(f"pieces in time, as {kind}", joined, whole, (*EXACT, "time", "center"))
            require_near(f"their uvw as {kind} (metres)", joined.uvw, whole.uvw, UVW)


def _cut(path: Path, folder: Path, part: int) -> Path:
    """The first or the second part of a file's integrations."""
    import h5py

    out = folder / f"{path.stem}_{part}{path.suffix}"
    shutil.copy(path, out)
    with edited(out) as file:
        n_rows, n_times = len(file["Header/time_array"]), int(file["Header/Ntimes"][()])
        middle = n_times // 2 * (n_rows // n_times)
        rows = slice(0, middle) if part == 0 else slice(middle, n_rows)
        for group in (file["Header"], file["Data"]):
            for name, dataset in list(group.items()):
                if isinstance(dataset, h5py.Dataset) and dataset.shape[:1] == (n_rows,):
                    values = dataset[rows]
                    del group[name]
                    group[name] = values
        file["Header/Nblts"][...] = rows.stop - rows.start
        file["Header/Ntimes"][...] = (rows.stop - rows.start) // (n_rows // n_times)
    return out


# ------------------------------------------------------------------ what may not matter


@SUITE.check
def order_of_files(backend: str) -> None:
    """Files in any order give the same."""
    with observed(noise=0.1) as (observation, folder):
        for kind, options in unturned(backend, observation):
            found = converted(backend, observation.paths, folder, kind, **options)
            for order in ((3, 2, 1, 0), (2, 0, 3, 1)):
                files = [observation.paths[i] for i in order]
                other = converted(backend, files, folder, kind, **options)
                require_same(f"files in the order {order}, as {kind}", other, found, ALL)


@SUITE.check
def threads_and_memory(backend: str) -> None:
    """Any number of threads and any memory give the same, to the bit."""
    with observed(n_antennas=9, n_times=5, noise=0.1, flagged=0.1) as (observation, folder):
        options = {"phase": beside(observation)} if names(backend, "phase_center") else {}
        for kind in formats(backend) if options else ["uvh5"]:
            found = converted(backend, observation.paths, folder, kind, **options)
            for limits in ({"threads": 1}, {"threads": 3}, {"memory": 60_000}, {"memory": "1GB"}):
                other = converted(backend, observation.paths, folder, kind, **options, **limits)
                require_same(f"{limits} as {kind}", other, found, ALL)


@SUITE.check
def repeated_call(backend: str) -> None:
    """The same call twice gives the same."""
    with observed(noise=0.1) as (observation, folder):
        for kind, options in unturned(backend, observation):
            first, second = (
                converted(backend, observation.paths, folder, kind, name=name, **options)
                for name in ("one", "two")
            )
            require_same(f"a second call, as {kind}", second, first, ALL)


@SUITE.check
def inputs_are_left_alone(backend: str) -> None:
    """Not a byte of the files changes, and nothing but the output appears."""
    with observed(noise=0.1) as (observation, folder):
        before = {path: path.read_bytes() for path in observation.paths}
        for kind, options in unturned(backend, observation):
            out = output(backend, observation.paths, folder, kind, **options)
            for path, content in before.items():
                require(path.read_bytes() == content, f"{path.name} is changed")
            there = {path.name for path in folder.iterdir()}
            require(there == {"inputs", out.name}, f"left behind: {sorted(there)}")
            inside = {path.name for path in (folder / "inputs").iterdir()}
            require(inside == {path.name for path in before}, "a file appears among the inputs")
            shutil.rmtree(out) if out.is_dir() else out.unlink()


# ------------------------------------------------------------------ what is told


@SUITE.check
def history_names_the_inputs(backend: str) -> None:
    """The history of the output names every file and the options."""
    with observed() as (observation, folder):
        for kind, options in unturned(backend, observation):
            history = converted(backend, observation.paths, folder, kind, **options).history
            missing = [path.name for path in observation.paths if path.name not in history]
            require(not missing, f"the history as {kind} does not name {', '.join(missing)}")
            require(
                f"phase={options.get('phase')}" in history,
                f"the history as {kind} does not tell the options",
            )


@SUITE.check
def progress_ends_with_the_whole(backend: str) -> None:
    """Where the target names progress, reports never fall, and the last is the whole."""
    if not names(backend, "progress"):
        return
    with observed() as (observation, folder):
        told: list[tuple[float, float]] = []
        output(
            backend,
            observation.paths,
            folder,
            progress=lambda done, total: told.append((done, total)),
        )
        whole = float(observation.visibilities().size)
        require(bool(told), "there is no report")
        require(told[-1] == (whole, whole), f"the last report is {told[-1]}, not all {whole:g}")
        require(told == sorted(told), "reports fall")


@SUITE.check
def unreadable_data(backend: str) -> None:
    """Data that cannot be read are an error that names the file, and there is no output then."""
    with observed(layout="memo", compression="gzip", noise=0.1) as (observation, folder):
        _damage(observation.paths[2])
        for kind in formats(backend):
            try:
                output(backend, observation.paths, folder, kind)
            except (ValueError, OSError) as error:
                name = observation.paths[2].name
                require(name in str(error), f"the error does not name {name}: {error}")
            else:
                raise CheckFailed(f"damaged data become {kind} without a word")
            there = {path.name for path in folder.iterdir()}
            require(there == {"inputs"}, f"left behind: {sorted(there - {'inputs'})}")


def _damage(path: Path) -> None:
    """Change bytes in the middle of the first chunk of the visibilities."""
    import h5py

    with h5py.File(path) as file:
        chunk = file["Data/visdata"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    middle = chunk.byte_offset + chunk.size // 2
    for i in range(middle, middle + 16):
        content[i] ^= 0xFF
    path.write_bytes(content)


# ------------------------------------------------------------------ manners


def _plain_call(backend: str) -> Provenance:
    with observed(layout="memo", n_subbands=2, n_times=1) as (observation, folder):
        out = folder / "out.uvh5"
        (report,) = visibilities(observation.paths, out, backend=backend).observations
        return report.provenance


PLAIN = Request(OPERATION, options={"format": "uvh5"})
add_manners(SUITE, PlainCall(PLAIN, ARGUMENTS, _plain_call))
