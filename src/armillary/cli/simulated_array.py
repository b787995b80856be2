"""The demonstration of a conversion: a simulated observation in the layout of DSA-110."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from .._files import make_folder
from .._words import counted
from ..convert import ObservationReport, visibilities
from ..plot.visibilities import Spectra
from ..testing import SimulatedObservation, simulated_observation
from .typed import this_command

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: As many files and channels as DSA-110 has, with fewer antennas and integrations.
SIZE: dict[str, Any] = {"n_antennas": 16, "n_times": 6, "n_subbands": 16, "n_channels": 48}
#: Standard deviation in each visibility of a source of 1, and the part of them that is flagged.
NOISE, FLAGGED = 0.1, 0.02
#: Degrees to the east and to the north of the meridian and the declination of the pointing.
SOURCE_OFFSET = (0.4, -0.3)
#: Baselines that are drawn, from short to long.
N_DRAWN = 5
#: Phase (radians) by which a baseline's mean may be off: noise makes a third of it, at most.
FLAT = 1e-2
BYTES_PER_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Visibilities as a file or several have them.

    Attributes
    ----------
    frequency : ndarray, shape (n_channels,)
        Hertz, in the order of the files.
    visibilities : ndarray of complex, shape (n_rows, n_channels, n_polarizations)
        NaN where they are flagged.
    """

    frequency: np.ndarray
    visibilities: np.ndarray


def demonstrate(folder: Path) -> bool:
    """Simulate, convert, draw, and look whether the source is where it was put; tell all of it.

    Parameters
    ----------
    folder : Path
        Gets ``simulated.ms`` (without python-casacore, ``simulated.uvh5``) and ``simulated.png``;
        made if need be.

    Returns
    -------
    bool
        Whether the phase of the source is 0 on every baseline.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    OSError
        If the folder cannot be made or written to.
    """
    from ..plot.files import require_matplotlib, save_figure

    require_matplotlib()
    make_folder(folder, parents=True)
    out = folder / f"simulated{_suffix()}"
    with tempfile.TemporaryDirectory(prefix="armillary-demo-") as place:
        observation = simulated_observation(place, noise=NOISE, flagged=FLAGGED, **SIZE)
        typer.echo(_introduction(observation))
        (report,) = visibilities(
            observation.paths, out, phase=observation.source, overwrite=True
        ).observations
        before = read_subbands(observation.paths)
    after = read_measurement_set(out) if out.suffix == ".ms" else read_subbands([out])
    typer.echo(_told(report, observation))
    is_flat = _tell_phases(before, after, observation)
    picture = folder / "simulated.png"
    what = "Measurement Set" if out.suffix == ".ms" else "UVH5 file"
    save_figure(draw(before, after, observation, what), picture)
    typer.echo(f"converted: {out}\npicture:   {picture}\n")
    typer.echo(_what_next(observation))
    return is_flat


def _suffix() -> str:
    """Of what can be written here."""
    try:
        import casacore.tables  # noqa: F401
    except ImportError:
        typer.echo(
            "python-casacore is not installed, without which there are no Measurement Sets\n"
            "(pip install 'armillary[ms]'); one UVH5 file is written instead.\n"
        )
        return ".uvh5"
    return ".ms"


# ------------------------------------------------------------------ reading


def read_subbands(paths: Sequence[Path]) -> Recorded:
    """The visibilities of some UVH5 files, one after the other."""
    import h5py

    frequency, parts = [], []
    for path in paths:
        with h5py.File(path) as file:
            frequency.append(file["Header/freq_array"][()].ravel())
            data, flags = (file[f"Data/{name}"][()] for name in ("visdata", "flags"))
        n_rows, n_polarizations = data.shape[0], data.shape[-1]
        shape = (n_rows, len(frequency[-1]), n_polarizations)
        parts.append(_unflagged(data.reshape(shape), flags.reshape(shape)))
    return Recorded(np.concatenate(frequency), np.concatenate(parts, axis=1))


def read_measurement_set(path: Path) -> Recorded:
    """The visibilities of a Measurement Set of one spectral window."""
    from casacore import tables

    with tables.table(str(path), ack=False) as main:
        data, flags = main.getcol("DATA"), main.getcol("FLAG")
    with tables.table(f"{path}/SPECTRAL_WINDOW", ack=False) as windows:
        frequency = windows.getcol("CHAN_FREQ")[0]
    return Recorded(frequency, _unflagged(data, flags))


def _unflagged(data: np.ndarray, flags: np.ndarray) -> np.ndarray:
    return np.where(flags, np.complex64(complex("nan+nanj")), data)


# ------------------------------------------------------------------ what is seen


def phases_of_baselines(recorded: Recorded, observation: SimulatedObservation) -> np.ndarray:
    """Phase (radians) of each baseline's mean over time, frequency and polarisation."""
    by_baseline = recorded.visibilities.reshape(observation.n_times, observation.n_baselines, -1)
    mean = np.nanmean(by_baseline, axis=(0, 2))
    return np.angle(mean[observation.antenna1 != observation.antenna2])


