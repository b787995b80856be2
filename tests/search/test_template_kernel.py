"""Template scores against their definition, and the definition against what it must be."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from armillary.search.template import cpu, kernel, reference
from armillary.testing import template_oracle as oracle
from armillary.testing.oracle import distance, fit_levels

pytestmark = pytest.mark.kernel

#: What sums in another order leave.
TIGHT = 1e-9
BOTH = pytest.mark.parametrize(
    "backend", [cpu.template_score, reference.template_score], ids=["cpu", "reference"]
)


def light_curve(seed, *, points=400, span=20.0, gap=0.0, depth=3e-3):
    """Noise with uneven sampling and errors and a transit every 2.7 d; times from zero."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0.0, span, points))
    time[points // 2 :] += gap
    flux_err = 5e-4 * rng.uniform(0.5, 2.0, points)
    flux = 1.0 + flux_err * rng.standard_normal(points)
    flux[distance(time, 2.7, 1.3) < 0.08] -= depth
    return time - time[0], flux, flux_err


def candidates(seed, m=20, span=20.0):
    rng = np.random.default_rng(seed)
    period = rng.uniform(0.5, 8.0, m)
    t0 = rng.uniform(-span, 2.0 * span, m)
    duration = period * rng.uniform(0.01, 0.4, m)
    period[0], t0[0], duration[0] = 2.7, 1.3, 0.16
    return period, t0, duration


def assert_same(found, wanted):
    """Equal to rounding; a gradient in units of an edge that moves by its own width."""
    assert set(found) == set(wanted)
    for name in wanted:
        np.testing.assert_allclose(
            found[name], wanted[name], rtol=TIGHT, atol=TIGHT * _unit(name, wanted), err_msg=name
        )


def _unit(name, wanted):
    unknown = np.isnan(wanted[name])
    return 1.0 if unknown.all() else max(1.0, float(np.abs(wanted[name][~unknown]).max()))


# ------------------------------------------------------------------ the kernel


@pytest.mark.parametrize("sharpness", [1.0, 30.0, 150.0, 5000.0])
@pytest.mark.parametrize("gap", [0.0, 500.0])
def test_the_kernel_is_the_reference(sharpness, gap):
    given_ = (*light_curve(1, gap=gap), *candidates(2), sharpness, True, True)
    assert_same(cpu.template_score(*given_), reference.template_score(*given_))


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    points=st.integers(3, 80),
    log_span=st.floats(-2, 3),
    log_period=st.floats(-4, 2),
    log_ratio=st.floats(-4, -0.001),
    t0=st.floats(-3, 3),
    log_sharpness=st.floats(-1, 5),
)
@example(  # a period of a thousandth of the cadence
    seed=0, points=50, log_span=1, log_period=-4, log_ratio=-0.3, t0=0.1, log_sharpness=2
)
@example(  # one transit that holds all points
    seed=0, points=50, log_span=0, log_period=2, log_ratio=-0.001, t0=0.5, log_sharpness=2
)
def test_the_kernel_is_the_reference_whatever_the_scales(
    seed, points, log_span, log_period, log_ratio, t0, log_sharpness
):
    span = 10.0**log_span
    time, flux, flux_err = light_curve(seed, points=points, span=span)
    period = np.array([span * 10.0**log_period])
    given_ = (time, flux, flux_err, period, np.array([t0 * span]), period * 10.0**log_ratio)
    sharpness = 10.0**log_sharpness
    found = cpu.template_score(*given_, sharpness, attribution=True)
    wanted = reference.template_score(*given_, sharpness, attribution=True)
    # A norm at its limit, or one of which cancellation leaves nothing, may go either way.
    norm = wanted["depth_err"] ** -2.0 / (flux_err**-2.0).sum()
    if not np.any(norm > 1e-6):
        return
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-8, atol=1e-8, err_msg=name)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), points=st.integers(1, 300))
def test_the_first_point_from_a_moment_is_found_wherever_it_is(seed, points):
    """Windows from single points to everything: what galloping may get wrong shows in a count."""
    rng = np.random.default_rng(seed)
    time = np.sort(np.concatenate([[0.0], rng.choice(60, points) + rng.uniform(0, 1e-3, points)]))
    weight = np.ones(len(time))
    period, t0, duration = rng.uniform(0.5, 70.0), rng.uniform(0.0, 60.0), 0.3
    out = [np.empty(1) for _ in range(4)]
    templates = np.zeros((1, len(time)))
    kernel.scores(
        time, weight, np.zeros(len(time)), float(len(time)), -1.0, 0.0,
        np.array([period]), np.array([t0]), np.array([duration]), 1e6, 0, 1,
        *out, np.empty((0, 3)), templates,
    )  # fmt: skip
    inside = distance(time, period, t0) < 0.5 * duration
    # depth_err**-2 of a box is n_in n_out / n.
    n_in = np.count_nonzero(inside)
    expected = n_in * (len(time) - n_in) / len(time)
    assert out[2][0] ** -2.0 == pytest.approx(expected) if expected else np.isinf(out[2][0])


def test_the_same_bits_for_any_number_of_threads_and_any_company():
    curve = light_curve(3, points=3000)
    period, t0, duration = candidates(4, m=1500)
    one = cpu.template_score(*curve, period, t0, duration, gradient=True, threads=1)
    four = cpu.template_score(*curve, period, t0, duration, gradient=True, threads=4)
    alone = cpu.template_score(*curve, period[7:8], t0[7:8], duration[7:8], gradient=True)
    for name in one:
        np.testing.assert_array_equal(one[name], four[name])
        np.testing.assert_array_equal(one[name][7:8], alone[name])


