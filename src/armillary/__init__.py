"""armillary: the hot loops of survey astronomy behind one import.

>>> import armillary as arm
>>> arm.explain("search.bls").backend
'cpu'
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ._lazy import attach
from ._version import __version__

if TYPE_CHECKING:
    from . import cache, convert, crossmatch, fit, io, plugins, search, testing
    from .cache.choice import use_cache
    from .plugins.select import explain, set_backend, use_backend
    from .plugins.status import list_backends
    from .report import status
    from .search.grid.star import Star

__all__ = [
    "Star",
    "__version__",
    "cache",
    "convert",
    "crossmatch",
    "explain",
    "fit",
    "io",
    "list_backends",
    "plugins",
    "search",
    "set_backend",
    "status",
    "testing",
    "use_backend",
    "use_cache",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Star": ".search.grid.star",
        "cache": "",
        "convert": "",
        "crossmatch": "",
        "explain": ".plugins.select",
        "fit": "",
        "io": "",
        "list_backends": ".plugins.status",
        "plugins": "",
        "search": "",
        "set_backend": ".plugins.select",
        "status": ".report",
        "testing": "",
        "use_backend": ".plugins.select",
        "use_cache": ".cache.choice",
    },
)

# A library is silent until its user says where its log should go.
logging.getLogger(__name__).addHandler(logging.NullHandler())
