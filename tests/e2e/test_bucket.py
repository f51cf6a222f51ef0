"""Segment objects in a bucket of a real S3 server: written at once, read back, while it is away and back again."""

import json
import shutil
import sqlite3

import pytest

from . import journal, wire
from .s3 import KEYS
from .server import run, wait_for
from .test_serve import SMALL, fill, values_of
from .web import Client
from .wire import Connection, batch_of

SOON = (*SMALL, "--segment-bytes", "512KiB", "--segment-age-ms", "200ms", "--journal-retention-check-ms", "100ms")
COUNT = 30
SIZE = 100_000


@pytest.fixture
def new_bucket_server(new_server, s3, request):
    """A server whose objects go below a prefix of this test's own."""

    def make(*flags):
        return new_server(*SOON, *s3.flags(request.node.name), *flags, **KEYS)

    make.made = new_server.made
    yield make
    if s3.popen is None:
        s3.start()


def metric(server, name):
    with Client(server) as client:
        return client.metrics()[name]


def puts(server):
    return metric(server, 'millrace_store_requests_total{kind="put"}')


def freed(server):
    wait_for("journal files freed", lambda: len(journal.files(server.data)) <= 2, 30)


def test_everything_is_read_out_of_the_bucket(new_bucket_server):
    server = new_bucket_server().start()
    values = fill(server, "t", COUNT, size=SIZE)
    freed(server)
    assert values_of(server, "t") == values
    assert not (server.data / "segments").exists()
    assert metric(server, "millrace_segment_objects") >= COUNT * SIZE // (1 << 20)
    wait_for("a request an object", lambda: puts(server) >= metric(server, "millrace_segments_written_total"))
    for _ in range(2):
        server.kill()
        server.start()
        assert values_of(server, "t") == values
    assert metric(server, 'millrace_cache_reads_total{result="hit"}') > 0
    assert metric(server, 'millrace_store_read_bytes_total') < COUNT * SIZE // 2, "most of it is on the disk"
    assert server.terminate() == 0
    shutil.rmtree(server.data / "cache")
    server.start()
    assert values_of(server, "t") == values
    assert metric(server, 'millrace_store_read_bytes_total') > COUNT * SIZE // 2


def test_objects_of_the_bucket_are_dumped(new_bucket_server, s3, request):
    server = new_bucket_server().start()
    values = fill(server, "t", COUNT, size=SIZE)
    freed(server)
    assert server.terminate() == 0
    flags = s3.flags(request.node.name)
    dumped = run("dump", "--json", "--records", *flags, timeout=60, **KEYS)
    assert dumped.returncode == 0, dumped.stderr
    lines = [json.loads(line) for line in dumped.stdout.splitlines()]
    shown = [line["value"].encode() for line in lines if line["type"] == "record"]
    assert shown == values[: len(shown)] and len(shown) > COUNT // 2  # the journal still has the end
    name = [line["file"] for line in lines if line["type"] == "object"][-1].partition(f"{request.node.name}/")[2]
    one = run("dump", "--json", "--records", name, *flags, **KEYS).stdout.splitlines()
    assert one == dumped.stdout.splitlines()[-len(one) :] and json.loads(one[0])["type"] == "object"
    missing = run("dump", "segments/none.seg", *flags, **KEYS)
    assert (missing.returncode, "segments/none.seg" in missing.stderr) == (1, True)


def test_a_server_starts_and_takes_records_while_its_bucket_is_away(new_bucket_server, s3):
    server = new_bucket_server().start()
    values = fill(server, "t", COUNT, size=SIZE)
    freed(server)
    assert server.terminate() == 0
    s3.stop()
    server.start()
    with Connection(server.port) as connection:
        assert connection.produce("t", batch_of(b"next")).base_offset == COUNT
        assert connection.fetch("t", 0).error == wire.KAFKA_STORAGE_ERROR, "it is in the bucket alone"
    wait_for("a line about it", lambda: "nothing is lost, and it is tried again" in server.process.text(), 60)
    s3.start()
    wait_for("the line that it is over", lambda: "objects are written and removed again" in server.process.text(), 60)
    assert values_of(server, "t") == [*values, b"next"]


def test_a_bucket_that_goes_away_costs_room_in_the_journal_alone(new_bucket_server, s3):
    server = new_bucket_server().start()
    values = fill(server, "t", COUNT, size=SIZE)
    freed(server)
    s3.stop()
    with Connection(server.port) as connection:
        for i in range(COUNT):
            assert connection.produce("t", batch_of(b"%d " % i + b"y" * SIZE)).error == wire.NONE
    wait_for("a failure", lambda: metric(server, "millrace_segment_failures_total") >= 1, 60)
    assert len(journal.files(server.data)) > 3
    s3.start()
    freed(server)
    assert values_of(server, "t") == values + [b"%d " % i + b"y" * SIZE for i in range(COUNT)]


