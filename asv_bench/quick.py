"""A comparison with the peers in about two minutes: ``make bench``.

asv, in the folder beside this file, is for statistics over many commits; this is for
one look. Both time the same light curves through the same functions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from benchmarks.common import why_not
from comparison import Comparison, Figure, comparisons, figures
from machine import disturbance, machine
from report import as_json, markdown, show
from rich.console import Console
from rich.status import Status

PEERS = ("astropy", "gerbls")

Measured = TypeVar("Measured", Comparison, Figure)


def main() -> None:
    options = parsed_options()
    progress = Console(stderr=True, highlight=False)
    noisy = disturbance()
    peers = available_peers(progress)
    if options.markdown and not peers:
        sys.exit("there is no peer to compare with, and so no table of ratios")
    with progress.status("measuring") as status:
        found = list(told(status, comparisons(peers)))
        only_ratios = options.markdown and options.json is None
        measured = [] if only_ratios else list(told(status, figures()))
    about = machine()
    if options.json is not None:
        options.json.write_text(as_json(found, measured, about) + "\n")
    if options.markdown:
        print(markdown(found, about))
    else:
        show(Console(highlight=False), found, measured, about)
    if noisy:
        progress.print(noisy, style="yellow")


def available_peers(progress: Console) -> set[str]:
    """The peers that can run here; of the others it is said why not, and what to do."""
    peers = set()
    for peer in PEERS:
        reason = why_not(peer)
        if reason:
            how = f'pip install "plugins/armillary-peers[{peer}]"'
            progress.print(f"Not compared with {peer}: {reason}. To have it: {how}", markup=False)
        else:
            peers.add(peer)
    return peers


def told(status: Status, measured: Iterator[Measured]) -> Iterator[Measured]:
    """The same, with what was measured last beside the spinner."""
    for one in measured:
        name = one.what if isinstance(one, Figure) else f"{one.light_curve}, {one.peer}"
        status.update(f"measuring; done: {name}")
        yield one


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare armillary with its peers.")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write everything to a file")
    parser.add_argument(
        "--markdown", action="store_true", help="print only the table that documents quote"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
