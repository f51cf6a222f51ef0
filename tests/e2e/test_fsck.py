"""millrace fsck: damage planted in a directory that a server wrote is named as what it is, and nothing else is."""

import json
import pathlib
import shutil
import sqlite3
import uuid

import pytest

from . import journal, segments
from .server import Server, run
from .test_segments import SOON, freed
from .test_serve import SMALL, fill, values_of
from .web import Client
from .wire import NONE, Connection, batch_of

COUNT = 40
SIZE = 100_000


class Copy:
    """A copy of a directory, to be damaged."""

    def __init__(self, data):
        self.data = data

    def fsck(self, *more):
        """Exit code, findings and the summary; a check changes nothing."""
        before = journal.checksums(self.data)
        done = run("fsck", "--data", self.data, "--json", *more)
        assert done.stderr == "", done.stderr
        if "--repair" not in more:
            assert journal.checksums(self.data) == before
        *findings, summary = map(json.loads, done.stdout.splitlines())
        assert summary["type"] == "summary"
        assert summary["damage"] == sum(finding["type"] == "damage" for finding in findings)
        assert done.returncode == (1 if summary["damage"] else 0)
        return done.returncode, findings, summary

    def finds(self, problem, path=None, position=None, touched=(), kind="damage"):
        """There is this finding and no other: what it says."""
        _, findings, _ = self.fsck()
        assert [finding["problem"] for finding in findings] == [problem], findings
        (finding,) = findings
        assert finding["type"] == kind
        if path is not None:
            assert finding["file"] == str(path)
        if position is not None:
            assert finding["position"] == position
        if touched is not None:
            assert ranges(finding) == list(touched), finding
        assert finding["advice"]
        return finding["what"]

    def is_clean(self):
        code, findings, summary = self.fsck()
        assert (code, findings, summary["unchecked"]) == (0, [], [])
        return summary

    def journal(self, index):
        return list(journal.files(self.data).values())[index]

    def object(self, index=0):
        """Of the topic t alone."""
        return [one for one in segments.objects(self.data) if one.path.parent.name == "0"][index]

    def sql(self, *statements):
        connection = sqlite3.connect(self.data / "catalog.db")
        for statement in statements:
            connection.execute(*statement)
        connection.commit()
        connection.close()

    def flip(self, path, position):
        journal.overwrite(path, position, bytes([path.read_bytes()[position] ^ 0x10]))

    def victim(self, index):
        """A run of the topic t in a journal file, and its frame; not the last one of the file."""
        for one in journal.runs(self.data, list(journal.files(self.data))[index])[1:-1]:
            for frame in journal.frames(one):
                if frame.is_batch and frame.bytes > SIZE // 2:
                    return one, frame
        raise AssertionError("no such run")


def of_run(one):
    """Offsets of t in a run, of which a write has one or more."""
    batches = [frame for frame in journal.frames(one) if frame.is_batch]
    return [("t", 0, batches[0].first, batches[-1].next - 1)]


def ranges(finding):
    return [(one["topic"], one["partition"], one["first"], one["last"]) for one in finding["touched"]]


class Built:
    pass


