"""What every backend does, whatever its operation computes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass

from ..plugins.records import Provenance, Request
from ..plugins.registry import get_registry, resolve
from ..plugins.select import why_not
from .kit import Suite, require


@dataclass(frozen=True, slots=True)
class PlainCall:
    """A call that every backend of an operation answers.

    Attributes
    ----------
    request : Request
        What ``can_run`` may see of it.
    arguments : tuple of str
        The canonical arguments.
    run : callable
        Takes a backend's name; calls the front door and gives the provenance of the result.
    """

    request: Request
    arguments: tuple[str, ...]
    run: Callable[[str], Provenance]


def parameters_of_the_target(operation: str, backend: str) -> frozenset[str]:
    """What the target of a backend names."""
    target = resolve(get_registry().backends(operation)[backend].record.target)
    return frozenset(inspect.signature(target).parameters)


def add_manners(suite: Suite, plain: PlainCall) -> None:
    """Give a suite the checks of this file, for its own plain call."""
    for function in (provenance, arguments_of_the_target, can_run_sees_no_data, nothing_is_printed):
        bound = functools.partial(function, plain)
        suite.check(functools.update_wrapper(bound, function))


def provenance(plain: PlainCall, backend: str) -> None:
    """The result says which backend of which distribution computed it."""
    said = plain.run(backend)
    operation = plain.request.operation
    registered = get_registry().backends(operation)[backend]
    require(
        (said.operation, said.backend, said.distribution)
        == (operation, backend, registered.distribution),
        f"the provenance says {said}",
    )


def arguments_of_the_target(plain: PlainCall, backend: str) -> None:
    """The target names each canonical argument."""
    named = parameters_of_the_target(plain.request.operation, backend)
    missing = [name for name in plain.arguments if name not in named]
    require(not missing, f"the target does not name {', '.join(missing)}")


def can_run_sees_no_data(plain: PlainCall, backend: str) -> None:
    """can_run answers from shapes, dtypes and options, and in general from nothing."""
    operation = plain.request.operation
    registered = get_registry().backends(operation)[backend]
    for request in (Request(operation), plain.request):
        reason = why_not(registered, request)
        require(not reason, f"can_run refuses a plain request: {reason}")


def nothing_is_printed(plain: PlainCall, backend: str) -> None:
    """Nothing is written to sys.stdout."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        plain.run(backend)
    require(not written.getvalue(), f"it prints {written.getvalue()[:60]!r}")
