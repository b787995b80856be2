"""What goes wrong when data are read."""

from __future__ import annotations

__all__ = ["CatalogFileError", "LightCurveError"]


class LightCurveError(ValueError):
    """A file or table cannot be read as a light curve; the message is one sentence."""


class CatalogFileError(ValueError):
    """A file or folder cannot be read as a catalogue; the message is one sentence."""