@pytest.fixture(scope="module")
def built(new_shared_server, tmp_path_factory):
    """t in objects and in several journal files behind them, late in both, an interval topic, a table with files."""
    result = Built()
    server = new_shared_server(*SOON).start()
    fill(server, "t", COUNT // 2, size=SIZE)
    segments.wait_until_cut(server, COUNT // 2)
    assert server.terminate() == 0
    result.early = tmp_path_factory.mktemp("early") / "data"  # before the rest was cut
    shutil.copytree(server.data, result.early)
    server.start()
    fill(server, "t", COUNT // 2, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    with Connection(server.port) as connection:
        connection.create_topic("late", 2)
        assert connection.produce("late", batch_of(b"late"), 1).error == NONE
    segments.wait_until_cut(server, 1, 1)
    assert server.terminate() == 0
    server.arguments = list(SMALL)  # nothing is cut from here on
    server.start()
    fill(server, "t", COUNT, size=SIZE)
    with Connection(server.port) as connection:
        connection.create_topic("fast", 1, {"durability": "interval"})
        for i in range(20):
            assert connection.produce("fast", batch_of(b"%d" % i)).error == NONE
    with Client(server) as client:
        for i in range(3):
            client.write("cpu", {"n": [i], "time": [1_700_000_000 + i]})
            client.flush("cpu")
        client.write("cpu", {"n": [3], "time": [1_700_000_003]})
    fill(server, "t", 5, size=SIZE)  # further runs behind, so that all before is proven
    assert server.terminate() == 0
    result.data = server.data
    assert len(journal.files(result.data)) >= 5
    return result


@pytest.fixture
def copy(built, tmp_path):
    shutil.copytree(built.data, tmp_path / "data")
    return Copy(tmp_path / "data")


@pytest.fixture
def killed(built, tmp_path):
    """After kill -9, without the files that it was making, leftovers of their own."""
    shutil.copytree(built.data, tmp_path / "data")
    server = Server(tmp_path / "data", *SMALL).start()
    fill(server, "t", 3)
    server.kill()
    for path in [*(tmp_path / "data" / "tmp").glob("*.object"), *(tmp_path / "data" / "journal").glob("*.tmp")]:
        path.unlink()
    return Copy(tmp_path / "data")


# --- no damage ------------------------------------------------------------------------------------------


def test_a_directory_after_a_clean_stop_is_clean(copy):
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


@pytest.mark.parametrize("kind", ["header", "payload"])
def test_a_torn_tail_is_a_leftover_that_repair_cuts(killed, kind):
    last = journal.runs(killed.data)[-1]
    lost = 0
    if kind == "header":
        journal.overwrite(last.path, last.end, journal.torn_run(last, 9000))
        killed.finds("torn-tail", last.path, last.end, kind="leftover")
    else:  # the last run, which no other proves
        assert last.frames and last.durable_upto < last.run
        frame, *others = journal.frames(last)
        lost = 1 + len(others)
        killed.flip(last.path, frame.position + frame.bytes - 1)
        killed.finds("torn-tail", last.path, last.position, kind="leftover")
    code, _, summary = killed.fsck("--repair")
    assert (code, summary["leftovers"], summary["repaired"]) == (0, 1, 1)
    assert any((killed.data / "quarantine").iterdir())
    killed.is_clean()
    server = Server(killed.data, *SMALL).start()
    try:
        assert len(values_of(server, "t")) == 2 * COUNT + 8 - lost
    finally:
        server.close()


def test_a_running_server_is_left_alone(copy):
    server = Server(copy.data, *SMALL).start()
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


@FILES
@pytest.mark.parametrize("at", [60, 100, 300], ids=["run header", "frame header", "payload"])
def test_a_flipped_bit_in_a_checkpoint(copy, index, at):
    path = copy.journal(index)
    copy.flip(path, at)
    copy.finds("checkpoint", path)


def test_a_truncated_journal_file(copy):
    path = copy.journal(-1)
    one, _ = copy.victim(-1)
    touched = of_run(one)
    path.write_bytes(path.read_bytes()[: one.position + 8192])
    copy.finds("cut-short", path, one.position, touched)
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


# --- segment objects ------------------------------------------------------------------------------------


def whole(one):
    return [("t", part.partition, part.first, part.next - 1) for part in one.parts]


def test_a_flipped_bit_in_the_data_of_an_object(copy):
    one = copy.object()
    (part,) = one.parts
    copy.flip(one.path, part.data_position + 500)
    copy.finds("object-data", one.path, part.data_position, [("t", 0, part.first, part.first)])


def test_a_flipped_bit_in_the_index_of_an_object(copy):
    one = copy.object()
    copy.flip(one.path, one.parts[0].index_position + 3)
    copy.finds("object-index", one.path, one.parts[0].index_position, whole(one))


def test_a_flipped_bit_in_footer_tail_or_header_of_an_object(copy):
    one = copy.object()
    good = one.path.read_bytes()
    for problem, at, position in (
        ("object-footer", one.bytes - 30, one.bytes - 64), ("object-tail", one.topics_position + 3, None), ("object-header", 20, 0),
    ):  # fmt: skip
        copy.flip(one.path, at)
        copy.finds(problem, one.path, position, whole(one))
        one.path.write_bytes(good)
    copy.is_clean()


def test_a_truncated_object(copy):
    one = copy.object()
    one.path.write_bytes(one.path.read_bytes()[:-100])
    copy.finds("truncated-object", one.path, one.bytes - 100, whole(one))


def test_a_missing_object(copy):
    one = copy.object()
    one.path.unlink()
    copy.finds("missing-object", one.path, None, whole(one))


def test_a_foreign_object(copy, new_server):
    stranger = new_server(*SOON).start()
    fill(stranger, "t", COUNT // 2, size=SIZE)
    segments.wait_until_cut(stranger, COUNT // 2)
    assert stranger.terminate() == 0
    other = segments.objects(stranger.data)[0]
    added = copy.data / other.path.relative_to(stranger.data)
    added.parent.mkdir(parents=True)
    shutil.copy(other.path, added)
    what = copy.finds("unknown-object", added, None, None)
    assert "made by another data directory" in what
    shutil.rmtree(added.parent.parent)
    one = copy.object()
    shutil.copy(other.path, one.path)
    _, (finding,), _ = copy.fsck()
    assert finding["file"] == str(one.path) and ranges(finding) == whole(one)
    assert finding["problem"] in ("foreign-object", "truncated-object")


def test_a_renamed_object(copy):
    one = copy.object()
    name = one.path.with_name(f"{one.parts[0].first + 7:020}{one.path.name[20:]}")
    one.path.rename(name)
    _, findings, _ = copy.fsck()
    assert [finding["problem"] for finding in findings] == ["unknown-object", "missing-object"]
    unknown, missing = findings
    assert unknown["file"] == str(name) and f"it was made as {one.path.relative_to(copy.data)}" in unknown["what"]
    assert missing["file"] == str(one.path) and ranges(missing) == whole(one)
    assert str(name.relative_to(copy.data)) in missing["what"] and "name back" in missing["advice"]


# --- the catalog ----------------------------------------------------------------------------------------


def test_a_row_without_object(copy):
    one, topic = uuid.uuid4(), uuid.uuid4()
    name = f"segments/mixed/{one}.seg"
    copy.sql(
        ("INSERT INTO segments (id, name, bytes, created_ms) VALUES (?, ?, 1000, 0)", (str(one), name)),
        ("INSERT INTO segment_parts (object_id, topic_id, partition, first, next, max_timestamp_ms, bytes)"
         " VALUES (?, ?, 0, 3, 5, -1, 10)", (str(one), str(topic))),
    )  # fmt: skip
    _, (finding,), _ = copy.fsck()
    assert (finding["problem"], finding["file"]) == ("missing-object", str(copy.data / name))
    (touched,) = finding["touched"]
    assert touched == {"topic_id": str(topic), "partition": 0, "first": 3, "last": 4}


def delete_rows(copy, one):
    identity = one.path.stem[-36:]
    copy.sql(("DELETE FROM segment_parts WHERE object_id = ?", (identity,)), ("DELETE FROM segments WHERE id = ?", (identity,)))


def test_an_object_without_row_that_the_journal_has_is_a_leftover(copy):
    (late,) = [one for one in segments.objects(copy.data) if one.parts[0].partition == 1]
    delete_rows(copy, late)
    copy.finds("unnamed-object", late.path, kind="leftover")
    code, _, summary = copy.fsck("--repair")
    assert (code, summary["repaired"]) == (0, 1) and not late.path.exists()
    copy.is_clean()
    server = Server(copy.data, *SMALL).start()
    try:
        assert values_of(server, "late", 1) == [b"late"]
    finally:
        server.close()


def test_objects_without_rows_that_nothing_else_has_are_never_removed(copy):
    ours = [one for one in segments.objects(copy.data) if one.path.parent.name == "0"]
    for one in ours:
        delete_rows(copy, one)
    first = ours[0]
    _, findings, summary = copy.fsck("--repair")
    said = {finding["file"]: finding for finding in findings}
    assert "they are not expired" in said[str(first.path)]["what"]
    assert ranges(said[str(first.path)]) == whole(first)
    assert said[str(first.path)]["type"] == "damage" and first.path.exists() and summary["repaired"] == 0


def test_a_wrong_offset_range_in_a_row(copy):
    one, identity = copy.object(), copy.object().path.stem[-36:]
    copy.sql(("UPDATE segment_parts SET first = first + 1 WHERE object_id = ?", (identity,)))
    what = copy.finds("catalog-row", copy.data / "catalog.db", None, whole(one))
    part = one.parts[0]
    assert f"says offsets {part.first + 1} to {part.next - 1} " in what and f"holds offsets {part.first} to {part.next - 1} " in what
    copy.sql(("UPDATE segment_parts SET first = first - 1, next = next - 1 WHERE object_id = ?", (identity,)))
    _, findings, _ = copy.fsck()
    assert [finding["problem"] for finding in findings] == ["catalog-rule", "catalog-row"]
    assert f"offsets {part.next - 1} to {part.next - 1} are in no object" in findings[0]["what"]


def test_a_damaged_catalog(copy):
    path = copy.data / "catalog.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    _, findings, summary = copy.fsck()
    assert [(finding["problem"], finding["file"]) for finding in findings] == [("catalog", str(path))]
    assert len(summary["unchecked"]) == 3


def test_a_catalog_behind_the_journal(copy, built):
    shutil.copy(built.early / "catalog.db", copy.data / "catalog.db")
    _, findings, summary = copy.fsck()
    assert {finding["problem"] for finding in findings} == {"distrust"}
    assert any("catalog older than journal: offsets" in finding["what"] for finding in findings)
    assert any(("t", 0, COUNT // 2) == one[:3] for finding in findings for one in ranges(finding)), findings
    assert summary["unchecked"]


def test_a_catalog_ahead_of_the_journal(copy, built):
    shutil.rmtree(copy.data / "journal")
    shutil.copytree(built.early / "journal", copy.data / "journal")
    _, findings, _ = copy.fsck()
    assert {finding["problem"] for finding in findings} == {"distrust"}
    assert any("journal older than catalog" in finding["what"] for finding in findings)
    assert ("t", 0, COUNT // 2, COUNT - 1) in [one for finding in findings for one in ranges(finding)]


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
