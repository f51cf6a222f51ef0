"""millrace verify: what a topic holds, counted and compared; every fault that is planted is named."""

import json
import signal
import socket
import struct
import subprocess
import threading

import pytest

from . import segments, wire
from .fsck_copy import Copy
from .server import binary, environment, run
from .test_interval import INTERVAL
from .test_segments import SOON, freed
from .test_serve import SMALL, fill
from .wire import NONE, Connection, batch_of

COUNT = 40
SIZE = 100_000


def verify(server, topic, *more, code=0, timeout=60):
    """Faults and partitions of a run."""
    address = server if isinstance(server, str) else server.address
    done = run("verify", topic, "--json", "--kafka", address, *more, timeout=timeout)
    assert done.returncode == code, (done.stdout, done.stderr)
    *lines, summary = map(json.loads, done.stdout.splitlines())
    faults = [line for line in lines if line["type"] == "fault"]
    assert summary["type"] == "summary" and summary["faults"] == len(faults)
    return faults, [line for line in lines if line["type"] == "partition"]


def digests(server, topic):
    faults, partitions = verify(server, topic)
    assert faults == []
    return [(one["partition"], one["start"], one["end"], one["records"], one["digest"]) for one in partitions]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_a_good_topic_has_its_counts_and_no_fault(shared, codec):
    topic = f"good-{codec}"
    assert run("topic", "create", topic, "-p", 3, "--kafka", shared.address).returncode == 0
    text = "".join(f"key-{i}\tvalue {i} {'abc ' * 20}\n" for i in range(3000))
    assert run("produce", topic, "-k", "\t", "-z", codec, "--kafka", shared.address, stdin=text).returncode == 0
    faults, partitions = verify(shared, topic)
    assert faults == [] and [one["partition"] for one in partitions] == [0, 1, 2]
    assert sum(one["records"] for one in partitions) == 3000
    for one in partitions:
        assert (one["start"], one["end"], one["fillers"], one["expired"]) == (0, one["records"], [], [])
        assert one["bytes"] > 0 and len(one["digest"]) == 32
    assert verify(shared, topic, "-p", 1) == ([], [partitions[1]])
    assert f"\n{1:9}  {0:5}" in run("verify", topic, "--kafka", shared.address).stdout


def test_two_servers_with_the_same_records_have_the_same_digest(shared, new_server):
    other = new_server().start()
    values = [(f"{i}", "" if i % 3 else f"value {i}") for i in range(500)]
    for server, size in ((shared, 500), (other, 7)):  # in other batches
        with Connection(server.port) as connection:
            connection.create_topic("same", 1)
            for at in range(0, len(values), size):
                some = values[at : at + size]
                records = [wire.record(i, key.encode(), value.encode() or None, [(b"h", b"x")]) for i, (key, value) in enumerate(some)]
                assert connection.produce("same", wire.Batch(records=records, timestamp=1_700_000_000_000).pack()).error == NONE
    assert digests(shared, "same") == digests(other, "same")
    with Connection(other.port) as connection:
        assert connection.produce("same", batch_of(b"more")).error == NONE
    assert digests(shared, "same") != digests(other, "same")


def test_a_topic_is_the_same_in_journal_and_objects_and_after_a_rebuild(new_server):
    server = new_server(*SMALL).start()
    fill(server, "t", COUNT, size=SIZE)
    before = digests(server, "t")
    server.terminate()
    server.arguments = list(SOON)
    server.start()
    segments.wait_until_cut(server, COUNT)
    freed(server)
    assert digests(server, "t") == before
    assert server.terminate() == 0
    (server.data / "catalog.db").unlink()
    assert run("rebuild", "--data", server.data, timeout=60).returncode == 0
    assert digests(server.start(), "t") == before


def test_fillers_are_named_and_are_no_fault(new_server):
    server = new_server().start()
    with Connection(server.port) as connection:
        connection.create_topic("fast", 1, INTERVAL)
        for i in range(20):
            assert connection.produce("fast", batch_of(b"a%d" % i)).error == NONE
    server.kill()
    server.start()
    faults, (one,) = verify(server, "fast")
    assert faults == [] and one["records"] == 20
    assert one["fillers"] == [{"first": 20, "last": one["end"] - 1}]
    told = run("verify", "fast", "--kafka", server.address).stdout
    assert f"filler: fast partition 0 offsets 20 to {one['end'] - 1}: out of use" in told