def test_progress_counts_candidates():
    told = []
    curve = light_curve(5, points=3000)
    cpu.template_score(*curve, *candidates(6, m=900), progress=lambda *now: told.append(now))
    assert told[-1] == (900, 900)


# ------------------------------------------------------------------ the definition


@BOTH
@pytest.mark.parametrize("sharpness", [8.0, 150.0])
def test_depth_error_and_level_are_those_of_a_least_squares_fit(backend, sharpness):
    curve = light_curve(7)
    period, t0, duration = candidates(8)
    found = backend(*curve, period, t0, duration, sharpness)
    for i in range(len(period)):
        fit = oracle.fit_template(*curve, period[i], t0[i], duration[i], sharpness)
        for name in ("score", "depth", "depth_err", "level"):
            assert found[name][i] == pytest.approx(getattr(fit, name), rel=1e-8, abs=1e-9)


@BOTH
def test_the_square_of_the_score_is_delta_chi2_of_a_box_where_edges_are_steps(backend):
    time, flux, flux_err = light_curve(9)
    found = backend(time, flux, flux_err, *(np.array([x]) for x in (2.7, 1.3, 0.2)), 1e9)
    box = fit_levels(flux, flux_err, distance(time, 2.7, 1.3) < 0.1)
    assert found["score"][0] ** 2 == pytest.approx(box.delta_chi2, rel=1e-9)
    assert found["depth"][0] == pytest.approx(box.depth, rel=1e-9)
    assert found["depth_err"][0] == pytest.approx(box.depth_err, rel=1e-9)
    assert found["level"][0] == pytest.approx(box.level, rel=1e-12)


@BOTH
@pytest.mark.parametrize("sharpness", [20.0, 150.0])
def test_the_gradient_is_that_of_finite_differences(backend, sharpness):
    curve = light_curve(10)
    given_ = np.stack(candidates(11))
    found = backend(*curve, *given_, sharpness, gradient=True)["gradient"]
    for parameter in range(3):
        step = np.zeros((3, 1))
        step[parameter] = 1e-7
        high, low = (backend(*curve, *(given_ + s), sharpness)["score"] for s in (step, -step))
        np.testing.assert_allclose(
            found[:, parameter], (high - low) / 2e-7, rtol=1e-4, atol=1e-3 * np.abs(found).max()
        )


@BOTH
def test_the_gradient_is_that_of_a_complex_step(backend):
    curve = light_curve(12)
    given_ = candidates(13)
    found = backend(*curve, *given_, gradient=True)["gradient"]
    expected = [oracle.gradient(*curve, *one, 150.0) for one in zip(*given_, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-6)


@BOTH
def test_attributions_add_up_to_the_score(backend):
    found = backend(*light_curve(14), *candidates(15), attribution=True)
    np.testing.assert_allclose(found["attribution"].sum(axis=1), found["score"], atol=1e-9)


@BOTH
def test_a_large_flux_costs_no_more_than_the_digits_it_has(backend):
    time, flux, flux_err = light_curve(23)
    large = flux + 1e8
    found = backend(time, large, flux_err, *candidates(24), attribution=True)
    exact = backend(time, large - 1e8, flux_err, *candidates(24))
    np.testing.assert_allclose(found["score"], exact["score"], atol=1e-9)
    np.testing.assert_allclose(found["attribution"].sum(axis=1), found["score"], atol=1e-9)


@BOTH
def test_attributions_are_integrated_gradients(backend):
    """Fifty steps of the trapezoid rule over finite differences of the score itself."""
    time, flux, flux_err = light_curve(16, points=60)
    given_ = tuple(np.array([x]) for x in (2.7, 1.3, 0.4))
    found = backend(time, flux, flux_err, *given_, attribution=True)

    def score(other):
        return backend(time, other, flux_err, *given_)["score"][0]

    start, step = np.full_like(flux, found["level"][0]), 1e-6
    gradients = []
    for part in np.linspace(0.0, 1.0, 50):
        here = start + part * (flux - start)
        nudges = step * np.eye(len(flux))
        gradients.append([(score(here + n) - score(here - n)) / (2.0 * step) for n in nudges])
    integral = trapezoid(gradients, dx=1.0 / 49.0, axis=0)
    np.testing.assert_allclose(found["attribution"][0], integral * (flux - start), atol=1e-6)


@BOTH
def test_a_candidate_without_weight_in_or_out_of_transit_is_nan_throughout(backend):
    curve = light_curve(17, span=10.0)
    period, duration = np.array([2.7, 60.0, 60.0]), np.array([0.2, 30.0, 0.5])
    t0 = np.array([1.3, 5.0, 30.0])
    found = backend(*curve, period, t0, duration, gradient=True, attribution=True)
    for name, array in found.items():
        assert not np.isnan(array[0]).any(), name
        assert np.isnan(array[1:]).all(), name


@BOTH
def test_a_mid_transit_on_a_point_has_no_side(backend):
    """sign(0) = 0: a point at mid-transit has no part in the derivative by t0."""
    time = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    flux = np.array([1.0, 1.0, 0.9, 1.0, 1.0])
    found = backend(time, flux, np.full(5, 0.01), *(np.array([x]) for x in (10.0, 2.0, 1.0)),
                    2.0, gradient=True)  # fmt: skip
    assert found["gradient"][0, 1] == pytest.approx(0.0, abs=1e-9)
