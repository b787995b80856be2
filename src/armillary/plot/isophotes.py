"""What a fit of isophotes found, in one picture: ellipses, residuals, profiles."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._words import counted
from ..fit.isophote.table import checked_zero_point, magnitude, magnitude_limits
from .files import require_matplotlib
from .style import DATA, FAINT, INK, SIGNAL, SPECTRUM, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..fit.isophote.result import Isophotes

#: Width and height of the profiles alone, and with the images beside them (inches).
PROFILES_SIZE, SIZE = (7.5, 9.0), (13.0, 9.0)
#: Half the side of the part of the image that is shown, in outermost semi-major axes.
MARGIN = 1.12
#: An ellipse is drawn if it is this much smaller than the next one that is drawn, and at least
#: this part of the outermost.
THINNING, SMALLEST = 0.85, 0.04
#: The image is drawn between these percentiles. Within this part of the range asinh is linear, and
#: so it is within this many standard deviations of the noise.
PERCENTILES, LINEAR_PART, LINEAR_NOISE = (0.5, 99.9), 0.002, 3.0
#: Standard deviation of a normal distribution in medians of absolute deviations.
SIGMA_OF_MAD = 1.4826
#: The residuals saturate beyond this percentile of their sizes; harmonics are outside the panel
#: beyond one and a half times this one.
RESIDUAL_PERCENTILE, HARMONIC_PERCENTILE = 98.0, 90.0
#: The colour of pixels that are not known.
BLANK = "#e3ddcf"
#: Letters in a line of a sentence that stands for a picture.
SENTENCE_WIDTH = 40
#: The least ranges of the axes: there is nothing to see in what is smaller.
LEAST_ELLIPTICITY, LEAST_ANGLE, LEAST_HARMONIC = 0.1, 10.0, 0.02


class _Kind(NamedTuple):
    """How isophotes of one fate are drawn."""

    label: str
    chosen: np.ndarray
    colour: str
    line: dict[str, Any]
    face: str


class _Window(NamedTuple):
    """The part of an image that is shown, with what is not known blank."""

    pixels: np.ndarray
    rows: slice
    columns: slice

    @property
    def extent(self) -> tuple[float, float, float, float]:
        return (
            self.columns.start - 0.5,
            self.columns.stop - 0.5,
            self.rows.start - 0.5,
            self.rows.stop - 0.5,
        )


def plot_isophotes(
    isophotes: Isophotes,
    image: Any = None,
    *,
    mask: Any = None,
    zero_point: float | None = None,
    pixel_scale: float | None = None,
    title: str | None = None,
    model: Any = None,
) -> Figure:
    """Draw the profiles of isophotes, and, with the image, its ellipses and the residuals.

    Parameters
    ----------
    isophotes : Isophotes
        Of a fit, or of forced photometry.
    image : array_like, shape (ny, nx), optional
        What was measured. None draws the profiles alone.
    mask : array_like, shape (ny, nx), optional
        Not 0 where a pixel was not used; these are left blank, and so is what is not finite.
    zero_point : float, optional
        Magnitude of a source of intensity 1: draws magnitudes. None draws intensities, on a
        logarithmic axis, or, where some are not positive, on one that is linear around 0.
    pixel_scale : float, optional
        Width of a pixel (arcsec): magnitudes are for a square arcsec instead of a pixel, and
        a second axis is in arcsec.
    title : str, optional
        What stands above. None means how many isophotes there are, and how many converged.
    model : array_like, shape (ny, nx), optional
        What to take from the image. None means :func:`armillary.fit.ellipse_model`.

    Returns
    -------
    matplotlib.figure.Figure
        Not tied to ``pyplot`` or a screen; write it with
        :func:`armillary.plot.files.save_figure` or ``figure.savefig``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the image, mask or model has another shape than what was measured, a mask or a model
        comes without an image, or ``zero_point`` or ``pixel_scale`` is out of range.

    Notes
    -----
    The horizontal axis goes with the fourth root of the semi-major axis, on which a de Vaucouleurs
    profile is straight. The row at ``sma`` 0 is not drawn. Position angles are those within 90
    degrees of their mean, so that 179 and 1 are neighbours. Axes hold all values (nearly all, of
    the harmonics), but not always the ends of their errors.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> from armillary.plot.isophotes import plot_isophotes
    >>> y, x = np.mgrid[:61, :61]
    >>> image = 100.0 * np.exp(-np.hypot(x - 30.0, (y - 30.0) / 0.7) / 6.0)
    >>> figure = plot_isophotes(arm.fit.isophotes(image), image, title="a disc")
    >>> figure.get_suptitle()
    'a disc'
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    zero_point, pixel_scale = checked_zero_point(zero_point), _checked_scale(pixel_scale)
    pictures = _pictures(isophotes, image, mask, model)
    with style():
        layout = ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.08)
        figure = Figure(figsize=SIZE if pictures else PROFILES_SIZE, layout=layout)
        halves: Any = [figure]
        if pictures:
            halves = figure.subfigures(1, 2, width_ratios=[0.78, 1.0])
            _draw_pictures(halves[0], isophotes, *pictures)
        _draw_profiles(halves[-1], isophotes, zero_point, pixel_scale)
        figure.suptitle(_title(isophotes) if title is None else title, fontsize=15)
    return figure


