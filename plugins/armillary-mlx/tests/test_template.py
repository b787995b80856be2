"""Template scores on a device, against the definition in float64."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.search.template import reference
from armillary.testing import simulated_light_curve

#: Days: a BJD, which float32 would round to a quarter of a day, and a BTJD, to 21 seconds.
EPOCHS = (2457000.0, 3559.0)
#: Part of the score, and of a sigma, that float32 may be off by: sums of thousands of points.
CLOSE = 2e-5


def arguments(seed: int, n_candidates: int = 10) -> dict[str, Any]:
    """Canonical arguments: points, and candidates from a grazing transit to half of a period."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0.0, rng.uniform(10.0, 900.0), int(rng.integers(50, 3000))))
    time -= time[0]
    flux_err = 5e-4 * 10.0 ** rng.uniform(-0.5, 0.5, len(time))
    flux = 1.0 + flux_err * rng.standard_normal(len(time))
    flux[np.abs(time % 3.0 - 1.0) < 0.1] -= 2e-3
    period = np.append(3.0, rng.uniform(0.4, 12.0, n_candidates - 1))
    t0 = np.append(1.0, rng.uniform(-1000.0, 2000.0, n_candidates - 1))
    duration = np.append(0.2, period[1:] * rng.uniform(0.02, 0.5, n_candidates - 1))
    given = {"time": time, "flux": flux, "flux_err": flux_err}
    candidates = {"period": period, "t0": t0, "duration": duration}
    return given | candidates | {"sharpness": float(rng.choice([3.0, 30.0, 150.0, 1e4]))}


@pytest.mark.parametrize("seed", range(16))
def test_scores_are_those_of_the_definition(template: ModuleType, seed: int) -> None:
    given = arguments(seed)
    found = template.template_score(**given)
    expected = reference.template_score(**given)
    allowed = CLOSE * (1.0 + np.abs(expected["score"]))
    assert np.all(np.abs(found["score"] - expected["score"]) <= allowed)
    for name in ("depth", "level"):
        apart = np.abs(found[name] - expected[name]) / expected["depth_err"]
        assert np.all(apart <= allowed)
    np.testing.assert_allclose(found["depth_err"], expected["depth_err"], rtol=CLOSE)


@pytest.mark.parametrize("seed", range(16))
def test_automatic_gradients_are_the_analytic_ones(template: ModuleType, seed: int) -> None:
    given = arguments(seed)
    found = template.template_score(**given, gradient=True)["gradient"]
    expected = reference.template_score(**given, gradient=True)
    # An edge that moves by its width, d / sharpness, changes the score by about a sigma and a
    # part of itself; in cycle c it moves by c when the period does.
    cycles = np.abs(given["time"] - given["t0"][:, None]).max(axis=1) / given["period"] + 1.0
    unit = (given["sharpness"] / given["duration"]) * (1.0 + np.abs(expected["score"]))
    allowed = CLOSE * unit[:, None] * np.stack([cycles, np.ones(10), np.ones(10)], axis=1)
    assert np.all(np.abs(found - expected["gradient"]) <= allowed)


