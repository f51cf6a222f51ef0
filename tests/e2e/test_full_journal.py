"""A journal at the end of its budget: what is refused and says why, what works, and how it heals at once."""

import pytest

from . import journal, wire
from .s3 import NOWHERE
from .server import run, wait_for
from .test_serve import SMALL
from .web import Client
from .wire import Connection, batch_of

HOUR = ("--journal-retention-check-ms", "1h")  # nothing heals by waiting
PAD = "x" * 100_000
SOON_S = 20


def budget(mib):
    return (*SMALL, *HOUR, *NOWHERE, "--journal-max-bytes", f"{mib}MiB")


def pinned(client):
    """topic → bytes in the oldest file."""
    name = "millrace_journal_pinned_bytes"
    return {key[len(name) + 8 : -2]: value for key, value in client.metrics().items() if key.startswith(name)}


def write_small_rows(client):
    """Until not even a small row has room; the answer that says so."""
    while True:
        answer = client.post_columns("t", {"n": [1]})
        if answer.status != 204:
            return answer


def fill(server, topic="hoard"):
    """To the end of the budget, by large records and then by small rows."""
    with Connection(server.port) as kafka, Client(server) as client:
        kafka.create_topic(topic)
        while (answer := kafka.produce(topic, batch_of(PAD.encode()), version=8)).error == wire.NONE:
            pass
        assert answer.error == wire.KAFKA_STORAGE_ERROR
        assert "delete topics or records" in answer.message
        return write_small_rows(client)


def lines_about(server, text):
    return [line for line in server.process.log if text in line]


@pytest.mark.parametrize("how", [None, "kill", "terminate"])
def test_a_topic_is_deleted_though_the_journal_is_full(new_server, how):
    server = new_server(*budget(16)).start()
    refused = fill(server)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert "journal.max_bytes" in refused.error and "delete topics or records" in refused.error
    if how:
        getattr(server, how)()
        server.start()
    deleted = run("topic", "delete", "hoard", "--kafka", server.address)
    assert deleted.returncode == 0, deleted.stderr
    with Client(server) as client, Connection(server.port) as kafka:
        wait_for("room again", lambda: client.post_columns("t", {"pad": [PAD]}).status == 204, SOON_S)
        kafka.create_topic("next")
        assert kafka.produce("next", batch_of(b"x")).error == wire.NONE
        assert "writes" not in client.get("/ready").json
        if not how:
            (line,) = lines_about(server, "writes are taken again: ")
            assert " info journal: " in line
        used = client.metrics()["millrace_journal_bytes"]
        assert used <= 16 << 20, used


def test_it_is_told_that_writes_are_refused_and_what_helps(new_server):
    server = new_server(*budget(16)).start()
    with Client(server) as client:
        ready = client.get("/ready")
        assert ready.json == {"status": "ready", "tables_being_rebuilt": 0, "tables_damaged": 0}
        assert client.metrics()["millrace_journal_full"] == 0
        fill(server)
        for restart in (False, True):
            if restart:
                server.restart()
                client = Client(server)
            ready, health, metrics = client.get("/ready"), client.get("/health"), client.metrics()
            assert ready.status == health.status == 200, "reads go on"
            assert ready.json["writes"] == "refused"
            assert ready.json["journal_bytes"] == metrics["millrace_journal_bytes"]
            assert ready.json["journal_max_bytes"] == 16 << 20
            for message in (ready.json["message"], health.json["message"]):
                for part in ("refused", str(16 << 20), "delete topics or records", "flush tables", "raise journal.max_bytes"):
                    assert part in message, message
            assert metrics["millrace_journal_full"] == 1
            assert (metrics["millrace_journal_refused_total"] == 0) == restart
    assert run("topic", "delete", "hoard", "--kafka", server.address).returncode == 0
    wait_for("a free journal", lambda: client.metrics()["millrace_journal_full"] == 0, SOON_S)
    assert client.get("/health").json["message"] == "ready for reads and writes"


def test_a_flush_frees_the_files_that_it_was_waited_for(new_server):
    server = new_server(*budget(16)).start()
    with Client(server) as client:
        for _ in range(40):
            client.write("t", {"pad": [PAD]})
        assert len(journal.files(server.data)) > 3
        assert client.flush("t")["hot_rows"] == 0
        wait_for("the old files to be gone", lambda: len(journal.files(server.data)) == 1, SOON_S)


def test_a_quiet_table_is_flushed_before_it_stops_all_writers(new_server):
    server = new_server(*budget(16)).start()
    with Client(server) as client, Connection(server.port) as kafka:
        client.write("quiet", {"n": [7]})
        kafka.create_topic("busy", configs={"retention.bytes": "2000000"})
        for _ in range(300):
            answer = kafka.produce("busy", batch_of(PAD.encode()), version=8)
            assert answer.error == wire.NONE, answer.message
        assert client.rows("SELECT n FROM quiet") == [(7,)]
        assert client.table("quiet")["hot_rows"] == 0
        assert client.metrics()['millrace_table_flushes_total{reason="journal"}'] == 1


def test_metrics_and_log_name_what_pins_the_oldest_file(new_server):
    server = new_server(*budget(16)).start()
    with Client(server) as client, Connection(server.port) as kafka:
        kafka.create_topic("first")
        kafka.create_topic("second")
        for topic in ("first", "second"):
            assert kafka.produce(topic, batch_of(PAD.encode())).error == wire.NONE
        assert pinned(client) == {}
        fill(server)
        found = pinned(client)
        assert set(found) == {"first", "second", "hoard"}
        assert 100_000 < found["first"] == found["second"] < 101_000 < found["hoard"] < 1 << 20
        for _ in range(200):
            assert write_small_rows(client).status == 503
        (line,) = lines_about(server, "the oldest file is kept for: ")
        assert line.endswith("kept for: first, hoard, second")
        (line,) = lines_about(server, "writes are refused: ")
        assert "delete topics or records" in line
        kept = "; all of it is kept for first, hoard, second"
        assert line.endswith(kept)
        assert client.get("/ready").json["message"].endswith(kept)
        described = run("topic", "describe", "first", "--kafka", server.address, "--http", server.http_address)
        total = int(client.metrics()["millrace_journal_bytes"])
        assert f": all {total} bytes of the journal cannot be freed while it keeps them" in described.stdout
        assert kafka.delete_topic("hoard") == wire.NONE
        wait_for("others to be named", lambda: set(pinned(client)) <= {"first", "second"}, SOON_S)
