"""From files to targets, and from targets to what a search found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.pool import Cancelled
from .messages import with_notes

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
        return f"{self.files[0].name.partition('.')[0]}{self._more}"

    @property
    def where(self) -> str:
        """The files, as an error names them."""
        return f"{self.files[0]}{self._more}"

    @property
    def _more(self) -> str:
        return f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What became of a job: a periodogram with its peaks, or an error.

    ``error`` is why it could not be searched, ``picture_error`` why it could not be drawn;
    ``cache_hit`` says that it was not, as a store had the periodogram.
    """

    job: Job
    target: str
    n_read: int = 0
    periodogram: Periodogram | None = None
    peaks: tuple[Peak, ...] = ()
    error: str = ""
    picture_error: str = ""
    cache_hit: bool = False

    @property
    def status(self) -> str:
        """One of "found", "no dimming" and "failed"."""
        if self.error:
            return "failed"
        return "found" if self.peaks else "no dimming"

    def without_periodogram(self) -> SearchOutcome:
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
        from ..search import stitch

        parts = [self._part(path) for path in files]
        return parts[0] if len(parts) == 1 else stitch(parts)

    def _part(self, path: Path) -> LightCurve:
        from ..io import read_light_curve
        from ..search import detrend

        with _errors_naming(str(path)):
            part = read_light_curve(path, **self.reading)
            return part if self.window is None else detrend(part, window=self.window)

    def search(self, job: Job, progress: Callable[[int, int], None]) -> SearchOutcome:
        """Search one target; what is wrong with it is part of the outcome.

        Raises
        ------
        Exception
            Only what is wrong for every target alike: a package or backend that is not there,
            an option that the backend does not know, a cancelled run.
        """
        from ..search import bls

        try:
            with _errors_naming(job.where):
                light_curve = self.light_curve(job.files)
                periodogram = bls(light_curve, progress=progress, **self.searching)
                peaks = tuple(periodogram.peaks(self.n_peaks))
        except TargetFailed as failure:
            logger.debug("%s failed", job.name, exc_info=True)
            return SearchOutcome(job, job.name, error=str(failure))
        target = light_curve.meta["target"] or job.name
        return SearchOutcome(
            job,
            target,
            light_curve.meta["n_read"],
            periodogram,
            peaks,
            cache_hit=periodogram.provenance.cache_hit,
        )


class TargetFailed(Exception):
    """A target cannot be searched; the sentence names the file."""


@contextmanager
def _errors_naming(where: str) -> Iterator[None]:
    """Turn what is wrong with one target into a :class:`TargetFailed` that names it."""
    from ..plugins.errors import BackendUnavailable, UnsupportedOption

    try:
        yield
    except (ImportError, BackendUnavailable, UnsupportedOption, Cancelled, TargetFailed):
        raise
    except Exception as error:
        sentence = sentence_of(error)
        # The readers quote the name of the file that they were given.
        named = repr(where) in sentence
        raise TargetFailed(sentence if named else f"{where}: {sentence}") from error


def sentence_of(error: Exception) -> str:
    """What the error says; one that is not about the caller's input starts with its type."""
    if isinstance(error, (ValueError, OSError)) and str(error):
        return with_notes(error)
    return f"{type(error).__name__}: {with_notes(error)}"
