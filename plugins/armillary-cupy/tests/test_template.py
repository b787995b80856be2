"""``search.template_score``: the kernels of template.cu, and how work is cut for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.search.template import reference
from armillary.testing import simulated_light_curve
from armillary_cupy import device, template

from .host import HostDevice, HostMemoryError

#: Agreement with the reference, whose sums come in another order.
ROUNDING = 1e-9


@pytest.fixture(autouse=True)
def _host(host: HostDevice) -> None:
    """All of these run kernels on the host."""


@pytest.fixture
def call() -> dict[str, np.ndarray]:
    """Some candidates around a transit, far from it, and before and after the light curve."""
    light_curve = simulated_light_curve(
        1, span=40.0, gaps=[(9.0, 17.0)], period=3.3, t0=1.0, duration=0.3, snr=20.0
    )
    rng = np.random.default_rng(5)
    return {
        "time": light_curve.time - light_curve.time[0],
        "flux": light_curve.flux,
        "flux_err": light_curve.flux_err,
        "period": np.append(rng.uniform(0.5, 30.0, 29), 3.3),
        "t0": np.append(rng.uniform(-50.0, 90.0, 29), 1.0),
        "duration": np.append(rng.uniform(0.05, 0.4, 29), 0.3),
    }


def score(call: dict, there: HostDevice | None = None, **options: Any) -> dict[str, np.ndarray]:
    with device.use(there or HostDevice()):
        return template.template_score(**call, **options)


def require_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    """To the bit."""
    assert list(one) == list(other)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.parametrize("sharpness", [2.0, 20.0, 150.0, 1e4])
def test_scores_gradients_and_contributions_are_those_of_the_reference(call, sharpness):
    options = {"sharpness": sharpness, "gradient": True, "attribution": True}
    found, expected = score(call, **options), reference.template_score(**call, **options)
    for name, values in expected.items():
        scale = np.nanmax(np.abs(values))
        np.testing.assert_allclose(
            found[name], values, rtol=ROUNDING, atol=ROUNDING * scale, err_msg=name
        )


@pytest.mark.parametrize(
    ("factor", "sharpness"), [(1.0, 1e-3), (1e-6, 150.0)], ids=["soft edges", "many transits"]
)
def test_points_near_every_transit_count_once(call, factor, sharpness):
    call |= {name: factor * call[name] for name in ("period", "duration")}
    found = score(call, sharpness=sharpness)
    expected = reference.template_score(**call, sharpness=sharpness)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6, err_msg=name)


def test_a_candidate_without_points_in_transit_is_nan(call):
    call |= {"period": np.array([100.0]), "t0": np.array([13.0]), "duration": np.array([0.1])}
    found = score(call, gradient=True, attribution=True)
    assert all(np.isnan(values).all() for values in found.values())


def test_the_order_of_threads_and_of_blocks_does_not_matter(call):
    options = {"gradient": True, "attribution": True}
    require_same(score(call, **options), score(call, HostDevice(backwards=True), **options))


def test_candidates_are_cut_into_blocks_that_the_memory_holds(call):
    there = HostDevice(memory=100_000)
    require_same(score(call, attribution=True), score(call, there, attribution=True))
    assert there.launches.count("contribute") > 2


def test_where_memory_runs_out_blocks_become_smaller(call):
    there = HostDevice(memory=100_000)
    there.free_memory = lambda: 10**9
    require_same(score(call, attribution=True), score(call, there, attribution=True))
    assert there.launches.count("contribute") > 2


def test_contributions_too_many_for_the_device_are_an_error_that_says_so(call):
    with pytest.raises(MemoryError, match=r"one candidate of search\.template_score needs about"):
        score(call, HostDevice(memory=1000), attribution=True)


class FullDevice(HostDevice):
    """A device that has no room for another array."""

    def to_device(self, array: Any, dtype: Any = None) -> np.ndarray:
        raise HostMemoryError(f"{array.nbytes} bytes are more than are left")


def test_a_light_curve_too_long_for_the_device_is_an_error_that_says_so(call):
    with pytest.raises(MemoryError, match=r"the light curve of search\.template_score needs about"):
        score(call, FullDevice())


def test_progress_counts_candidates(call, monkeypatch):
    monkeypatch.setattr(template, "LAUNCH_WORK", 7 * len(call["time"]))
    told: list[tuple[int, int]] = []
    score(call, progress=lambda done, total: told.append((done, total)))
    assert told == [(8, 30), (16, 30), (24, 30), (30, 30)]


def test_light_curves_on_the_device_stay_there_and_so_do_the_results(moon, call):
    columns = [moon.asarray(call[name]) for name in ("time", "flux", "flux_err")]
    candidates = {name: call[name] for name in ("period", "t0", "duration")}
    there = arm.search.template_score(*columns, **candidates, gradient=True)
    assert isinstance(there.score, moon.Array) and isinstance(there.gradient, moon.Array)
    assert moon.fetched == []
    host_columns = [call[name] for name in ("time", "flux", "flux_err")]
    here = arm.search.template_score(*host_columns, **candidates, gradient=True, backend="moon")
    assert type(here.score) is np.ndarray
    np.testing.assert_array_equal(here.score, there.score.get())
