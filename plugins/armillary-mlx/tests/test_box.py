"""The box search on a device gives the boxes of the definition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.search.box import reference
from armillary.testing import simulated_light_curve

#: Days: a BJD, which float32 would round to a quarter of a day, and a BTJD, to 21 seconds.
EPOCHS = (2457000.0, 3559.0)
#: Of sums over the same points in another order, with weights that differ by up to 10,000.
ROUNDING = 1e-9


def arguments(seed: int, n_periods: int = 12) -> dict[str, Any]:
    """Canonical arguments for a light curve of some kind."""
    rng = np.random.default_rng(seed)
    span = rng.uniform(8.0, 60.0)
    time = np.sort(rng.uniform(0.0, span, int(rng.integers(30, 900))))
    if seed % 3 == 0:
        time = time[(time < 0.3 * span) | (time > 0.6 * span)]
    time -= time[0]
    flux_err = 5e-4 * 10.0 ** rng.uniform(-0.5 * (seed % 4), 0.5, len(time))
    flux = rng.choice([0.0, 1.0]) + flux_err * rng.standard_normal(len(time))
    if seed % 2:
        flux[np.abs(time % 2.7 - 1.1) < 0.1] -= 0.01
    duration = np.sort(rng.uniform(0.05, 1.5, int(rng.integers(1, 6))))
    period = rng.uniform(1.01 * duration[0], time[-1], n_periods)
    stop = np.searchsorted(duration, period)
    start = np.minimum(rng.integers(0, 2, n_periods), stop - 1)
    return {
        "time": time,
        "flux": flux,
        "flux_err": flux_err,
        "period": period,
        "duration": duration,
        "duration_start": start,
        "duration_stop": stop,
        "oversample": int(rng.choice([3, 10, 20])),
    }


def assert_defined(box: ModuleType, given: dict[str, Any], rounding: float = ROUNDING) -> None:
    """The best boxes of the definition; of boxes with the same points, none but the first."""
    found, expected = box.bls(**given), reference.bls(**given)
    for name in ("delta_chi2", "depth", "depth_err", "duration", "level"):
        np.testing.assert_allclose(found[name], expected[name], rtol=rounding, err_msg=name)
    # The sums of the definition may be rounded differently where they are of the same points.
    assert np.all(starts(found, given) <= starts(expected, given) + ROUNDING)


def starts(result: dict[str, np.ndarray], given: dict[str, Any]) -> np.ndarray:
    """Where boxes begin, in days from a bin before phase zero."""
    bins = given["duration"][given["duration_start"]] / given["oversample"]
    return (result["t0"] - 0.5 * result["duration"] + bins) % given["period"]


@pytest.mark.parametrize("seed", range(24))
def test_the_boxes_are_those_of_the_definition(box: ModuleType, seed: int) -> None:
    assert_defined(box, arguments(seed))


@pytest.mark.parametrize("epoch", EPOCHS)
def test_times_of_any_epoch_lose_nothing(box: ModuleType, epoch: float) -> None:
    light_curve = simulated_light_curve(
        3, start=epoch, span=27.0, period=3.4, t0=1.3, duration=0.12, snr=25.0
    )
    points = light_curve.time, light_curve.flux, light_curve.flux_err
    grid = {"period": np.linspace(1.0, 8.0, 200), "duration": [0.1, 0.2]}
    found = arm.search.bls(*points, **grid, backend="mlx")
    expected = arm.search.bls(*points, **grid, backend="reference")
    assert found.provenance.precision == "float32"
    for name in ("delta_chi2", "depth", "depth_err", "t0", "duration", "level"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=ROUNDING, err_msg=name
        )


def test_one_point_with_nearly_all_of_the_weight_hides_nothing(box: ModuleType) -> None:
    given = arguments(1)
    given["flux_err"] = given["flux_err"].copy()
    # Differences of prefix sums then have few digits left for the other points.
    given["flux_err"][10] *= 1e-4
    assert_defined(box, given, rounding=1e-7)


def test_equal_boxes_go_to_the_earliest_start(box: ModuleType) -> None:
    # Points far apart: many neighbouring boxes hold the same ones.
    time = np.arange(0.0, 30.0, 0.7)
    flux = np.where(np.abs(time % 4.9 - 2.1) < 0.1, 0.99, 1.0)
    grid = {"period": np.array([4.9]), "duration": np.array([1.0, 1.1])}
    ends = {"duration_start": np.array([0]), "duration_stop": np.array([2])}
    found = box.bls(time, flux, np.full(len(time), 1e-3), **grid, **ends)
    begin = found["t0"] - 0.5 * found["duration"]
    assert found["duration"] == 1.0
    # The box leaves out the point at 1.4, from the next edge of a bin on.
    assert 1.4 < begin <= 1.4 + 0.1


def test_the_same_call_gives_the_same_to_the_bit_from_any_thread(box: ModuleType) -> None:
    given = arguments(7, n_periods=60)
    expected = box.bls(**given)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: box.bls(**given), range(8)):
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_blocks_are_bounded_and_do_not_change_the_result(
    box: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(5, n_periods=80)
    expected = box.bls(**given)
    gathered: list[int] = []
    periods: list[int] = []
    highest_scores = box.highest_scores

    def counted(tables: Any, offsets: np.ndarray, n_starts: np.ndarray, widths: Any) -> np.ndarray:
        gathered.append(offsets.size * (int(n_starts.max()) + widths[-1]))
        periods.append(len(n_starts))
        return highest_scores(tables, offsets, n_starts, widths)

    monkeypatch.setattr(box, "highest_scores", counted)
    monkeypatch.setattr("armillary_mlx.box_blocks.BLOCK_BINS", 20_000)
    monkeypatch.setattr(box, "BLOCK_BINS", 20_000)
    found = box.bls(**given)
    assert sum(periods) == 80
    assert all(size <= 20_000 or n == 1 for size, n in zip(gathered, periods, strict=True))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_scores_that_float32_gets_wrong_are_all_done_again(
    box: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(9)
    expected = box.bls(**given)
    highest_scores = box.highest_scores

    def wrong(*arguments: Any) -> np.ndarray:
        scores = highest_scores(*arguments)
        return scores * np.random.default_rng(2).uniform(0.5, 1.0, scores.shape)

    monkeypatch.setattr(box, "highest_scores", wrong)
    for name, values in box.bls(**given).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_too_many_cells_are_refused_with_a_way_out(box: ModuleType) -> None:
    time = np.linspace(0.0, 40.0, 100)
    with pytest.raises(ValueError, match=r"more than 16,777,216; raise the shortest duration"):
        arm.search.bls(time, time % 2.0, 1.0, period=39.0, duration=1e-4, backend="mlx")


def test_long_gaps_take_no_cells(box: ModuleType) -> None:
    given = arguments(11, n_periods=4)
    given["time"] = np.where(given["time"] > 5.0, given["time"] + 1e6, given["time"])
    assert_defined(box, given)


def test_progress_counts_periods_and_can_stop_the_search(box: ModuleType) -> None:
    given = arguments(4, n_periods=30)
    seen: list[tuple[int, int]] = []
    box.bls(**given, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        box.bls(**given, progress=stop)
