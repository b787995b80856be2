"""What tests of matching share: a backend that is made up, and a crowded sky."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry


@pytest.fixture
def made_up(monkeypatch):
    """Make a function the backend ``twin`` of an operation, of a distribution ``twin-dist``."""
    registry = load_registry(found=[])
    before = set_registry(registry)

    def make(function, operation="crossmatch.nearest", **fields):
        home = types.ModuleType("twin_package")
        home.match = function
        monkeypatch.setitem(sys.modules, "twin_package", home)
        record = Implementation(
            operation=operation, name="twin", target="twin_package:match", api=1, **fields
        )
        registry.implementations[operation]["twin"] = Registered(record, "twin-dist", "1.0")

    yield make
    set_registry(before)


@pytest.fixture(scope="session")
def clustered():
    """A function that makes positions in clumps: at both poles, across 0, some of them equal."""

    def make(seed, n, *, clumps=8, spread=0.01):
        rng = np.random.default_rng(seed)
        centre_ra = rng.uniform(0.0, 360.0, clumps)
        centre_dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, clumps)))
        centre_ra[0], centre_dec[:3] = 0.0, [10.0, 90.0, -90.0]
        which = rng.integers(0, clumps, n)
        ra = centre_ra[which] + spread * rng.standard_normal(n)
        dec = centre_dec[which] + spread * rng.standard_normal(n)
        dec = np.where(np.abs(dec) > 90.0, np.copysign(180.0, dec) - dec, dec)
        polar = np.isin(which, [1, 2])
        ra[polar] = rng.uniform(0.0, 360.0, np.count_nonzero(polar))
        twins = rng.integers(0, max(n, 1), (2, n // 5))
        ra[twins[0]], dec[twins[0]] = ra[twins[1]], dec[twins[1]]
        return np.remainder(ra, 360.0), dec

    return make
