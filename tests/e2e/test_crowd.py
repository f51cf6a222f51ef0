"""Slow clients, silent ones, and many at once: nobody waits for another."""

import contextlib
import resource
import socket
import struct
import threading
import time

import pytest

from . import wire as w
from .server import wait_for
from .test_wire import bystander, produce_frame, stream  # noqa: F401 - fixtures
from .web import WRITE, Client, Raw, packed, request
from .wire import Connection, batch_of


def memory(server, budget):
    """Bytes in use, and their limit."""
    with Client(server) as client:
        metrics = client.metrics()
    return tuple(metrics[f'millrace_memory_{kind}_bytes{{budget="{budget}"}}'] for kind in ("used", "limit"))


def test_half_open_and_slow_clients_disturb_nobody(shared, bystander, stream):
    whole = produce_frame()
    silent = [Connection(shared.port) for _ in range(20)]
    half = [Connection(shared.port) for _ in range(20)]
    slow = Connection(shared.port)
    try:
        for connection in half:
            connection.send_raw(whole[:-1])
        begun = time.monotonic()
        for byte in whole[:-1]:
            slow.send_raw(bytes([byte]))
            assert bystander.produce(stream, batch_of(b"meanwhile")).error == w.NONE
        slow.send_raw(whole[-1:])
        assert slow.receive_produced().error == w.NONE
        for connection in half:
            connection.send_raw(whole[-1:])
            assert connection.receive_produced().error == w.NONE
        assert time.monotonic() - begun < 30
    finally:
        for connection in [*silent, *half, slow]:
            connection.close()


def test_a_client_that_does_not_read_its_answers_is_not_waited_for(shared, bystander):
    bystander.create_topic("heavy")
    for _ in range(8):
        bystander.produce("heavy", batch_of(b"x" * 1_000_000))
    with Connection(shared.port) as greedy:
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(20):
            greedy.send_fetch("heavy", 0)
        for _ in range(20):
            begun = time.monotonic()
            assert bystander.produce("stream", batch_of(b"meanwhile")).error == w.NONE
            assert time.monotonic() - begun < 5


def test_kafka_requests_beyond_their_memory_wait_until_there_is_some(new_server):
    server = new_server("--memory-max-bytes", "512MiB").start()
    frame = w.frame(w.header(w.PRODUCE, 7) + w.produce_body("big", 0, batch_of(b"x" * 30_000_000)))
    with contextlib.ExitStack() as stack:
        small = stack.enter_context(Connection(server.port))
        small.create_topic("big", configs={"max.message.bytes": str(32 << 20)})
        large = [stack.enter_context(Connection(server.port)) for _ in range(3)]
        for connection in large:
            connection.send_raw(frame[:100_000])
        wait_for("two of the requests to have memory", lambda: memory(server, "request buffers")[0] >= 2 * len(frame) - 8)
        assert small.produce("big", batch_of(b"small")).error == w.NONE, "what fits goes on"
        used, limit = memory(server, "request buffers")
        assert used <= limit < 3 * len(frame)
        offsets = set()
        senders = [threading.Thread(target=one.send_raw, args=(frame[100_000:],)) for one in large]
        for sender in senders:
            sender.start()
        for connection in large:
            answer = connection.receive_produced()
            assert answer.error == w.NONE
            offsets.add(answer.base_offset)
        for sender in senders:
            sender.join()
        assert len(offsets) == 3


