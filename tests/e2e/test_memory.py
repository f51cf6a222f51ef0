"""What a server has in memory while many partitions are written to and read, messages of 32 MiB among small ones."""

import itertools
import threading

import pytest

from . import journal, wire
from .server import wait_for
from .wire import Connection, batch_of

PARTITIONS = 1000
LARGE = 32 << 20
BUDGET = 512 << 20
SHARE = 0.30  # of the budget: requests, the newest records, reads, pieces of files, indexes of segments
LARGE_WRITERS = 10  # what they send at once is more than the share
LARGE_EACH = 3
SMALL_WRITERS = 2
ROUNDS = 3  # of small records to each partition


def peak(server):
    """Most bytes resident at once, as the kernel counts them."""
    return resident(server, "VmHWM")


def resident(server, kind="VmRSS"):
    with open(f"/proc/{server.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(kind))


class Workers:
    """Threads whose failures fail the test."""

    def __init__(self):
        self.threads, self.errors = [], []

    def start(self, work, *arguments):
        def guarded():
            try:
                work(*arguments)
            except BaseException as error:  # told by join()
                self.errors.append(error)

        self.threads.append(threading.Thread(target=guarded))
        self.threads[-1].start()

    def join(self):
        for thread in self.threads:
            thread.join()
        self.threads.clear()
        if self.errors:
            raise self.errors[0]


LARGE_VALUE = bytes(range(256)) * (LARGE // 256)
LARGE_BATCH = batch_of(LARGE_VALUE)


def write_large(server, topic, writer):
    with Connection(server.port, timeout=120) as connection:
        for i in range(LARGE_EACH):
            produced = connection.produce(topic, LARGE_BATCH, writer)
            assert (produced.error, produced.base_offset) == (wire.NONE, i)


def small_value(partition, i):
    return b"%d %d " % (partition, i) + b"s" * 500


def write_small(server, topic, writer):
    with Connection(server.port, timeout=120) as connection:
        for round_, partition in itertools.product(range(ROUNDS), range(LARGE_WRITERS + writer, PARTITIONS, SMALL_WRITERS)):
            assert connection.produce(topic, batch_of(small_value(partition, round_)), partition).base_offset == round_


def read_at(connection, topic, partition, offset):
    """The batch there; waits until there is memory for it."""
    for _ in range(20):
        if found := list(connection.fetch(topic, offset, partition=partition, partition_bytes=1, wait_ms=5000).values()):
            return found
    raise AssertionError(f"nothing at {topic} {partition} {offset}")


def read_large(server, topic, writer):
    with Connection(server.port, timeout=120) as connection:
        for i in range(LARGE_EACH):
            assert read_at(connection, topic, writer, i) == [(i, LARGE_VALUE)]


def read_small(server, topic, writer):
    with Connection(server.port, timeout=120) as connection:
        for partition in range(LARGE_WRITERS + writer, PARTITIONS, SMALL_WRITERS):
            found = [read_at(connection, topic, partition, offset) for offset in range(ROUNDS)]
            assert found == [[(i, small_value(partition, i))] for i in range(ROUNDS)]


def run_all(server, small, large):
    workers = Workers()
    for number in range(LARGE_WRITERS):
        workers.start(large, server, "t", number)
    for number in range(SMALL_WRITERS):
        workers.start(small, server, "t", number)
    workers.join()


def test_large_messages_to_many_partitions_stay_inside_the_budget(new_server):
    server = new_server("--memory-max-bytes", BUDGET, "--segment-age-ms", "500ms", "--journal-retention-check-ms", "100ms").start()
    with Connection(server.port, timeout=60) as connection:
        assert connection.create_topic("t", PARTITIONS, {"max.message.bytes": str(LARGE + 4096), "retention.ms": "-1"}) == (0, None)
    most = resident(server) + BUDGET * SHARE + LARGE  # one answer may be larger than all that reads may have
    run_all(server, write_small, write_large)
    assert LARGE < peak(server) < most, "written"
    run_all(server, read_small, read_large)
    assert peak(server) < most, "read from the journal"
    wait_for("all but the last files in objects", lambda: len(journal.files(server.data)) <= 2, 60)
    assert peak(server) < most, "cut"
    server.restart()
    run_all(server, read_small, read_large)
    assert peak(server) < most, "read from objects"
