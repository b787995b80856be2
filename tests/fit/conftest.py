"""What tests of fits share: isophotes made by hand, from formulas instead of an image."""

from __future__ import annotations

import numpy as np
import pytest

from armillary.fit import Isophotes
from armillary.fit.isophote.result import COLUMNS, HARMONIC_COLUMNS
from armillary.plugins.records import Provenance

BY_HAND = Provenance(
    operation="fit.isophotes",
    backend="by hand",
    distribution="tests",
    version="1.0",
    precision="float64",
    chosen_by="a test",
    threads=1,
)


@pytest.fixture(scope="session")
def by_hand():
    """A function that makes an ``Isophotes`` of given arrays; all others are NaN or 0."""

    def make(sma, *, harmonics=(3, 4), **arrays):
        sma = np.array(sma, float)
        n = len(sma)
        empty = {
            name: np.full(n, np.nan) if kind is float else np.zeros(n, int)
            for name, kind in COLUMNS.items()
        }
        empty |= {name: np.full((n, len(harmonics)), np.nan) for name in HARMONIC_COLUMNS}
        others = {
            "sampling": "polar_angle",
            "image_shape": (512, 400),
            "n_unusable": 0,
            "reason": "",
            "provenance": BY_HAND,
        }
        given = {"sma": sma, "harmonics": harmonics, **arrays}
        return Isophotes(
            **{
                name: np.array(np.broadcast_to(value, empty[name].shape))
                if name in empty
                else value
                for name, value in (empty | others | given).items()
            }
        )

    return make


@pytest.fixture(scope="session")
def drifting(by_hand):
    """A function that makes isophotes of an exponential disc whose ellipses drift with sma.

    The row at ``sma`` 0 is left out with ``centre=False``.
    """

    def make(*, scale=20.0, peak=1000.0, n=60, step=0.1, centre=True, **others):
        sma = 0.5 * (1.0 + step) ** np.arange(n)
        sma = np.concatenate([[0.0], sma]) if centre else sma
        fitted = np.where(sma > 0.0, 1.0, np.nan)
        intensity = peak * np.exp(-sma / scale)
        drift = np.linspace(0.0, 1.0, len(sma))
        arrays = {
            "intensity": intensity,
            "intensity_err": fitted * 0.01 * np.sqrt(intensity),
            "ellipticity": fitted * (0.2 + 0.3 * drift),
            "ellipticity_err": fitted * 0.01,
            "position_angle": fitted * np.mod(3.0 + 0.4 * drift, np.pi),
            "position_angle_err": fitted * 0.02,
            "x0": 200.0 + drift,
            "x0_err": fitted * 0.05,
            "y0": 250.0 - 2.0 * drift,
            "y0_err": fitted * 0.04,
            "gradient": -fitted * intensity / scale,
            "gradient_err": fitted * 0.1 * intensity / scale,
            "rms": fitted * 0.1 * np.sqrt(intensity),
            "sector_area": fitted * 2.0,
            "a": fitted[:, None] * [0.001, -0.002],
            "a_err": fitted[:, None] * [0.003, 0.004],
            "b": fitted[:, None] * [-0.005, 0.02],
            "b_err": fitted[:, None] * [0.006, 0.005],
            "flux_ellipse": 40.0 * intensity,
            "flux_circle": 50.0 * intensity,
            "n_pixels_ellipse": np.arange(len(sma)),
            "n_pixels_circle": 2 * np.arange(len(sma)),
            "n_data": 7 * np.arange(len(sma)),
            "n_flagged": np.arange(len(sma)) % 3,
            "n_iterations": 10,
            "n_samples": 70 * np.arange(len(sma)),
            "stop_code": np.arange(len(sma)) % 17 // 15,
            "n_unusable": 12,
        }
        return by_hand(sma, **(arrays | others))

    return make
