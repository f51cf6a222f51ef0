"""millrace fsck: damage planted in segment objects and in the catalog is named as what it is."""

import pathlib
import shutil
import uuid

import pytest

from . import journal, segments
from .fsck_copy import COUNT, LATE, SIZE, Copy, built, copy, ranges  # noqa: F401 - some are fixtures
from .server import Server, run
from .test_segments import SOON, freed
from .test_serve import fill, values_of
from .web import Client
from .wire import NONE, Connection, batch_of


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
    what = copy.finds("stray-object", added, kind="leftover")
    assert "made by another data directory" in what and "of topics that are not here" in what
    assert copy.fsck("--repair")[2]["repaired"] == 0 and added.exists()
    shutil.rmtree(added.parent.parent)
    one = copy.object()
    for other in segments.objects(stranger.data):  # of the same size and of another
        shutil.copy(other.path, one.path)
        copy.finds("foreign-object", one.path, None, whole(one))


def test_two_objects_with_swapped_names(copy):
    one, other = copy.object(0), copy.object(-1)
    one.path.rename(copy.data / "aside")
    other.path.rename(one.path)
    (copy.data / "aside").rename(other.path)
    assert one.bytes != other.bytes
    _, findings, _ = copy.fsck()
    assert [(finding["problem"], finding["file"]) for finding in findings] == [("misnamed-object", str(one.path)), ("misnamed-object", str(other.path))]
    assert [ranges(finding) for finding in findings] == [whole(one), whole(other)]
    assert f"belongs under the name {other.path}" in findings[0]["advice"] and f"name {one.path}" in findings[1]["advice"]


@pytest.mark.parametrize("index", [0, -1], ids=["smaller", "larger"])
def test_an_object_copied_over_another(copy, index):
    small, large = sorted([copy.object(0), copy.object(-1)], key=lambda one: one.bytes)
    one, other = (small, large) if index else (large, small)
    shutil.copy(other.path, one.path)
    copy.finds("misnamed-object", one.path, None, whole(one))


def test_an_object_moved_over_another(copy):
    one, other = copy.object(0), copy.object(-1)
    other.path.rename(one.path)
    _, (misnamed, missing), _ = copy.fsck()
    assert (misnamed["problem"], misnamed["file"]) == ("misnamed-object", str(one.path))
    assert (missing["problem"], missing["file"]) == ("missing-object", str(other.path))
    assert f"stands under another name: {one.path.relative_to(copy.data)}" in missing["what"]


def test_a_lengthened_object(copy):
    one = copy.object()
    good = one.path.read_bytes()
    for more in (bytes(4096), b"x" * 10):
        one.path.write_bytes(good + more)
        what = copy.finds("lengthened-object", one.path, one.bytes, whole(one))
        assert f"has {len(good) + len(more)} bytes instead of {len(good)}" in what
    one.path.write_bytes(good[:-1] + b"x" * 10)  # nor is the end where it was
    copy.finds("object-footer", one.path, None, whole(one))


def test_an_object_of_which_the_row_has_another_size(copy):
    one = copy.object()
    copy.sql(("UPDATE segments SET bytes = bytes + 1 WHERE id = ?", (one.path.stem[-36:],)))
    what = copy.finds("catalog-row", copy.data / "catalog.db", None, whole(one))
    assert f"says {one.bytes + 1} bytes, the object has {one.bytes}" in what


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
    assert f"give it its name back: {one.path}" in unknown["advice"]
    name.rename(one.path)
    copy.is_clean()


def test_a_renamed_object_of_the_directory_that_a_rebuild_took_the_place_of(copy):
    one = copy.object()
    content = bytearray(one.path.read_bytes())
    content[8:24] = uuid.uuid4().bytes
    one.path.write_bytes(content)
    segments.copy_as(one, uuid.UUID(one.path.stem[-36:]), one.path)
    copy.is_clean()
    name = one.path.with_name(f"{one.parts[0].first + 7:020}{one.path.name[20:]}")
    one.path.rename(name)
    _, (unknown, missing), _ = copy.fsck()
    assert (unknown["problem"], missing["problem"]) == ("unknown-object", "missing-object")
    assert f"give it its name back: {one.path}" in unknown["advice"]
    assert str(name.relative_to(copy.data)) in missing["what"]


