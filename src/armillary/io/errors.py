"""What goes wrong when data are read."""

from __future__ import annotations

__all__ = ["LightCurveError"]


class LightCurveError(ValueError):
    """A file or table cannot be read as a light curve; the message is one sentence."""
