"""Slow clients, silent ones, and many at once: nobody waits for another."""

import resource
import socket
import time

import pytest

from . import wire as w
from .server import wait_for
from .test_wire import bystander, produce_frame, stream  # noqa: F401 - fixtures
from .wire import Connection, batch_of


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
