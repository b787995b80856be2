"""From groups to outputs: errors, new tries, and what was there before."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from itertools import pairwise

import pytest

from armillary.convert.queue.store import STATE_NAME, Store

GROUP = "2025-01-15T03:00:05"
IO_ERROR = OSError(errno.EIO, "Input/output error")


def test_an_io_error_is_tried_again_later_and_later(queue):
    times = []

    def convert(paths, out, incomplete):
        times.append(queue.clock.time)
        return queue.convert(paths, out, incomplete)

    queue.errors = [IO_ERROR] * 3
    queue.put_group(0)
    queue.watch(convert=convert, poll=1.0)
    delays = [later - earlier for earlier, later in pairwise(times)]
    assert delays == [pytest.approx(seconds, abs=1.0) for seconds in (5, 15, 45)]
    assert queue.states == ["completed"] and queue.status.groups[0].attempts == 3


def test_io_errors_that_stay_fail_after_so_many_new_tries(queue):
    queue.errors = [IO_ERROR] * 10
    queue.put_group(0)
    report = queue.watch(retries=2)
    assert report.failed == (f"{GROUP}: [Errno 5] Input/output error (3 attempts)",)
    assert len(queue.errors) == 7 and queue.states == ["failed"]


def test_other_groups_go_on_while_one_waits(queue):
    queue.errors = [IO_ERROR]
    queue.put_group(0)
    queue.put_group(1)
    queue.watch()
    assert [names[0][:3] for names in queue.converted] == ["001", "000"]


@pytest.mark.parametrize("error", [ValueError("'x' has other times"), KeyError("uvw_array")])
def test_an_error_of_the_files_is_final_until_one_of_them_changes(queue, error):
    queue.errors = [error]
    paths = queue.put_group(0)
    queue.watch()
    queue.watch()
    assert queue.states == ["failed"] and queue.converted == []
    assert str(error) in queue.status.groups[0].reason
    paths[2].write_text(queue.toy.contents(0, 2) + "\n")
    queue.watch()
    assert queue.states == ["completed"]


def test_failed_groups_are_tried_again_when_asked_for(queue):
    queue.errors = [ValueError("no")]
    queue.put_group(0)
    queue.watch()
    assert queue.watch(retry_failed=True).failed == ()
    assert queue.states == ["completed"]


def test_what_is_wrong_for_every_group_ends_the_watch_and_releases_the_group(queue):
    queue.errors = [ImportError("python-casacore is not installed")]
    queue.put_group(0)
    with pytest.raises(ImportError, match="casacore"):
        queue.watch()
    assert queue.states == ["pending"] and queue.outputs == {}


def test_a_conversion_that_fails_leaves_nothing(queue):
    def convert(paths, out, incomplete):
        queue.toy.convert(paths[:2], out, incomplete)
        raise ValueError("half")

    queue.put_group(0)
    queue.watch(convert=convert)
    assert queue.outputs == {} and [path.name for path in queue.out.iterdir()] == [
        "armillary-queue.sqlite"
    ]


def test_an_output_is_nowhere_before_it_is_whole(queue):
    def convert(paths, out, incomplete):
        converted = queue.toy.convert(paths, out, incomplete)
        assert list(queue.out.glob("*.ms")) == []
        assert out.is_relative_to(queue.out), "a renaming is whole on one file system only"
        return converted

    queue.put_group(0)
    queue.watch(convert=convert)
    assert queue.states == ["completed"]


def test_files_that_change_while_they_are_converted_are_converted_anew(queue):
    def convert(paths, out, incomplete):
        converted = queue.convert(paths, out, incomplete)
        if len(queue.converted) == 1:
            paths[1].write_text(queue.toy.contents(0, 1) + "\n")
        return converted

    paths = queue.put_group(0)
    queue.watch(convert=convert)
    assert len(queue.converted) == 2 and queue.states == ["completed"]
    (output,) = queue.out.glob("*.ms")
    assert (output / paths[1].name).read_text() == paths[1].read_text()


def test_a_file_that_goes_while_it_is_converted_sends_its_group_back(queue):
    def convert(paths, out, incomplete):
        paths[1].unlink()
        raise FileNotFoundError(2, "No such file or directory", str(paths[1]))

    queue.put_group(0)
    queue.watch(convert=convert)
    assert queue.states == ["collecting"]
    queue.put(0, 1)
    queue.watch()
    assert queue.states == ["completed"]


def test_an_output_that_is_there_already_is_not_written_again(queue, caplog):
    queue.out.mkdir()
    (queue.out / f"{GROUP}.ms").mkdir()
    (queue.out / f"{GROUP}.ms" / "table.dat").touch()
    queue.put_group(0)
    queue.watch()
    assert queue.converted == [] and queue.states == ["completed"]
    assert "its output was there before it was converted" in caplog.text


def test_an_output_that_appears_meanwhile_is_never_replaced(queue):
    def convert(paths, out, incomplete):
        (queue.out / f"{GROUP}.ms").mkdir()
        return queue.convert(paths, out, incomplete)

    queue.put_group(0)
    queue.watch(convert=convert)
    assert queue.states == ["failed"] and queue.outputs == {f"{GROUP}.ms": []}
    assert "appeared while it was being made" in queue.status.groups[0].reason


def test_a_full_disk_is_told_and_leaves_nothing(queue):
    queue.errors = [OSError(errno.ENOSPC, "No space left on device")] * 4
    queue.put_group(0)
    queue.watch()
    assert "No space left on device (4 attempts)" in queue.status.groups[0].reason
    assert queue.outputs == {}


def test_whoever_asks_is_told_of_every_state(queue):
    told = []
    queue.errors = [IO_ERROR]
    queue.put_group(0)
    queue.watch(tell=lambda group: told.append((group.id, group.state)))
    states = ["in_progress", "pending", "in_progress", "completed"]
    assert told == [(GROUP, state) for state in states]


def test_what_is_told_may_end_the_watch_without_harm(queue):
    def tell(group):
        if group.state == "completed":
            raise RuntimeError("told enough")

    queue.put_group(0)
    queue.put_group(1)
    with pytest.raises(RuntimeError, match="told enough"):
        queue.watch(tell=tell)
    assert queue.states == ["completed", "pending"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_releases_the_group_in_hand(queue, end):
    def convert(paths, out, incomplete):
        queue.toy.convert(paths[:2], out, incomplete)
        raise end

    queue.put_group(0)
    with pytest.raises(end):
        queue.watch(convert=convert)
    assert queue.states == ["pending"] and queue.outputs == {}
    group = queue.status.groups[0]
    assert (group.attempts, group.interruptions) == (0, 0)
    queue.watch()
    assert queue.states == ["completed"]


def test_an_interrupt_after_the_renaming_completes_the_group(queue, monkeypatch):
    rename = os.rename

    def rename_and_be_interrupted(source, target):
        rename(source, target)
        raise KeyboardInterrupt

    queue.put_group(0)
    monkeypatch.setattr(os, "rename", rename_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.watch()
    (group,) = queue.status.groups
    assert group.state == "completed" and group.n_rows == 100 and group.reason == ""


# ------------------------------------------------------------------ after the death of a process


def left_behind(queue, group=0, **how):
    """The state as a process left it that died with a group in hand."""
    store = Store.open(queue.out / STATE_NAME)
    record = store.groups()[group]
    record = replace(record, state="in_progress", started=queue.clock.time, n_rows=7, **how)
    with store.transaction():
        store.put_group(record)
    store.close()
    return queue.out / record.out


@pytest.fixture
def complete_but_unconverted(queue):
    """Two groups that wait for their conversion."""
    queue.put_group(0)
    queue.put_group(1)
    queue.errors = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        queue.watch()
    assert queue.states == ["pending", "pending"]


@pytest.mark.usefixtures("complete_but_unconverted")
def test_a_group_that_got_its_name_before_the_death_is_completed_as_it_is(queue):
    queue.toy.convert([], left_behind(queue), False)
    queue.watch()
    group = queue.status.groups[0]
    assert (group.state, group.n_rows, group.interruptions) == ("completed", 7, 0)
    assert "found whole after the process that wrote it died" in group.reason
    assert len(queue.converted) == 1


@pytest.mark.usefixtures("complete_but_unconverted")
def test_what_was_written_of_a_group_before_the_death_is_removed(queue):
    out = left_behind(queue)
    store = Store.open(queue.out / STATE_NAME)
    workshop = queue.out / f".armillary-queue-{store.recall('id')}"
    store.close()
    workshop.mkdir()
    queue.toy.convert([], workshop / out.name, False)
    queue.watch()
    assert [len(files) for files in queue.outputs.values()] == [4, 4]
    assert queue.status.groups[0].interruptions == 1


@pytest.mark.usefixtures("complete_but_unconverted")
def test_a_group_with_which_a_process_died_does_not_keep_others_waiting(queue):
    left_behind(queue)
    queue.watch()
    assert [names[0][:3] for names in queue.converted] == ["001", "000"]
