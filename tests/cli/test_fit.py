"""``armillary fit``: from images to tables, models and pictures, whatever the files are."""

from __future__ import annotations

import math
import os
import re
import signal
import threading
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from rich.console import Console

import armillary as arm
from armillary.cli import images
from armillary.cli.images import FitOutcome, ImageJob, image_jobs, image_name
from armillary.cli.isophote_summary import isophote_table, middle
from armillary.fit import Isophotes
from armillary.fit.isophote.table import FORMATS
from armillary.io import read_image, write_image
from armillary.runtime.pool import Pool


@pytest.fixture
def noise(tmp_path):
    """Write an image with nothing on it; give the path."""
    path = tmp_path / "noise.fits"
    write_image(path, np.random.default_rng(1).standard_normal((70, 90)))
    return path


def same(isophotes, others):
    """Whether two results are the same, row by row."""
    return all(
        np.array_equal(getattr(isophotes, name), getattr(others, name), equal_nan=True)
        for name in ("sma", "intensity", "ellipticity", "position_angle", "x0", "y0", "b")
    )


def columns(table):
    """The columns of a table in a file, as plain arrays with NaN."""
    found = Table.read(table, **FORMATS[table.suffix])
    return {
        name: np.ma.filled(np.ma.array(found[name], dtype=float), np.nan) for name in found.columns
    }


# ------------------------------------------------------------------ what is fitted


def test_the_table_is_that_of_the_same_call(armillary, galaxy, tmp_path):
    path, truth = galaxy()
    out = tmp_path / "out.ecsv"
    result = armillary("fit", "isophotes", path, "-o", out)
    assert result.exit_code == 0, result.stderr
    found = Isophotes.load(out)
    assert same(found, arm.fit.isophotes(truth.image))
    assert f"table: {out}" in result.stdout
    row = middle(found)
    assert found.ellipticity[row] == pytest.approx(truth.ellipticity, abs=0.02)
    assert found.position_angle[row] == pytest.approx(truth.position_angle, abs=0.05)