def test_a_copy_of_an_object_under_another_name(copy):
    one = copy.object()
    name = one.path.with_name(f"{one.parts[0].first + 7:020}{one.path.name[20:]}")
    shutil.copy(one.path, name)
    copy.finds("unknown-object", name, None, None)
    _, (finding,), _ = copy.fsck()
    assert finding["advice"] == f"it is called {one.path}, where an object stands: if that is whole, move this one away"


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


def test_an_object_that_was_to_go(copy):
    one, number = copy.object(), uuid.uuid4()
    path = one.path.with_name(f"{one.parts[0].first:020}-{number}.seg")
    shutil.copy(one.path, path)
    copy.sql(("INSERT INTO leaving_objects VALUES (?, ?)", (str(number), str(path.relative_to(copy.data)))))
    copy.finds("leaving-object", path, kind="leftover", touched=None)
    assert copy.fsck("--repair")[0] == 0
    assert not path.exists() and one.path.exists()
    copy.is_clean()


def test_an_object_without_row_that_the_journal_has_is_a_leftover(copy):
    (late,) = [one for one in segments.objects(copy.data) if one.parts[0].partition == 1]
    delete_rows(copy, late)
    copy.finds("unnamed-object", late.path, kind="leftover")
    code, _, summary = copy.fsck("--repair")
    assert (code, summary["repaired"]) == (0, 1) and not late.path.exists()
    copy.is_clean()
    server = Server(copy.data, *LATE).start()
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


def test_an_object_without_row_between_two_others_has_what_is_nowhere_else(copy):
    one = copy.object(1)
    delete_rows(copy, one)
    _, (rule, unnamed), _ = copy.fsck()
    assert (rule["problem"], unnamed["problem"]) == ("catalog-rule", "unnamed-object")
    assert ranges(unnamed) == whole(one)
    assert "some of its records are nowhere else" in unnamed["what"]
    assert "make that again: millrace rebuild --replace" in unnamed["advice"]
    assert copy.fsck("--repair")[2]["repaired"] == 0 and one.path.exists()
    assert run("rebuild", "--replace", "--data", copy.data).returncode == 0
    _, findings, _ = copy.fsck()
    assert {finding["problem"] for finding in findings} == {"unnamed-file"}  # of tables


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


