"""``armillary fit``: from images to isophotes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .images import FitOutcome, ImageJob, Measurement, image_jobs
from .isophote_files import IsophoteFiles, Wanted
from .kept import Cache, kept_in, tell_hits
from .messages import say

if TYPE_CHECKING:
    from ..runtime.pool import Pool

fit = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Fit the isophotes of galaxies."
)

ISOPHOTE_EXAMPLES = """
**Examples**

    # find the galaxy, fit it, and look at what came out
    armillary fit isophotes ngc4037.fits -o ngc4037.ecsv --plot ngc4037.png

    # with a mask, around a given centre, and what the model leaves
    armillary fit isophotes u12517j.fits.gz --mask u12517j.dmask \\
        --center 567,562 --min-sma 12 --model model.fits --residual residual.fits

    # a noisy galaxy: its outskirts in rings, without stars, in magnitudes
    armillary fit isophotes r.fits --integrator median --n-clip 3 --fix center \\
        --zero-point 22.5 --pixel-scale 0.396 -o r.ecsv --plot r.png

    # many galaxies, each with a mask of its own
    armillary fit isophotes images/*.fits --mask 'masks/{image}_mask.fits' \\
        -o tables --plot plots --residual 'residuals/{image}.fits'
"""

FORCED_EXAMPLES = """
**Examples**

    # the colour profile of a galaxy: the ellipses of one band, measured in others
    armillary fit isophotes r.fits -o r.ecsv
    armillary fit forced g.fits i.fits --template r.ecsv -o tables

    # along the ellipses of an IRAF table
    armillary fit forced m51.fits --template m51.tab.fits -o m51.ecsv --plot m51.png
"""

_START = "Where to begin"
_FITTING = "Fitting"
_SAMPLING = "Sampling"
_READING = "Reading"
_RUNNING = "Running"
_OUTPUT = "Output"

#: What can be kept as it is at the beginning, and what the library calls that.
FIXED = {
    "center": "fix_center",
    "ellipticity": "fix_ellipticity",
    "position-angle": "fix_position_angle",
}


def _option(*names: str, help: str, panel: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **more)


# ------------------------------------------------------------------ options of both commands

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="IMAGE",
        help="FITS images; gzipped ones and .fits.fz will do.",
        show_default=False,
    ),
]
Mask = Annotated[
    Path | None,
    _option(
        "--mask",
        help="Pixels not to use: a FITS image that is not 0 there, or a bitmap (BITPIX = 1) that "
        "is 0 there. One for all images, or a name with {image} in it.",
        panel=_READING,
        metavar="FILE",
    ),
]
Variance = Annotated[
    Path | None,
    _option(
        "--variance",
        help="A FITS image of the variance of each pixel; samples are then weighted. The same.",
        panel=_READING,
        metavar="FILE",
    ),
]
Extension = Annotated[
    str | None,
    _option(
        "--extension",
        help="HDU of the images: a number from 0, or a name. Default: the first with an image.",
        panel=_READING,
        metavar="HDU",
    ),
]
Linear = Annotated[
    bool, _option("--linear", help="--step is in pixels, not relative.", panel=_SAMPLING)
]
Integrator = Annotated[
    str,
    _option(
        "--integrator",
        help="bilinear: samples between pixels. mean, median: over sectors of a ring as wide as "
        "--step.",
        panel=_SAMPLING,
        metavar="HOW",
    ),
]
Sampling = Annotated[
    str,
    _option(
        "--sampling",
        help="polar_angle: as IRAF. eccentric_anomaly: exact for flat ellipses, too.",
        panel=_SAMPLING,
        metavar="HOW",
    ),
]
Harmonics = Annotated[
    str,
    _option(
        "--harmonics",
        help="Orders of the deviations from ellipses to measure.",
        panel=_SAMPLING,
        metavar="N,...",
    ),
]
NumberOfClips = Annotated[
    int,
    _option(
        "--n-clip",
        help="So often, leave out samples far from the mean.",
        panel=_SAMPLING,
        metavar="N",
    ),
]
SigmaClip = Annotated[
    float,
    _option(
        "--sigma-clip",
        help="What is far: so many standard deviations.",
        panel=_SAMPLING,
        metavar="K",
    ),
]
Backend = Annotated[
    str | None,
    _option(
        "--backend",
        help="What computes; `armillary status` lists the choices.",
        panel=_RUNNING,
        metavar="NAME",
    ),
]
Threads = Annotated[
    int | None,
    _option(
        "--threads",
        help="Images measured side by side. Default: every processor.",
        panel=_RUNNING,
        metavar="N",
    ),
]
Quiet = Annotated[
    bool, _option("--quiet", "-q", help="No progress and no summary.", panel=_RUNNING)
]
Output = Annotated[
    Path | None,
    _option(
        "--output",
        "-o",
        help="Write the table of isophotes: .ecsv or .fits; for several images a folder, or a "
        "name with {image} in it.",
        panel=_OUTPUT,
        metavar="PATH",
    ),
]
Iraf = Annotated[
    bool,
    _option(
        "--iraf",
        help="The table has the names of IRAF; pixels from 1, angles from +y.",
        panel=_OUTPUT,
    ),
]
Plot = Annotated[
    Path | None,
    _option(
        "--plot",
        help="Draw ellipses, residuals and profiles: .png, .pdf or .svg; for several images the "
        "same as --output. Replaced if it exists.",
        panel=_OUTPUT,
        metavar="PATH",
    ),
]
Model = Annotated[
    Path | None,
    _option(
        "--model",
        help="Write the galaxy without noise: .fits; NaN outside the last isophote. For several "
        "images the same.",
        panel=_OUTPUT,
        metavar="PATH",
    ),
]
Residual = Annotated[
    Path | None,
    _option(
        "--residual",
        help="Write the image minus the model: the same.",
        panel=_OUTPUT,
        metavar="PATH",
    ),
]
ZeroPoint = Annotated[
    float | None,
    _option(
        "--zero-point",
        help="Magnitude of a source of intensity 1: adds magnitudes to the table (for the area "
        "of a pixel) and draws them.",
        panel=_OUTPUT,
        metavar="MAG",
    ),
]
PixelScale = Annotated[
    float | None,
    _option(
        "--pixel-scale",
        help="Width of a pixel, for the picture: in arcsec, and magnitudes for arcsec^2.",
        panel=_OUTPUT,
        metavar="ARCSEC",
    ),
]
Overwrite = Annotated[
    bool,
    _option("--overwrite", help="Replace tables and images that are there.", panel=_OUTPUT),
]


@fit.callback()
def _group() -> None:
    """Fit the isophotes of galaxies."""


# ------------------------------------------------------------------ the commands


@fit.command(epilog=ISOPHOTE_EXAMPLES, no_args_is_help=True)
def isophotes(
    images: Files,
    center: Annotated[
        str | None,
        _option(
            "--center",
            help="Centre, in pixels from 0 (DS9 and IRAF count from 1). Default: that of the most "
            "prominent object.",
            panel=_START,
            metavar="X,Y",
        ),
    ] = None,
    sma0: Annotated[
        float | None,
        _option(
            "--sma0",
            help="First semi-major axis, well inside the galaxy. Default, as of the next two: "
            "from the moments of the object.",
            panel=_START,
            metavar="PIXELS",
        ),
    ] = None,
    ellipticity: Annotated[
        float | None,
        _option("--ellipticity", help="1 - b/a.", panel=_START, metavar="E"),
    ] = None,
    position_angle: Annotated[
        float | None,
        _option(
            "--position-angle",
            help="Of the major axis, counter-clockwise from +x.",
            panel=_START,
            metavar="DEGREES",
        ),
    ] = None,
    min_sma: Annotated[
        float,
        _option(
            "--min-sma",
            help="Smallest semi-major axis; 0 adds the value at the centre.",
            panel=_FITTING,
            metavar="PIXELS",
        ),
    ] = 0.0,
    max_sma: Annotated[
        float | None,
        _option(
            "--max-sma",
            help="Largest; beyond the last good fit its shape is kept. Default: the last good fit.",
            panel=_FITTING,
            metavar="PIXELS",
        ),
    ] = None,
    fix: Annotated[
        str | None,
        _option(
            "--fix",
            help="What to keep as it is at the beginning: center, ellipticity, position-angle.",
            panel=_FITTING,
            metavar="NAME,...",
        ),
    ] = None,
    step: Annotated[
        float,
        _option(
            "--step",
            help="From one semi-major axis to the next: 0.1 is ten per cent; pixels if --linear.",
            panel=_SAMPLING,
            metavar="STEP",
        ),
    ] = 0.1,
    linear: Linear = False,
    integrator: Integrator = "bilinear",
    sampling: Sampling = "polar_angle",
    harmonics: Harmonics = "3,4",
    n_clip: NumberOfClips = 0,
    sigma_clip: SigmaClip = 3.0,
    mask: Mask = None,
    variance: Variance = None,
    extension: Extension = None,
    backend: Backend = None,
    cache: Cache = None,
    threads: Threads = None,
    quiet: Quiet = False,
    output: Output = None,
    iraf: Iraf = False,
    plot: Plot = None,
    model: Model = None,
    residual: Residual = None,
    zero_point: ZeroPoint = None,
    pixel_scale: PixelScale = None,
    overwrite: Overwrite = False,
) -> None:
    """Fit ellipses to the isophotes of galaxies, one in each image, as IRAF's ellipse does.

    The galaxy is found if --center does not say where it is. What is given about it holds for
    every image. An image that cannot be read or fitted does not stop the others: it is named at
    the end, and the exit code is then 1; the same goes for a file that cannot be written.
    """
    options = {
        "min_sma": min_sma,
        "max_sma": max_sma,
        **_fixed(fix),
        "step": step,
        "linear": linear,
        "integrator": integrator,
        "sampling": sampling,
        "harmonics": _orders(harmonics),
        "n_clip": n_clip,
        "sigma_clip": sigma_clip,
    }
    begin = _beginning(center, sma0, ellipticity, position_angle)
    measurement = _measurement("fit.isophotes", begin, options, backend, extension)
    wanted = Wanted(output, model, residual, plot, iraf, zero_point, pixel_scale, overwrite)
    with kept_in(cache):
        _run(image_jobs(images, mask, variance), measurement, wanted, (), threads, quiet)


@fit.command(epilog=FORCED_EXAMPLES, no_args_is_help=True)
def forced(
    images: Files,
    template: Annotated[
        Path,
        typer.Option(
            "--template",
            "-t",
            metavar="TABLE",
            help="The ellipses: a table of `armillary fit isophotes`, photutils or IRAF, .ecsv or "
            ".fits.",
            show_default=False,
        ),
    ],
    step: Annotated[
        float,
        _option(
            "--step",
            help="Width of the ring for mean and median: 0.1 is ten per cent of the semi-major "
            "axis; pixels if --linear.",
            panel=_SAMPLING,
            metavar="STEP",
        ),
    ] = 0.1,
    linear: Linear = False,
    integrator: Integrator = "bilinear",
    sampling: Sampling = "polar_angle",
    harmonics: Harmonics = "3,4",
    n_clip: NumberOfClips = 0,
    sigma_clip: SigmaClip = 3.0,
    mask: Mask = None,
    variance: Variance = None,
    extension: Extension = None,
    backend: Backend = None,
    cache: Cache = None,
    threads: Threads = None,
    quiet: Quiet = False,
    output: Output = None,
    iraf: Iraf = False,
    plot: Plot = None,
    model: Model = None,
    residual: Residual = None,
    zero_point: ZeroPoint = None,
    pixel_scale: PixelScale = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure images along given ellipses, such as those of another band on the same pixels.

    An image that cannot be read or measured does not stop the others: it is named at the end, and
    the exit code is then 1; the same goes for a file that cannot be written.
    """
    from ..fit.isophote.template import ellipses_of

    options = {
        "step": step,
        "linear": linear,
        "integrator": integrator,
        "sampling": sampling,
        "harmonics": _orders(harmonics),
        "n_clip": n_clip,
        "sigma_clip": sigma_clip,
    }
    ellipses = ellipses_of(template)
    measurement = _measurement("fit.forced_isophotes", ellipses, options, backend, extension)
    wanted = Wanted(output, model, residual, plot, iraf, zero_point, pixel_scale, overwrite)
    with kept_in(cache):
        _run(image_jobs(images, mask, variance), measurement, wanted, (template,), threads, quiet)


# ------------------------------------------------------------------ what was asked for


def _beginning(
    center: str | None,
    sma0: float | None,
    ellipticity: float | None,
    position_angle: float | None,
) -> dict[str, float]:
    """What is known of the ellipse to begin with, checked, as the library names it."""
    from ..fit.isophote.geometry import known_parameters

    known = {"sma": sma0, "ellipticity": ellipticity}
    if center is not None:
        known["x0"], known["y0"] = _centre(center)
    if position_angle is not None:
        known["position_angle"] = math.radians(position_angle)
    return known_parameters({name: value for name, value in known.items() if value is not None})


def _centre(text: str) -> tuple[float, float]:
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"--center must be X,Y, two numbers of pixels, not {text!r}") from None
    return x, y


def _fixed(text: str | None) -> dict[str, bool]:
    asked = _parts(text or "")
    for name in asked:
        if name not in FIXED:
            raise ValueError(f"--fix must name some of {', '.join(FIXED)}, not {name!r}")
    return {option: name in asked for name, option in FIXED.items()}


def _orders(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, _parts(text)))
    except ValueError:
        raise ValueError(f"--harmonics must be N,..., whole numbers, not {text!r}") from None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _measurement(
    operation: str,
    ellipses: Mapping[str, Any],
    options: Mapping[str, Any],
    backend: str | None,
    extension: str | None,
) -> Measurement:
    """What is done with every image; what cannot work is refused before any is read."""
    from ..fit.isophote.rules import Rules
    from ..plugins.records import Request
    from ..plugins.select import choose

    Rules(**options)
    choose(Request(operation), backend)
    hdu = int(extension) if extension is not None and extension.isdecimal() else extension
    return Measurement(operation, ellipses, {**options, "backend": backend}, hdu)


# ------------------------------------------------------------------ running


def _run(
    jobs: Sequence[ImageJob],
    measurement: Measurement,
    wanted: Wanted,
    others: Sequence[Path],
    threads: int | None,
    quiet: bool,
) -> None:
    """Measure, write, tell."""
    from ..fit import IsophoteWarning
    from ..runtime.pool import Pool
    from ..runtime.progress import reporting
    from ..runtime.threads import thread_count

    threads = thread_count(threads)
    pool = Pool(min(threads, len(jobs)))
    files = IsophoteFiles(wanted, jobs, others, max(1, threads // pool.workers))
    outcomes: list[FitOutcome] = []
    many = counted(len(jobs), "image") if len(jobs) > 1 else jobs[0].name
    with warnings.catch_warnings(), reporting(not quiet, f"isophotes of {many}") as report:
        # Said at the end, with the name of the file.
        warnings.simplefilter("ignore", IsophoteWarning)
        with closing(_outcomes(pool, measurement, jobs)) as found:
            for outcome in found:
                outcomes.append(files.write(len(outcomes), outcome).without_pixels())
                if report is not None:
                    report(len(outcomes), len(jobs))
    _tell(outcomes, files, quiet)
    if not all(outcome.succeeded for outcome in outcomes):
        raise typer.Exit(1)


def _outcomes(
    pool: Pool, measurement: Measurement, jobs: Sequence[ImageJob]
) -> Generator[FitOutcome, None, None]:
    def work(job: ImageJob) -> FitOutcome:
        pool.check()
        return measurement.measure(job)

    yield from pool.run(work, jobs)


# ------------------------------------------------------------------ telling


def _tell(outcomes: Sequence[FitOutcome], files: IsophoteFiles, quiet: bool) -> None:
    from ..report import page
    from .isophote_summary import isophote_table

    if not quiet and any(outcome.isophotes is not None for outcome in outcomes):
        console = page()
        console.print(isophote_table(outcomes, console.width))
        for line in files.told():
            typer.echo(line)
        fitted = [outcome.isophotes for outcome in outcomes if outcome.isophotes is not None]
        tell_hits(sum(found.provenance.cache_hit for found in fitted), len(outcomes), "image")
    for outcome in outcomes:
        if outcome.isophotes is not None and outcome.isophotes.reason:
            say("warning", f"{outcome.job.path}: {outcome.isophotes.reason}")
    for outcome in outcomes:
        for error in outcome.errors:
            say("error", error)