def _title(isophotes: Isophotes) -> str:
    told = counted(len(isophotes), "isophote")
    fitted = np.any(isophotes.stop_code[isophotes.sma > 0.0] != 4)
    return f"{told}, {np.count_nonzero(isophotes.converged)} converged" if fitted else told


def _checked_scale(pixel_scale: float | None) -> float | None:
    if pixel_scale is not None and not 0.0 < pixel_scale < np.inf:
        raise ValueError(f"pixel_scale must be positive (arcsec), not {pixel_scale!r}")
    return pixel_scale


def _kinds(isophotes: Isophotes) -> list[_Kind]:
    """Ellipses that converged, and the others; the value at the centre is neither."""
    drawn = isophotes.sma > 0.0
    given = bool(np.all(isophotes.stop_code[drawn] == 4))
    others = "geometry given" if given else "not converged, or not fitted"
    converged = isophotes.converged
    faint = {"linewidth": 0.9, "linestyle": "-" if given else (0, (4, 2)), "alpha": 0.8}
    kinds = [
        _Kind("converged", converged, SIGNAL, {"linewidth": 1.1}, SIGNAL),
        _Kind(others, drawn & ~converged, SPECTRUM, faint, "white"),
    ]
    return [kind for kind in kinds if kind.chosen.any()]


# ------------------------------------------------------------------ the images


def _pictures(
    isophotes: Isophotes, image: Any, mask: Any, model: Any
) -> tuple[_Window, np.ndarray | None] | None:
    """What is shown of the image, and what the model leaves of it."""
    given = {"image": image, "mask": mask, "model": model}
    if image is None:
        for name in ("mask", "model"):
            if given[name] is not None:
                raise ValueError(f"{name} is drawn on the image, which is None")
        return None
    for name, array in given.items():
        if array is not None and np.shape(array) != isophotes.image_shape:
            raise ValueError(
                f"{name} must be of shape {isophotes.image_shape}, as what was measured, "
                f"not {np.shape(array)}"
            )
    window = _window(isophotes, image, mask)
    placed = isophotes.known
    if not placed.any():
        return window, None
    if model is None:
        from ..fit import ellipse_model

        model = ellipse_model(image, isophotes)
    residual = window.pixels - np.asarray(model)[window.rows, window.columns]
    residual[~_inside_outermost(isophotes, placed, window)] = np.nan
    return window, residual


def _window(isophotes: Isophotes, image: Any, mask: Any) -> _Window:
    rows, columns = _part(isophotes)
    pixels = np.array(np.ma.getdata(image)[rows, columns], dtype=float)
    unknown = np.ma.getmaskarray(image)[rows, columns] if np.ma.isMA(image) else None
    for hidden in (unknown, None if mask is None else np.asarray(mask)[rows, columns] != 0):
        if hidden is not None:
            pixels[hidden] = np.nan
    return _Window(pixels, rows, columns)


def _part(isophotes: Isophotes) -> tuple[slice, slice]:
    """Rows and columns around the outermost ellipse; all of them where there is none."""
    placed = np.flatnonzero(isophotes.known)
    if not len(placed):
        ny, nx = isophotes.image_shape
        return slice(0, ny), slice(0, nx)
    last = placed[-1]
    half = max(MARGIN * isophotes.sma[last], 5.0)
    ny, nx = isophotes.image_shape
    return _around(isophotes.y0[last], half, ny), _around(isophotes.x0[last], half, nx)


def _around(centre: float, half: float, n: int) -> slice:
    """At least one of the ``n`` pixels, and all within half a width of the centre."""
    start, stop = np.floor(centre - half), np.ceil(centre + half) + 1
    return slice(int(np.clip(start, 0, n - 1)), int(np.clip(stop, 1, n)))


