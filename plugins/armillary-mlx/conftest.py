"""Where MLX cannot run, the modules that import it are not searched for doctests."""

from __future__ import annotations

from armillary.plugins import Request
from armillary_mlx.device import can_run

collect_ignore = [] if can_run(Request("search.bls")) is True else ["src"]
