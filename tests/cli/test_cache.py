"""``armillary cache`` and ``--cache``: what is kept, what is told of it, what is removed."""

from __future__ import annotations

import json
import os
import sqlite3

import numpy as np
import pytest

import armillary as arm
from armillary.cache.choice import close_named
from armillary.cli import kept_search
from armillary.cli.amounts import duration, short_duration, size

COMMANDS = ("stats", "list", "clear", "verify")
#: Bytes of an array in a file of its own.
LARGE = 100_000

#: A plugin with a codec of zeros.
CODEC = """
from armillary.plugins import Implementation, hookimpl


@hookimpl
def armillary_cache():
    yield Implementation(
        operation="cache.codec", name="zeros", target="zeros:Codec", api=1
    )


class Codec:
    name = "zeros"

    def encode(self, data, itemsize):
        return b"zeros"

    def decode(self, stored, into):
        if bytes(stored) != b"zeros":
            raise ValueError("these are no zeros")
        into[:] = bytes(len(into))
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where the store of this test is, when nothing is said; there is none yet."""
    monkeypatch.delenv("ARMILLARY_CACHE", raising=False)
    monkeypatch.setenv("ARMILLARY_CACHE_PATH", str(tmp_path / "cache"))
    # A process opens a store once under its name, wherever the variable points later.
    close_named()
    yield tmp_path / "cache"
    close_named()