def _inside_outermost(isophotes: Isophotes, placed: np.ndarray, window: _Window) -> np.ndarray:
    last = np.flatnonzero(placed)[-1]
    y = np.arange(window.rows.start, window.rows.stop)[:, None] - isophotes.y0[last]
    x = np.arange(window.columns.start, window.columns.stop) - isophotes.x0[last]
    angle = isophotes.position_angle[last]
    major = x * np.cos(angle) + y * np.sin(angle)
    minor = (y * np.cos(angle) - x * np.sin(angle)) / (1.0 - isophotes.ellipticity[last])
    return np.hypot(major, minor) <= isophotes.sma[last]


def _draw_pictures(
    figure: Any, isophotes: Isophotes, window: _Window, residual: np.ndarray | None
) -> None:
    top, bottom = figure.subplots(2, 1, sharex=True, sharey=True)
    _draw_image(top, window)
    _draw_ellipses(top, isophotes)
    top.set_title("image", loc="left")
    if residual is None:
        top.tick_params(labelbottom=True)
        _say(bottom, isophotes.reason or "there is no ellipse, and so no model")
    else:
        _draw_residual(bottom, window, residual)
        bottom.set_title("image \N{MINUS SIGN} model", loc="left")
    for axes in (top, bottom):
        axes.set_ylabel("y [pixel]")
    (bottom if residual is not None else top).set_xlabel("x [pixel]")


def _draw_image(axes: Axes, window: _Window) -> None:
    from matplotlib.colors import FuncNorm
    from matplotlib.ticker import FixedLocator

    low, high = _range(window.pixels)
    linear = max(LINEAR_PART * (high - low), LINEAR_NOISE * _noise(window.pixels))
    norm = FuncNorm(
        (lambda x: np.arcsinh((x - low) / linear), lambda y: low + linear * np.sinh(y)), low, high
    )
    picture = _show(axes, window, window.pixels, "gray_r", norm)
    bar = _colour_bar(axes, picture)
    bar.ax.yaxis.set_major_locator(FixedLocator(_rounded(norm.inverse(np.linspace(0.04, 0.96, 6)))))
    bar.ax.minorticks_off()


def _rounded(ticks: np.ndarray) -> list[float]:
    """Numbers with as few digits as tell them apart."""
    return np.round(ticks, -int(np.floor(np.log10(np.diff(ticks).min())))).tolist()


def _noise(pixels: np.ndarray) -> float:
    """Standard deviation of the noise, from neighbours in a row: what is smooth cancels."""
    steps = np.diff(pixels, axis=1)
    known = steps[np.isfinite(steps)]
    return SIGMA_OF_MAD * float(np.median(np.abs(known))) / np.sqrt(2.0) if len(known) else 0.0


def _draw_residual(axes: Axes, window: _Window, residual: np.ndarray) -> None:
    from matplotlib.colors import Normalize

    limit = _largest(residual, RESIDUAL_PERCENTILE)
    picture = _show(axes, window, residual, "RdBu_r", Normalize(-limit, limit))
    _colour_bar(axes, picture)


def _show(axes: Axes, window: _Window, pixels: np.ndarray, colours: str, norm: Any) -> Any:
    axes.set_facecolor(BLANK)
    return axes.imshow(
        np.ma.masked_invalid(pixels),
        origin="lower",
        extent=window.extent,
        cmap=colours,
        norm=norm,
        interpolation="nearest",
    )


def _colour_bar(axes: Axes, picture: Any) -> Any:
    """A bar as high as the picture, whatever its shape, for which the layout leaves room."""
    place = axes.inset_axes((1.04, 0.0, 0.045, 1.0))
    bar: Any = axes.figure.colorbar(picture, cax=place, extend="both", extendfrac=0.03)
    bar.formatter.set_powerlimits((-2, 6))
    return bar


def _range(pixels: np.ndarray) -> tuple[float, float]:
    """Where the stretch begins and ends; never at the same value."""
    known = pixels[np.isfinite(pixels)]
    low, high = np.percentile(known, PERCENTILES) if len(known) else (0.0, 1.0)
    return float(low), float(high if high > low else low + (abs(low) or 1.0))


def _largest(values: np.ndarray, percentile: float) -> float:
    """A percentile of the sizes, or 1 where all are 0 or unknown."""
    known = np.abs(values[np.isfinite(values)])
    return (float(np.percentile(known, percentile)) if len(known) else 0.0) or 1.0


