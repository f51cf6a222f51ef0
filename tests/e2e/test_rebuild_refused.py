"""millrace rebuild and starts where a part of the directory is not there, or is of another time."""

import json
import shutil

import pytest

from . import segments, wire
from .s3 import KEYS
from .server import run, wait_for
from .test_rebuild import SIZE, SOON, rebuild, refusal
from .test_serve import SMALL, fill, values_of
from .web import Client
from .wire import Connection, batch_of

OBJECT = {"durability": "object", "retention.ms": "-1"}


def lose_catalog(data):
    for path in data.glob("catalog.db*"):
        path.unlink()


def test_a_journal_older_than_the_objects_is_refused_and_offsets_are_not_given_twice(new_server, tmp_path):
    server = new_server(*SOON).start()
    fill(server, "t", 10, size=SIZE)
    segments.wait_until_cut(server, 10)
    assert server.terminate() == 0
    shutil.copytree(server.data / "journal", tmp_path / "older")
    server.start()
    with Connection(server.port) as connection:
        for i in range(10):
            assert connection.produce("t", batch_of(b"%d " % i + b"x" * SIZE)).error == wire.NONE
    segments.wait_until_cut(server, 20)
    assert server.terminate() == 0
    shutil.rmtree(server.data / "journal")
    shutil.copytree(tmp_path / "older", server.data / "journal")
    assert "journal older than catalog" in refusal(server.data, "--replace")
    lose_catalog(server.data)
    said = refusal(server.data)
    assert "journal older than" in said and "has partition 0 of topic t up to offset" in said, said
    assert not (server.data / "catalog.db").exists()


@pytest.mark.parametrize("kind", ["tables alone", "all topics deleted"])
def test_a_catalog_is_made_again_where_the_bucket_has_nothing(new_server, s3, request, kind):
    bucket = s3.flags(request.node.name.translate(str.maketrans("[] ", "---")))
    server = new_server(*SMALL, *bucket, **KEYS).start()
    with Client(server) as client, Connection(server.port) as connection:
        if kind == "tables alone":
            for i in range(3):
                client.write("cpu", {"n": [i], "pad": ["y" * SIZE], "time": [1_700_000_000 + i]})
            client.flush("cpu")
        else:
            assert connection.create_topic("t", 1, OBJECT) == (0, None)
            assert connection.produce("t", batch_of(b"x")).error == wire.NONE
            assert connection.delete_topic("t") == wire.NONE
    assert server.terminate() == 0
    lose_catalog(server.data)
    report = rebuild(server, bucket=bucket)
    assert report["objects"] == 0
    server.start()
    if kind == "tables alone":
        with Client(server) as client:
            assert client.rows("SELECT count(*), sum(n) FROM cpu") == [(3, 3)]


def test_after_a_rebuild_nothing_of_an_object_topic_is_readable_that_no_object_has(new_server, s3, request):
    bucket = s3.flags(request.node.name)
    server = new_server("--object-linger-ms", "250ms", *bucket, **KEYS).start()
    with Connection(server.port) as connection:
        assert connection.create_topic("t", 1, OBJECT) == (0, None)
        assert connection.produce("t", batch_of(b"acknowledged")).error == wire.NONE
        s3.stop()
        connection.send_produce("t", batch_of(b"not yet"))
        with Client(server) as client:
            wait_for("failed uploads", lambda: client.metrics()["millrace_upload_failures_total"] >= 1, 30)
    server.kill()
    lose_catalog(server.data)
    s3.start()
    (topic,) = rebuild(server, bucket=bucket)["topics"]
    assert topic["partitions"][0]["next"] == 2, "the next record is behind it"
    s3.stop()
    server.start()
    with Connection(server.port) as connection:
        assert connection.list_offset("t", wire.LATEST)[2] == 1
        s3.start()
        wait_for("it to be uploaded", lambda: connection.list_offset("t", wire.LATEST)[2] == 2, 60)
    assert values_of(server, "t") == [b"acknowledged", b"not yet"]


def test_a_server_begins_nothing_beside_the_objects_of_a_lost_journal(new_server):
    server = new_server(*SOON).start()
    fill(server, "t", 10, size=SIZE)
    segments.wait_until_cut(server, 10)
    assert server.terminate() == 0
    lose_catalog(server.data)
    shutil.rmtree(server.data / "journal")
    before = sorted(server.data.rglob("*"))
    for _ in range(2):
        status, told = server.refused()
        assert status == 1 and "journal and catalog.db are missing, and segments/ has" in told
        assert sorted(server.data.rglob("*")) == before
        (server.data / "journal").mkdir(exist_ok=True)  # as if a disk of its own were not mounted
        before = sorted(server.data.rglob("*"))


def test_objects_of_a_topic_that_was_deleted_after_a_lost_machine_go(new_server, s3, request):
    bucket = s3.flags(request.node.name)
    server = new_server(*SMALL, *bucket, **KEYS).start()
    with Connection(server.port) as connection:
        for topic in ("stays", "goes"):
            assert connection.create_topic(topic, 1, OBJECT) == (0, None)
            assert connection.produce(topic, batch_of(topic.encode())).error == wire.NONE
    server.kill()
    shutil.rmtree(server.data)
    rebuild(server, bucket=bucket)
    server.start()
    with Connection(server.port) as connection:
        assert connection.delete_topic("goes") == wire.NONE
    server.kill()
    rebuild(server, "--replace", bucket=bucket)
    server.start()
    assert server.terminate() == 0, "what is leaving is gone then"
    checked = run("fsck", "--data", server.data, *bucket, "--json", **KEYS)
    assert checked.returncode == 0, checked.stdout


def test_an_empty_journal_folder_makes_a_directory_no_owner_of_a_bucket(new_server, s3, request, tmp_path):
    bucket = s3.flags(request.node.name)
    server = new_server(*SMALL, *bucket, **KEYS).start()
    with Connection(server.port) as connection:
        assert connection.create_topic("t", 1, OBJECT) == (0, None)
        assert connection.produce("t", batch_of(b"x")).error == wire.NONE
    server.kill()
    other = new_server(*SMALL, *bucket, data=tmp_path / "other", **KEYS)
    (tmp_path / "other" / "journal").mkdir(parents=True)
    status, told = other.refused()
    assert status == 1 and "objects of another one" in told
    said = json.loads(run("rebuild", "--data", tmp_path / "new", *bucket, "--json", **KEYS).stdout)
    assert said["is_new_directory"] and said["objects"] == 1
