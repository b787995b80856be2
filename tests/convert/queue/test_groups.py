"""From files that arrive to groups that are complete."""

from __future__ import annotations

import logging
import os

import pytest

FIRST, SECOND = "2025-01-15T03:00:05.ms", "2025-01-15T03:05:05.ms"


def names(queue, group, subbands=range(4)):
    return [queue.toy.name_of(group, subband) for subband in subbands]


def test_files_in_any_order_become_one_output_for_each_group(queue):
    for group, subband in [(1, 3), (0, 2), (0, 0), (1, 1), (1, 0), (0, 3), (1, 2), (0, 1)]:
        queue.put(group, subband)
    report = queue.watch()
    assert queue.outputs == {FIRST: names(queue, 0), SECOND: names(queue, 1)}
    assert [path.name for path in report.completed] == [FIRST, SECOND]
    assert report.failed == ()


def test_a_group_waits_for_its_last_subband(queue):
    queue.put_group(0, range(3))
    queue.watch()
    assert queue.states == ["collecting"] and queue.outputs == {}
    queue.put(0, 3)
    queue.watch()
    assert queue.states == ["completed"] and list(queue.outputs) == [FIRST]


def test_a_completed_group_is_not_converted_again(queue):
    queue.put_group(0)
    queue.watch()
    assert queue.watch().completed == ()
    assert len(queue.converted) == 1


def test_a_single_subband_may_be_a_group(queue):
    queue.put(0, 0)
    queue.put(1, 0)
    queue.watch(expected_subbands=1)
    assert queue.outputs == {FIRST: names(queue, 0, [0]), SECOND: names(queue, 1, [0])}


@pytest.mark.parametrize(("shift", "n_groups"), [(59.0, 1), (61.0, 2)])
def test_subbands_that_begin_within_the_tolerance_are_a_group(queue, shift, n_groups):
    queue.put_group(0, range(2))
    queue.put_group(0, range(2, 4), shift=shift)
    queue.watch()
    assert len(queue.status.groups) == n_groups


def test_short_files_that_follow_each_other_are_groups_of_their_own(queue):
    """However wide the tolerance: a subband of the next moment is no subband of this one."""
    for subband in range(4):
        for group in (1, 0, 2):
            queue.put(group, subband, duration=10.7)
    queue.watch()
    assert sorted(queue.outputs.values()) == [names(queue, group) for group in range(3)]


def test_groups_of_the_same_second_have_names_of_their_own(queue):
    for group in range(3):
        queue.put(group, 0, duration=0.3)
    queue.watch(expected_subbands=1)
    assert sorted(queue.outputs.values()) == [names(queue, group, [0]) for group in range(3)]


# ------------------------------------------------------------------ half-written files


def test_a_file_is_not_read_before_it_has_not_changed_for_a_while(queue):
    queue.put_group(0, range(3))
    path = queue.folder / queue.toy.name_of(0, 3)
    whole = queue.toy.contents(0, 3)
    path.write_text(whole[:5])
    for seconds in (4, 8, 12, 16):
        queue.clock.after(seconds, lambda n=seconds: path.write_text(whole[: 5 + n]))
    queue.clock.after(24, lambda: path.write_text(whole))
    read = []

    def describe(path):
        read.append((queue.clock.time, path.name))
        return queue.toy.describe(path)

    begun = queue.clock.time
    queue.watch(describe=describe)
    assert [time - begun for time, name in read if name == path.name] == [pytest.approx(35.0)]
    assert queue.states == ["completed"]


def test_a_file_that_gets_its_name_when_it_is_whole_is_read_at_once(queue):
    queue.put_group(0, range(3))
    unnamed = queue.put(0, 3, name="incoming.part")
    queue.clock.after(20, lambda: unnamed.rename(queue.folder / queue.toy.name_of(0, 3)))
    queue.watch(20)
    assert queue.states == ["completed"]


def test_a_file_that_was_cut_short_is_looked_at_again_when_it_changes(queue, caplog):
    queue.put_group(0, range(3))
    path = queue.put(0, 3)
    path.write_text(path.read_text()[:-3])
    queue.watch()
    assert queue.files[path.name][0] == "invalid" and "is truncated" in queue.files[path.name][1]
    assert f"{path.name} is not used" in caplog.text
    caplog.clear()
    queue.watch()
    assert caplog.text == ""
    queue.put(0, 3)
    queue.watch()
    assert queue.states == ["completed"] and queue.files == {}


