"""A comparison with the peers in about twenty minutes: ``make bench``.

asv, in the folder beside this file, is for statistics over many commits; this is for
one look. Both time the same light curves, catalogues, images and visibilities through the
same functions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from benchmarks.common import why_not
from caching import cache_comparisons, cache_figures
from comparison import Beside, Comparison, Figure, comparisons, figures
from converting import conversion_comparison, conversion_figures
from fitting import (
    FitComparison,
    ForcedComparison,
    ModelComparison,
    fit_comparisons,
    forced_comparisons,
    missing_images,
    model_comparisons,
    scaling,
)
from machine import disturbance, machine
from matching import MatchComparison, match_comparisons, match_figures
from report import Findings, as_json, markdown, show
from rich.console import Console
from rich.status import Status

#: Family -> an operation of it, and the peers it is compared with.
FAMILIES = {
    "search": ("search.bls", ("astropy", "gerbls")),
    "crossmatch": ("crossmatch.nearest", ("astropy", "pykdtree", "scipy")),
    "fit": ("fit.isophotes", ("photutils",)),
    "convert": ("convert.visibilities", ("pyuvdata",)),
    "cache": ("cache.open", ("lz4",)),
}

Measured = TypeVar(
    "Measured",
    Comparison,
    Figure,
    MatchComparison,
    FitComparison,
    ForcedComparison,
    ModelComparison,
    Beside,
)


def main() -> None:
    options = parsed_options()
    progress = Console(stderr=True, highlight=False)
    noisy = disturbance()
    peers = {family: available_peers(family, progress) for family in options.only}
    if options.markdown and not any(peers.values()):
        sys.exit("there is no peer to compare with, and so no table of ratios")
    only_ratios = options.markdown and options.json is None
    found = Findings(about=machine())
    with progress.status("measuring") as status:
        if "search" in peers:
            found.searches = list(told(status, comparisons(peers["search"])))
            found.figures += [] if only_ratios else told(status, figures())
        if "crossmatch" in peers:
            found.matches = list(told(status, match_comparisons(peers["crossmatch"])))
            found.figures += [] if only_ratios else told(status, match_figures())
        if "fit" in peers:
            measure_fits(found, status, peers["fit"])
        if "convert" in peers:
            found.conversions = list(told(status, conversion_comparison(peers["convert"])))
            found.figures += [] if only_ratios else told(status, conversion_figures())
        if "cache" in peers:
            found.caches = list(told(status, cache_comparisons(peers["cache"])))
            found.figures += [] if only_ratios else told(status, cache_figures())
    if options.json is not None:
        options.json.write_text(as_json(found) + "\n")
    if options.markdown:
        print(markdown(found))
    else:
        show(Console(highlight=False), found)
    if noisy:
        progress.print(noisy, style="yellow")


def measure_fits(found: Findings, status: Status, peers: set[str]) -> None:
    """Isophotes: each image is fitted, measured and drawn by both."""
    missing = missing_images()
    if missing:
        status.console.print(f"Not measured: {missing}", markup=False)
    if peers:
        found.fits = list(told(status, fit_comparisons()))
        found.forced = list(told(status, forced_comparisons()))
        found.models = list(told(status, model_comparisons()))
    found.scaling = scaling()


def available_peers(family: str, progress: Console) -> set[str]:
    """The peers that can run here; of the others it is said why not, and what to do."""
    operation, names = FAMILIES[family]
    peers = set()
    for peer in names:
        reason = why_not(peer, operation)
        if reason:
            where = f"armillary-{peer}" if family == "cache" else f"armillary-peers[{peer}]"
            how = f'pip install "plugins/{where}"'
            progress.print(f"Not compared with {peer}: {reason}. To have it: {how}", markup=False)
        else:
            peers.add(peer)
    return peers


def told(status: Status, measured: Iterator[Measured]) -> Iterator[Measured]:
    """The same, with what was measured last beside the spinner."""
    for one in measured:
        name = getattr(one, "what", None) or getattr(one, "question", None) or one
        status.update(f"measuring; done: {name}")
        yield one


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare armillary with its peers.")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write everything to a file")
    parser.add_argument(
        "--markdown", action="store_true", help="print only the tables that documents quote"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=tuple(FAMILIES),
        default=tuple(FAMILIES),
        help="which families to measure",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