def test_every_option_reaches_the_library(armillary, galaxy, tmp_path, monkeypatch):
    path, truth = galaxy("g.fits")
    mask, variance = truth.image > 1e9, np.full(truth.image.shape, 4.0)
    mask[3, 4] = True
    write_image(tmp_path / "g_mask.fits", mask)
    write_image(tmp_path / "var.fits", variance)
    seen = {}

    def spy(image, ellipses, **options):
        seen.update(options, image=image, ellipses=ellipses)
        return original(image, ellipses, **options)

    original = arm.fit.isophotes
    monkeypatch.setattr(arm.fit, "isophotes", spy)
    result = armillary(
        "fit", "isophotes", path, "--center", "44, 35", "--sma0", 9, "--ellipticity", 0.25,
        "--position-angle", 30, "--step", 2, "--linear", "--min-sma", 1, "--max-sma", 30,
        "--fix", "center,position-angle", "--integrator", "median", "--n-clip", 2,
        "--sigma-clip", 2.5, "--sampling", "eccentric_anomaly", "--harmonics", "3, 4,6",
        "--mask", tmp_path / "{image}_mask.fits", "--variance", tmp_path / "var.fits",
        "--extension", 0, "--backend", "reference",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    start = {"x0": 44.0, "y0": 35.0, "sma": 9.0, "ellipticity": 0.25}
    assert seen.pop("ellipses") == {**start, "position_angle": math.radians(30)}
    np.testing.assert_array_equal(seen.pop("image"), truth.image)
    np.testing.assert_array_equal(seen.pop("mask"), mask)
    np.testing.assert_array_equal(seen.pop("variance"), variance)
    assert seen == {
        "step": 2.0,
        "linear": True,
        "min_sma": 1.0,
        "max_sma": 30.0,
        "fix_center": True,
        "fix_ellipticity": False,
        "fix_position_angle": True,
        "integrator": "median",
        "n_clip": 2,
        "sigma_clip": 2.5,
        "sampling": "eccentric_anomaly",
        "harmonics": (3, 4, 6),
        "backend": "reference",
        "threads": 1,
    }


def test_without_options_the_library_gets_its_own_defaults(armillary, galaxy, monkeypatch):
    import inspect

    path, _ = galaxy()
    seen = {}
    original = arm.fit.isophotes

    def spy(image, ellipses, **options):
        seen.update(options, geometry=ellipses or None)
        return original(image, ellipses, **options)

    monkeypatch.setattr(arm.fit, "isophotes", spy)
    assert armillary("fit", "isophotes", path).exit_code == 0
    defaults = {name: one.default for name, one in inspect.signature(original).parameters.items()}
    assert seen.pop("threads") == 1
    assert {name: defaults[name] for name in seen} == seen


@pytest.mark.parametrize("extension", ["1", "SCI"])
def test_an_extension_is_a_number_or_a_name(armillary, galaxy, tmp_path, extension):
    from astropy.io import fits

    _, truth = galaxy()
    path = tmp_path / "two.fits"
    others = fits.PrimaryHDU(np.zeros_like(truth.image)), fits.ImageHDU(truth.image, name="SCI")
    fits.HDUList(list(others)).writeto(path)
    out = tmp_path / "out.fits"
    result = armillary("fit", "isophotes", path, "--extension", extension, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert same(Isophotes.load(out), arm.fit.isophotes(truth.image))


# ------------------------------------------------------------------ what is forced


@pytest.mark.parametrize("iraf", [(), ("--iraf",)])
def test_the_table_of_a_fit_is_a_template_under_any_names(armillary, galaxy, tmp_path, iraf):
    path, _ = galaxy()
    other, truth = galaxy("other.fits", intensity=30.0, seed=3)
    template, out = tmp_path / "t.ecsv", tmp_path / "out.fits"
    armillary("fit", "isophotes", path, "-o", template, *iraf)
    result = armillary("fit", "forced", other, "--template", template, "-o", out)
    assert result.exit_code == 0, result.stderr
    fitted = arm.fit.isophotes(read_image(path))
    expected = arm.fit.forced_isophotes(truth.image, fitted)
    found = Isophotes.load(out)
    np.testing.assert_allclose(found.x0, fitted.x0, rtol=1e-12)
    np.testing.assert_allclose(found.intensity, expected.intensity, rtol=1e-6)
    assert f"{len(fitted)}" in result.stdout
    assert "measured" in result.stdout


def test_options_of_forced_photometry_reach_the_library(armillary, galaxy, tmp_path):
    path, truth = galaxy()
    template, out = tmp_path / "t.ecsv", tmp_path / "out.ecsv"
    Table(
        {"sma": [5.0, 9.0], "x0": [44.5] * 2, "y0": [34.5] * 2, "eps": [0.3] * 2, "pa": [29.0] * 2}
    ).write(template)
    result = armillary(
        "fit", "forced", path, "-t", template, "--integrator", "mean", "--step", 3, "--linear",
        "--n-clip", 1, "--sigma-clip", 2, "--harmonics", "4", "-o", out, "--backend", "reference",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = Isophotes.load(out)
    options = {"step": 3.0, "linear": True, "n_clip": 1, "sigma_clip": 2.0, "harmonics": (4,)}
    expected = arm.fit.forced_isophotes(
        truth.image, template, integrator="mean", backend="reference", **options
    )
    assert same(found, expected)
    assert found.provenance.backend == "reference"


# ------------------------------------------------------------------ what is written


def test_the_model_and_the_residual_add_up_to_the_image(armillary, galaxy, tmp_path):
    path, _ = galaxy()
    model, residual = tmp_path / "m.fits", tmp_path / "r.fits.gz"
    result = armillary("fit", "isophotes", path, "--model", model, "--residual", residual)
    assert result.exit_code == 0, result.stderr
    image, model, residual = map(read_image, (path, model, residual))
    inside = np.isfinite(model.data)
    assert 0.1 < inside.mean() < 1.0
    np.testing.assert_array_equal(np.isfinite(residual.data), inside)
    np.testing.assert_allclose((model.data + residual.data)[inside], image.data[inside])
    expected = arm.fit.ellipse_model(image.data, arm.fit.isophotes(image), fill=np.nan)
    np.testing.assert_array_equal(model.data, expected)
    for written in (model, residual):
        assert (written.header["OBJECT"], written.header["CRVAL1"]) == ("simulated", 12.5)


def test_a_model_has_the_precision_of_its_image(armillary, galaxy, tmp_path):
    path, truth = galaxy()
    write_image(path, truth.image.astype(np.float32), overwrite=True)
    armillary("fit", "isophotes", path, "--model", tmp_path / "m.fits")
    assert read_image(tmp_path / "m.fits").data.dtype == np.float32


@pytest.mark.parametrize("suffix", [".ecsv", ".fits"])
def test_magnitudes_are_added_to_a_table_that_can_still_be_loaded(
    armillary, galaxy, tmp_path, suffix
):
    path, truth = galaxy()
    out = (tmp_path / "out").with_suffix(suffix)
    result = armillary("fit", "isophotes", path, "-o", out, "--zero-point", 25)
    assert result.exit_code == 0, result.stderr
    expected = arm.fit.isophotes(truth.image)
    assert same(Isophotes.load(out), expected)
    table = expected.to_table(zero_point=25.0)
    for name in ("mag", "mag_err", "tmag_e", "tmag_c"):
        np.testing.assert_allclose(columns(out)[name], table[name].value, rtol=1e-12)


@pytest.mark.parametrize("suffix", [".ecsv", ".fits"])
@pytest.mark.parametrize("zero_point", [None, 25.0])
def test_a_table_of_iraf_has_its_names_and_conventions(
    armillary, galaxy, tmp_path, suffix, zero_point
):
    path, truth = galaxy()
    out = (tmp_path / "out").with_suffix(suffix)
    options = () if zero_point is None else ("--zero-point", zero_point)
    result = armillary("fit", "isophotes", path, "-o", out, "--iraf", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    expected = arm.fit.isophotes(truth.image).to_table("iraf", zero_point=zero_point)
    found = columns(out)
    assert list(found) == expected.colnames
    for name in expected.colnames:
        values = getattr(expected[name], "value", expected[name])
        np.testing.assert_allclose(found[name], values, rtol=1e-12, err_msg=name)
    assert "armillary" in Table.read(out, **FORMATS[suffix]).meta["ISOPHOTE"]


def test_a_picture_is_drawn_with_mask_and_magnitudes(armillary, galaxy, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    from armillary.plot import isophotes as plots

    path, truth = galaxy()
    mask = np.zeros(truth.image.shape, bool)
    mask[:4] = True
    write_image(tmp_path / "mask.fits", mask)
    seen, original = {}, plots.plot_isophotes

    def spy(isophotes, image, **options):
        seen.update(options, image=image)
        return original(isophotes, image, **options)

    monkeypatch.setattr(plots, "plot_isophotes", spy)
    picture = tmp_path / "p.png"
    result = armillary(
        "fit", "isophotes", path, "--mask", tmp_path / "mask.fits", "--plot", picture,
        "--zero-point", 25, "--pixel-scale", 0.4,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    np.testing.assert_array_equal(seen["image"], truth.image)
    np.testing.assert_array_equal(seen["mask"], mask)
    assert (seen["zero_point"], seen["pixel_scale"]) == (25.0, 0.4)
    assert re.fullmatch(r"galaxy: \d+ isophotes, \d+ converged", seen["title"])
    assert f"picture: {picture}" in result.stdout


def test_older_files_are_replaced_only_if_that_is_asked_for(armillary, galaxy, tmp_path):
    path, _ = galaxy()
    out = tmp_path / "out.ecsv"
    for option in ("-o", "--model", "--residual"):
        older = out if option == "-o" else tmp_path / "older.fits"
        older.write_text("older")
        result = armillary("fit", "isophotes", path, option, older)
        assert result.exit_code == 1
        assert result.stderr == f"error: {str(older)!r} exists; --overwrite replaces it\n"
        assert older.read_text() == "older"
        assert armillary("fit", "isophotes", path, option, older, "--overwrite").exit_code == 0
        assert "older" not in older.read_bytes().decode(errors="replace")


def test_a_picture_is_replaced(armillary, galaxy, tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    path, _ = galaxy()
    (tmp_path / "p.png").write_text("older")
    assert armillary("fit", "isophotes", path, "--plot", tmp_path / "p.png").exit_code == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_written_that_was_not_asked_for(armillary, galaxy, tmp_path):
    path, _ = galaxy()
    assert armillary("fit", "isophotes", path).exit_code == 0
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------ several images


@pytest.mark.parametrize("threads", [1, 3])
def test_several_images_are_fitted_side_by_side_each_into_files_of_its_own(
    armillary, galaxy, tmp_path, threads
):
    found = [galaxy(f"g{i}.fits", seed=i, ellipticity=0.1 + 0.1 * i) for i in range(4)]
    paths = [path for path, _ in found]
    result = armillary(
        "fit", "isophotes", *paths, "-o", tmp_path / "tables", "--model", tmp_path / "all",
        "--residual", tmp_path / "all", "--threads", threads,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    for path, truth in found:
        table = Isophotes.load(tmp_path / "tables" / f"{path.stem}.ecsv")
        assert same(table, arm.fit.isophotes(truth.image))
        for kind in ("model", "residual"):
            assert (tmp_path / "all" / f"{path.stem}_{kind}.fits").is_file()
    rows = [line.split()[0] for line in result.stdout.splitlines() if " to " in line]
    assert rows == [path.stem for path in paths]
    assert f"4 tables: {tmp_path / 'tables' / '{image}.ecsv'}" in result.stdout


def test_images_of_one_name_get_files_of_their_own(armillary, galaxy, tmp_path):
    paths = []
    for i in range(3):
        (tmp_path / f"field{i}").mkdir()
        paths.append(galaxy(f"field{i}/g.fits", seed=i)[0])
    result = armillary("fit", "isophotes", *paths, "--model", tmp_path / "m_{image}.fits.gz")
    assert result.exit_code == 0, result.stderr
    names = {path.name for path in tmp_path.glob("m_*")}
    assert names == {"m_g.fits.gz", "m_g-2.fits.gz", "m_g-3.fits.gz"}


def test_each_image_has_its_own_mask_or_all_have_one(tmp_path):
    files = [tmp_path / "a.fits.gz", tmp_path / "b.c.fits"]
    (tmp_path / "var.fits").write_text("")
    jobs = image_jobs(files, tmp_path / "{image}" / "mask.fits", tmp_path / "var.fits")
    assert [job.path for job in jobs] == files
    assert [job.mask for job in jobs] == [tmp_path / n / "mask.fits" for n in ("a", "b.c")]
    assert [job.variance for job in jobs] == 2 * [tmp_path / "var.fits"]
    assert image_jobs(files, None, None) == tuple(map(ImageJob, files))


@pytest.mark.parametrize(
    ("file", "name"),
    [("g.fits", "g"), ("g.v2.FITS.gz", "g.v2"), ("g.fits.fz", "g"), ("g", "g"), ("g.1.2", "g.1.2")],
)
def test_the_name_of_an_image_is_its_file_without_suffixes(tmp_path, file, name):
    assert image_name(tmp_path / file) == name


def test_a_bad_image_does_not_stop_the_others_and_is_named(armillary, galaxy, noise, tmp_path):
    first, last = galaxy("first.fits")[0], galaxy("last.fits", seed=2)[0]
    bad, missing = tmp_path / "bad.fits", tmp_path / "missing.fits"
    bad.write_bytes(b"\0" * 100)
    out = tmp_path / "tables"
    result = armillary("fit", "isophotes", first, bad, noise, missing, last, "-o", out)
    assert result.exit_code == 1
    assert {path.name for path in out.iterdir()} == {"first.ecsv", "last.ecsv", "noise.ecsv"}
    nothing, *errors = result.stderr.splitlines()
    assert nothing.startswith(f"warning: {noise}: nothing stands out")
    assert [line.startswith("error: ") for line in errors] == [True, True]
    assert str(bad) in errors[0]
    assert str(missing) in errors[1]
    for path in (first, noise, last):
        assert re.search(rf"^{path.stem} +\d", result.stdout, re.MULTILINE)


def test_an_image_without_isophotes_says_why_and_leaves_an_empty_table(armillary, noise, tmp_path):
    out, model = tmp_path / "out.ecsv", tmp_path / "model.fits"
    result = armillary("fit", "isophotes", noise, "-o", out, "--model", model)
    assert result.exit_code == 1
    warning, error = result.stderr.splitlines()
    assert warning == f"warning: {noise}: {Isophotes.load(out).reason}"
    assert len(Isophotes.load(out)) == 0
    assert f"the model {str(model)!r} was not written" in error
    assert not model.exists()


def test_a_mask_of_another_shape_is_named_with_its_image(armillary, galaxy, tmp_path):
    path, _ = galaxy()
    write_image(tmp_path / "mask.fits", np.zeros((3, 3), bool))
    result = armillary("fit", "isophotes", path, "--mask", tmp_path / "mask.fits")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert str(path) in line
    assert "mask.fits' as a mask: its shape is (3, 3), that of the image (70, 90)" in line


def test_a_file_that_cannot_be_written_costs_nothing_else(armillary, galaxy, tmp_path):
    paths = [galaxy(f"g{i}.fits", seed=i)[0] for i in range(2)]
    (tmp_path / "plots" / "g0.png").mkdir(parents=True)  # where a picture should go
    result = armillary(
        "fit", "isophotes", *paths, "-o", tmp_path / "t", "--plot", tmp_path / "plots"
    )
    assert result.exit_code == 1
    assert (tmp_path / "plots" / "g1.png").is_file()
    assert len(list((tmp_path / "t").iterdir())) == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {paths[0]}: the picture ")
    assert line.endswith("g0.png' is a folder, not a file")


def test_what_breaks_on_one_image_does_not_stop_the_others(
    armillary, galaxy, tmp_path, monkeypatch
):
    paths = [galaxy(f"g{i}.fits", seed=i)[0] for i in range(2)]
    original = images.Measurement._measured

    def fragile(measurement, job):
        if job.path == paths[0]:
            raise ZeroDivisionError("by zero")
        return original(measurement, job)

    monkeypatch.setattr(images.Measurement, "_measured", fragile)
    result = armillary("fit", "isophotes", *paths, "-o", tmp_path / "t")
    assert result.exit_code == 1
    assert result.stderr == f"error: {paths[0]}: ZeroDivisionError: by zero\n"
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["g1.ecsv"]


# ------------------------------------------------------------------ what is told


@pytest.fixture
def outcome():
    """What became of an image of this name, with isophotes of these semi-major axes."""

    def make(name, sma, stop_code=0, operation="fit.isophotes"):
        sma = np.array(sma, float)
        values = {"x0": 1023.456, "y0": 987.654, "ellipticity": 0.25, "position_angle": 3.1}
        arrays = {key: np.where(sma > 0.0, value, np.nan) for key, value in values.items()}
        found = SimpleNamespace(
            sma=sma,
            intensity=np.full(len(sma), 7.0),
            converged=(sma > 0) & (np.array(stop_code) == 0),
            provenance=SimpleNamespace(operation=operation),
            reason="",
            **arrays,
        )
        sized = type("Sized", (SimpleNamespace,), {"__len__": lambda self: len(self.sma)})
        return FitOutcome(ImageJob(images.Path(name)), sized(**vars(found)))

    return make


def shown(outcomes, width):
    console = Console(width=width, file=StringIO())
    console.print(isophote_table(outcomes, console.width))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_number_is_cut_however_narrow_the_terminal(outcome, width):
    name = "galaxy_of_the_north_r"
    told = shown([outcome(f"data/{name}.fits", [0.0, 0.512345, 512.0, 1023.4])], width)
    assert "…" not in told
    for number in ("4", "3", "0 to 1023", "512.0", "1023.46", "987.65", "0.250", "177.6"):
        assert re.search(rf"(^|\s){re.escape(number)}(\s|$)", told), number
    for heading in ("isophotes", "converged", "sma [pixel]", "ellipticity", "angle [deg]"):
        parts = heading.split() if " " in heading else (heading[:3], heading[-3:])
        assert heading in told or all(part in told for part in parts)
    assert name in told or width == 80  # where it is broken, not cut
    assert max(map(len, told.splitlines())) <= width


def test_the_middle_is_half_of_the_largest_that_converged(outcome):
    found = outcome("g.fits", [0, 10, 20, 40, 80, 160], [0, 0, 2, 0, 0, 5]).isophotes
    assert found.sma[middle(found)] == 40
    nothing = outcome("g.fits", [0, 10, 20, 40], 2).isophotes
    assert nothing.sma[middle(nothing)] == 20
    assert middle(outcome("g.fits", [0.0]).isophotes) is None
    assert middle(outcome("g.fits", []).isophotes) is None


def test_images_without_isophotes_have_a_line_and_those_that_failed_have_none(outcome):
    failed = FitOutcome(ImageJob(images.Path("bad.fits")), errors=("bad.fits: it broke",))
    told = shown([failed, outcome("empty.fits", []), outcome("centre.fits", [0.0])], 100)
    assert "bad" not in told
    assert re.search(r"empty +0 +0 *$", told, re.MULTILINE)
    assert re.search(r"centre +1 +0 +0 to 0 *$", told, re.MULTILINE)


@pytest.mark.parametrize("command", [(), ("isophotes",), ("forced",)])
def test_everything_has_help(armillary, command):
    result = armillary("fit", *command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
    assert ("Examples" in result.stdout) == bool(command)


def test_quiet_says_nothing_but_errors(armillary, galaxy, tmp_path):
    path, _ = galaxy()
    result = armillary("fit", "isophotes", path, tmp_path / "missing.fits", "-q")
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


# ------------------------------------------------------------------ refused before any work

REFUSED = [
    (("-o", "{image}.csv"), "a table of isophotes must be .ecsv or .fits"),
    (("-o", "nowhere/{image}.ecsv"), "there is no folder 'nowhere'"),
    (("-o", "out.ecsv"), "--output out.ecsv is one table for 2 images; give a folder"),
    (("--model", "out.fits"), "--model out.fits is one model for 2 images"),
    (("--model", "{image}.png"), "its name must end with .fits or .fits.gz"),
    (("--residual", "afile"), "'afile' is a file, not a folder"),
    (("--plot", "{image}.doc"), "a picture cannot be written as '{image}.doc'"),
    (("--plot", "locked/plots"), "nothing can be written into the folder 'locked'"),
    (("-o", "{image}.fits", "--overwrite"), "--output would replace '1.fits', which is read"),
    (("--residual", "m_{image}.fits", "--overwrite"), "--residual would replace 'm_1.fits'"),
    (("-o", "same_{image}.fits", "--model", "same_{image}.fits"),
     "--output and --model would both write 'same_1.fits'"),
    (("-o", "."), "'2.ecsv' exists; --overwrite replaces it"),
    (("--iraf",), "--iraf is about the table; give it with --output"),
    (("--zero-point", "25"), "--zero-point is about the table and the picture"),
    (("--pixel-scale", "0.4", "-o", "t"), "--pixel-scale is about the picture"),
    (("--overwrite", "--plot", "p"), "--overwrite is about files that are written"),
    (("--zero-point", "nan", "-o", "t"), "zero_point must be a finite number"),
    (("--pixel-scale", "0", "--plot", "p"), "--pixel-scale must be positive (arcsec), not 0"),
    (("--mask", "nothing.fits"), "there is no file 'nothing.fits' for --mask"),
    (("--variance", "nothing.fits"), "there is no file 'nothing.fits' for --variance"),
    (("--backend", "nonesuch"), "no backend 'nonesuch' is registered for fit."),
    (("--threads", "0"), "threads must be a whole number of at least 1"),
    (("--step", "0"), "step must be at least 0.0001"),
    (("--integrator", "mode"), "integrator must be"),
    (("--harmonics", "3,three"), "--harmonics must be N,..., whole numbers, not '3,three'"),
    (("--harmonics", "2"), "harmonics must be a whole number of at least 3"),
]  # fmt: skip
REFUSED_FITS = [
    (("--center", "5"), "--center must be X,Y, two numbers of pixels, not '5'"),
    (("--center", "5,nan"), "y0 must be finite"),
    (("--sma0", "-1"), "sma must be positive (pixels)"),
    (("--ellipticity", "1"), "ellipticity must be from 0 to less than 1"),
    (("--fix", "centre"), "--fix must name some of center, ellipticity, position-angle"),
    (("--min-sma", "9", "--max-sma", "3"), "max_sma must be above 9"),
]
REFUSED_FORCED = [
    (("--template", "nothing.ecsv"), "nothing.ecsv"),
    (("--template", "afile"), "a table of isophotes must be .ecsv or .fits"),
    (("--template", "empty.ecsv"), "template has no"),
    (("-o", "{image}.fits", "--template", "t.fits", "--overwrite"), "would replace"),
]


@pytest.mark.parametrize(
    ("command", "arguments", "sentence"),
    [
        *(("isophotes", *case) for case in REFUSED + REFUSED_FITS),
        *(("forced", *case) for case in REFUSED + REFUSED_FORCED),
    ],
)
def test_what_cannot_work_is_refused_before_any_image_is_read(
    armillary, galaxy, tmp_path, monkeypatch, command, arguments, sentence
):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    paths = [galaxy("1.fits")[0].name, galaxy("2.fits")[0].name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locked").mkdir()
    for name in ("afile", "2.ecsv", "m_1.fits"):
        (tmp_path / name).write_text("")
    for name in ("t.ecsv", "t.fits"):
        Table({"sma": [5.0], "x0": [4.0], "y0": [3.0], "eps": [0.3], "pa": [1.0]}).write(name)
    Table({"sma": [5.0]}).write("empty.ecsv")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "locked" and may(path, mode))
    monkeypatch.setattr(images.Measurement, "measure", lambda *_: pytest.fail("it was measured"))
    extra = ("--mask", "m_{image}.fits") if "m_{image}.fits" in arguments else ()
    if command == "forced" and "--template" not in arguments:
        extra = (*extra, "--template", "t.ecsv")
    before = sorted(tmp_path.iterdir())
    result = armillary("fit", command, *paths, *arguments, *extra)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [path for path in sorted(tmp_path.iterdir()) if path.is_file()] == [
        path for path in before if path.is_file()
    ]


def test_an_option_that_a_backend_does_not_know_is_one_error_for_all(
    armillary, galaxy, shell, distribution
):
    site = distribution(
        "plain",
        """
        from armillary.plugins import Implementation, hookimpl

        @hookimpl
        def armillary_fit():
            yield Implementation(operation="fit.isophotes", name="plain", target="plain:f", api=1)

        def f(image, x0, y0, sma, ellipticity, position_angle):
            raise ValueError("never called")
        """,
    )
    paths = [galaxy(f"g{i}.fits")[0] for i in range(2)]
    arguments = ("fit", "isophotes", *paths, "--backend", "plain", "--n-clip", 2)
    result = shell("-m", "armillary", *arguments, path=[site])
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "does not support n_clip=2" in line


# ------------------------------------------------------------------ Ctrl-C


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_leaves_whole_files_of_what_was_done_and_no_other(
    armillary, galaxy, tmp_path, monkeypatch, threads
):
    paths = [galaxy(f"g{i}.fits", seed=i)[0] for i in range(6)]
    (folder := tmp_path / "out").mkdir()
    check, checks = Pool.check, []

    def interrupt(pool):
        checks.append(pool)
        if len(checks) == 6 and not pool._stopped.is_set():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            if pool.workers > 1:
                pool._stopped.wait(10)
        check(pool)

    monkeypatch.setattr(Pool, "check", interrupt)
    result = armillary("fit", "isophotes", *paths, "--threads", threads, "-o", folder)
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"
    for thread in threading.enumerate():
        # One that writes on a busy machine may outlast the command, whose process would end here.
        if thread.name.startswith("armillary-pool"):
            thread.join(60)
    names = [path.name for path in sorted(folder.iterdir())]
    assert names == [f"g{i}.ecsv" for i in range(len(names))]
    assert len(names) < 6
    for name in names:
        assert len(Isophotes.load(folder / name))


def test_ctrl_c_while_a_file_is_written_leaves_none(armillary, galaxy, tmp_path, monkeypatch):
    path, _ = galaxy()
    (folder := tmp_path / "out").mkdir()

    def interrupt(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("astropy.io.fits.PrimaryHDU.writeto", interrupt)
    result = armillary("fit", "isophotes", path, "--model", folder / "m.fits")
    assert result.exit_code == 130
    assert list(folder.iterdir()) == []


# ------------------------------------------------------------------ real images


def test_real_images_of_every_kind(armillary, image_data, tmp_path):
    centres = {
        "M51.fits": (257, 258),
        "n3073rss_small.fits": (100, 96),
        "pgc57129_r.fits": (274, 275),
        "u12517j.fits.gz": (567, 562),
    }
    out = tmp_path / "tables"
    result = armillary("fit", "isophotes", *(image_data / name for name in centres), "-o", out)
    assert result.exit_code == 0, result.stderr
    for name, centre in centres.items():
        found = Isophotes.load(out / f"{image_name(image_data / name)}.ecsv")
        inner = found.converged & (found.sma < 15)
        assert inner.any(), name
        middle_of = np.median(found.x0[inner]), np.median(found.y0[inner])
        assert math.dist(middle_of, centre) < 1.5, name


def test_the_mask_of_a_real_image_is_a_bitmap(armillary, image_data, tmp_path):
    out = tmp_path / "out.ecsv"
    result = armillary(
        "fit", "isophotes", image_data / "u12517j.fits.gz", "--mask", image_data / "u12517j.dmask",
        "--min-sma", 12, "-o", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = Isophotes.load(out)
    assert found.n_unusable > 100_000
    assert found.converged.sum() > 30


def test_ellipses_of_one_band_are_measured_in_another(armillary, image_data, tmp_path):
    bands = {band: image_data / f"pgc57129_{band}.fits" for band in "gr"}
    armillary("fit", "isophotes", bands["r"], "-o", tmp_path / "r.ecsv")
    options = ("-t", tmp_path / "r.ecsv", "-o", tmp_path / "forced")
    result = armillary("fit", "forced", *bands.values(), *options)
    assert result.exit_code == 0, result.stderr
    g, r = (Isophotes.load(tmp_path / "forced" / f"pgc57129_{band}.ecsv") for band in "gr")
    np.testing.assert_array_equal(g.sma, r.sma)
    # A spiral: its bulge is redder than its disc.
    colour = -2.5 * np.log10(g.intensity / r.intensity)
    assert np.median(colour[(r.sma > 0) & (r.sma < 5)]) > np.median(colour[r.sma > 50]) + 0.2