def test_a_file_that_may_not_be_read_is_looked_at_again_when_it_may(queue):
    denied = True

    def describe(path):
        if denied and path.name == queue.toy.name_of(0, 3):
            raise PermissionError(13, "Permission denied", str(path))
        return queue.toy.describe(path)

    paths = queue.put_group(0)
    queue.watch(describe=describe)
    state, reason = queue.files[paths[3].name]
    assert state == "invalid" and "could not be read 4 times" in reason
    denied = False
    queue.watch(describe=describe)
    assert queue.states == ["collecting"], "nothing changed that could be seen"
    paths[3].chmod(0o600)
    queue.watch(describe=describe)
    assert queue.states == ["completed"]


def test_reading_is_tried_again_after_an_io_error(queue):
    failures = [OSError(5, "Input/output error"), OSError(116, "Stale file handle")]

    def describe(path):
        if failures and path.name == queue.toy.name_of(0, 1):
            raise failures.pop(0)
        return queue.toy.describe(path)

    queue.put_group(0)
    queue.watch(describe=describe)
    assert queue.states == ["completed"] and not failures


def test_a_library_that_fails_on_a_file_does_not_end_the_watch(queue):
    def describe(path):
        if path.name == "odd.hdf5":
            raise KeyError("Header")
        return queue.toy.describe(path)

    queue.put_group(0)
    queue.put(5, 0, name="odd.hdf5")
    queue.watch(describe=describe)
    assert queue.states == ["completed"]
    assert queue.files["odd.hdf5"] == ("invalid", "KeyError: 'Header'")


def test_a_file_that_changes_while_it_is_read_is_read_again(queue):
    changed = []

    def describe(path):
        facts = queue.toy.describe(path)
        if path.name == queue.toy.name_of(0, 3) and not changed:
            changed.append(queue.put(1, 3, name=path.name, shift=0.25))
        return facts

    queue.put_group(0)
    queue.watch(describe=describe)
    assert [group.n_subbands for group in queue.status.groups] == [3, 1]


@pytest.mark.parametrize("name", [".000_sb00.hdf5", "000_sb00.txt", "000_sb00.hdf5.part"])
def test_other_files_are_left_alone(queue, name):
    queue.put(0, 0, name=name)
    (queue.folder / "folder.hdf5").mkdir()
    (queue.folder / "nowhere.hdf5").symlink_to(queue.folder / "nothing")
    (queue.folder / "circle.hdf5").symlink_to(queue.folder / "circle.hdf5")
    queue.watch(expected_subbands=1)
    assert queue.status.groups == () and queue.files == {}


# ------------------------------------------------------------------ duplicates and late files


def test_of_two_files_of_one_subband_the_first_stays(queue, caplog):
    queue.put_group(0, range(3))
    queue.watch()
    second = queue.put(0, 1, name="copy_sb01.hdf5")
    queue.watch()
    assert queue.states == ["collecting"]
    assert queue.files[second.name] == ("duplicate", "the same subband as 000_sb01.hdf5")
    assert "copy_sb01.hdf5 is not converted: the same subband" in caplog.text
    queue.put(0, 3)
    queue.watch()
    assert queue.outputs == {FIRST: names(queue, 0)}


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_duplicate_takes_the_place_of_a_first_that_is_gone_or_broken(queue, how):
    paths = queue.put_group(0, range(3))
    queue.watch()
    queue.put(0, 1, name="copy_sb01.hdf5")
    queue.watch()
    if how == "gone":
        paths[1].unlink()
    else:
        paths[1].write_text("{")
    queue.watch()
    queue.put(0, 3)
    queue.watch()
    assert "copy_sb01.hdf5" in queue.outputs[FIRST] and paths[1].name not in queue.outputs[FIRST]


def test_a_file_that_comes_after_its_group_was_converted_is_late(queue, caplog):
    queue.put_group(0)
    queue.watch()
    again = queue.put(0, 2, name="again_sb02.hdf5")
    fifth = queue.put(0, 4)
    queue.watch()
    assert queue.files[again.name][0] == "late" and "the same subband" in queue.files[again.name][1]
    assert queue.files[fifth.name][0] == "late" and "it came after" in queue.files[fifth.name][1]
    assert caplog.text.count("is not converted") == 2
    assert queue.states == ["completed"] and len(queue.converted) == 1