@pytest.fixture
def filled(place):
    """A store of three entries; the last one is worth most."""
    with arm.cache.open("disk", path=place, max_bytes="10 MB") as store:
        for i, label in enumerate(("small", "large", "[bold]precious")):
            value = np.arange(float(LARGE // 8 if label == "large" else 8)) + i
            store.put(arm.cache.key_of(label), value, cost=0.25 * 10**i, label=label)
        assert store.get(arm.cache.key_of("small")) is not None
        assert store.get(arm.cache.key_of("nothing")) is None
    return place


def damage(place):
    """Change a bit in the middle of the one large entry."""
    (path,) = place.glob("entries-*/*/*")
    data = bytearray(path.read_bytes())
    data[LARGE // 2] ^= 1
    path.write_bytes(data)


def keys_in(place):
    with arm.cache.open("disk", path=place) as store:
        return set(store.keys())


def test_stats_tell_what_is_kept_and_what_it_saved(armillary, filled):
    result = armillary("cache", "stats")
    assert result.exit_code == 0, result.output
    facts = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    facts = {name: fact.strip() for name, fact in facts.items()}
    assert facts["path"] == str(filled)
    assert facts["entries"] == "3"
    assert facts["budget"].startswith("10.0 MB, 1.")
    assert facts["hits"].startswith("1 of ")
    assert facts["computing saved"] == "0.2 s"
    assert facts["went"] == "none"
    assert facts["failures"] == "0"
    assert facts["journal"].startswith(("wal", "delete"))


def test_stats_as_json_are_those_of_the_library(armillary, filled):
    told = json.loads(armillary("cache", "stats", "--json").stdout)
    with arm.cache.open("disk", path=filled) as store:
        expected = store.stats().to_dict()
        assert told.pop("path") == str(filled)
        assert told.pop("journal") == store.journal
    assert told == expected


def test_stats_before_the_first_call_have_no_rate(armillary, place):
    arm.cache.open("disk", path=place).close()
    assert json.loads(armillary("cache", "stats", "--json").stdout)["hit_rate"] is None
    assert "0 of 0\n" in armillary("cache", "stats").stdout


def test_what_went_is_told_by_its_reason(armillary, place):
    with arm.cache.open("disk", path=place, max_entries=1) as store:
        for i in range(3):
            store.put(arm.cache.key_of(i), i)
    facts = armillary("cache", "stats").stdout.splitlines()
    assert "went             2 entries" in facts
    assert "entries          1 of 1" in facts


def test_the_list_begins_with_what_goes_last(armillary, filled):
    result = armillary("cache", "list")
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()[2:]
    assert [row.split()[1] for row in rows] == ["[bold]precious", "small", "large"]
    assert "25.0 s" in rows[0] and "ago" in rows[0]
    assert "100.1 kB" in rows[2] or "104.1 kB" in rows[2]
    assert arm.cache.key_of("large").hex().startswith(rows[2].split()[0])


def test_the_list_says_how_many_more_there_are(armillary, filled):
    for arguments, n, more in (((), 3, False), (("--limit", 2), 2, True), (("-n", 0), 3, False)):
        result = armillary("cache", "list", *arguments)
        rows = [line for line in result.stdout.splitlines()[2:] if " ago" in line]
        assert len(rows) == n
        assert ("1 entry more; --limit 0 shows them" in result.stdout) == more


def test_the_list_as_json_has_whole_keys(armillary, filled):
    told = json.loads(armillary("cache", "list", "--limit", 1, "--json").stdout)
    assert told["path"] == str(filled) and told["more"] == 2
    (entry,) = told["entries"]
    assert bytes.fromhex(entry["key"]) == arm.cache.key_of("[bold]precious")
    assert entry["cost"] == 25.0 and entry["uses"] == 1 and entry["expires"] is None


def test_when_an_entry_expires_is_listed(armillary, place):
    with arm.cache.open("disk", path=place, ttl=3 * 86_400.0 + 60.0) as store:
        store.put(arm.cache.key_of(1), 1)
    assert armillary("cache", "list").stdout.splitlines()[2].endswith("3 d")


def test_an_empty_store_is_no_error(armillary, place):
    arm.cache.open("disk", path=place).close()
    assert armillary("cache", "list").stdout == f"{place}: no entries\n"
    assert json.loads(armillary("cache", "list", "--json").stdout)["entries"] == []
    result = armillary("cache", "verify")
    assert result.exit_code == 0
    assert result.stdout == f"{place}: 0 entries read, none damaged\n"


def test_clear_asks_nobody_in_a_script(armillary, filled):
    result = armillary("cache", "clear")
    assert result.exit_code == 1
    assert "there is nobody to ask" in result.stderr and "--yes" in result.stderr
    assert len(keys_in(filled)) == 3


def test_clear_says_what_went(armillary, filled):
    result = armillary("cache", "clear", "--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("removed 3 entries, 10")
    assert result.stdout.endswith(f"from {filled}\n")
    assert not keys_in(filled)
    assert json.loads(armillary("cache", "clear", "-y", "--json").stdout)["removed"] == {
        "entries": 0,
        "stored_bytes": 0,
    }


@pytest.mark.parametrize(("answer", "stays"), [(True, 0), (False, 3)])
def test_clear_asks_a_person(armillary, filled, monkeypatch, answer, stays):
    asked = []
    monkeypatch.setattr("armillary.cli.cache.is_interactive", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question, **_: asked.append(question) or answer)
    result = armillary("cache", "clear")
    assert asked[0].startswith("remove 3 entries, 10")
    assert len(keys_in(filled)) == stays
    assert result.exit_code == (0 if answer else 1)
    assert ("nothing was removed" in result.stdout) == (not answer)


def test_verify_finds_nothing_in_a_whole_store(armillary, filled):
    result = armillary("cache", "verify")
    assert (result.exit_code, result.stdout) == (0, f"{filled}: 3 entries read, none damaged\n")
    before = armillary("cache", "stats", "--json").stdout
    armillary("cache", "verify")
    # It is not a use of an entry to look whether it is whole.
    assert armillary("cache", "stats", "--json").stdout == before


def test_verify_removes_what_is_damaged_and_fails(armillary, filled):
    damage(filled)
    result = armillary("cache", "verify")
    assert result.exit_code == 1
    assert result.stdout == f"{filled}: 3 entries read, 1 damaged and removed\n"
    assert keys_in(filled) == {arm.cache.key_of("small"), arm.cache.key_of("[bold]precious")}
    assert armillary("cache", "verify").exit_code == 0


def test_verify_as_json_names_the_keys(armillary, filled):
    damage(filled)
    result = armillary("cache", "verify", "--json")
    assert result.exit_code == 1
    key = arm.cache.key_of("large").hex()
    assert json.loads(result.stdout) == {"path": str(filled), "entries": 3, "damaged": [key]}


def test_verify_fails_where_the_index_was_damaged(armillary, filled):
    (filled / "index.sqlite").write_bytes(b"nothing of the kind" * 1000)
    result = armillary("cache", "verify")
    assert result.exit_code == 1
    assert "its index is damaged" in result.stderr
    assert armillary("cache", "verify").exit_code == 0


def test_verify_leaves_what_only_a_codec_that_is_not_there_can_read(shell, distribution, place):
    site = distribution("zeros", CODEC)
    put = "import armillary as arm; s = arm.cache.open('disk', codec='zeros')"
    put += "; s.put(bytes(16), bytes(50_000)); s.close()"
    there = {"ARMILLARY_CACHE_PATH": str(place)}
    assert shell("-c", put, path=[site], **there).returncode == 0
    for path in ([], [site]):
        result = shell("-m", "armillary", "cache", "verify", path=path, **there)
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{place}: 1 entry read, none damaged\n"


def test_a_path_is_taken_before_the_variable(armillary, filled, tmp_path):
    arm.cache.open("disk", path=tmp_path / "other").close()
    result = armillary("cache", "stats", "--path", tmp_path / "other", "--json")
    assert json.loads(result.stdout)["entries"] == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_looking_for_a_store_makes_none(armillary, place, command):
    result = armillary("cache", command)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {str(place)!r} is no cache of armillary: there is no")
    assert not place.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_of_something_else_is_left_alone(armillary, place, command):
    place.mkdir()
    (place / "thesis.tex").write_text("")
    result = armillary("cache", command)
    assert result.exit_code == 1
    assert "it has no ARMILLARY-CACHE in it" in result.stderr
    assert [path.name for path in place.iterdir()] == ["thesis.tex"]


def test_the_folder_of_somebody_else_is_refused(armillary, filled, monkeypatch):
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    result = armillary("cache", "stats")
    assert result.exit_code == 1
    assert f"belongs to user {owner}" in result.stderr


def test_an_index_that_is_in_use_is_a_sentence(armillary, filled, monkeypatch):
    monkeypatch.setattr("armillary.cache.disk.index.BUSY_TIMEOUT", 0.01)
    connection = sqlite3.connect(filled / "index.sqlite", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        result = armillary("cache", "stats")
    finally:
        connection.close()
    assert result.exit_code == 1
    assert "is locked" in result.stderr and "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [(), *((command,) for command in COMMANDS)])
def test_everything_has_help(armillary, arguments):
    result = armillary("cache", *arguments, "--help")
    assert result.exit_code == 0 and "Usage" in result.stdout


# ------------------------------------------------------------------ --cache of other commands


def test_a_search_is_kept_for_the_next_process(shell, star, place):
    path, _ = star()
    command = ("-m", "armillary", "search", "bls", path, "--cache", "disk")
    first, second = (shell(*command, ARMILLARY_CACHE_PATH=str(place)) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "from the cache" not in first.stdout
    # The same table, and a line that says where it is from.
    assert second.stdout == f"{first.stdout}from the cache: 1 of 1 target\n"


def test_only_new_targets_are_searched(armillary, star):
    one, other = star("one.csv", seed=1)[0], star("other.csv", seed=2)[0]
    armillary("search", "bls", one, "--cache", "disk")
    result = armillary("search", "bls", one, other, "--cache", "disk", "--threads", 2)
    assert "from the cache: 1 of 2 targets\n" in result.stdout


def test_another_grid_is_another_search(armillary, star):
    path, _ = star()
    armillary("search", "bls", path, "--cache", "disk")
    result = armillary("search", "bls", path, "--cache", "disk", "--max-period", 5)
    assert result.exit_code == 0 and "from the cache" not in result.stdout


def test_nothing_is_kept_unless_asked_for(armillary, star, place):
    path, _ = star()
    armillary("search", "bls", path)
    assert not place.exists()


def test_the_environment_asks_as_well(armillary, star, monkeypatch):
    monkeypatch.setenv("ARMILLARY_CACHE", "disk")
    path, _ = star()
    armillary("search", "bls", path)
    assert "from the cache: 1 of 1 target\n" in armillary("search", "bls", path).stdout


def test_a_fit_is_kept(armillary, galaxy, tmp_path):
    path, _ = galaxy()
    fit = ("fit", "isophotes", path, "--cache", "disk", "--overwrite", "-o")
    first = armillary(*fit, tmp_path / "first.ecsv")
    second = armillary(*fit, tmp_path / "second.ecsv")
    assert first.exit_code == second.exit_code == 0, second.output
    assert "from the cache" not in first.stdout
    assert "from the cache: 1 of 1 image\n" in second.stdout
    tables = [arm.fit.Isophotes.load(tmp_path / f"{n}.ecsv") for n in ("first", "second")]
    np.testing.assert_array_equal(tables[0].intensity, tables[1].intensity)


def test_given_ellipses_are_measured_once(armillary, galaxy, tmp_path):
    path, _ = galaxy()
    armillary("fit", "isophotes", path, "-o", tmp_path / "fit.ecsv")
    forced = ("fit", "forced", path, "--template", tmp_path / "fit.ecsv", "--cache", "disk")
    assert "from the cache" not in armillary(*forced).stdout
    assert "from the cache: 1 of 1 image\n" in armillary(*forced).stdout


@pytest.mark.parametrize("command", [("search", "bls"), ("fit", "isophotes")])
def test_a_store_that_there_is_not_is_refused_before_any_file_is_read(armillary, tmp_path, command):
    result = armillary(*command, tmp_path / "missing", "--cache", "diks")
    assert result.exit_code == 1
    assert "nothing registers 'diks' for cache.open; there is" in result.stderr
    assert "missing" not in result.stderr


# ------------------------------------------------------------------ the demonstration


def test_the_demonstration_computes_once(armillary, tmp_path):
    pytest.importorskip("wotan", reason="the demonstration detrends with wotan")
    for _ in range(2):  # what is there from a run before makes no difference
        result = armillary("demo", "cache", "--simulated", "--output", tmp_path)
        assert result.exit_code == 0, result.output
        assert "SIMULATED light curve, no real data" in result.stdout
        calls = [line.split(" ms ") for line in result.stdout.splitlines() if " ms " in line]
        told = [
            (left.rsplit(None, 1)[0], right.split("  ")[1].strip()) for left, right in calls[:4]
        ]
        assert told == [
            ("computed, and kept", "computed"),
            ("again", "from the cache"),
            ("again, in another process", "from the cache"),
            ("with the last bit of one flux changed", "computed"),
        ]
        assert "are equal in every bit" in result.stdout
        assert "(2 entries, " in result.stdout and "2 hits saved" in result.stdout
    assert armillary("cache", "verify", "--path", tmp_path / "demo-cache").exit_code == 0


def test_the_demonstration_replaces_no_other_folder(armillary, tmp_path):
    pytest.importorskip("wotan", reason="the demonstration detrends with wotan")
    (tmp_path / "demo-cache").mkdir()
    (tmp_path / "demo-cache" / "thesis.tex").write_text("")
    result = armillary("demo", "cache", "--simulated", "--output", tmp_path)
    assert result.exit_code == 1
    assert "which is not of a cache" in result.stderr
    assert (tmp_path / "demo-cache" / "thesis.tex").exists()


def test_the_demonstration_fails_where_another_process_does(armillary, tmp_path, monkeypatch):
    pytest.importorskip("wotan", reason="the demonstration detrends with wotan")
    monkeypatch.setattr(kept_search, "PROGRAM", "raise ValueError(3)")
    result = armillary("demo", "cache", "--simulated", "--output", tmp_path)
    assert result.exit_code == 1
    assert "the other process could not search" in result.stderr


def test_the_list_of_demonstrations_names_it(armillary):
    assert "armillary demo cache" in armillary("demo").stdout


# ------------------------------------------------------------------ amounts


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "0.0 s"), (59.9, "59.9 s"), (119.0, "119 s"), (120.0, "2 min"), (172_800.0, "2 d")],
)
def test_lengths_of_time_have_the_unit_that_suits_them(seconds, told):
    assert duration(seconds) == told


def test_short_lengths_of_time_are_milliseconds():
    assert [short_duration(s) for s in (0.0123, 0.00002, 0.5)] == ["12.3 ms", "0.02 ms", "0.5 s"]


@pytest.mark.parametrize(
    ("n_bytes", "told"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (27_055_317_401, "27.1 GB"),
        (10**18, "1,000.0 PB"),
    ],
)
def test_bytes_have_the_unit_that_suits_them(n_bytes, told):
    assert size(n_bytes) == told