def _draw_ellipses(axes: Axes, isophotes: Isophotes) -> None:
    from matplotlib.patches import Ellipse

    thinned = _thinned(isophotes)
    for kind in _kinds(isophotes):
        for i in thinned[kind.chosen[thinned]]:
            sma = isophotes.sma[i]
            axes.add_patch(
                Ellipse(
                    (isophotes.x0[i], isophotes.y0[i]),
                    2.0 * sma,
                    2.0 * sma * (1.0 - isophotes.ellipticity[i]),
                    angle=np.degrees(isophotes.position_angle[i]),
                    fill=False,
                    edgecolor=kind.colour,
                    gid=kind.label,
                    **kind.line,
                )
            )


def _thinned(isophotes: Isophotes) -> np.ndarray:
    """Some of the ellipses, from the outermost inwards, that are not too close to each other."""
    chosen: list[int] = []
    for i in np.flatnonzero(isophotes.known)[::-1]:
        outermost = isophotes.sma[chosen[0]] if chosen else isophotes.sma[i]
        next_out = isophotes.sma[chosen[-1]] if chosen else np.inf
        if SMALLEST * outermost <= isophotes.sma[i] <= THINNING * next_out:
            chosen.append(int(i))
    return np.array(chosen, int)


def _say(axes: Axes, sentence: str) -> None:
    """A sentence where a picture would be."""
    told = textwrap.fill(sentence, SENTENCE_WIDTH)
    axes.text(0.5, 0.8, told, ha="center", va="top", transform=axes.transAxes)
    axes.set_axis_off()


# ------------------------------------------------------------------ the profiles


def _draw_profiles(
    figure: Any, isophotes: Isophotes, zero_point: float | None, pixel_scale: float | None
) -> None:
    has_fourth = 4 in isophotes.harmonics
    heights = [2.0, 1.0, 1.0, 1.0] if has_fourth else [2.0, 1.0, 1.0]
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    if zero_point is None:
        _draw_intensity(panels[0], isophotes)
    else:
        _draw_brightness(panels[0], isophotes, zero_point, pixel_scale)
    _draw_ellipticity(panels[1], isophotes)
    _draw_position_angle(panels[2], isophotes)
    if has_fourth:
        _draw_harmonics(panels[3], isophotes)
    if _kinds(isophotes):
        panels[0].legend(loc="lower left", fontsize=11, edgecolor="none", framealpha=0.85)
    panels[-1].set_xlabel("semi-major axis [pixel]")
    _scale_sma(panels, isophotes, pixel_scale)
    figure.align_ylabels(panels)


def _points(axes: Axes, isophotes: Isophotes, values: np.ndarray, errors: Any) -> None:
    """Values with errors, of one or two sides, each isophote in the colour of its ellipse."""
    for kind in _kinds(isophotes):
        axes.errorbar(
            isophotes.sma[kind.chosen],
            values[kind.chosen],
            np.asarray(errors)[..., kind.chosen],
            linestyle="none",
            marker="o",
            markersize=4.5,
            markeredgewidth=1.0,
            color=kind.colour,
            markerfacecolor=kind.face,
            ecolor=kind.colour,
            elinewidth=0.9,
            label=kind.label,
        )


def _draw_brightness(
    axes: Axes, isophotes: Isophotes, zero_point: float, pixel_scale: float | None
) -> None:
    area = 1.0 if pixel_scale is None else pixel_scale**2
    intensity, error = isophotes.intensity / area, isophotes.intensity_err / area
    fainter, brighter = magnitude_limits(intensity, error)
    values = magnitude(intensity, zero_point)
    _points(axes, isophotes, values, [brighter, fainter])
    _limit(axes, values[isophotes.sma > 0.0], 1.0)
    axes.invert_yaxis()
    unit = "pixel" if pixel_scale is None else "arcsec"
    axes.set_ylabel(f"surface brightness\n[mag {unit}$^{{-2}}$]")


def _draw_intensity(axes: Axes, isophotes: Isophotes) -> None:
    _points(axes, isophotes, isophotes.intensity, isophotes.intensity_err)
    known = np.isfinite(isophotes.intensity) & (isophotes.sma > 0.0)
    intensity = isophotes.intensity[known]
    axes.set_ylabel("intensity")
    if not len(intensity):
        return
    if intensity.min() > 0.0:
        axes.set_yscale("log", nonpositive="mask")
        low, high = np.log10(intensity.min()), np.log10(intensity.max())
        room = max(0.06 * (high - low), 0.02)
        axes.set_ylim(10.0 ** (low - room), 10.0 ** (high + room))
    else:
        # From the first that is not positive outwards there is nothing but noise.
        noise = np.abs(intensity[np.argmax(intensity <= 0.0) :])
        axes.set_yscale("asinh", linear_width=float(np.median(noise)) or 1.0)
        axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)


