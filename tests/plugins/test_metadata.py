"""Distributions are read one by one; one whose metadata is broken spoils only itself."""

from __future__ import annotations

import pytest

from armillary.plugins import PluginWarning
from armillary.plugins.installed import Unreadable, entry_points
from armillary.plugins.registry import get_registry, load_registry, set_registry
from armillary.plugins.status import collect_status

BROKEN = {
    "a line that is no entry point": b"[armillary]\nthis is not an entry point\n",
    "bytes that are not UTF-8": b"[armillary]\nrings = rings\xff\n",
}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path; give it a distribution of these entry points."""

    def install(name, entries, version="1.0", folder="site"):
        information = tmp_path / folder / f"{name}-{version}.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        (information / "entry_points.txt").write_bytes(entries)

    for folder in ("site", "first"):
        (tmp_path / folder).mkdir()
        monkeypatch.syspath_prepend(tmp_path / folder)
    return install


def ours(*names):
    """What is found of these distributions, whatever else is installed here."""
    found = [
        (entry.distribution if isinstance(entry, Unreadable) else entry.dist, entry)
        for entry in entry_points("armillary")
    ]
    return [(dist.name, dist.version, entry) for dist, entry in found if dist.name in names]


def test_entry_points_of_the_group_are_found_and_no_others(site):
    site("rings", b"[console_scripts]\na = a:b\n\n[armillary]\none = m\ntwo = n\n")
    site("scripts", b"[console_scripts]\narmillary = m:n\n")
    found = ours("rings", "scripts")
    assert [(name, entry.name, entry.value) for name, _, entry in found] == [
        ("rings", "one", "m"),
        ("rings", "two", "n"),
    ]


def test_the_first_of_a_name_on_the_path_hides_the_others_even_without_entry_points(site):
    site("my_rings", b"[armillary]\nold = m\n", version="1.0", folder="site")
    site("My.Rings", b"[other]\n", version="2.0", folder="first")
    assert ours("my_rings", "My.Rings") == []


@pytest.mark.parametrize("entries", BROKEN.values(), ids=BROKEN)
def test_broken_entry_points_put_off_their_distribution_alone(site, plugin, record, entries):
    site("rings", entries, version="0.3")
    sound = plugin("alpha", record("one"))
    broken = [entry for _, _, entry in ours("rings")]
    with pytest.warns(PluginWarning, match="rings 0.3 is off"):
        registry = load_registry(found=[*broken, *sound])
    assert "one" in registry.backends("search.bls")
    (failure,) = registry.failures
    assert (failure.distribution, failure.version, failure.stage) == ("rings", "0.3", "metadata")
    assert "entry_points.txt cannot be read" in failure.message
    assert failure.traceback


@pytest.mark.parametrize("entries", BROKEN.values(), ids=BROKEN)
def test_the_broken_file_of_a_stranger_is_not_our_business(site, entries):
    site("stranger", entries.replace(b"armillary", b"elsewhere"))
    assert ours("stranger") == []


@pytest.mark.parametrize("entries", BROKEN.values(), ids=BROKEN)
def test_a_process_that_has_a_broken_distribution_discovers_and_reports(site, entries):
    site("rings", entries)
    set_registry(None)
    with pytest.warns(PluginWarning, match="rings"):
        assert {"cpu", "reference"} <= set(get_registry().backends("search.bls"))
    status = collect_status()
    assert "rings" in {failure.distribution for failure in status.failures}
    assert not status.healthy


@pytest.mark.parametrize(
    ("switch", "value"), [("ARMILLARY_BLOCK", "rings"), ("ARMILLARY_NO_PLUGINS", "1")]
)
def test_a_broken_distribution_can_be_kept_out(site, monkeypatch, switch, value):
    site("rings", BROKEN["a line that is no entry point"])
    monkeypatch.setenv(switch, value)
    registry = load_registry(found=[entry for _, _, entry in ours("rings")])
    assert not registry.failures
    (blocked,) = registry.blocked
    assert blocked.distribution == "rings"
    assert switch in blocked.reason
