"""The demonstration of a cache: a search that is computed once, however often it is asked for."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

from .._files import make_folder
from ..cache import DiskStore, decode, encode, key_of
from ..cache.disk.folder import is_store
from ..search import bls, detrend
from .amounts import short_duration, size
from .k2_3 import STAR, WINDOW, introduction, light_curve_file, read, simulated_light_curve
from .typed import this_command

if TYPE_CHECKING:
    from ..cache import Store
    from ..io import LightCurve
    from ..search import Periodogram

#: The store's name in the output folder. What is there from an earlier run goes.
STORE = "demo-cache"
#: What another process runs: the same search of the same numbers, by the library.
PROGRAM = """
import sys
from armillary.cli.kept_search import in_another_process
in_another_process(sys.argv[1])
"""
#: Seconds that it may take, of which most are Python's own.
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and what came of it.

    Attributes
    ----------
    seconds : float
        What it took.
    best_period : float
        Days.
    contents : str
        Digest of every byte of the arrays that it gave.
    cache_hit : bool
        Whether they came from the cache.
    """

    seconds: float
    best_period: float
    contents: str
    cache_hit: bool


def demonstrate(folder: Path, *, simulated: bool = False) -> bool:
    """Search, and ask for the same again, here and in another process; tell all of it.

    Parameters
    ----------
    folder : Path
        Gets the store, in ``demo-cache``; made if need be.
    simulated : bool
        Use a simulated light curve, and say so.

    Returns
    -------
    bool
        Whether what should come from the cache did, equal to the bit, and nothing else did.

    Raises
    ------
    DataMissing
        If the real light curve is asked for and not there.
    ImportError
        If wotan is not installed.
    OSError
        If the folder cannot be made, or holds something else under the name of the store.
    """
    if simulated:
        path, light_curve = Path("simulated"), simulated_light_curve()
    else:
        path = light_curve_file("cache")
        light_curve = read(path)
    make_folder(folder, parents=True)
    typer.echo(f"{introduction(path, light_curve, simulated)}\n")
    flat = detrend(light_curve, window=WINDOW)

    place = folder / STORE
    if is_store(place):
        shutil.rmtree(place)
    # Without a cache, and not told: the first call of a process imports what it needs.
    plain = timed(flat, None)
    with DiskStore(path=place) as store:
        computed, again = timed(flat, store), timed(flat, store)
        elsewhere = timed_in_another_process(flat, place)
        changed = timed(with_one_bit_changed(flat), store)
        told = {
            "computed, and kept": computed,
            "again": again,
            "again, in another process": elsewhere,
            "with the last bit of one flux changed": changed,
        }
        for line in lines(told):
            typer.echo(line)
        stats = store.stats()
    same = plain.contents == computed.contents == again.contents == elsewhere.contents
    equal = "equal" if same else "NOT equal"
    typer.echo(f"\nThe first three, and one without a cache, are {equal} in every bit.")
    typer.echo(
        f"cache: {place} ({stats.entries} entries, {size(stats.stored_bytes)}); "
        f"{stats.hits} hits saved {short_duration(stats.seconds_saved)} of computing\n"
    )
    typer.echo(_what_next(place))
    hits = [call.cache_hit for call in told.values()]
    return same and hits == [False, True, True, False]


def timed(light_curve: LightCurve, store: Store | None) -> Call:
    """Search a light curve."""
    begin = time.perf_counter()
    # A backend that the environment names may be one that is not as quick.
    found = bls(light_curve, star=STAR, backend="cpu", cache=store)
    seconds = time.perf_counter() - begin
    best_period = float(found.period[np.argmax(found.delta_chi2)])
    return Call(seconds, best_period, contents(found), found.provenance.cache_hit)


def contents(found: Periodogram) -> str:
    """Digest of the arrays of a periodogram, exact to the bit."""
    arrays = (found.period, found.delta_chi2, found.depth, found.depth_err, found.t0)
    return key_of((*arrays, found.duration, found.level)).hex()


def with_one_bit_changed(light_curve: LightCurve) -> LightCurve:
    """The light curve with one flux replaced by the next number that there is."""
    flux = light_curve.flux.copy()
    middle = len(flux) // 2
    flux[middle] = np.nextafter(flux[middle], np.inf)
    return replace(light_curve, flux=flux)


# ------------------------------------------------------------------ another process


def timed_in_another_process(light_curve: LightCurve, place: Path) -> Call:
    """Search a light curve in a process of its own.

    Raises
    ------
    RuntimeError
        If it fails; the message is what it said.
    """
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place.absolute())],
        input=encode(light_curve),
        capture_output=True,
        timeout=PATIENCE,
    )
    if finished.returncode:
        said = finished.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"the other process could not search: {said}")
    return Call(**json.loads(finished.stdout))


def in_another_process(place: str) -> None:
    """What that process does: take the light curve, search it, print the call as JSON."""
    light_curve = decode(sys.stdin.buffer.read())
    with DiskStore(path=place) as store:
        print(json.dumps(asdict(timed(light_curve, store))))


# ------------------------------------------------------------------ telling


def lines(told: dict[str, Call]) -> list[str]:
    """One line for each call: what it took, and where its result came from."""
    longest = max(map(len, told))
    return [
        f"{what:<{longest}}  {1e3 * call.seconds:8.1f} ms   "
        f"{'from the cache' if call.cache_hit else 'computed      '}   "
        f"best period {call.best_period:.4f} d"
        for what, call in told.items()
    ]


def _what_next(place: Path) -> str:
    command, folder = this_command(), shlex.quote(str(place))
    return (
        f"Try next:\n"
        f"  {command} cache list --path {folder}\n"
        f"  {command} cache verify --path {folder}    # every byte, against its checksum\n"
        f'  ARMILLARY_CACHE=disk python ...    # every call of a program, as if it had cache="disk"'
    )