def _draw_ellipticity(axes: Axes, isophotes: Isophotes) -> None:
    _points(axes, isophotes, isophotes.ellipticity, isophotes.ellipticity_err)
    _limit(axes, isophotes.ellipticity, LEAST_ELLIPTICITY)
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
    axes.set_ylabel("ellipticity")


def _draw_position_angle(axes: Axes, isophotes: Isophotes) -> None:
    angle = _unwrapped(isophotes.position_angle, isophotes.ellipticity)
    _points(axes, isophotes, angle, np.degrees(isophotes.position_angle_err))
    _limit(axes, angle, LEAST_ANGLE)
    axes.set_ylabel("position angle\nfrom +x [deg]")


def _unwrapped(angle: np.ndarray, ellipticity: np.ndarray) -> np.ndarray:
    """Position angles in degrees, within 90 of their mean, which counts the flat ellipses most."""
    known = np.isfinite(angle) & np.isfinite(ellipticity)
    resultant = np.sum(ellipticity[known] * np.exp(2j * angle[known]))
    mean = np.mod(0.5 * np.angle(resultant), np.pi)
    return np.degrees(mean + np.mod(angle - mean + 0.5 * np.pi, np.pi) - 0.5 * np.pi)


def _draw_harmonics(axes: Axes, isophotes: Isophotes) -> None:
    k = isophotes.harmonics.index(4)
    axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
    drawn = isophotes.sma > 0.0
    for letter, colour, marker, label in (
        ("a", DATA, "s", "$a_4$"),
        ("b", INK, "o", "$b_4$ (disky > 0 > boxy)"),
    ):
        axes.errorbar(
            isophotes.sma[drawn],
            getattr(isophotes, letter)[drawn, k],
            getattr(isophotes, f"{letter}_err")[drawn, k],
            linestyle="none",
            marker=marker,
            markersize=4.0,
            color=colour,
            markerfacecolor="white" if letter == "a" else colour,
            elinewidth=0.9,
            label=label,
        )
    both = np.concatenate([isophotes.a[drawn, k], isophotes.b[drawn, k]])
    limit = max(1.5 * _largest(both, HARMONIC_PERCENTILE), LEAST_HARMONIC)
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("harmonics")
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        borderaxespad=0.0,
        ncols=2,
        fontsize=11,
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.0,
    )


# ------------------------------------------------------------------ the axes


def _limit(axes: Axes, values: np.ndarray, least: float) -> None:
    """A vertical range that holds all values and is not too small."""
    known = values[np.isfinite(values)]
    if not len(known):
        return
    low, high = known.min(), known.max()
    room = max(0.1 * (high - low), 0.5 * (least - (high - low)))
    axes.set_ylim(low - room, high + room)


def _scale_sma(panels: Any, isophotes: Isophotes, pixel_scale: float | None) -> None:
    sma = isophotes.sma[isophotes.sma > 0.0]
    low, high = (0.9 * sma.min(), 1.05 * sma.max()) if len(sma) else (1.0, 10.0)
    for axes in panels:
        axes.set_xscale("function", functions=(_fourth_root, _fourth_power))
    _tick_sma(panels[-1], low, high)
    if pixel_scale is not None:
        above = panels[0].twiny()
        above.spines["top"].set_visible(True)
        above.set_xscale("function", functions=(_fourth_root, _fourth_power))
        above.set_xlabel("semi-major axis [arcsec]")
        _tick_sma(above, pixel_scale * low, pixel_scale * high)


def _fourth_root(sma: Any) -> Any:
    return np.abs(sma) ** 0.25


def _fourth_power(root: Any) -> Any:
    return np.asarray(root) ** 4


def _tick_sma(axes: Axes, low: float, high: float) -> None:
    """Plain numbers: at 1, 2 and 5 of each decade, or evenly where these are too few."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    axes.set_xlim(low, high)
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    round_numbers = np.sort(np.concatenate([decades, 2.0 * decades, 5.0 * decades]))
    ticks = round_numbers[(round_numbers >= low) & (round_numbers <= high)].tolist()
    axes.xaxis.set_major_locator(FixedLocator(ticks) if len(ticks) > 2 else MaxNLocator(6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda sma, _: f"{sma:g}"))