OBJECT = {"durability": "object"}


def test_an_object_topic_is_acknowledged_when_the_bucket_has_it(new_bucket_server, s3):
    server = new_bucket_server().start()
    with Connection(server.port) as connection, Connection(server.port) as reader:
        assert connection.create_topic("t", 1, OBJECT) == (0, None)
        for i in range(3):
            assert connection.produce("t", batch_of(b"%d" % i)).base_offset == i
            assert metric(server, "millrace_uploads_total") == i + 1
            assert reader.list_offset("t", wire.LATEST)[2] == i + 1
        s3.stop()
        sent = connection.send_produce("t", batch_of(b"3"))
        wait_for("failed uploads", lambda: metric(server, "millrace_upload_failures_total") >= 1, 30)
        assert reader.list_offset("t", wire.LATEST)[2] == 3, "readers do not see what is not acknowledged"
        assert reader.fetch("t", 3).records == b""
        with Client(server) as client:
            assert s3.endpoint.removeprefix("http://") in client.get("/ready").json["object_message"]
            assert "writes to durability=object topics wait for the object store" in server.process.text()
            s3.start()
            assert connection.receive_produced(sent).base_offset == 3
            wait_for("/ready to say nothing of it", lambda: "object_writes" not in client.get("/ready").json)
        wait_for("the log to say so", lambda: "writes to durability=object topics are in the object store again" in server.process.text())
        assert reader.fetch_all("t") == [(i, b"%d" % i) for i in range(4)]
    server.kill()
    server.start()
    assert values_of(server, "t") == [b"%d" % i for i in range(4)]


def test_nothing_waits_for_the_bucket_once_its_topic_is_deleted(new_bucket_server, s3):
    server = new_bucket_server().start()
    with Connection(server.port) as connection, Connection(server.port) as other, Client(server) as client:
        assert connection.create_topic("t", 1, OBJECT) == (0, None)
        s3.stop()
        connection.send_produce("t", batch_of(b"0"))
        wait_for("/ready to say that it waits", lambda: "object_writes" in client.get("/ready").json, 30)
        assert other.delete_topic("t") == wire.NONE
        wait_for("/ready to say nothing of it", lambda: "object_writes" not in client.get("/ready").json, 30)
    s3.start()


def test_many_producers_of_object_topics_share_objects(new_bucket_server):
    server = new_bucket_server("--object-linger-ms", "250ms").start()
    with Connection(server.port) as connection:
        assert connection.create_topic("t", 8, OBJECT) == (0, None)
    connections = [Connection(server.port) for _ in range(8)]
    for _ in range(3):
        sent = [(c, c.send_produce("t", batch_of(b"x"), p)) for p, c in enumerate(connections)]
        for connection, correlation in sent:
            assert connection.receive_produced(correlation).error == wire.NONE
    for connection in connections:
        connection.close()
    assert metric(server, "millrace_uploads_total") <= 2 * 3
    assert all(values_of(server, "t", p) == [b"x"] * 3 for p in range(8))


def test_a_stop_answers_who_waits_for_the_bucket(new_bucket_server, s3):
    server = new_bucket_server("--server-drain-ms", "300ms").start()
    with Connection(server.port) as connection:
        assert connection.create_topic("t", 1, OBJECT) == (0, None)
        s3.stop()
        connection.send_produce("t", batch_of(b"late"))
        wait_for("failed uploads", lambda: metric(server, "millrace_upload_failures_total") >= 1, 30)
        assert server.terminate() == 0
    s3.start()
    server.start()
    with Connection(server.port) as connection:
        wait_for("the record", lambda: connection.list_offset("t", wire.LATEST)[2] == 1)
        assert connection.fetch_all("t") == [(0, b"late")]


def test_an_offset_that_waits_for_its_object_is_waited_for_and_not_out_of_range(new_bucket_server, s3):
    server = new_bucket_server().start()
    with Connection(server.port) as connection, Connection(server.port) as other:
        assert connection.create_topic("t", 1, OBJECT) == (0, None)
        assert connection.produce("t", batch_of(b"0")).error == wire.NONE
        s3.stop()
        connection.send_produce("t", batch_of(b"1"))
        wait_for("failed uploads", lambda: metric(server, "millrace_upload_failures_total") >= 1, 30)
        for offset in (1, 2):
            found = other.fetch("t", offset)
            assert (found.error, found.high_watermark, found.records) == (wire.NONE, 1, b""), found
        assert other.fetch("t", 3).error == wire.OFFSET_OUT_OF_RANGE
        s3.start()
        wait_for("the record", lambda: other.list_offset("t", wire.LATEST)[2] == 2, 30)
        assert other.fetch_all("t", 1) == [(1, b"1")]


