"""Light curves made ready for a search: joined, and freed of slow trends."""

from armillary.search.conditioning.api import detrend, stitch

__all__ = ["detrend", "stitch"]
