"""Distributions that exist only on paper, and registries that last one test."""

from __future__ import annotations

import os
import sys
import types
from importlib.metadata import Distribution

import numpy as np
import pytest

from armillary.plugins import Implementation, hookimpl
from armillary.plugins.records import Registered
from armillary.plugins.registry import Registry, load_registry, set_registry


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """No setting of the environment, nothing set, only core installed; all put back after."""
    for name in list(os.environ):
        if name.startswith("ARMILLARY_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("armillary.plugins.select._process", {})
    before = set_registry(load_registry(found=[]))
    yield
    set_registry(before)


@pytest.fixture
def record():
    """A sound record of search.bls; arguments replace its fields."""

    def make(name="twin", **fields):
        given = {
            "operation": "search.bls",
            "target": "armillary.search.box.cpu:bls",
            "api": 1,
        } | fields
        return Implementation(name=name, **given)

    return make


@pytest.fixture
def module(monkeypatch):
    """Make a module importable by its name."""

    def make(name, **contents):
        made = types.ModuleType(name)
        vars(made).update(contents)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


@pytest.fixture
def distribution(tmp_path):
    """Write the metadata of a distribution; give its entry points."""

    def write(name, points, version="1.0"):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        lines = [f"{point} = {value}" for point, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[armillary]", *lines, ""]))
        return list(Distribution.at(folder).entry_points)

    return write


@pytest.fixture
def plugin(module, distribution):
    """A distribution whose one plugin yields these records from ``armillary_search``."""

    def make(name, *records, version="1.0"):
        hook = hookimpl(specname="armillary_search")(lambda: iter(records))
        home = f"{name.replace('-', '_')}_plugin"
        module(home, armillary_search=hook)
        return distribution(name, {name: home}, version)

    return make


@pytest.fixture
def install():
    """Put a registry of core and these plugins in force."""

    def put(*entries):
        registry = load_registry(found=[point for points in entries for point in points])
        set_registry(registry)
        return registry

    return put


@pytest.fixture
def sky():
    """Three operations in two families, and the backends that each has.

    search.bls: cpu, both, box; search.tls: cpu, both, template; fit.isophotes: cpu, both, ellipse.
    """
    names = {
        "search.bls": ("cpu", "both", "box"),
        "search.tls": ("cpu", "both", "template"),
        "fit.isophotes": ("cpu", "both", "ellipse"),
    }
    registry = Registry(
        {
            operation: {
                name: Registered(
                    Implementation(
                        operation=operation,
                        name=name,
                        target="armillary.search.box.reference:bls",
                        api=1,
                    ),
                    "armillary" if name == "cpu" else f"armillary-{name}",
                    "1.0",
                )
                for name in there
            }
            for operation, there in names.items()
        }
    )
    set_registry(registry)
    return registry


@pytest.fixture
def light_curve():
    """Twelve days with a transit every three."""
    rng = np.random.default_rng(7)
    time = np.linspace(0.0, 12.0, 600)
    flux = 1 + 1e-3 * rng.standard_normal(len(time))
    flux[np.abs((time - 1.0 + 1.5) % 3.0 - 1.5) < 0.1] -= 0.01
    return time, flux, np.full(len(time), 1e-3)


@pytest.fixture
def grid():
    """A few periods and a duration, so that a search takes no time."""
    return {"period": [1.5, 2.0, 3.0, 4.5], "duration": 0.2}
