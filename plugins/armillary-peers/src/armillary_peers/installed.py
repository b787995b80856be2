"""Whether a peer is there, asked without importing it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from armillary.plugins import Request


def astropy(request: Request) -> Literal[True] | str:
    """True, or how to install astropy."""
    return _installed("astropy")


def gerbls(request: Request) -> Literal[True] | str:
    """True, or how to install GERBLS."""
    return _installed("gerbls")


def _installed(peer: str) -> Literal[True] | str:
    if find_spec(peer) is None:
        return f'{peer} is not installed; pip install "armillary-peers[{peer}]"'
    return True
