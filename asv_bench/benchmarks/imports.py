"""``import armillary`` must cost little more than ``import numpy``."""

from __future__ import annotations

from .common import unit
from .processes import import_ratio


class Imports:
    """Each import in an interpreter of its own."""

    rounds = 4
    timeout = 120

    def timeraw_import_armillary(self) -> str:
        return "import armillary"

    def timeraw_import_numpy(self) -> str:
        return "import numpy"

    def timeraw_first_search(self) -> str:
        return "import armillary; armillary.search.bls"

    @unit("times import numpy")
    def track_import_ratio(self) -> float:
        """``import armillary`` over ``import numpy``; the budget is 1.5."""
        return import_ratio()