def test_what_the_server_cannot_read_is_a_fault_and_the_rest_is_read(new_server):
    server = new_server(*SOON).start()
    fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    assert server.terminate() == 0
    copy = Copy(server.data)
    one = copy.object(1)
    copy.flip(one.path, one.parts[0].data_position + 500)
    first, last = one.parts[0].first, copy.object(3).parts[0]
    copy.object(3).path.unlink()
    server.start()
    faults, (whole,) = verify(server, "t", code=1)
    assert [(fault["topic"], fault["partition"], fault["offset"]) for fault in faults] == [("t", 0, first), ("t", 0, last.first)]
    assert all(fault["what"].startswith("cannot be read: ") for fault in faults)
    assert faults[1]["what"].endswith(f"the next that can is {last.next}")
    assert whole["records"] == COUNT - 1 - (last.next - last.first)


class Liar:
    """Speaks for a server, and gives other batches at Fetch; one connection after the other."""

    def __init__(self, server, change):
        self.server, self.change = server, change
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.serve, args=(client,), daemon=True))
            self.threads[-1].start()

    @staticmethod
    def message(stream):
        prefix = stream.read(4)
        return prefix and prefix + stream.read(struct.unpack(">i", prefix)[0])

    def serve(self, client):
        with client, socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            requests, answers = client.makefile("rb"), upstream.makefile("rb")
            while request := self.message(requests):
                upstream.sendall(request)
                answer = self.message(answers)
                if struct.unpack_from(">h", request, 4)[0] == wire.FETCH:
                    answer = self.change(bytearray(answer))
                elif struct.unpack_from(">h", request, 4)[0] == wire.METADATA:
                    mine, theirs = (struct.pack(">i", int(address.rsplit(":")[-1])) for address in (self.address, self.server.address))
                    answer = answer.replace(theirs, mine)
                client.sendall(answer)

    def close(self):
        self.socket.close()


def test_bytes_that_change_on_the_way_are_a_fault(server):
    with Connection(server.port) as connection:
        connection.create_topic("t", 1)
        for i in range(3):
            assert connection.produce("t", batch_of(b"value %d" % i)).error == NONE

    def flip(answer):
        at = answer.find(b"value 1")
        if at >= 0:
            answer[at] ^= 1
        return bytes(answer)

    liar = Liar(server, flip)
    faults, (one,) = verify(liar.address, "t", code=1)
    liar.close()
    ((offset, what),) = [(fault["offset"], fault["what"]) for fault in faults]
    assert offset == 1 and "CRC" in what
    assert (one["records"], one["end"]) == (2, 3)


def test_what_retention_takes_during_the_run_is_named(server):
    """The first answer comes when the start has moved already: what is gone is said to have expired."""
    with Connection(server.port) as connection:
        connection.create_topic("t", 1)
        for i in range(3):
            assert connection.produce("t", batch_of(b"value %d" % i)).error == NONE

    def expire(answer):
        # correlation, throttle, error, session, [topic, [partition, error, high, stable, start, ...: the start moved to 2
        at = 4 + 4 + 4 + 2 + 4 + 4 + (2 + 1) + 4 + 4
        if struct.unpack_from(">i", answer, 0)[0] and expire.is_first:
            expire.is_first = False
            head = answer[: at] + struct.pack(">hqqqi", wire.OFFSET_OUT_OF_RANGE, 3, 3, 2, -1) + struct.pack(">ii", -1, 0)
            return struct.pack(">i", len(head) - 4) + bytes(head[4:])
        return bytes(answer)

    expire.is_first = True
    liar = Liar(server, expire)
    faults, (one,) = verify(liar.address, "t")
    liar.close()
    assert faults == [] and one["expired"] == [{"first": 0, "last": 1}]
    assert (one["start"], one["end"], one["records"]) == (0, 3, 1)


def test_an_unknown_topic_and_partition_are_status_1(shared):
    for arguments in (["nope"], ["known", "-p", 9]):
        with Connection(shared.port) as connection:
            connection.create_topic("known", 1)
        done = run("verify", *arguments, "--kafka", shared.address)
        assert (done.returncode, done.stdout, bool(done.stderr)) == (1, "", True)


def test_an_interrupt_ends_it(server):
    """A server that answers no fetch: it waits, and ends at once when told to."""
    with Connection(server.port) as connection:
        connection.create_topic("t", 1)
        assert connection.produce("t", batch_of(b"value")).error == NONE
    asked, silent = threading.Event(), threading.Event()

    def wait(answer):
        asked.set()
        silent.wait(60)
        return bytes(answer)

    liar = Liar(server, wait)
    child = subprocess.Popen([binary(), "verify", "t", "--kafka", liar.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert asked.wait(30)
    child.send_signal(signal.SIGINT)
    out, told = child.communicate(timeout=30)
    silent.set()
    liar.close()
    assert (child.returncode, out, "interrupted" in told) == (130, "", True)