def test_attributions_are_the_analytic_ones_and_add_up(template: ModuleType) -> None:
    for seed in range(6):
        given = arguments(seed, n_candidates=4)
        found = template.template_score(**given, attribution=True)
        expected = reference.template_score(**given, attribution=True)
        assert found["attribution"].shape == (4, len(given["time"]))
        largest = np.abs(expected["attribution"]).max(axis=1, keepdims=True)
        apart = np.abs(found["attribution"] - expected["attribution"])
        assert np.all(apart <= CLOSE * (1.0 + largest))
        total = found["attribution"].sum(axis=1)
        np.testing.assert_allclose(total, expected["score"], rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("epoch", EPOCHS)
def test_times_of_any_epoch_lose_nothing(template: ModuleType, epoch: float) -> None:
    light_curve = simulated_light_curve(
        3, start=epoch, span=27.0, period=3.4, t0=1.3, duration=0.12, snr=25.0
    )
    points = light_curve.time, light_curve.flux, light_curve.flux_err
    candidates = {"period": 3.4, "t0": epoch + 1.3 + 0.01 * np.arange(-8, 9), "duration": 0.12}
    found = arm.search.template_score(*points, **candidates, gradient=True, backend="mlx")
    expected = arm.search.template_score(*points, **candidates, gradient=True, backend="reference")
    assert found.provenance.precision == "float32"
    np.testing.assert_allclose(found.score, expected.score, rtol=CLOSE, atol=CLOSE)
    scale = np.abs(expected.gradient).max(axis=0)
    assert np.all(np.abs(found.gradient - expected.gradient) <= CLOSE * scale)


def test_the_steepest_of_edges_are_those_of_a_box(template: ModuleType) -> None:
    given = arguments(5) | {"sharpness": 1e300}
    found = template.template_score(**given)
    expected = reference.template_score(**given)
    np.testing.assert_allclose(found["score"], expected["score"], rtol=CLOSE, atol=CLOSE)


def test_nothing_in_transit_is_unknown(template: ModuleType) -> None:
    given = arguments(1, n_candidates=3)
    given |= {"period": np.full(3, 3000.0), "t0": np.array([1500.0, -700.0, 30.0])}
    given |= {"duration": np.array([0.1, 0.1, 2999.0]), "sharpness": 1e4}
    found = template.template_score(**given, gradient=True, attribution=True)
    for name, values in found.items():
        assert np.isnan(values).all(), name


def test_the_same_call_gives_the_same_to_the_bit(template: ModuleType) -> None:
    given = arguments(2) | {"gradient": True, "attribution": True}
    found, again = (template.template_score(**given) for _ in range(2))
    for name, values in found.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_blocks_are_bounded(template: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    given = arguments(3, n_candidates=50)
    expected = template.template_score(**given)
    limit = 7 * len(given["time"])
    sizes: list[tuple[int, int]] = []
    scores = template.scores

    def counted(sharpness: float, rows: Any) -> tuple[np.ndarray, ...]:
        sizes.append(rows.weight.shape)
        return scores(sharpness, rows)

    monkeypatch.setattr(template, "scores", counted)
    monkeypatch.setattr(template, "BLOCK_POINTS", limit)
    found = template.template_score(**given)
    assert sum(m for m, _ in sizes) == 50
    assert max(m * (n - 1) for m, n in sizes) <= limit
    np.testing.assert_allclose(found["score"], expected["score"], rtol=CLOSE, atol=CLOSE)


def test_points_far_from_transits_do_not_go_to_the_device(
    template: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = np.arange(0.0, 100.0, 0.01)
    flux, flux_err = np.sin(time), np.full(len(time), 0.1)
    sent: list[int] = []
    scores = template.scores

    def counted(sharpness: float, rows: Any) -> tuple[np.ndarray, ...]:
        sent.append(rows.weight.shape[1])
        return scores(sharpness, rows)

    monkeypatch.setattr(template, "scores", counted)
    candidate = {"period": np.array([10.0]), "t0": np.array([3.0]), "duration": np.array([0.3])}
    template.template_score(time, flux, flux_err, **candidate)
    # Ten transits of 30 points, the edges of a third more, and all the others as one.
    assert 300 < sent[0] <= 450


def test_a_period_of_too_many_cycles_is_refused_with_a_way_out(template: ModuleType) -> None:
    time = np.array([0.0, 1.0, 2.0, 4000.0])
    with pytest.raises(ValueError, match=r"cycles of the time span of 4000 d, more than the"):
        arm.search.template_score(
            time, np.arange(4.0), 1.0, period=1e-3, t0=0.0, duration=5e-4, backend="mlx"
        )


def test_progress_counts_candidates(template: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    given = arguments(4, n_candidates=30)
    monkeypatch.setattr(template, "BLOCK_POINTS", 8 * len(given["time"]))
    seen: list[tuple[int, int]] = []
    template.template_score(**given, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) == 4
    assert seen[-1] == (30, 30)
