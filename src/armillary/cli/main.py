"""The ``armillary`` command: what all its subcommands share."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from .attribute import EXAMPLES as ATTRIBUTE_EXAMPLES
from .attribute import attribute
from .cache import cache
from .check import check
from .convert import convert
from .crossmatch import EXAMPLES as CROSSMATCH_EXAMPLES
from .crossmatch import crossmatch
from .demo import demo
from .fit import fit
from .messages import everything_on_standard_error, say, with_notes
from .search import search
from .status import status

#: Exit code after Ctrl-C: 128 and the number of the signal, as shells have it.
INTERRUPTED = 130
#: Exit code after SIGTERM.
TERMINATED = 143


class Commands(TyperGroup):
    """Subcommands whose foreseeable errors are one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; -v -v shows where an error came from."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except (ValueError, TypeError, OSError, ImportError, RuntimeError, MemoryError) as error:
            # Exit and Abort of typer are RuntimeErrors, too.
            if isinstance(error, (typer.Exit, typer.Abort, BrokenPipeError)):
                raise
            if ctx.params.get("verbose", 0) > 1:
                raise
            say("error", with_notes(error))
            raise typer.Exit(1) from None


app = typer.Typer(
    name="armillary",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    """Print the version and stop, if that is wanted."""
    if wanted:
        typer.echo(f"armillary {__version__}")
        raise typer.Exit


@app.callback()
def armillary(
    context: typer.Context,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Say more; twice: everything, with a traceback of errors.",
            show_default=False,
        ),
    ] = 0,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", callback=print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """The hot loops of survey astronomy, from files to files: search, fit, match, convert."""
    context.with_resource(everything_on_standard_error(verbose))


app.command()(status)
search.command(epilog=ATTRIBUTE_EXAMPLES, no_args_is_help=True)(attribute)
app.add_typer(search, name="search")
app.add_typer(fit, name="fit")
app.command(epilog=CROSSMATCH_EXAMPLES, no_args_is_help=True)(crossmatch)
app.add_typer(convert, name="convert")
app.add_typer(cache, name="cache")
app.command()(check)
app.add_typer(demo, name="demo")


def main() -> None:
    """Run the command of this process."""
    signal.signal(signal.SIGTERM, _terminate)
    app()


def _terminate(*_: Any) -> None:
    """End like any exit, so that temporary files go; a second signal would stop that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(TERMINATED)
