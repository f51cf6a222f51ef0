"""History in segment objects: cut out of the journal, read back, expired, deleted; damaged, missing, foreign."""

import contextlib
import shutil
import sqlite3
import uuid

import pytest

from . import journal, segments, wire
from .server import run, wait_for
from .test_kcat import kcat
from .test_serve import SMALL, fill, values_of
from .web import Client
from .wire import Connection, batch_of

SOON = (*SMALL, "--segment-bytes", "256KiB", "--segment-age-ms", "100ms", "--journal-retention-check-ms", "100ms")
COUNT = 40
SIZE = 100_000


def freed(server):
    """Only the newest files are left of the journal."""
    wait_for("journal files freed", lambda: len(journal.files(server.data)) <= 2, 20)


@pytest.fixture
def cut(new_server):
    """A server of which all of a topic is in objects, and the journal has only the end of it; and its values."""
    server = new_server(*SOON).start()
    values = fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    return server, values


def errors(server, topic, count=COUNT):
    with Connection(server.port) as connection:
        return [connection.fetch(topic, offset, partition_bytes=1).error for offset in range(count)]


@pytest.mark.parametrize("how", [None, "kill", "terminate"])
def test_everything_is_read_out_of_objects(cut, how):
    server, values = cut
    if how:
        getattr(server, how)()
        server.start()
    assert len(segments.objects(server.data)) >= COUNT * SIZE // (256 << 10) // 2
    assert values_of(server, "t") == values
    out = kcat(server, "-C", "-t", "t", "-p", 0, "-o", "beginning", "-e", "-q", "-D", "\n").stdout
    assert out.splitlines() == values
    with Connection(server.port) as connection:
        assert connection.list_offset("t", wire.EARLIEST)[2] == 0
        assert connection.produce("t", batch_of(b"next")).base_offset == COUNT
        assert connection.fetch_all("t", COUNT - 1) == [(COUNT - 1, values[-1]), (COUNT, b"next")]
    with Client(server) as client:
        assert client.rows("SELECT count(*), min(\"offset\") FROM topic('t')") == [(COUNT + 1, 0)]


