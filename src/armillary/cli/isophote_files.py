"""Isophotes into files: tables, models, residuals and pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .._files import check_destination
from .._words import counted
from .destinations import Destinations, Kind
from .images import PLACEHOLDER, FitOutcome, ImageJob
from .isophote_summary import headline
from .jobs import sentence_of
from .overwriting import refuse_inputs

if TYPE_CHECKING:
    import numpy as np

    from ..fit import Isophotes
    from ..io import Image

logger = logging.getLogger(__name__)

#: Endings of the names of images that can be written.
IMAGE_ENDINGS = (".fits", ".fits.gz")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written of every image.

    Attributes
    ----------
    table, model, residual, picture : Path or None
        A file, a folder, or a name with ``{image}`` in it; None means that it is not wanted.
    iraf : bool
        The table has the names and conventions of IRAF.
    zero_point : float or None
        Magnitude of a source of intensity 1: adds magnitudes to the table, and draws them.
    pixel_scale : float or None
        Width of a pixel (arcsec), for the picture.
    overwrite : bool
        Replace tables and images that are there. Pictures always are.
    """

    table: Path | None = None
    model: Path | None = None
    residual: Path | None = None
    picture: Path | None = None
    iraf: bool = False
    zero_point: float | None = None
    pixel_scale: float | None = None
    overwrite: bool = False

    def check(self) -> None:
        """Make sure that everything is meant for something, and possible.

        Raises
        ------
        ValueError
            If not.
        """
        from ..fit.isophote.table import checked_zero_point

        has_picture, has_table = self.picture is not None, self.table is not None
        has_image = self.model is not None or self.residual is not None
        about = {
            "--iraf": (self.iraf, has_table, "the table; give it with --output"),
            "--zero-point": (
                self.zero_point is not None,
                has_table or has_picture,
                "the table and the picture; give them with --output or --plot",
            ),
            "--pixel-scale": (
                self.pixel_scale is not None,
                has_picture,
                "the picture; give it with --plot",
            ),
            "--overwrite": (
                self.overwrite,
                has_table or has_image,
                "files that are written; give them with --output, --model or --residual",
            ),
        }
        for option, (is_given, is_of_use, what) in about.items():
            if is_given and not is_of_use:
                raise ValueError(f"{option} is about {what}")
        checked_zero_point(self.zero_point)
        if self.pixel_scale is not None and not 0.0 < self.pixel_scale < float("inf"):
            raise ValueError(f"--pixel-scale must be positive (arcsec), not {self.pixel_scale:g}")


class IsophoteFiles:
    """The files of some images, checked before any work.

    Parameters
    ----------
    wanted : Wanted
        What is written of each.
    jobs : sequence of ImageJob
        The images.
    others : sequence of Path
        Further files that are read.
    threads : int
        For the model images.

    Raises
    ------
    ValueError
        If a suffix names no format, one file would get several outputs or replace one that is
        read, or an option is of no use.
    FileExistsError
        If a table or image is there and may not be replaced.
    OSError
        If something cannot be written where it should go.
    ImportError
        If a picture is wanted and matplotlib is not installed.
    """

    def __init__(
        self, wanted: Wanted, jobs: Sequence[ImageJob], others: Sequence[Path], threads: int
    ) -> None:
        wanted.check()
        self._wanted, self._threads = wanted, threads
        self._destinations = {
            what: Destinations(kind, getattr(wanted, what), len(jobs))
            for what, kind in _kinds().items()
            if getattr(wanted, what) is not None
        }
        self._paths = {
            what: [destinations.path(job.name) for job in jobs]
            for what, destinations in self._destinations.items()
        }
        self._refuse_inputs([*others, *(path for job in jobs for path in job.files)])
        self._refuse_to_write_twice()
        if not wanted.overwrite:
            self._refuse_older_files()
        self.written: dict[str, list[Path]] = {what: [] for what in self._paths}

    def write(self, number: int, outcome: FitOutcome) -> FitOutcome:
        """Write everything of an image; what could not be written is part of the outcome.

        Parameters
        ----------
        number : int
            Which of the images it is.
        outcome : FitOutcome
            With its pixels.
        """
        if outcome.isophotes is None or outcome.image is None:
            return outcome
        writer = _Writer(
            outcome.job.name,
            outcome.isophotes,
            outcome.image,
            outcome.mask,
            self._wanted,
            self._threads,
        )
        errors = []
        for what, paths in self._paths.items():
            path = paths[number]
            try:
                writer.writers[what](path)
            except Exception as error:
                logger.debug("%s was not written", path, exc_info=True)
                why = f"{outcome.job.path}: the {what} {str(path)!r} was not written: "
                errors.append(why + sentence_of(error))
            else:
                self.written[what].append(path)
        return replace(outcome, errors=(*outcome.errors, *errors))

    def told(self) -> list[str]:
        """What was written, a line for each kind."""
        lines = []
        for what, paths in self.written.items():
            if len(self._paths[what]) == 1:
                lines += [f"{what}: {path}" for path in paths]
            elif paths:
                lines.append(f"{counted(len(paths), what)}: {self._destinations[what].pattern}")
        return lines

    # ------------------------------------------------------------ what is refused

    def _refuse_inputs(self, inputs: Sequence[Path]) -> None:
        refuse_inputs(
            (
                (self._destinations[what].kind.option, path)
                for what, paths in self._paths.items()
                for path in paths
            ),
            inputs,
        )

    def _refuse_to_write_twice(self) -> None:
        given: dict[Path, str] = {}
        for what, paths in self._paths.items():
            option = self._destinations[what].kind.option
            for path in paths:
                other = given.setdefault(path.resolve(), option)
                if other != option:
                    raise ValueError(f"{other} and {option} would both write {str(path)!r}")

    def _refuse_older_files(self) -> None:
        for what, paths in self._paths.items():
            for path in paths:
                if what != "picture" and path.exists():
                    raise FileExistsError(f"{str(path)!r} exists; --overwrite replaces it")


