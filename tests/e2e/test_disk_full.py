"""A full disk, a full memory: writes are told to come later, reads go on, and it heals by itself."""

import threading
import time

import pytest

from . import journal, segments, wire
from .s3 import NOWHERE
from .server import wait_for
from .test_segments import SOON
from .test_serve import SMALL, fill, small_disk, values_of  # noqa: F401 - a fixture
from .web import Client
from .wire import Connection, batch_of

PAD = "x" * 100_000
FLUSHING = ("--tables-flush-age-ms", "200", "--journal-retention-check-ms", "100ms")
LIMIT_S = 60  # a flush that failed is tried again after 1, 2, 4 .. s
GRACE_S = 60  # of the readers of an object that is not needed any more


class Rows:
    """What one client wrote, and what it was told."""

    def __init__(self, server, table="t"):
        self.server = server
        self.table = table
        self.client = Client(server)
        self.acknowledged = []
        self.sent = 0

    def again(self):
        """After a restart."""
        self.client = Client(self.server)

    def write(self, pad=PAD):
        """True when it was taken; what is refused must say when to come again."""
        n, self.sent = self.sent, self.sent + 1
        answer = self.client.post_columns(self.table, {"n": [n], "pad": [pad]})
        if answer.status == 204:
            self.acknowledged.append(n)
            return True
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1"), answer.text
        assert answer.json["error"]["code"] == "overloaded", answer.text
        return False

    def write_until(self, is_taken, what):
        wait_for(what, lambda: self.write() == is_taken, LIMIT_S)

    def check(self):
        """Every acknowledged row, no row that was refused, none twice."""
        found = self.client.rows(f"SELECT n, length(pad) FROM {self.table} ORDER BY n")
        assert found == [(n, len(PAD)) for n in self.acknowledged]


@pytest.fixture
def ballast(small_disk):  # noqa: F811
    """Fills so many MiB of the disk; 0 gives them back."""

    def fill(mib):
        path = small_disk / "ballast"
        path.unlink(missing_ok=True)
        if mib:
            path.write_bytes(b"\0" * (mib << 20))

    return fill


def fill_up(path):
    """To the last page."""
    try:
        with path.open("ab", buffering=0) as file:
            while file.write(b"\0" * 4096) == 4096:
                pass
    except OSError:
        pass


def test_writes_wait_for_space_and_no_row_is_lost(new_server, small_disk, ballast):  # noqa: F811
    """Rotation has no room: nothing is flushed here, so that every row stands in the journal alone."""
    server = new_server(*SMALL, "--journal-max-bytes", "1GiB", data=small_disk / "data").start()
    rows = Rows(server)
    rows.write()
    ballast(12)
    rows.write_until(False, "the disk to be full")
    rows.check()
    assert rows.client.get("/health").status == 200, "full is not broken"
    ballast(0)
    rows.write_until(True, "room again")
    rows.check()
    ballast(6)
    rows.write_until(False, "the disk to be full again")
    server.kill()
    server.start()  # on a full disk
    rows.again()
    rows.check()
    ballast(0)
    rows.write_until(True, "room after the restart")
    rows.check()


def test_flushes_wait_for_space_and_no_row_is_lost(new_server, small_disk, ballast):  # noqa: F811
    server = new_server(*SMALL, *FLUSHING, "--journal-max-bytes", "1GiB", data=small_disk / "data").start()
    rows = Rows(server)
    rows.write()
    wait_for("a flush", lambda: rows.client.flushes() > 0)

    def failures():
        return rows.client.metrics()["millrace_table_flush_failures_total"]

    def fills_up():
        """To the last page; a write here and there finds room again, as files are freed."""
        fill_up(small_disk / "filler")
        rows.write()
        return failures() > 0

    wait_for("a flush without room", fills_up, LIMIT_S)
    rows.check()
    assert rows.client.get("/health").status == 200, "full is not broken"
    flushed = rows.client.flushes()
    (small_disk / "filler").unlink()
    rows.write_until(True, "room again")
    wait_for("a flush that works again", lambda: rows.client.flushes() > flushed, LIMIT_S)
    rows.check()
    server.kill()
    server.start()
    rows.again()
    rows.check()


def test_a_start_on_a_disk_without_a_free_byte(new_server, small_disk):  # noqa: F811
    server = new_server(*SMALL, data=small_disk / "data").start()
    rows = Rows(server)
    for _ in range(15):
        assert rows.write()
    rows.client.flush("t")
    for _ in range(3):
        assert rows.write()
    server.kill()
    fill_up(small_disk / "filler")
    server.start()
    rows.again()
    rows.check()
    (small_disk / "filler").unlink()
    rows.write_until(True, "room again")
    rows.check()


def test_tables_that_nobody_read_before_are_read_on_a_full_disk(new_server, small_disk):  # noqa: F811
    server = new_server(*SMALL, data=small_disk / "data").start()
    with Client(server) as client:
        for i in range(10):
            client.write(f"t{i}", {f"v{k}": [i] for k in range(100)})
        for i in range(5):
            client.flush(f"t{i}")
        fill_up(small_disk / "filler")
        for i in range(10):
            assert client.rows(f"SELECT v0, v99 FROM t{i}") == [(i, i)]
        (small_disk / "filler").unlink()