def coherence(recorded: Recorded, observation: SimulatedObservation) -> float:
    """How much of the visibilities is left in their sum: 1 if all have one phase."""
    crossed = np.tile(observation.antenna1 != observation.antenna2, observation.n_times)
    values = recorded.visibilities[crossed]
    return float(np.abs(np.nansum(values)) / np.nansum(np.abs(values)))


def drawn_baselines(observation: SimulatedObservation) -> np.ndarray:
    """Some baselines, from short to long."""
    length = np.linalg.norm(observation.baselines, axis=1)
    crossed = np.flatnonzero(observation.antenna1 != observation.antenna2)
    by_length = crossed[np.argsort(length[crossed], kind="stable")]
    return by_length[np.linspace(0, len(by_length) - 1, N_DRAWN).astype(int)]


def draw(before: Recorded, after: Recorded, observation: SimulatedObservation, what: str) -> Figure:
    """Amplitudes and phases of the first integration, before and after.

    Parameters
    ----------
    before, after : Recorded
    observation : SimulatedObservation
    what : str
        What the visibilities became: "Measurement Set".
    """
    from ..plot.visibilities import plot_spectra

    chosen = drawn_baselines(observation)
    n_files = len(observation.paths)
    columns = {
        f"before: {n_files} files, phased to the meridian": (before, _edges(observation)),
        f"after: one {what}, phased to the source": (after, []),
    }
    return plot_spectra(
        {
            name: Spectra(recorded.frequency, recorded.visibilities[chosen, :, 0], edges)
            for name, (recorded, edges) in columns.items()
        },
        [_name(observation, baseline) for baseline in chosen.tolist()],
        title="A simulated point source: first integration, polarization XX",
    )


def _edges(observation: SimulatedObservation) -> list[float]:
    """Frequencies between subbands."""
    first = observation.frequency[:: SIZE["n_channels"]]
    return (first[1:] - 0.5 * observation.channel_width).tolist()


def _name(observation: SimulatedObservation, baseline: int) -> str:
    """``1-5, 312 m``."""
    name = dict(zip(observation.antenna_numbers.tolist(), observation.antenna_names, strict=True))
    ends = observation.antenna1[baseline], observation.antenna2[baseline]
    length = float(np.linalg.norm(observation.baselines[baseline]))
    return f"{'-'.join(name[int(end)] for end in ends)}, {length:,.0f} m"


# ------------------------------------------------------------------ telling


def _introduction(observation: SimulatedObservation) -> str:
    n_antennas = len(np.unique(observation.antenna1))
    n_bytes = sum(path.stat().st_size for path in observation.paths)
    low, high = observation.frequency[[0, -1]] / 1e6
    east, north = SOURCE_OFFSET
    return (
        f"Simulated, not real: an observation of one point source in the layout of DSA-110.\n"
        f"{len(observation.paths)} UVH5 files ({n_bytes / BYTES_PER_MEGABYTE:.1f} MB), a subband "
        f"of {SIZE['n_channels']} channels each, descending, sb00 the highest:\n"
        f"{low:.2f} to {high:.2f} MHz; {n_antennas} antennas, {observation.n_times} integrations, "
        f"{FLAGGED:.0%} flagged, noise of {NOISE:g} per visibility.\n"
        f"The correlator tracks the meridian at a declination of "
        f"{observation.pointing_declination:g} deg; the source is {east:g} deg east\n"
        f"and {-north:g} deg south of that in the middle of the observation.\n"
    )


def _told(report: ObservationReport, observation: SimulatedObservation) -> str:
    place = f"{observation.source.ra.deg:.4f} {observation.source.dec.deg:+.4f}"
    return (
        f"Converted in {report.seconds:.2f} s, phased to {place} (ICRS, degrees):\n"
        f"{counted(report.n_rows, 'row')}, {counted(report.n_channels, 'channel')} ascending in "
        f"one spectral window, {report.flagged_fraction:.1%} flagged.\n"
    )


def _tell_phases(before: Recorded, after: Recorded, observation: SimulatedObservation) -> bool:
    worst = [np.abs(phases_of_baselines(each, observation)).max() for each in (before, after)]
    kept = [coherence(each, observation) for each in (before, after)]
    typer.echo(
        f"                                            before      after\n"
        f"largest mean phase of a baseline [rad]  {worst[0]:10.4f} {worst[1]:10.4f}\n"
        f"sum of all visibilities, of what it\n"
        f"would be if all had one phase           {kept[0]:10.4f} {kept[1]:10.4f}\n"
    )
    return bool(worst[1] < FLAT)


def _what_next(observation: SimulatedObservation) -> str:
    command = this_command()
    place = f"{observation.source.ra.deg:.5f},{observation.source.dec.deg:+.5f}"
    return (
        f"With files of your own:\n"
        f"  {command} convert visibilities FOLDER -o observation.ms --phase {place}\n"
        f"  {command} convert watch FOLDER --out DIR --phase meridian"
    )