def _kinds() -> dict[str, Kind]:
    from ..plot.files import check_picture_path

    names = {
        "table": ("--output", f"{PLACEHOLDER}.ecsv", check_table_path),
        "model": ("--model", f"{PLACEHOLDER}_model.fits", check_image_path),
        "residual": ("--residual", f"{PLACEHOLDER}_residual.fits", check_image_path),
        "picture": ("--plot", f"{PLACEHOLDER}.png", check_picture_path),
    }
    return {
        what: Kind(option, what, PLACEHOLDER, file_name, check)
        for what, (option, file_name, check) in names.items()
    }


def check_table_path(path: Path) -> None:
    """Make sure, before any work, that a table of isophotes can be written to this path.

    Raises
    ------
    ValueError
        If the suffix is none of ``.ecsv`` and ``.fits``.
    OSError
        If a file cannot be written there.
    """
    from ..fit.isophote.table import table_format

    table_format(path)
    check_destination(path)


def check_image_path(path: Path) -> None:
    """Make sure, before any work, that an image can be written to this path.

    Raises
    ------
    ValueError
        If the name ends with neither ``.fits`` nor ``.fits.gz``.
    OSError
        If a file cannot be written there.
    """
    if not path.name.lower().endswith(IMAGE_ENDINGS):
        raise ValueError(
            f"an image cannot be written as {path.name!r}; "
            f"its name must end with {' or '.join(IMAGE_ENDINGS)}"
        )
    check_destination(path)


# ------------------------------------------------------------------ one image


@dataclass
class _Writer:
    """Everything that can be written of one image."""

    name: str
    isophotes: Isophotes
    image: Image
    mask: np.ndarray | None
    wanted: Wanted
    threads: int

    @property
    def writers(self) -> dict[str, Callable[[Path], None]]:
        return {
            "table": self._write_table,
            "model": self._write_model,
            "residual": self._write_residual,
            "picture": self._write_picture,
        }

    def _write_table(self, path: Path) -> None:
        wanted = self.wanted
        self.isophotes.save(
            path,
            names="iraf" if wanted.iraf else "photutils",
            zero_point=wanted.zero_point,
            overwrite=wanted.overwrite,
        )

    def _write_model(self, path: Path) -> None:
        self._write_image(path, self._model)

    def _write_residual(self, path: Path) -> None:
        self._write_image(path, self.image.data - self._model)

    @cached_property
    def _model(self) -> np.ndarray:
        """NaN outside the last isophote, where nothing is known."""
        from ..fit import ellipse_model

        return ellipse_model(
            self.image.data, self.isophotes, fill=float("nan"), threads=self.threads
        )

    def _write_image(self, path: Path, pixels: np.ndarray) -> None:
        from ..io import write_image

        write_image(
            path,
            pixels.astype(self.image.data.dtype),
            header=self.image.header,
            overwrite=self.wanted.overwrite,
        )

    def _write_picture(self, path: Path) -> None:
        from ..plot.files import save_figure
        from ..plot.isophotes import plot_isophotes

        figure = plot_isophotes(
            self.isophotes,
            self.image.data,
            mask=self.mask,
            zero_point=self.wanted.zero_point,
            pixel_scale=self.wanted.pixel_scale,
            title=f"{self.name}: {headline(self.isophotes)}",
        )
        save_figure(figure, path)