def test_the_end_of_an_object_topic_stays_when_all_its_objects_expired(new_bucket_server, s3):
    server = new_bucket_server("--object-linger-ms", "20ms").start()
    with Connection(server.port) as connection:
        assert connection.create_topic("t", 1, {**OBJECT, "retention.ms": "500"}) == (0, None)
        for i in range(3):
            assert connection.produce("t", batch_of(b"%d" % i)).error == wire.NONE
    wait_for("its objects to expire", lambda: metric(server, "millrace_segment_objects") == 0, 30)
    s3.stop()  # nothing is uploaded again
    server.kill()
    server.start()
    with Connection(server.port) as connection:
        assert connection.list_offset("t", wire.LATEST)[2] == 3
        assert connection.fetch("t", 3).error == wire.NONE
    s3.start()


def test_a_bucket_that_is_not_there_is_named_and_nothing_is_lost(new_server, s3):
    flags = ("--bucket", "s3://nowhere", "--bucket-endpoint", s3.endpoint, "--bucket-region", "us-east-1")
    server = new_server(*SOON, *flags, **KEYS).start()
    values = fill(server, "t", COUNT, size=SIZE)
    wait_for("a line that names it", lambda: "nowhere" in server.process.text(), 30)
    assert values_of(server, "t") == values
    assert server.terminate() == 0


def test_a_directory_with_objects_in_a_bucket_starts_with_that_bucket_alone(new_bucket_server, new_server, s3, request):
    server = new_bucket_server().start()
    values = fill(server, "t", COUNT, size=SIZE)
    freed(server)
    assert server.terminate() == 0
    before = journal.checksums(server.data)
    here, elsewhere = s3.flags(request.node.name), s3.flags(request.node.name + "-2")
    server.arguments = [argument for argument in server.arguments if argument not in here]
    for flags in ((), elsewhere):
        status, told = server.refused(*flags)
        assert status != 0 and f"are in s3://test/{request.node.name}, not in" in told
        for verb in (("fsck",), ("rebuild", "--replace"), ("rebuild", "--dry-run")):
            refused = run(*verb, "--data", server.data, *flags, **KEYS)
            assert refused.returncode != 0 and ("--bucket" in refused.stderr or "bucket and prefix" in refused.stderr), refused
    assert journal.checksums(server.data) == before
    with sqlite3.connect(server.data / "catalog.db") as catalog:
        catalog.execute("DELETE FROM meta WHERE key = 'store'")  # of a server that did not remember it
    catalog.close()
    for flags in ((), elsewhere):
        status, told = server.refused(*flags)
        assert status != 0 and "has none of that name" in told
    server.start(*here)
    assert values_of(server, "t") == values
    assert server.terminate() == 0

    other = new_server(*SOON, *elsewhere, **KEYS).start()
    fill(other, "u", COUNT, size=SIZE)
    freed(other)
    assert other.terminate() == 0
    refused = run("rebuild", "--replace", "--data", server.data, *elsewhere, **KEYS)
    assert refused.returncode != 0 and f"are in s3://test/{request.node.name}, not in" in refused.stderr
    shutil.rmtree(other.data)
    s3.move(request.node.name + "-2", request.node.name + "-3")
    s3.move(request.node.name, request.node.name + "-2")
    rebuilt = run("rebuild", "--replace", "--data", server.data, *elsewhere, **KEYS)
    assert rebuilt.returncode == 0, rebuilt.stderr
    server.start(*elsewhere)
    assert values_of(server, "t") == values


def test_fsck_reads_the_objects_of_a_bucket(new_bucket_server, s3, request):
    server = new_bucket_server().start()
    fill(server, "t", COUNT, size=SIZE)
    freed(server)
    assert server.terminate() == 0
    before = journal.checksums(server.data)

    def fsck():
        done = run("fsck", "--data", server.data, "--json", *s3.flags(request.node.name), **KEYS)
        *findings, summary = map(json.loads, done.stdout.splitlines())
        assert done.returncode == (1 if findings else 0), done.stderr
        return findings, summary

    findings, summary = fsck()
    assert findings == [] and summary["objects"] >= COUNT * SIZE // (1 << 20) and summary["bytes"] > COUNT * SIZE
    s3.move(request.node.name, "aside")
    findings, _ = fsck()
    assert {finding["problem"] for finding in findings} == {"missing-object"} and len(findings) == summary["objects"]
    assert journal.checksums(server.data) == before