@pytest.fixture
def mixed(new_server):
    """A directory with an object of several partitions, which the journal no longer has."""
    server = new_server(*SOON).start()
    with Connection(server.port) as connection:
        connection.create_topic("many", 5)
        for partition in range(5):
            assert connection.produce("many", batch_of(b"%d" % partition), partition).error == NONE
    segments.wait_until_cut(server, 1, 4)
    fill(server, "other", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    assert server.terminate() == 0
    return Copy(server.data)


def test_a_missing_part_of_a_row(mixed):
    """It touches the partition that is lost, and no other."""
    one = next(one for one in segments.objects(mixed.data) if len(one.parts) > 1)
    lost = one.parts[1]
    mixed.sql(("DELETE FROM segment_parts WHERE object_id = ? AND topic_id = ? AND partition = ?",
               (one.path.stem[-36:], str(lost.topic), lost.partition)))  # fmt: skip
    what = mixed.finds("catalog-row", mixed.data / "catalog.db", None, [("many", lost.partition, lost.first, lost.next - 1)])
    assert "says nothing, the object holds offsets" in what


DAMAGES = pytest.mark.parametrize("problem", ["checkpoint", "distrust"])


def damage_journal(copy, problem):
    """So that journal and catalog cannot be compared, or do not belong together."""
    if problem == "checkpoint":
        copy.flip(copy.journal(-1), 100)
    else:
        copy.sql(("UPDATE places SET run = run + 1",))


@DAMAGES
def test_a_part_of_a_deleted_topic_is_no_second_damage(new_server, problem):
    server = new_server(*SOON).start()
    with Connection(server.port) as connection:
        for topic in ("many", "gone"):
            connection.create_topic(topic)
            assert connection.produce(topic, batch_of(b"value")).error == NONE
        segments.wait_until_cut(server, 1)
        assert connection.delete_topic("gone") == NONE
        assert connection.create_topic("gone")[0] == NONE
    fill(server, "other", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    assert server.terminate() == 0
    copy = Copy(server.data)
    assert max(len(one.parts) for one in segments.objects(copy.data)) == 2
    copy.is_clean()
    damage_journal(copy, problem)
    copy.finds(problem, touched=None)


@DAMAGES
def test_whether_a_part_without_row_is_missing_is_not_told_without_the_journal(mixed, problem):
    """It may have been expired or deleted."""
    one = next(one for one in segments.objects(mixed.data) if len(one.parts) > 1)
    mixed.sql(("DELETE FROM segment_parts WHERE object_id = ? AND partition = 2", (one.path.stem[-36:],)))
    damage_journal(mixed, problem)
    mixed.finds(problem, touched=None)
    (_, _, summary) = mixed.fsck()
    assert any(said.startswith("whether 1 part of objects that their rows in catalog.db do not name is needed") for said in summary["unchecked"])


def test_parts_that_another_object_has_too_need_no_row(mixed):
    """As a rebuild leaves it that finds two objects with the same records: each partition is read from one of them."""
    one = next(one for one in segments.objects(mixed.data) if len(one.parts) > 1)
    identity, twin = one.path.stem[-36:], uuid.uuid4()
    added = one.path.with_name(f"{twin}.seg")
    segments.copy_as(one, twin, added)
    mixed.sql(
        ("INSERT INTO segments (id, name, bytes, created_ms) SELECT ?, ?, bytes, created_ms FROM segments WHERE id = ?",
         (str(twin), str(added.relative_to(mixed.data)), identity)),
        ("UPDATE segment_parts SET object_id = ? WHERE object_id = ? AND partition < 2", (str(twin), identity)),
    )  # fmt: skip
    mixed.is_clean()


def test_a_file_of_a_table_that_lost_its_row(copy):
    """The journal has its rows, but replays none that the catalog says are in files."""
    copy.sql(("DELETE FROM table_files WHERE first = 1",))
    _, (finding,), _ = copy.fsck("--repair")
    assert (finding["type"], finding["problem"], ranges(finding)) == ("damage", "forgotten-file", [("main.cpu", 0, 1, 1)])
    path = pathlib.Path(finding["file"])
    server = Server(copy.data).start()
    with Client(server) as client:
        answer = client.query("SELECT count(*) FROM cpu")
        assert answer.status == 500 and answer.json["error"]["code"] == "corrupt" and str(path) in answer.error
    assert server.terminate() == 0
    assert path.exists()
    assert run("rebuild", "--replace", "--data", copy.data).returncode == 0
    assert copy.fsck()[0] == 0  # what the journal has is replayed, and its files are leftovers
    server.start()
    with Client(server) as client:
        assert client.rows("SELECT count(*) FROM cpu") == [(4,)]
    server.close()


def test_a_double_or_a_damaged_footer_below_tables_is_no_forgotten_file(copy):
    known = next(copy.data.glob("tables/*/*/*1-0000.parquet"))
    double = known.with_name(known.name.replace("-0000.", "-0001."))
    shutil.copy(known, double)
    copy.finds("unknown-file", double, None, None)
    double.unlink()
    copy.sql(("DELETE FROM table_files WHERE path LIKE ?", ("%" + known.name,)))
    content = known.read_bytes()
    at = content.rindex(b"millrace.commit_id")
    known.write_bytes(content[:at] + b"X" + content[at + 1 :])
    copy.finds("unknown-file", known, None, None)
    server = Server(copy.data).start()
    with Client(server) as client:
        assert client.rows("SELECT count(*) FROM cpu") == [(3,)]
    server.close()
    assert not known.exists() and "kept as" in server.process.text()


def test_a_stranger_below_tables(copy):
    known = next(copy.data.glob("tables/*/*/*.parquet"))
    stranger = known.with_name(known.name.replace(f"{1:020}", f"{10**15:020}"))
    shutil.copy(known, stranger)
    copy.finds("unknown-file", stranger, None, None)


def test_a_damaged_catalog(copy):
    path = copy.data / "catalog.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    _, findings, summary = copy.fsck()
    assert [(finding["problem"], finding["file"]) for finding in findings] == [("catalog", str(path))]
    assert len(summary["unchecked"]) == 3


def is_refused(copy, what):
    """A start says it in the same words, and changes nothing."""
    before = journal.checksums(copy.data)
    done = run("serve", "--data", copy.data, "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert done.returncode == 1 and what in done.stderr and "millrace rebuild --replace" in what, done.stderr
    assert journal.checksums(copy.data) == before


def test_a_row_of_the_catalog_that_its_index_does_not_know(copy):
    path = copy.data / "catalog.db"
    one = copy.object()
    row = f"{one.path.stem[-36:]}{one.parts[0].topic}".encode()
    content = bytearray(path.read_bytes())
    at = content.index(row) + 36  # to a topic that there is not
    content[at] = ord("1" if content[at] == ord("0") else "0")
    path.write_bytes(content)
    what = copy.finds("catalog", path, None, None)
    assert "segment_parts and its index segment_parts_range do not agree" in what
    is_refused(copy, what)


def test_the_schema_of_the_catalog_with_a_flipped_bit(copy):
    path = copy.data / "catalog.db"
    path.write_bytes(path.read_bytes().replace(b"CHECK (next >= start)", b"CHECK (next >= stert)"))
    what = copy.finds("catalog", path, None, None)
    assert "its schema is damaged: table partitions is not that of version 3" in what
    is_refused(copy, what)


def test_a_catalog_that_this_program_cannot_read_leaves_the_rest_to_be_checked(copy):
    path = copy.data / "catalog.db"
    one = copy.object()
    copy.flip(one.path, one.parts[0].data_position + 500)
    copy.sql(("PRAGMA user_version = 9",))
    for advice in ("use the newer program", "put a copy of it back"):
        _, findings, summary = copy.fsck()
        assert [finding["problem"] for finding in findings] == ["catalog", "object-data"], findings
        assert findings[0]["file"] == str(path) and advice in findings[0]["advice"], findings[0]
        assert len(summary["unchecked"]) == 3 and summary["bytes"] > 0
        done = run("serve", "--data", copy.data, "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0")
        assert done.returncode == 1 and findings[0]["what"] in done.stderr
        if path.is_file():
            path.unlink()
            path.mkdir()


def test_a_catalog_that_is_gone_while_the_journal_has_everything(new_server):
    server = new_server().start()
    values = fill(server, "t", 5)
    with Client(server) as client:
        client.write("cpu", {"n": [1], "time": [1_700_000_000]})
        client.flush("cpu")
    assert server.terminate() == 0
    (server.data / "catalog.db").unlink()
    code, findings, _ = Copy(server.data).fsck()
    assert code == 0 and [finding["problem"] for finding in findings] == ["no-catalog", "unnamed-file"]
    server.start()
    assert "catalog.db was not there, and is made anew" in server.process.text()
    assert values_of(server, "t") == values
    with Client(server) as client:
        assert client.rows("SELECT n FROM cpu") == [(1,)]


def test_a_catalog_behind_the_journal(copy, built):
    shutil.copy(built.early / "catalog.db", copy.data / "catalog.db")
    _, findings, summary = copy.fsck()
    assert {finding["problem"] for finding in findings} == {"distrust"}
    assert any("catalog older than journal: it names no segment objects" in finding["what"] for finding in findings)
    assert any(("t", 0, COUNT // 2) == one[:3] for finding in findings for one in ranges(finding)), findings
    assert summary["unchecked"]
    assert {finding["advice"] for finding in findings} == {"put the newer catalog.db back, or make it again: millrace rebuild --replace"}
    assert run("rebuild", "--replace", "--data", copy.data).returncode == 0
    assert copy.fsck()[0] == 0


def test_a_catalog_ahead_of_the_journal(copy, built):
    shutil.rmtree(copy.data / "journal")
    shutil.copytree(built.early / "journal", copy.data / "journal")
    _, findings, _ = copy.fsck()
    assert {finding["problem"] for finding in findings} == {"distrust"}
    assert any("journal older than catalog" in finding["what"] for finding in findings)
    assert ("t", 0, COUNT // 2, COUNT - 1) in [one for finding in findings for one in ranges(finding)]


def test_a_journal_whose_end_is_lost_and_no_copy_of_it(copy):
    """What is advised works as it is written."""
    path = copy.journal(-1)
    one, frame = copy.victim(-1)
    content = path.read_bytes()
    path.write_bytes(content[: one.position] + bytes(len(content) - one.position))
    copy.finds("distrust", touched=None)
    _, (finding,), _ = copy.fsck()
    assert "put the newer journal back" in finding["advice"]
    assert "move catalog.db away and say millrace rebuild" in finding["advice"]
    assert run("rebuild", "--replace", "--data", copy.data).returncode == 1
    (copy.data / "catalog.db").unlink()
    assert run("rebuild", "--data", copy.data).returncode == 0
    _, findings, _ = copy.fsck()
    assert {finding["problem"] for finding in findings} <= {"unnamed-file", "unknown-file"}, findings  # with rows that were behind the end
    server = Server(copy.data, *LATE).start()
    try:
        assert len(values_of(server, "t")) == frame.first
    finally:
        server.close()
