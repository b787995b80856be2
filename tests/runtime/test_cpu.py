"""The compiled variant: the best that was built and can run, or the one that is asked for."""

from __future__ import annotations

import pytest

from armillary.plugins import SettingError
from armillary.runtime import cpu

BOX = "armillary.search.box"


@pytest.fixture(autouse=True)
def undecided(monkeypatch):
    """No variant chosen before or after."""
    monkeypatch.delenv("ARMILLARY_CPU", raising=False)
    cpu.variant.cache_clear()
    cpu.load_kernel.cache_clear()
    yield
    cpu.variant.cache_clear()
    cpu.load_kernel.cache_clear()


@pytest.fixture
def machine(monkeypatch):
    """A processor with these features and a package that was built in these variants."""

    def make(features, built=("baseline", "v3")):
        monkeypatch.setattr(cpu, "_numpy_features", lambda: dict.fromkeys(features, True))
        monkeypatch.setattr(cpu, "built_variants", lambda: built)

    return make


@pytest.mark.parametrize(
    ("features", "built", "best"),
    [
        (("AVX2", "FMA3"), ("baseline", "v3"), "v3"),
        (("AVX2",), ("baseline", "v3"), "baseline"),
        ((), ("baseline", "v3"), "baseline"),
        (("AVX2", "FMA3"), ("baseline",), "baseline"),
    ],
)
def test_the_best_variant_that_was_built_and_can_run_is_used(machine, features, built, best):
    machine(features, built)
    assert cpu.variant() == best


def test_a_variant_can_be_asked_for(machine, monkeypatch):
    machine(("AVX2", "FMA3"))
    monkeypatch.setenv("ARMILLARY_CPU", "baseline")
    assert cpu.variant() == "baseline"


@pytest.mark.parametrize("asked", ["v3", "v9", "BASELINE"])
def test_a_variant_that_cannot_be_used_is_an_error_that_says_which_can(machine, monkeypatch, asked):
    machine(())
    monkeypatch.setenv("ARMILLARY_CPU", asked)
    with pytest.raises(SettingError, match=f"ARMILLARY_CPU='{asked}'.*baseline can"):
        cpu.variant()


def test_the_variant_in_use_is_the_kernel_that_is_loaded(monkeypatch):
    monkeypatch.setenv("ARMILLARY_CPU", "baseline")
    assert cpu.load_kernel(BOX).__name__ == f"{BOX}.kernel"


def test_the_variant_of_this_processor_can_be_imported():
    suffix = "" if cpu.variant() == "baseline" else f"_{cpu.variant()}"
    assert cpu.load_kernel(BOX).__name__ == f"{BOX}.kernel{suffix}"
    assert cpu.variant() in cpu.built_variants()
