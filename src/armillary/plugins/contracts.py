"""The versions of what operations promise.

The version of an operation is raised when the same canonical arguments may give another result:
results that a cache keeps from before are then not served any more.
"""

from __future__ import annotations

#: Operation -> version of its contract, for every operation whose results can be kept.
CONTRACTS = {
    "crossmatch.nearest": 1,
    "crossmatch.within": 1,
    "fit.ellipse_model": 1,
    "fit.forced_isophotes": 1,
    "fit.isophotes": 1,
    "search.bls": 1,
    "search.template_score": 1,
}
