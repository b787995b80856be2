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


def scipy(request: Request) -> Literal[True] | str:
    """True, or how to install SciPy."""
    return _installed("scipy")


def pykdtree(request: Request) -> Literal[True] | str:
    """True, or how to install pykdtree."""
    return _installed("pykdtree")


def sklearn(request: Request) -> Literal[True] | str:
    """True, or how to install scikit-learn."""
    return _installed("sklearn", "scikit-learn")


def photutils(request: Request) -> Literal[True] | str:
    """True, or how to install photutils."""
    return _installed("photutils")


def pyuvdata(request: Request) -> Literal[True] | str:
    """True, or how to install pyuvdata."""
    return _installed("pyuvdata")


def _installed(module: str, name: str | None = None) -> Literal[True] | str:
    """Look for a module, which is also the name of its extra."""
    if find_spec(module) is None:
        return f'{name or module} is not installed; pip install "armillary-peers[{module}]"'
    return True
