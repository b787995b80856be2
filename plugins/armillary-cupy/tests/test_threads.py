"""Threads that run at once, each the whole kernel as on a device, give the bits of those in turn.

A race that this does not happen to show, ThreadSanitizer does::

    ARMILLARY_CUPY_HOST_FLAGS="-g -fsanitize=thread" LD_PRELOAD=$(c++ -print-file-name=libtsan.so) \
    setarch --addr-no-randomize python -m pytest -s tests/test_threads.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from armillary.testing import simulated_galaxy, simulated_light_curve
from armillary.testing.skies import uniform_sky
from armillary_cupy import box, box_layout, device, isophotes, sky, template, zones

from .host import HostDevice

#: Threads of a block, powers of two: a system has fewer to give than a device.
FEW_THREADS = {
    (box, "POINT_THREADS"): 16,
    (box_layout, "LEAST_THREADS"): 8,
    (box_layout, "MOST_THREADS"): 32,
    (template, "THREADS"): (8, 2),
    (template, "POINT_THREADS"): 16,
    (zones, "THREADS"): 16,
    (sky, "THREADS"): 16,
    (isophotes, "WALKERS"): 8,
    (isophotes, "RING_THREADS"): 16,
    (isophotes, "SECTOR_THREADS"): 8,
    (isophotes, "PIXEL_THREADS"): 16,
}


@pytest.fixture(autouse=True)
def _few_threads(host: HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    for (module, name), value in FEW_THREADS.items():
        monkeypatch.setattr(module, name, value)


@pytest.fixture(params=[False, True], ids=["dense", "sparse"])
def light_curve(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """Points that are folded by rows of tables, or few that are folded one by one."""
    cadence = 3.0 if request.param else 0.1
    found = simulated_light_curve(
        1, span=300.0 * cadence, cadence=cadence, period=3.3, t0=1.0, duration=0.3, snr=20.0
    )
    return {"time": found.time - found.time[0], "flux": found.flux, "flux_err": found.flux_err}


def test_box_searches_have_no_races(light_curve: dict[str, np.ndarray]) -> None:
    periods, durations = np.array([0.7, 1.3, 5.0, 25.0]), np.array([0.05, 0.1, 0.3])
    call = light_curve | {
        "period": periods,
        "duration": durations,
        "duration_start": np.zeros(len(periods), np.intp),
        "duration_stop": np.full(len(periods), len(durations), np.intp),
    }
    require_same_bits(lambda: box.bls_batch([call, call]))


@pytest.mark.parametrize("sharpness", [5.0, 150.0])
def test_template_scores_have_no_races(
    light_curve: dict[str, np.ndarray], sharpness: float
) -> None:
    call = light_curve | {
        "period": np.array([3.3, 0.01, 9.0]),
        "t0": np.array([1.0, 0.1, 2.0]),
        "duration": np.array([0.3, 0.005, 3.0]),
    }
    require_same_bits(
        lambda: template.template_score(
            **call, sharpness=sharpness, gradient=True, attribution=True
        )
    )


@pytest.mark.parametrize(
    ("match", "options"),
    [(sky.nearest, {"k": 3}), (sky.within, {}), (sky.within, {"right_radius": np.full(400, 5e3)})],
    ids=["nearest", "within", "radii of right rows"],
)
def test_matches_have_no_races(match: Callable[..., Any], options: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    left, right = uniform_sky(rng, 400), uniform_sky(rng, 400)
    # Rows at one position.
    for column in right:
        column[:9] = column[0]
    radius = np.array([36_000.0])
    require_same_bits(lambda: match(*left, *right, radius, **options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"integrator": "median", "n_clip": 3, "sampling": "eccentric_anomaly"},
        {"integrator": "mean", "n_clip": 2, "errors": "photutils"},
    ],
    ids=["bilinear", "median", "mean"],
)
def test_isophotes_have_no_races(options: dict[str, Any]) -> None:
    image = np.array(simulated_galaxy((60, 70), effective_radius=8.0, x0=33.2, y0=30.1).image)
    sma = np.array([0.0, 1.0, 6.0, 15.0, 28.0])
    geometry = (np.full(len(sma), value) for value in (33.2, 30.1, 0.3, 0.4))
    x0, y0, ellipticity, position_angle = geometry
    require_same_bits(
        lambda: isophotes.forced_isophotes(
            image, x0, y0, sma, ellipticity, position_angle, step=0.2, **options
        )
    )


def require_same_bits(compute: Callable[[], Any]) -> None:
    with device.use(HostDevice(at_once=True)):
        found = list(_columns(compute()))
    with device.use(HostDevice()):
        expected = list(_columns(compute()))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def _columns(result: Any) -> Iterator[np.ndarray]:
    """Those of one result, or of several."""
    for table in result if isinstance(result, list) else [result]:
        yield from table.values()
