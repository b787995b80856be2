"""From image files to isophotes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.pool import Cancelled
from .jobs import sentence_of

if TYPE_CHECKING:
    import numpy as np

    from ..fit import Isophotes
    from ..io import Image

logger = logging.getLogger(__name__)

#: Stands for the name of the image in the path of what belongs to it.
PLACEHOLDER = "{image}"
#: What is not part of the name of an image.
SUFFIXES = (".fits", ".fit", ".fts", ".fz", ".gz")


@dataclass(frozen=True, slots=True)
class ImageJob:
    """An image with its mask and variance, as files."""

    path: Path
    mask: Path | None = None
    variance: Path | None = None

    @property
    def name(self) -> str:
        """The name of the file without its suffixes."""
        return image_name(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read."""
        return tuple(path for path in (self.path, self.mask, self.variance) if path is not None)


@dataclass(frozen=True, slots=True)
class FitOutcome:
    """What became of an image: isophotes, or an error; and what could not be written of it."""

    job: ImageJob
    isophotes: Isophotes | None = None
    image: Image | None = None
    mask: np.ndarray | None = None
    errors: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether there are isophotes, and all that was asked for is written."""
        return self.isophotes is not None and not (self.isophotes.reason or self.errors)

    def without_pixels(self) -> FitOutcome:
        """The same with its megabytes given back."""
        return replace(self, image=None, mask=None)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is done with every image.

    Attributes
    ----------
    operation : str
        "fit.isophotes" or "fit.forced_isophotes".
    ellipses : mapping
        What is known of the ellipse to begin with; or the ellipses to measure along.
    options : mapping
        Further arguments of the operation.
    extension : int, str or None
        Which HDU of each file.
    """

    operation: str
    ellipses: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    extension: int | str | None = None

    def measure(self, job: ImageJob) -> FitOutcome:
        """Read and measure one image; what is wrong with it is part of the outcome.

        Raises
        ------
        Exception
            Only what is wrong for every image alike: a package or backend that is not there,
            an option that the backend does not know, a cancelled run.
        """
        from ..plugins.errors import BackendUnavailable, UnsupportedOption

        try:
            return self._measured(job)
        except (ImportError, BackendUnavailable, UnsupportedOption, Cancelled):
            raise
        except Exception as error:
            logger.debug("%s failed", job.path, exc_info=True)
            sentence = sentence_of(error)
            # The readers quote the name of the file that they were given.
            named = repr(str(job.path)) in sentence
            return FitOutcome(job, errors=(sentence if named else f"{job.path}: {sentence}",))

    def _measured(self, job: ImageJob) -> FitOutcome:
        from ..fit import forced_isophotes, isophotes
        from ..io import read_image, read_mask

        image = read_image(job.path, extension=self.extension)
        mask = None if job.mask is None else read_mask(job.mask, shape=image.data.shape)
        variance = None if job.variance is None else read_image(job.variance).data
        measure = isophotes if self.operation == "fit.isophotes" else forced_isophotes
        found = measure(
            image.data, self.ellipses, mask=mask, variance=variance, threads=1, **self.options
        )
        return FitOutcome(job, found, image, mask)


def image_jobs(
    files: Sequence[Path], mask: Path | None, variance: Path | None
) -> tuple[ImageJob, ...]:
    """The images, each with its own mask and variance, or with those of all.

    Parameters
    ----------
    files : sequence of Path
        The images.
    mask, variance : Path or None
        One file for all images, or a path with ``{image}`` in it, which stands for the name of
        each. None means there is none.

    Raises
    ------
    FileNotFoundError
        If the one file for all is not there.
    """
    for option, path in (("--mask", mask), ("--variance", variance)):
        if path is not None and PLACEHOLDER not in str(path) and not path.is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r} for {option}")
    return tuple(ImageJob(path, _of(path, mask), _of(path, variance)) for path in files)


def image_name(path: Path) -> str:
    """The name of a file without its suffixes: ``ngc4037_r`` of ``ngc4037_r.fits.gz``."""
    while path.suffix.lower() in SUFFIXES:
        path = path.with_suffix("")
    return path.name


def _of(image: Path, pattern: Path | None) -> Path | None:
    """What belongs to an image."""
    if pattern is None:
        return None
    return Path(str(pattern).replace(PLACEHOLDER, image_name(image)))
