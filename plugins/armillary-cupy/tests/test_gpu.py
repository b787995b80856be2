"""On a CUDA device: the bits of the host, arrays that stay there, and memory that runs out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.plugins import Request
from armillary.testing import simulated_light_curve
from armillary_cupy import box, device, template

pytestmark = pytest.mark.gpu

COLUMNS = ("time", "flux", "flux_err")
#: Of exp, which rounds otherwise on a device than on the host.
ROUNDING = 1e-9


@pytest.fixture
def cupy() -> Iterator[Any]:
    """cupy, with a limit of its pool that ends with the test."""
    reason = device.can_run(Request("search.bls"))
    if reason is not True:
        pytest.skip(reason)
    import cupy

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.get_limit()
    yield cupy
    pool.set_limit(size=before)


@pytest.fixture
def calls() -> list[dict[str, np.ndarray]]:
    """Light curves that share a grid, whose longest folds do not fit into shared memory."""
    period, duration = np.geomspace(0.5, 25.0, 200), np.array([0.05, 0.1, 0.2])
    grid = {
        "period": period,
        "duration": duration,
        "duration_start": np.zeros(len(period), np.intp),
        "duration_stop": np.full(len(period), len(duration), np.intp),
    }
    curves = (
        simulated_light_curve(i, span=27.0, cadence=0.002, period=3.3, t0=1.0, snr=20.0)
        for i in range(6)
    )
    return [grid | {name: getattr(curve, name) for name in COLUMNS} for curve in curves]


def require_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """To the bit."""
    for name in box.RESULTS:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_the_device_finds_the_same_bits_as_the_host(cupy, host, calls):
    with device.use(host):
        expected = box.bls_batch(calls)
    for one, other in zip(expected, box.bls_batch(calls), strict=True):
        require_same(one, other)


def test_scores_are_those_of_the_host(cupy, host, calls):
    rng = np.random.default_rng(1)
    call = {name: calls[0][name] for name in COLUMNS} | {
        "period": rng.uniform(0.5, 20.0, 50),
        "t0": rng.uniform(0.0, 20.0, 50),
        "duration": rng.uniform(0.05, 0.3, 50),
    }
    options = {"gradient": True, "attribution": True}
    with device.use(host):
        expected = template.template_score(**call, **options)
    found = template.template_score(**call, **options)
    for name, values in expected.items():
        atol = ROUNDING * np.nanmax(np.abs(values))
        np.testing.assert_allclose(found[name], values, rtol=ROUNDING, atol=atol, err_msg=name)


def test_arrays_of_cupy_give_arrays_of_cupy(cupy, calls):
    grid = {name: calls[0][name] for name in ("period", "duration")}
    there = arm.search.bls(*(cupy.asarray(calls[0][name]) for name in COLUMNS), **grid)
    here = arm.search.bls(*(calls[0][name] for name in COLUMNS), backend="cupy", **grid)
    assert there.provenance.backend == "cupy"
    for name in box.RESULTS:
        assert isinstance(getattr(there, name), cupy.ndarray)
        np.testing.assert_array_equal(cupy.asnumpy(getattr(there, name)), getattr(here, name))


def test_a_limit_of_the_memory_changes_no_bit(cupy, calls):
    expected = box.bls_batch(calls)
    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_memory_pool().set_limit(size=4_000_000)
    for one, other in zip(expected, box.bls_batch(calls), strict=True):
        require_same(one, other)


def test_where_memory_runs_out_blocks_become_smaller(cupy, calls, monkeypatch):
    expected = box.bls_batch(calls)
    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_memory_pool().set_limit(size=4_000_000)
    monkeypatch.setattr(device.CudaDevice, "free_memory", lambda self: 10**10)
    for one, other in zip(expected, box.bls_batch(calls), strict=True):
        require_same(one, other)


def test_a_light_curve_too_large_for_the_memory_is_an_error_that_says_so(cupy, calls):
    cupy.get_default_memory_pool().set_limit(size=100_000)
    with pytest.raises(MemoryError, match=r"one light curve of search\.bls needs about"):
        box.bls_batch(calls)


def test_arrays_on_another_device_are_refused(cupy, calls):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is only one CUDA device")
    with cupy.cuda.Device(1):
        elsewhere = [cupy.asarray(calls[0][name]) for name in COLUMNS]
    with pytest.raises(ValueError, match="time is on device 1 of cupy, where 0 is the current one"):
        arm.search.bls(*elsewhere, period=[1.0, 2.0], duration=0.1)