@pytest.mark.parametrize("how", [None, "kill"])
def test_objects_of_a_deleted_topic_leave_a_full_disk(new_server, small_disk, how):  # noqa: F811
    """To forget them takes room in the catalog, of which the disk has none; to make other objects too."""
    server = new_server(*SOON, "--journal-max-bytes", "1GiB", data=small_disk / "data").start()
    fill(server, "t", 40, size=len(PAD))
    segments.wait_until_cut(server, 40)
    values = []

    def write(connection):
        error = connection.produce("other", batch_of(b"%06d" % len(values) + PAD.encode())).error
        assert error in (wire.NONE, wire.KAFKA_STORAGE_ERROR)
        if error == wire.NONE:
            values.append(b"%06d" % len(values) + PAD.encode())
        return error == wire.NONE

    with Connection(server.port) as connection:
        connection.create_topic("other")
        for _ in range(10):  # an object that is being made takes room, and gives it back

            def is_full():
                fill_up(small_disk / "filler")
                return not write(connection)

            wait_for("the disk to be full", is_full, LIMIT_S)
        assert connection.delete_topic("t") == wire.NONE
    wait_for("the objects to be expired", lambda: "of deleted topics" in server.process.text(), LIMIT_S)
    assert sum(one.bytes for one in segments.objects(server.data)) > 30 * len(PAD), "readers have their grace"
    if how:
        getattr(server, how)()
        fill_up(small_disk / "filler")
        server.start()
    with Connection(server.port) as connection:
        for _ in range(5):
            wait_for("room again", lambda: write(connection), LIMIT_S + GRACE_S)
    assert (server.data / "reserve").stat().st_size > 1 << 20, "for the next time"
    assert values_of(server, "other") == values


def test_a_spent_journal_budget_heals_when_nothing_keeps_it(new_server):
    """Rows wait in the journal until they are in files; a Kafka topic keeps the oldest file of it."""
    server = new_server(*SMALL, *NOWHERE, "--journal-max-bytes", "8MiB", "--journal-retention-check-ms", "1h").start()
    rows = Rows(server)
    with Connection(server.port) as kafka:
        kafka.create_topic("hoard")
        assert kafka.produce("hoard", wire.batch_of(b"kept")).error == wire.NONE
    rows.write_until(False, "the budget to be spent")
    rows.check()
    assert rows.client.get("/ready").status == 200
    assert rows.client.flush("t")["hot_rows"] == 0  # works on a spent budget
    assert not rows.write(), "the topic is still there"
    with Connection(server.port) as kafka:
        assert kafka.delete_topic("hoard") == wire.NONE
    rows.write_until(True, "room again")
    rows.check()
    with Connection(server.port) as kafka:
        assert kafka.list_offset("main.t", wire.EARLIEST)[2] > 0


def test_hot_rows_beyond_the_memory_budget_wait_for_a_flush(new_server):
    """Writers that outrun the flushes are told to come later; memory stays within its budget."""
    server = new_server("--memory-max-bytes", "64MiB", "--tables-flush-bytes", "4MiB").start()
    refused, failures, acknowledged = [], [], [0] * 4

    def write(number):
        try:
            with Client(server) as client:
                for _ in range(60):
                    answer = client.post_columns(f"t{number}", {"n": [number] * 20, "pad": [PAD[:50_000]] * 20})
                    if answer.status == 204:
                        acknowledged[number] += 20
                    elif answer.status == 503 and answer.headers["Retry-After"] == "1":
                        refused.append(answer.error)
                    else:
                        failures.append(answer.text)
        except Exception as error:  # noqa: BLE001 - it is shown by the assertion below
            failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    with Client(server) as client:
        while any(writer.is_alive() for writer in writers):
            metrics = client.metrics()
            for budget in ("hot rows", "request bodies"):
                used, limit = (metrics[f'millrace_memory_{what}_bytes{{budget="{budget}"}}'] for what in ("used", "limit"))
                assert used <= limit * 1.25, (budget, used, limit)
            time.sleep(0.02)  # a rate of looking, not a wait
        for writer in writers:
            writer.join(20)
        assert failures == []
        assert all(acknowledged)
        for number in range(4):
            assert client.rows(f"SELECT count(*), min(length(pad)) FROM t{number}") == [(acknowledged[number], 50_000)]
        assert wait_for("a write to be taken", lambda: client.post_columns("t0", {"n": [0]}).status == 204, LIMIT_S)


def test_a_torn_tail_is_kept_also_by_a_start_without_a_free_byte(new_server, small_disk):  # noqa: F811
    server = new_server(*SMALL, data=small_disk / "data").start()
    values = fill(server, "t", 20)
    server.kill()
    last = journal.runs(server.data)[-1]
    journal.overwrite(last.path, last.end, journal.torn_run(last, 9000))
    fill_up(small_disk / "ballast")
    server.start()
    assert "torn tail cut" in server.process.text()
    kept = list((server.data / "quarantine").iterdir())
    assert [path.stat().st_size for path in kept] == [12_288], kept  # whole blocks
    assert values_of(server, "t") == values


def test_one_long_string_among_many_rows_leaves_room_for_others(new_server):
    """Room for as many rows as the table has, all as long as this one, would take all memory there is."""
    server = new_server().start()
    with Client(server) as client:
        for _ in range(6):
            client.write("t", {"v": ["short"] * 10_000})
        client.write("t", {"v": ["x" * 1_000_000]})
        client.write("other", {"v": [1]})
        client.write("t", {"v": ["short"]})
        assert client.metrics()['millrace_memory_used_bytes{budget="hot rows"}'] < 32 << 20
        assert client.rows("SELECT count(*), max(length(v)) FROM t") == [(60_002, 1_000_000)]