def test_a_file_that_changes_after_its_group_was_converted_is_only_logged(queue, caplog):
    paths = queue.put_group(0)
    queue.watch()
    paths[0].write_text("something else\n")
    queue.watch()
    assert "it changed after group 2025-01-15T03:00:05 was converted" in caplog.text
    caplog.clear()
    queue.watch()
    assert caplog.text == "" and queue.states == ["completed"] and len(queue.converted) == 1


def test_files_may_be_removed_once_they_are_converted(queue, caplog):
    for path in queue.put_group(0):
        queue.clock.after(30, path.unlink)
    queue.put(1, 0)
    queue.watch(60)
    assert queue.states == ["completed", "collecting"]
    assert queue.status.groups[0].n_subbands == 4 and caplog.text == ""


def test_a_folder_that_is_not_mounted_for_a_while_changes_nothing(queue, caplog):
    queue.put_group(0, range(3))
    queue.watch()
    before = queue.status.groups
    away = queue.folder.with_name("away")
    queue.folder.rename(away)
    queue.folder.mkdir()
    queue.watch(30)
    queue.folder.rmdir()
    queue.clock.after(30, lambda: away.rename(queue.folder))
    queue.folder.mkdir()
    queue.clock.after(20, queue.folder.rmdir)
    queue.watch(60)
    assert "may not be mounted" in caplog.text and "cannot be read" in caplog.text
    assert [group.subbands for group in queue.status.groups] == [before[0].subbands]
    queue.put(0, 3)
    queue.watch()
    assert queue.outputs == {FIRST: names(queue, 0)}


def test_a_file_that_is_renamed_keeps_its_place(queue):
    paths = queue.put_group(0, range(3))
    queue.watch()
    paths[0].rename(queue.folder / "new_sb00.hdf5")
    queue.put(0, 3)
    queue.watch()
    assert queue.outputs == {FIRST: [*names(queue, 0, range(1, 4)), "new_sb00.hdf5"]}


# ------------------------------------------------------------------ groups that stay incomplete


def test_a_group_that_stays_incomplete_fails_and_says_what_is_missing(queue):
    queue.put_group(0, (0, 2))
    report = queue.watch(200, timeout=100.0)
    assert queue.states == ["failed"]
    sentence = "incomplete after 100 s: 2 of 4 subbands there, missing sb01, sb03"
    assert report.failed == (f"2025-01-15T03:00:05: {sentence}",)


def test_a_failed_group_is_opened_again_by_a_subband_that_comes_late(queue):
    queue.put_group(0, range(3))
    queue.watch(200, timeout=100.0)
    assert queue.states == ["failed"]
    queue.put(0, 3)
    queue.watch(timeout=100.0)
    assert queue.states == ["completed"]


def test_an_incomplete_group_may_be_filled(queue):
    asked = []

    def convert(paths, out, incomplete):
        asked.append(incomplete)
        return queue.convert(paths, out, incomplete)

    queue.put_group(0, range(3))
    queue.put_group(1)
    queue.watch(200, timeout=100.0, on_incomplete="fill", convert=convert)
    assert asked == [False, True]
    assert queue.outputs == {FIRST: names(queue, 0, range(3)), SECOND: names(queue, 1)}
    assert queue.status.groups[0].reason == "3 of 4 subbands, filled"


def test_what_arrived_while_nobody_watched_completes_an_old_group(queue):
    queue.put_group(0, range(3))
    queue.watch()
    queue.put(0, 3)
    queue.clock.time += 1e6
    queue.watch(on_incomplete="fill")
    assert queue.outputs == {FIRST: names(queue, 0)} and queue.status.groups[0].reason == ""


def test_fewer_subbands_may_be_expected_after_all(queue):
    queue.put_group(0, range(3))
    queue.watch()
    queue.watch(expected_subbands=3)
    assert queue.states == ["completed"]


def test_more_subbands_than_expected_are_late(queue, caplog):
    caplog.set_level(logging.INFO)
    for subband in range(6):
        os.utime(queue.put(0, subband))
    queue.watch()
    assert queue.states == ["completed"] and len(queue.converted[0]) == 4
    assert [state for state, _ in queue.files.values()] == ["late", "late"]


def test_a_group_that_is_opened_again_may_wait_as_long_again(queue):
    queue.put_group(0, range(2))
    queue.watch(200, timeout=100.0)
    queue.put(0, 2)
    queue.watch(timeout=100.0)
    assert queue.states == ["collecting"]
    queue.watch(200, timeout=100.0)
    assert queue.states == ["failed"]
