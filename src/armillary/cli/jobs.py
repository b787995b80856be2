"""From files to targets, and from targets to what a search found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .pool import Cancelled

if TYPE_CHECKING:
    from ..io import LightCurve
    from ..search import Peak, Periodogram

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """The files that are searched together."""

    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What to call a target that its files do not name."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].name.partition('.')[0]}{more}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: a periodogram with its peaks, or an error."""

    job: Job
    target: str
    n_read: int = 0
    periodogram: Periodogram | None = None
    peaks: tuple[Peak, ...] = ()
    error: str = ""

    @property
    def status(self) -> str:
        """One of "found", "no dimming" and "failed"."""
        if self.error:
            return "failed"
        return "found" if self.peaks else "no dimming"

    def without_periodogram(self) -> Outcome:
        """The same with its megabytes given back."""
        return replace(self, periodogram=None)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How every job is read, prepared and searched."""

    reading: dict[str, Any] = field(default_factory=dict)
    window: float | None = None
    searching: dict[str, Any] = field(default_factory=dict)
    n_peaks: int = 3

    def light_curve(self, files: Sequence[Path]) -> LightCurve:
        """Read, detrend and, if there are several, stitch."""
        from ..io import read_light_curve
        from ..search import detrend, stitch

        light_curves = [read_light_curve(path, **self.reading) for path in files]
        if self.window is not None:
            light_curves = [detrend(one, window=self.window) for one in light_curves]
        return light_curves[0] if len(light_curves) == 1 else stitch(light_curves)

    def search(self, job: Job, progress: Callable[[int, int], None]) -> Outcome:
        """Search one target; what is wrong with it is part of the outcome.

        Raises
        ------
        Exception
            Only what is wrong for every target alike: a package or backend that is not there,
            an option that the backend does not know, a cancelled run.
        """
        from ..plugins.errors import BackendUnavailable, UnsupportedOption
        from ..search import bls

        try:
            light_curve = self.light_curve(job.files)
            periodogram = bls(light_curve, progress=progress, **self.searching)
            peaks = tuple(periodogram.peaks(self.n_peaks))
        except (ImportError, BackendUnavailable, UnsupportedOption, Cancelled):
            raise
        except Exception as error:
            logger.debug("%s failed", job.name, exc_info=True)
            return Outcome(job, job.name, error=_sentence(error))
        target = light_curve.meta["target"] or job.name
        return Outcome(job, target, light_curve.meta["n_read"], periodogram, peaks)


def _sentence(error: Exception) -> str:
    """What the error says; one that is not about the caller's input starts with its type."""
    if isinstance(error, (ValueError, OSError)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"
