"""The peers against everything that armillary promises of their operations."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
import pytest

from armillary.plugins import Request
from armillary.plugins.registry import get_registry
from armillary.search import bls
from armillary.testing import conformance
from armillary_peers import installed

test_astropy = conformance(
    "search.bls",
    "astropy",
    expected_failures={
        "transit_across_phase_zero": (
            "bls.c writes its padding over the last bin of the folded light curve, so that a box "
            "across phase zero misses its points (seen with 8.0.2: 53 of 596 in the box; a "
            "tenth of delta_chi2 is lost there on average, half as much elsewhere)"
        ),
        "long_transit_across_phase_zero": (
            "bls.c repeats only one shortest duration after the end of the folded light curve, so "
            "that no longer box can start later (seen with 8.0.2: at 1.7 d for a box of 0.4 d "
            "that should start at 1.8 d of a period of 2 d)"
        ),
    },
)

test_gerbls = conformance(
    "search.bls",
    "gerbls",
    expected_failures={
        "dimming_beside_a_brightening": (
            "GERBLS squares the signal without looking at its sign, so that the brightening is its "
            "best box (seen with 0.8.1: depth -0.02 beside a dimming of 0.01)"
        ),
        "whole_spectrum": (
            "for the same reason: where the strongest box of a period is a brightening, the "
            "dimmings of that period are not known (seen with 0.8.1: at 0.74 d of 61 periods)"
        ),
        "resolution_of_time": (
            "GERBLS resamples the light curve evenly, and for boxes of 39 s in four years that "
            "would be 32 million samples; the backend refuses more than 10 million with a sentence"
        ),
    },
)


EQUALS = (
    "match_coordinates_sky gives one neighbour and does not say whether others are as near; of "
    "equals it takes the one that its tree meets first (seen with 8.0.2: {})"
)

test_nearest_astropy = conformance(
    "crossmatch.nearest",
    "astropy",
    expected_failures={
        "equal_separations_go_to_the_lower_row": EQUALS.format(
            "row 29, when row 28 is as far away on the other side"
        ),
        "copies_go_to_the_lower_row": EQUALS.format(
            "row 142 of copies of which row 9 is the first"
        ),
        "thousands_of_copies": EQUALS.format("the last of 4,500 copies"),
    },
)
test_nearest_scipy = conformance("crossmatch.nearest", "scipy")
test_nearest_pykdtree = conformance("crossmatch.nearest", "pykdtree")
test_nearest_sklearn = conformance("crossmatch.nearest", "sklearn")

test_within_astropy = conformance("crossmatch.within", "astropy")
test_within_scipy = conformance("crossmatch.within", "scipy")
test_within_pykdtree = conformance("crossmatch.within", "pykdtree")
test_within_sklearn = conformance("crossmatch.within", "sklearn")

UNITS = (
    "leastsq begins at amplitudes of 1 in the unit of the image, and where that is far off it "
    "fails or ends early (seen with 3.0.0: {})"
)

test_isophotes_photutils = conformance(
    "fit.isophotes",
    "photutils",
    expected_failures={
        "scale_of_the_intensity": UNITS.format("another end of the fits for values of 1e14"),
        "errors_in_other_units": UNITS.format(
            "an error of the ellipticity of 0.0011 for values of 1e-10, of 0.0009 for those of 100"
        ),
        "fixed_position_angle_across_the_galaxy": (
            "where an ellipse becomes negative, photutils turns it by 90 degrees, fixed or not "
            "(seen with 3.0.0: 0.5 instead of 2.07)"
        ),
        "everything_fixed": (
            "photutils fits nothing where everything is fixed; the backend refuses it with a "
            "sentence that names forced_isophotes"
        ),
    },
)
test_forced_isophotes_photutils = conformance(
    "fit.forced_isophotes",
    "photutils",
    expected_failures={
        "scale_of_the_intensity": UNITS.format("no a and b for values of 1e14"),
        "errors_in_other_units": UNITS.format("no errors of a and b for values of 1e14"),
    },
)
test_ellipse_model_photutils = conformance("fit.ellipse_model", "photutils")

test_visibilities_pyuvdata = conformance("convert.visibilities", "pyuvdata")

SKY = ("astropy", "scipy", "pykdtree", "sklearn")
BACKENDS = {
    "search.bls": ("astropy", "gerbls"),
    "crossmatch.nearest": SKY,
    "crossmatch.within": SKY,
    "fit.isophotes": ("photutils",),
    "fit.forced_isophotes": ("photutils",),
    "fit.ellipse_model": ("photutils",),
    "convert.visibilities": ("pyuvdata",),
}


def test_the_distribution_is_found_through_its_entry_point() -> None:
    (entry,) = (e for e in entry_points(group="armillary") if e.name == "peers")
    assert entry.dist is not None
    assert entry.dist.name == "armillary-peers"
    for operation, names in BACKENDS.items():
        backends = get_registry().backends(operation)
        for name in names:
            assert backends[name].distribution == "armillary-peers"


@pytest.mark.parametrize(("peer", "name"), [("scipy", "scipy"), ("sklearn", "scikit-learn")])
def test_a_peer_that_is_missing_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, peer: str, name: str
) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda module: None)
    sentence = getattr(installed, peer)(Request("crossmatch.nearest"))
    assert sentence == f'{name} is not installed; pip install "armillary-peers[{peer}]"'


def test_gerbls_refuses_a_light_curve_too_long_for_its_memory() -> None:
    pytest.importorskip("gerbls", reason="gerbls is not installed")
    time = np.array([0.0, 1.0, 2.0, 3.0, 4e5])
    with pytest.raises(ValueError, match=r"resample the light curve .* more than 10,000,000"):
        bls(time, np.arange(5.0), 1.0, period=2.0, duration=0.1, backend="gerbls")