def test_records_are_found_by_time_across_objects(new_server):
    server = new_server(*SOON).start()
    with Connection(server.port) as connection:
        connection.create_topic("t", 1, {"retention.ms": "-1"})
        for i in range(COUNT):
            batch = batch_of(b"x" * SIZE, timestamp=1_000 * i)
            assert connection.produce("t", batch).error == wire.NONE
    segments.wait_until_cut(server, COUNT)
    freed(server)
    with Connection(server.port) as connection:
        for i in (0, 1, COUNT // 2, COUNT - 1):
            assert connection.list_offset("t", 1_000 * i)[1:] == (1_000 * i, i)
            assert connection.list_offset("t", max(1_000 * i - 999, 0))[1:] == (1_000 * i, i)


def test_small_partitions_share_an_object(new_server):
    server = new_server(*SOON).start()
    with Connection(server.port) as connection:
        connection.create_topic("many", 20)
        for partition in range(20):
            assert connection.produce("many", batch_of(b"%d" % partition), partition).error == wire.NONE
    segments.wait_until_cut(server, 1, 19)
    assert any(len(one.parts) > 1 and one.path.parent.name == "mixed" for one in segments.objects(server.data))
    server.restart()
    for partition in range(20):
        assert values_of(server, "many", partition) == [b"%d" % partition]


def test_small_objects_are_merged(new_server):
    """20 partitions, cut many times: few objects hold them in the end, each record at its offset and its time."""
    partitions, rounds = 20, 30
    server = new_server(*SOON).start()
    values = {partition: [] for partition in range(partitions)}
    with Connection(server.port) as connection:
        connection.create_topic("many", partitions, {"retention.ms": "-1"})
        for i in range(rounds):
            for partition in range(partitions):
                value = b"%d of %d " % (i, partition) + b"x" * (20 * partition)
                batch = batch_of(value, timestamp=1_000 * (i + 1))
                assert connection.produce("many", batch, partition).error == wire.NONE
                values[partition].append(value)
            segments.wait_until_cut(server, i + 1, partitions - 1)

    def metric(name):
        with Client(server) as client:
            return client.metrics()["millrace_" + name]

    wait_for("few objects", lambda: metric("segment_objects") <= 10, 20)
    assert metric("segments_merged_total") >= rounds - 10
    assert metric("segment_merge_written_bytes_total") <= 10 * metric("segment_written_bytes_total")
    assert metric("segment_merge_failures_total") == 0
    fill(server, "other", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)  # what is read now is read out of objects
    assert server.terminate() == 0
    of_many = [one for one in segments.objects(server.data) if any(part.partition > 0 for part in one.parts)]
    assert len(of_many) <= 10  # those that were merged are gone
    server.start()
    for partition in range(partitions):
        assert values_of(server, "many", partition) == values[partition]
    with Connection(server.port) as connection:
        for partition in range(partitions):
            for i in (0, 1, rounds // 2, rounds - 1):
                assert connection.list_offset("many", 1_000 * (i + 1), partition)[1:] == (1_000 * (i + 1), i)
                assert connection.fetch_all("many", i, partition)[0] == (i, values[partition][i])


def test_kills_amid_merges_lose_nothing(new_server):
    partitions = 10
    server = new_server(*SOON).start()
    values = {partition: [] for partition in range(partitions)}
    merged = 0
    with Connection(server.port) as connection:
        connection.create_topic("many", partitions, {"retention.ms": "-1"})
    for life in range(6):
        with Connection(server.port) as connection:
            for i in range(10 + life):  # each time it ends at another moment of a merge
                for partition in range(partitions):
                    value = b"%d of life %d " % (i, life) + b"x" * 200
                    assert connection.produce("many", batch_of(value), partition).error == wire.NONE
                    values[partition].append(value)
                segments.wait_until_cut(server, len(values[0]), partitions - 1)
        with Client(server) as client:
            merged += client.metrics()["millrace_segments_merged_total"]
        server.kill()
        server.start()
    assert merged > 10
    fill(server, "other", 3 * COUNT, size=SIZE)
    segments.wait_until_cut(server, 3 * COUNT)
    freed(server)
    for partition in range(partitions):
        assert values_of(server, "many", partition) == values[partition]
    assert server.terminate() == 0
    assert "left alone" not in server.process.text()
    with contextlib.closing(sqlite3.connect(server.data / "catalog.db")) as catalog:
        named = {name for (name,) in catalog.execute("SELECT name FROM segments")}
    assert {str(one.path.relative_to(server.data)) for one in segments.objects(server.data)} == named


def test_expired_objects_go(new_server):
    server = new_server(*SOON).start()
    with Connection(server.port) as connection:
        connection.create_topic("t", 1, {"retention.bytes": "1000000"})
        for i in range(COUNT):
            assert connection.produce("t", batch_of(b"x" * SIZE)).error == wire.NONE
            if i % 10 == 9:
                segments.wait_until_cut(server, i + 1)

        def start():
            return connection.list_offset("t", wire.EARLIEST)[2]

        wait_for("the start moved up", lambda: start() >= COUNT - 20, 20)
        assert start() <= COUNT - 1_000_000 // (SIZE + 100)
    refused = [error for error in errors(server, "t") if error != wire.NONE]
    assert refused == [wire.OFFSET_OUT_OF_RANGE] * len(refused) and len(refused) >= COUNT - 20
    assert server.terminate() == 0
    assert min(part.first for one in segments.objects(server.data) for part in one.parts) >= COUNT - 20


def test_a_deleted_topic_leaves_nothing(cut):
    server, _ = cut
    fill(server, "other", 5)
    assert run("topic", "delete", "t", "--kafka", server.address).returncode == 0
    wait_for("objects expired", lambda: "expired: of deleted topics" in server.process.text())
    assert server.terminate() == 0
    topics = {part.topic for one in segments.objects(server.data) for part in one.parts}
    assert len(topics) <= 1
    server.start()
    assert len(values_of(server, "other")) == 5


def test_a_small_journal_holds_a_long_history(new_server):
    server = new_server(*SMALL, "--journal-max-bytes", "8MiB", "--segment-age-ms", "1h").start()
    values = [b"%06d " % i + b"x" * SIZE for i in range(300)]  # 30 MB
    with Connection(server.port) as connection:
        connection.create_topic("t")
        for value in values:  # while the archive catches up, a record may be refused, to be sent again
            batch = batch_of(value)
            wait_for("room in the journal", lambda batch=batch: connection.produce("t", batch).error == wire.NONE, 30)
    assert values_of(server, "t") == values
    with Client(server) as client:
        assert client.metrics()["millrace_journal_bytes"] <= 8 << 20


def test_damage_is_an_error_of_its_offset_alone(cut):
    server, values = cut
    assert server.terminate() == 0
    victim = segments.objects(server.data)[1]
    (part,) = victim.parts
    journal.overwrite(victim.path, part.data_position + 500, b"\xff")
    server.start()
    expected = [wire.CORRUPT_MESSAGE if i == part.first else wire.NONE for i in range(COUNT)]
    assert errors(server, "t") == expected
    with Connection(server.port) as connection:
        assert connection.produce("t", batch_of(b"next")).base_offset == COUNT
        assert [v for _, v in connection.fetch_all("t", part.first + 1)] == [*values[part.first + 1 :], b"next"]
    (line,) = [line for line in server.process.log if "cannot read" in line]
    assert f" error segments: cannot read offset {part.first} of partition 0 of topic {part.topic}: {victim.path}" in line
    with Client(server) as client:
        assert client.metrics()["millrace_read_failures_total"] == 1


@pytest.mark.parametrize("where", ["index", "tail", "footer", "missing", "short"])
def test_a_damaged_or_missing_object_is_an_error_of_its_offsets_alone(cut, where):
    server, _ = cut
    assert server.terminate() == 0
    victim = segments.objects(server.data)[1]
    (part,) = victim.parts
    if where == "missing":
        victim.path.unlink()
    elif where == "short":
        victim.path.write_bytes(victim.path.read_bytes()[:-1])
    else:
        at = {"index": part.index_position + 20, "tail": victim.topics_position + 2, "footer": victim.bytes - 60}[where]
        good = victim.path.read_bytes()
        journal.overwrite(victim.path, at, bytes([good[at] ^ 0x10]))
    server.start()
    found = errors(server, "t")
    assert found == [wire.CORRUPT_MESSAGE if part.first <= i < part.next else wire.NONE for i in range(COUNT)]


def test_a_start_without_the_catalog_is_refused(cut):
    server, values = cut
    assert server.terminate() == 0
    kept = server.data / "catalog.db"
    kept.rename(server.data / "away")
    status, text = server.refused()
    assert status == 1 and "catalog.db is missing" in text and "nothing was changed" in text
    assert not kept.exists()
    (server.data / "away").rename(kept)
    server.start()
    assert values_of(server, "t") == values


def test_an_older_catalog_is_refused(new_server):
    server = new_server(*SOON).start()
    fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    assert server.terminate() == 0
    shutil.copy(server.data / "catalog.db", server.data / "older")
    server.start()
    fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, 2 * COUNT)
    freed(server)
    assert server.terminate() == 0
    shutil.copy(server.data / "older", server.data / "catalog.db")
    status, text = server.refused()
    assert status == 1
    assert "catalog older than journal: it names no segment objects" in text and "of partition 0 of topic t" in text, text


def test_what_a_crash_left_is_removed_and_what_is_not_known_is_named(cut):
    server, values = cut
    assert server.terminate() == 0
    one = segments.objects(server.data)[0]
    foreign = server.data / "segments" / str(uuid.uuid4()) / "0" / "readme.seg"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("not a segment")
    renamed = one.path.with_name("00000000000000000007-" + one.path.name[21:])
    shutil.copy(one.path, renamed)
    server.start()
    wait_for("both named", lambda: server.process.text().count("is not in the catalog and left alone") == 2)
    assert str(foreign) in server.process.text() and str(renamed) in server.process.text()
    assert f"it was made as segments/{one.path.relative_to(server.data / 'segments')}" in server.process.text()
    assert foreign.exists() and renamed.exists()
    assert values_of(server, "t") == values
