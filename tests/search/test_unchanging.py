"""What a search gives back cannot be written to, wherever it went in between."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields

import numpy as np
import pytest

import armillary as arm
from armillary.testing import simulated_light_curve

pytestmark = pytest.mark.kernel

STAR = simulated_light_curve(4, period=3.4, t0=1.3, snr=40.0)
POINTS = STAR.time, STAR.flux, STAR.flux_err
CANDIDATE = {"period": 3.4, "t0": 1.3, "duration": 0.1}

#: What gives a result, and what is derived of it once and kept.
RESULTS = {
    "bls": (lambda: arm.search.bls(*POINTS, period=[3.3, 3.4], duration=0.1), ["sde"]),
    "template_score": (
        lambda: arm.search.template_score(*POINTS, **CANDIDATE, gradient=True),
        [],
    ),
    "scan_t0": (lambda: arm.search.scan_t0(*POINTS, **CANDIDATE), []),
    "attribute": (lambda: arm.search.attribute(*POINTS, **CANDIDATE), ["transit", "offset"]),
}


def saved_and_read(found, path):
    found.save(path)
    return type(found).load(path)


@pytest.fixture(params=RESULTS)
def result(request):
    search, kept = RESULTS[request.param]
    return search(), kept


def arrays(found, kept):
    """Every array of a result and of its light curve, by name."""
    own = [field.name for field in fields(found)]
    named = {name: getattr(found, name) for name in (*own, *kept)}
    points = found.light_curve
    named |= {f"light_curve.{field.name}": getattr(points, field.name) for field in fields(points)}
    return {name: value for name, value in named.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(
    "way",
    [
        lambda found, path: found,
        lambda found, path: pickle.loads(pickle.dumps(found)),
        lambda found, path: copy.deepcopy(found),
        saved_and_read,
    ],
    ids=["made", "pickled", "copied", "saved"],
)
def test_no_array_of_it_can_be_written_to(result, tmp_path, way):
    found, kept = result
    again = arrays(way(found, tmp_path / "found.npz"), kept)
    assert {"light_curve.time", "light_curve.flux", "light_curve.flux_err", *kept} < again.keys()
    assert [name for name, array in again.items() if array.flags.writeable] == []


def test_what_is_derived_is_not_pickled(result):
    found, kept = result
    small = len(pickle.dumps(found))
    for name in kept:
        getattr(found, name)
    assert len(pickle.dumps(found)) == small
