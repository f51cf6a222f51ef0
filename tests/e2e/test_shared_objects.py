"""Segment objects that topics share: retention and deletion take the parts of one, and the others stay."""

import sqlite3

import pytest

from . import journal, segments
from .server import run, wait_for
from .web import Client
from .wire import NONE, Connection, batch_of

LONG_S = 60
KEPT = {"durability": "object", "retention.ms": "-1", "max.message.bytes": "2000000"}
# What comes within a linger shares an object, which is too large for a merge.
FLAGS = ("--segment-age-ms", "1s", "--object-linger-ms", "2s",
         "--journal-file-bytes", "1MiB", "--journal-retention-check-ms", "100ms")  # fmt: skip
SIZE = 20_000


def produce(server, *records):
    """All at once."""
    with Connection(server.port) as connection:
        for sent in [connection.send_produce(topic, batch_of(value)) for topic, value in records]:
            assert connection.receive_produced(sent).error == NONE


def shared(server, settings):
    """40 records of the topic `short`, in objects that it shares with `kept`."""
    with Connection(server.port) as connection:
        assert connection.create_topic("kept", 1, KEPT) == (NONE, None)
        assert connection.create_topic("short", 1, KEPT | settings) == (NONE, None)
    values = [b"%d" % i + b"s" * SIZE for i in range(40)]
    produce(server, *(record for value in values for record in (("kept", b"k" * SIZE), ("short", value))))
    assert all(len(one.parts) == 2 for one in segments.objects(server.data))


def forget(server):
    """The journal has nothing any more of what was written before."""
    newest = max(journal.files(server.data))
    with Connection(server.port) as connection:
        assert connection.create_topic("filler", 1, {"retention.ms": "-1"}) == (NONE, None)
    produce(server, *[("filler", b"f" * SIZE)] * 150)
    wait_for("its files to go", lambda: min(journal.files(server.data)) > newest, LONG_S)


def checked(server):
    return run("fsck", "--data", server.data, "--json", timeout=LONG_S)


def test_a_directory_is_sound_where_the_journal_begins_amid_a_part_that_is_gone(new_server):
    server = new_server(*FLAGS, "--segment-bytes", "2MiB").start()
    shared(server, {"retention.bytes": "100000"})
    produce(server, *[("short", b"s" * SIZE)] * 10)
    wait_for("the part to go", lambda: "short partition 0 is kept from offset" in server.process.text(), LONG_S)
    wait_for("a file of the journal to go", lambda: 1 not in journal.files(server.data), LONG_S)
    server.kill()
    assert checked(server).returncode == 0, checked(server).stdout
    assert server.start().terminate() == 0
    assert checked(server).returncode == 0, checked(server).stdout


@pytest.mark.parametrize("settings", [{}, {"retention.bytes": "1000000000"}])
def test_a_row_that_lost_a_part_which_is_not_expired_is_damage(new_server, settings):
    server = new_server(*FLAGS, "--segment-bytes", "2MiB").start()
    shared(server, settings)
    produce(server, *[("short", b"s" * SIZE)] * 10)
    forget(server)
    assert server.terminate() == 0
    assert checked(server).returncode == 0
    with sqlite3.connect(server.data / "catalog.db") as catalog:
        gone = "DELETE FROM segment_parts WHERE first = 0 AND topic_id = (SELECT id FROM topics WHERE name = 'short')"
        assert catalog.execute(gone).rowcount == 1
    catalog.close()
    found = checked(server)
    assert found.returncode == 1 and '"catalog-row"' in found.stdout, found.stdout


def test_a_deleted_topic_is_remembered_until_the_object_it_shared_is_gone(new_server):
    """A rebuild within the grace knows then what the object held, and the next start removes it."""
    server = new_server(*FLAGS, "--segment-bytes", "256KiB").start()
    with Connection(server.port) as connection, Client(server) as client:
        for topic in ("kept", "gone"):
            assert connection.create_topic(topic, 1, KEPT) == (NONE, None)
        produce(server, ("kept", b"k" * 2_000), *[("gone", b"g" * SIZE)] * 10)
        assert connection.delete_topic("gone") == NONE
        wait_for("its part to go", lambda: "expired: of deleted topics" in server.process.text(), LONG_S)
        for _ in range(3):  # objects to be merged with the first, of which little is wanted now
            produce(server, ("kept", b"k" * 2_000))
        wait_for("a merge", lambda: client.metrics()["millrace_segments_merged_total"] >= 2, LONG_S)
        forget(server)
    server.kill()
    assert checked(server).returncode == 0
    rebuilt = run("rebuild", "--replace", "--data", server.data, timeout=LONG_S)
    assert rebuilt.returncode == 0, rebuilt.stderr
    server.start()
    with Connection(server.port) as connection:
        assert len(connection.fetch_all("kept")) == 4
    assert server.terminate() == 0
    assert checked(server).returncode == 0, checked(server).stdout