def test_http_bodies_beyond_their_memory_are_put_off(new_server):
    server = new_server("--memory-max-bytes", "512MiB").start()
    body = packed("big", {"v": ["x" * 1000] * 20_000})  # 20 MB: two of them are the budget
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(server))
        large = [stack.enter_context(Raw(server)) for _ in range(2)]
        for connection in large:
            connection.send(request(body, WRITE)[: -len(body)])
        wait_for("both to have memory", lambda: memory(server, "request bodies")[0] == 2 * len(body))
        answer = client.call("POST", WRITE, body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "requests in progress" in answer.json["error"]["message"]
        client.write("small", {"v": [1]})
        large[0].close()
        wait_for("room for the one put off", lambda: client.call("POST", WRITE, body).status == 204)
        large[1].send(body)
        assert large[1].answer().status == 204
        wait_for("all memory to be back", lambda: memory(server, "request bodies")[0] == 0)


def test_a_request_that_memory_can_never_hold_is_refused(new_server):
    server = new_server("--memory-max-bytes", "64MiB").start()
    with Client(server) as client, Connection(server.port) as connection:
        answer = client.call("POST", WRITE, packed("big", {"v": ["x" * 1000] * 8_000}))
        assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
        client.write("small", {"v": [1]})
        connection.send_raw(struct.pack(">i", 20_000_000) + w.header(w.PRODUCE, 7))
        assert connection.is_closed()
    wait_for("the reason in its log", lambda: "frame of 20000000 bytes" in server.process.text())


def test_readers_of_old_records_that_take_nothing_stay_inside_their_budget(new_server):
    server = new_server("--memory-max-bytes", "1GiB").start()  # responses beyond what sockets take
    with Connection(server.port) as writer, contextlib.ExitStack() as stack:
        writer.create_topic("old")
        batch = batch_of(b"x" * 1_000_000)
        for _ in range(70):  # more than the newest records' share of memory
            assert writer.produce("old", batch).error == w.NONE
        _, limit = memory(server, "reads")
        lengths = []
        for _ in range(40):
            idle = stack.enter_context(Connection(server.port, receive_buffer=4096))
            idle.send_fetch("old", 0)
            lengths.append(idle.receive_length())  # its response is made, the rest of it never taken
        held, _ = memory(server, "reads")
        assert limit / 2 < held <= sum(lengths) < limit + 10_000_000
        assert lengths[-1] < 1000, "nothing was left for the last one"
        assert [offset for offset, _ in writer.fetch("old", 69).values()] == [69], "the newest are in memory"
        late = writer.send_fetch("old", 0, wait_ms=20_000)
        stack.close()
        assert min(writer.receive_fetched(late).values())[0] == 0, "there is room again"
        wait_for("nothing held for readers", lambda: memory(server, "reads")[0] == 0)


def test_a_client_gone_between_write_and_answer_leaves_a_whole_record(shared, bystander):
    bystander.create_topic("gone")
    for i in range(20):
        with Connection(shared.port) as brief:
            brief.send_produce("gone", batch_of(b"%d" % i))
    found = [value for _, value in bystander.fetch_all("gone")]
    assert set(found) <= {b"%d" % i for i in range(20)} and len(set(found)) == len(found)


def test_a_thousand_connections_at_once(shared, bystander, stream):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        if hard != resource.RLIM_INFINITY and hard < 1200:
            pytest.skip(f"this machine allows {hard} open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))
    connections = []
    try:
        for _ in range(1000):
            connections.append(Connection(shared.port, timeout=30))
        begun = time.monotonic()
        sent = [c.send_produce(stream, batch_of(b"one of many")) for c in connections]
        offsets = [c.receive_produced(s).base_offset for c, s in zip(connections, sent, strict=True)]
        assert time.monotonic() - begun < 30
        assert sorted(offsets) == list(range(min(offsets), min(offsets) + 1000))
    finally:
        for connection in connections:
            connection.close()


def test_connections_above_the_limit_are_refused_and_those_below_go_on(new_server):
    server = new_server("--server-max-connections", 10).start()
    connections = [Connection(server.port) for _ in range(10)]
    try:
        assert all(c.api_versions()[0] == w.NONE for c in connections)
        with Connection(server.port) as extra:
            assert extra.is_closed()
        assert all(c.api_versions()[0] == w.NONE for c in connections)
        connections.pop().close()

        def has_room():
            try:
                with Connection(server.port) as fresh:
                    return fresh.api_versions()[0] == w.NONE
            except w.Closed:
                return False

        wait_for("room for a connection after one was closed", has_room)
    finally:
        for connection in connections:
            connection.close()
