"""millrace fsck: damage planted in a directory that a server wrote is named as what it is, and nothing else is."""

import os
import pathlib
import shutil
import subprocess
import uuid

import pytest

from . import journal, segments
from .fsck_copy import LATE, SIZE, Copy, built, copy, killed, of_run, ranges  # noqa: F401 - some are fixtures
from .server import Server, run
from .test_serve import SMALL, fill, values_of


# --- no damage ------------------------------------------------------------------------------------------


def test_a_directory_after_a_clean_stop_is_clean(copy):
    assert (copy.data / "reserve").stat().st_size == 6 << 20, "it is no finding"
    summary = copy.is_clean()
    assert summary["journal_files"] == len(journal.files(copy.data))
    assert summary["objects"] == len(segments.objects(copy.data))
    assert summary["table_files"] == 3
    everything = sum(path.stat().st_size for path in [*journal.files(copy.data).values(), *(one.path for one in segments.objects(copy.data))])
    assert summary["bytes"] >= everything
    done = run("fsck", "--data", copy.data)
    assert done.returncode == 0 and done.stdout.endswith("read: no damage\n") and done.stdout.count("\n") == 1


def test_a_directory_after_kill_9_is_clean(killed):
    _, findings, _ = killed.fsck()
    assert [finding for finding in findings if finding["type"] == "damage"] == []


@pytest.mark.parametrize("kind", ["header", "its-header", "payload"])
def test_a_torn_tail_is_a_leftover_that_repair_cuts(killed, built, kind):
    last = journal.runs(killed.data)[-1]
    lost = 0
    if kind == "header":
        journal.overwrite(last.path, last.end, journal.torn_run(last, 9000))
        killed.finds("torn-tail", last.path, last.end, kind="leftover")
    else:  # the last run, which no other proves
        assert last.frames and last.durable_upto < last.run
        frame, *others = journal.frames(last)
        lost = 1 + len(others)
        for position in [0, 20, 60, journal.HEADER.size - 1] if kind == "its-header" else []:
            killed.flip(last.path, last.position + position)
            killed.finds("torn-tail", last.path, last.position, kind="leftover")
            killed.flip(last.path, last.position + position)
        killed.flip(last.path, last.position + 60 if kind == "its-header" else frame.position + frame.bytes - 1)
        killed.finds("torn-tail", last.path, last.position, kind="leftover")
    code, _, summary = killed.fsck("--repair")
    assert (code, summary["leftovers"], summary["repaired"]) == (0, 1, 1)
    assert any((killed.data / "quarantine").iterdir())
    killed.is_clean()
    server = Server(killed.data, *LATE).start()
    try:
        assert len(values_of(server, "t")) == built.count + 3 - lost
    finally:
        server.close()


def test_a_running_server_is_left_alone(copy):
    server = Server(copy.data, *LATE).start()
    try:
        done = run("fsck", "--data", copy.data)
        assert done.returncode == 1 and f"in use by another process (pid {server.pid})" in done.stderr
    finally:
        server.close()


def test_what_is_no_data_directory_is_wrong_usage(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        done = run("fsck", "--data", path)
        assert done.returncode == 2 and "no data directory" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert run("fsck").returncode == 2


# --- the journal ----------------------------------------------------------------------------------------

FILES = pytest.mark.parametrize("index", [1, -1], ids=["sealed", "newest"])


@FILES
def test_a_flipped_bit_in_a_frame_header(copy, index):
    one, _ = copy.victim(index)
    touched = of_run(one)
    copy.flip(one.path, one.position + journal.HEADER.size + 48)
    copy.finds("frame-header", one.path, one.position + journal.HEADER.size, touched)


def test_the_last_batch_of_a_partition_in_damage_of_the_newest_file(copy):
    """No other batch shows what was lost: the catalog has the next offset."""
    one = [one for one in journal.runs(copy.data) if any(frame.is_batch for frame in journal.frames(one))][-1]
    assert one.path == copy.journal(-1)
    touched = of_run(one)
    good = one.path.read_bytes()
    copy.flip(one.path, one.position + journal.HEADER.size + 48)
    copy.finds("frame-header", one.path, one.position + journal.HEADER.size, touched)
    one.path.write_bytes(good)
    copy.flip(one.path, one.position + 40)
    copy.finds("run-header", one.path, one.position, touched)
    one.path.write_bytes(good[: one.position] + good[one.position : one.position + 100])
    copy.finds("cut-short", one.path, one.position + 100, touched)
    one.path.write_bytes(b"")
    _, (finding,), _ = copy.fsck()
    assert finding["problem"] == "cut-short" and any(one[0] == "t" and one[3] == touched[0][3] for one in ranges(finding))


@FILES
def test_a_flipped_bit_in_a_payload(copy, index):
    one, frame = copy.victim(index)
    copy.flip(one.path, frame.position + 5000)
    what = copy.finds("payload", one.path, frame.position, [("t", 0, frame.first, frame.next - 1)])
    assert f"run {one.run}," in what


@FILES
def test_a_flipped_bit_in_a_run_header(copy, index):
    one, _ = copy.victim(index)
    touched = of_run(one)
    copy.flip(one.path, one.position + 40)
    what = copy.finds("run-header", one.path, one.position, touched)
    assert f"run {one.run}:" in what


@pytest.mark.parametrize("at", [0, 4, 8, 24, 32, 40, 48, 56, 60, 64, 68, 84])
def test_a_flipped_bit_in_the_header_of_the_last_run_of_a_sealed_file(copy, at):
    *_, before, one = journal.runs(copy.data, list(journal.files(copy.data))[1])
    copy.flip(one.path, one.position + at)
    touched = of_run(one) if any(frame.is_batch for frame in journal.frames(one)) else []
    copy.finds("run-header", one.path, one.position, touched)
    copy.flip(before.path, before.position + at)  # both: it is where the first of them is
    copy.finds("run-header", one.path, before.position, None)


@FILES
@pytest.mark.parametrize("at", [60, 100, 300], ids=["run header", "frame header", "payload"])
def test_a_flipped_bit_in_a_checkpoint(copy, index, at):
    path = copy.journal(index)
    copy.flip(path, at)
    copy.finds("checkpoint", path)


def test_a_truncated_journal_file(copy):
    """What was behind the run that is cut is lost with it."""
    path = copy.journal(-1)
    one, frame = copy.victim(-1)
    lost = [behind for later in journal.runs(copy.data, one.file) for behind in journal.frames(later) if behind.is_batch]
    path.write_bytes(path.read_bytes()[: one.position + 8192])
    copy.finds("cut-short", path, one.position, None)
    _, (finding,), _ = copy.fsck()
    assert ("t", 0, frame.first, lost[-1].next - 1) in ranges(finding)
    path = copy.journal(-1)
    path.write_bytes(path.read_bytes()[: one.position + 100])
    _, findings, _ = copy.fsck()
    assert {finding["problem"] for finding in findings} == {"cut-short"}
    assert all(finding["file"] == str(path) for finding in findings)


def test_a_sealed_journal_file_truncated_between_two_runs(copy):
    one, _ = copy.victim(1)
    lost = [frame for later in journal.runs(copy.data, one.file) if later.position >= one.position
            for frame in journal.frames(later) if frame.is_batch]  # fmt: skip
    path = one.path
    path.write_bytes(path.read_bytes()[: one.position])
    copy.finds("missing-runs", path, one.position, [("t", 0, lost[0].first, lost[-1].next - 1)])


def test_the_newest_journal_file_truncated_between_two_runs(copy):
    one, frame = copy.victim(-1)
    path = one.path
    (end,) = [frame.next for later in journal.runs(copy.data, one.file) for frame in journal.frames(later) if frame.is_batch][-1:]
    path.write_bytes(path.read_bytes()[: one.position])
    copy.finds("cut-short", path, one.position, [("t", 0, frame.first, end - 1)])


def test_the_newest_journal_file_emptied_from_a_run_on_is_told_by_the_place_in_the_catalog(copy):
    """Nothing in the journal itself tells it from one that ended there in good order."""
    one, frame = copy.victim(-1)
    lost = [behind for later in journal.runs(copy.data, one.file) for behind in journal.frames(later) if behind.is_batch]
    content = one.path.read_bytes()
    one.path.write_bytes(content[: one.position] + bytes(len(content) - one.position))
    what = copy.finds("distrust", touched=None)
    _, (finding,), _ = copy.fsck()
    assert ("t", 0, frame.first, lost[-1].next - 1) in ranges(finding)
    assert "journal older than catalog" in what
    status, told = Server(copy.data, *LATE).refused()
    assert status == 1 and "journal older than catalog" in told

def make_fifo(path):
    path.unlink()
    os.mkfifo(path)


def make_loop(path):
    path.unlink()
    path.symlink_to(path)


def make_directory(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("replace", [make_fifo, make_directory])
def test_what_stands_where_a_journal_file_should_and_is_none(copy, replace):
    one, frame = copy.victim(1)
    path, behind = copy.journal(1), copy.object()
    replace(path)
    copy.flip(behind.path, behind.parts[0].data_position + 500)  # the rest is checked all the same
    _, findings, _ = copy.fsck()
    assert [finding["problem"] for finding in findings] == ["unreadable-file", "object-data"], findings
    assert findings[0]["file"] == str(path)
    ((topic, partition, first, last),) = ranges(findings[0])
    assert (topic, partition) == ("t", 0) and first <= frame.first <= last
    status, told = Server(copy.data, *LATE).refused()
    assert status == 1 and path.name in told


@pytest.mark.parametrize("replace", [make_fifo, make_loop, make_directory])
def test_what_stands_where_an_object_should_and_is_none(copy, replace):
    one = copy.object()
    replace(one.path)
    copy.finds("unreadable-object" if replace == make_fifo else "missing-object", one.path, None, None)


def test_a_copy_on_a_read_only_mount(copy, tmp_path):
    mount = tmp_path / "mount"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        for has_lock in (False, True):
            shutil.copytree(copy.data, mount / "data", ignore=None if has_lock else shutil.ignore_patterns("lock"))
            subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
            there = Copy(mount / "data")
            assert there.is_clean() == copy.is_clean() | {"data": str(there.data)}
            assert run("rebuild", "--dry-run", "--data", there.data).returncode == 0
            assert "Read-only file system" in run("fsck", "--repair", "--data", there.data).stderr
            subprocess.run(["mount", "-o", "remount,rw", mount], check=True)
            shutil.rmtree(there.data)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_swapped_journal_files(copy):
    one, other = copy.journal(1), copy.journal(2)
    one.rename(copy.data / "aside")
    other.rename(one)
    (copy.data / "aside").rename(other)
    _, findings, _ = copy.fsck()
    assert [(finding["problem"], finding["file"]) for finding in findings] == [("misnamed-file", str(one)), ("misnamed-file", str(other))]
    assert other.name in findings[0]["advice"] and one.name in findings[1]["advice"]


def test_a_duplicated_journal_file(copy):
    last = max(journal.files(copy.data))
    again = copy.data / "journal" / f"{last + 1:020}.log"
    shutil.copy(copy.journal(1), again)
    copy.finds("misnamed-file", again, 0, None)
    again.unlink()
    shutil.copy(copy.journal(1), copy.journal(2))
    _, findings, _ = copy.fsck()
    assert [(finding["problem"], finding["file"]) for finding in findings] == [("misnamed-file", str(copy.journal(2)))]
    ((topic, partition, first, last),) = ranges(findings[0])
    assert (topic, partition) == ("t", 0) and last >= first + 5


def test_a_missing_journal_file(copy):
    path = copy.journal(2)
    lost = [frame for one in journal.runs(copy.data, int(path.stem)) for frame in journal.frames(one) if frame.is_batch]
    path.unlink()
    what = copy.finds("missing-file", path, None, [("t", 0, lost[0].first, lost[-1].next - 1)])
    assert copy.journal(2).name in what


def test_the_oldest_journal_file_missing_is_known_by_its_stored_index(copy):
    path = copy.journal(0)
    assert path.with_suffix(".index").exists()
    path.unlink()
    _, findings, _ = copy.fsck()
    assert {finding["problem"] for finding in findings} == {"missing-file", "distrust"}, findings
    assert [finding["file"] for finding in findings if finding["problem"] == "missing-file"] == [str(path)]


def test_the_newest_journal_file_missing_is_known_by_the_place_in_the_catalog(copy):
    path = copy.journal(-1)
    path.unlink()
    copy.finds("distrust", touched=None)
    _, (finding,), _ = copy.fsck()
    assert f"put {path.name} back" in finding["advice"]
    done = run("rebuild", "--data", copy.data, "--replace")
    assert done.returncode == 1 and "journal older than catalog" in done.stderr


def test_missing_journal_files_at_the_end_are_known_by_a_stored_index(copy):
    *_, sealed, newest = journal.files(copy.data).values()
    assert sealed.with_suffix(".index").exists()
    for path in (sealed, newest):
        path.unlink()
    _, findings, _ = copy.fsck()
    assert ("damage", "missing-file", str(sealed)) in [(one["type"], one["problem"], one["file"]) for one in findings]


def test_a_journal_file_of_another_directory(copy, new_server):
    stranger = new_server(*SMALL).start()
    fill(stranger, "t", 60, size=SIZE)
    assert stranger.terminate() == 0
    path = copy.journal(2)
    lost = [frame for one in journal.runs(copy.data, int(path.stem)) for frame in journal.frames(one) if frame.is_batch]
    other = journal.files(stranger.data)
    number = int(path.stem)
    if number in other:
        shutil.copy(other[number], path)
    else:  # the same file under this number
        source = journal.runs(stranger.data, list(other)[1])
        shutil.copy(source[0].path, path)
        for one in source:
            journal.rewrite_header(journal.dataclasses.replace(one, path=path), file=number)
    what = copy.finds("foreign-file", path, 0, [("t", 0, lost[0].first, lost[-1].next - 1)])
    ids = {str(uuid.UUID(bytes=journal.runs(data)[0].directory)) for data in (copy.data, stranger.data)}
    assert all(one in what for one in ids)


# --- tables and leftovers -------------------------------------------------------------------------------


def test_a_damaged_and_a_missing_table_file(copy):
    path = sorted((copy.data / "tables").rglob("0*.parquet"))[1]
    good = path.read_bytes()
    copy.flip(path, 20)
    assert "checksum" in copy.finds("table-file", path, None, [("main.cpu", 0, 1, 1)])
    path.unlink()
    assert "is missing" in copy.finds("table-file", path, None, [("main.cpu", 0, 1, 1)])
    path.write_bytes(good)
    copy.is_clean()


def test_leftovers_are_told_and_removed_and_nothing_else(copy):
    cache = copy.data / "cache"
    cache.mkdir()
    planted = {
        copy.data / "tmp" / "7.object": "temporary-file",
        copy.data / "catalog.db.new": "temporary-file",
        copy.data / "journal" / "spare.tmp": "temporary-file",
        copy.data / "journal" / f"{1:020}.index": "stored-index",
        cache / f"{1:016x}-{2:032x}-{0:016x}.block": "stale-block",
    }
    before = journal.checksums(copy.data)
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
    code, findings, _ = copy.fsck()
    assert code == 0 and {pathlib.Path(one["file"]): one["problem"] for one in findings} == planted
    assert {one["type"] for one in findings} == {"leftover"}
    one = copy.object()
    copy.flip(one.path, one.parts[0].data_position + 500)  # damage stays
    damaged = one.path.read_bytes()
    code, _, summary = copy.fsck("--repair")
    assert (code, summary["repaired"], summary["damage"]) == (1, len(planted), 1)
    assert one.path.read_bytes() == damaged
    after = journal.checksums(copy.data)
    assert {name for name in before if before[name] != after.get(name)} == {str(one.path.relative_to(copy.data))}
    assert after.keys() == before.keys()


def test_an_unfinished_rotation_is_a_leftover(copy):
    last = max(journal.files(copy.data))
    path = copy.data / "journal" / f"{last + 1:020}.log"
    path.write_bytes(bytes(1 << 20))
    copy.finds("unfinished-rotation", path, kind="leftover")
    assert copy.fsck("--repair")[2]["repaired"] == 1
    assert not path.exists()
    copy.is_clean()


def test_several_damages_are_all_named(copy):
    runs = [copy.victim(index) for index in (1, 2, -1)]
    for one, frame in runs:
        copy.flip(one.path, frame.position + 5000)
    copy.object().path.unlink()
    _, findings, summary = copy.fsck()
    assert [finding["problem"] for finding in findings] == ["payload", "payload", "payload", "missing-object"]
    assert [finding["position"] for finding in findings[:3]] == [frame.position for _, frame in runs]
    text = run("fsck", "--data", copy.data).stdout
    assert "damage in 4 places" in text
    one, frame = runs[0]
    assert f"damage (payload): {one.path} at {frame.position}: " in text
    assert f"touches offsets {frame.first} to {frame.next - 1} of partition 0 of topic t\n" in text
