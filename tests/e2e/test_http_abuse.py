"""Clients that are slow, silent, rude or gone: nobody else is disturbed, nothing is half there."""

import json
import random
import socket
import threading
import time

import pytest

from .server import wait_for
from .test_http_query import SLOW
from .web import QUERY, WRITE, Client, Raw, packed, request, sql_request

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def raw(shared):
    with Raw(shared) as one:
        yield one


def accepts(server):
    with socket.socket() as probe:
        return probe.connect_ex((server.http_host, server.http_port)) == 0


def prompt_write(client, limit_s=2):
    begun = time.monotonic()
    client.write("meanwhile", {"v": [1]})
    assert time.monotonic() - begun < limit_s


# --- slow and silent -------------------------------------------------------------------------------


def test_slow_silent_and_half_open_clients_disturb_nobody(shared, client):
    whole = request(packed("slowly", {"v": [1]}), WRITE)
    silent = [Raw(shared) for _ in range(20)]
    half = [Raw(shared) for _ in range(20)]
    closed_half = Raw(shared)
    slow = Raw(shared)
    try:
        for one in half:
            one.send(whole[:-1])
        closed_half.send(whole[:40])
        closed_half.socket.shutdown(socket.SHUT_WR)  # half open: it can still read
        assert closed_half.is_closed()
        for byte in whole[:-1]:
            slow.send(bytes([byte]))
            prompt_write(client)
        slow.send(whole[-1:])
        assert slow.answer().status == 204
        for one in half:
            one.send(whole[-1:])
            assert one.answer().status == 204
        for one in silent:
            one.send(GET)
            assert one.answer().status == 200
    finally:
        for one in [*silent, *half, slow, closed_half]:
            one.close()
    assert client.rows("SELECT count(*) FROM slowly") == [(21,)]


def test_a_head_that_takes_too_long_is_ended(shared, client):
    """One byte a second: after 10 s there is an answer, 408, and the connection ends."""
    with Raw(shared, timeout=1) as slow:
        begun = time.monotonic()
        answer = None
        for byte in GET[: 20]:
            slow.send(bytes([byte]))
            prompt_write(client)
            try:
                answer = slow.answer()
                break
            except TimeoutError:
                continue
        assert answer is not None and answer.status == 408, answer
        assert 9 < time.monotonic() - begun < 14
        assert slow.is_closed()


def test_a_client_that_does_not_read_is_not_waited_for(shared, client):
    with Raw(shared) as greedy:
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(5):
            greedy.send(sql_request("SELECT repeat('x', 1000) FROM range(5000)"))
        for _ in range(20):
            prompt_write(client)


# --- 100-continue ----------------------------------------------------------------------------------


def test_expect_100_continue(raw, client):
    body = packed("expected", {"v": [1]})
    raw.send(request(body, WRITE, Expect="100-continue")[: -len(body)])
    assert raw.answer().status == 100
    raw.send(body)
    assert raw.answer().status == 204
    assert client.rows("SELECT v FROM expected") == [(1,)]


@pytest.mark.parametrize("target, headers, status", [
    (WRITE, {"Content_Length": 33 << 20}, 413), ("/nothing", {}, 404), (QUERY + "x", {}, 404), ("/health", {}, 405),
    (WRITE, {"Expect": "miracles"}, 417),
], ids=str)  # fmt: skip
def test_a_body_that_is_not_wanted_is_not_asked_for(raw, target, headers, status):
    raw.send(request(target=target, **{"Expect": "100-continue", "Content_Length": 10, **headers}))
    assert raw.answer().status == status
    assert raw.is_closed()


# --- heads that are too large or wrong -------------------------------------------------------------


@pytest.mark.parametrize("head, status", [
    (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (16 << 10) + b"\r\n\r\n", 431),
    (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 4000 + b"\r\n", 431),
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /health HTTP/1.1\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n", 400), (b"GET /health HTTP/1.1\nHost: x\n\n", 400),
    (b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n", 400), (b"GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n", 505), (b"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400), (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"\0\0\0\x1a\0\x12\0\x03\0\0\0\x01\0\x04test\r\n\r\n", 400),
], ids=lambda value: str(value)[:30])  # fmt: skip
def test_a_head_that_is_wrong_is_answered_and_ends_the_connection(raw, client, head, status):
    raw.send(head)
    answer = raw.answer()
    assert (answer.status, answer.headers["Connection"]) == (status, "close"), answer.text
    assert answer.error
    assert raw.is_closed()
    prompt_write(client)


# --- smuggling -------------------------------------------------------------------------------------

HIDDEN = request(packed("smuggled", {"v": [1]}), WRITE)
POST = b"POST " + QUERY.encode() + b" HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("head", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    b"Content-Length: 5, 5\r\n\r\nabcde", b"Content-Length: +5\r\n\r\nabcde", b"Content-Length: -5\r\n\r\n", b"Content-Length: 0x5\r\n\r\nabcde",
    b"Content-Length: 5 5\r\n\r\nabcde", b"Content-Length: \r\n\r\n", b"Content-Length: 99999999999999999999\r\n\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    *(b"Transfer-Encoding: chunked\r\n\r\n" + chunks for chunks in (
        b"x\r\n", b"-1\r\n", b"+1\r\nx\r\n0\r\n\r\n", b"0x1\r\nx\r\n0\r\n\r\n", b" 1\r\nx\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"1 2\r\nx\r\n0\r\n\r\n",
        b"10000000000000000\r\n", b"ffffffffffffffff\r\n", b"1\r\nxy\r\n0\r\n\r\n", b"1\nx\r\n0\r\n\r\n", b"1\r\nx\n0\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\nno colon\r\n\r\n", b"1;\0\r\nx\r\n0\r\n\r\n",
    )),
], ids=repr)  # fmt: skip
def test_what_has_two_readings_has_none(raw, client, head):
    """The connection ends, and what stood behind is never taken for a request."""
    raw.send(POST + head + HIDDEN)
    answer = raw.answer()
    assert answer.status in (400, 413, 501) and answer.headers["Connection"] == "close", answer.text
    assert raw.is_closed()
    assert client.table("smuggled") is None


def test_what_follows_a_refused_request_with_a_body_is_not_read(raw, client):
    raw.send(request(HIDDEN, "/nothing"))
    assert raw.answer().status == 404
    assert raw.is_closed()
    assert client.table("smuggled") is None


# --- order and chunks ------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(raw, client):
    for i in range(50):
        raw.send(request(packed("piped", {"n": [i]}), WRITE) + sql_request(f"SELECT {i}, count(*) FROM piped") + GET)
    for i in range(50):
        assert raw.answer().status == 204
        assert raw.answer().rows == [(i, i + 1)]
        assert raw.answer().json["status"] == "pass"


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_chunked_uploads(raw, client, size):
    name = f"chunked_{size}"
    body = packed(name, {"v": list(range(2000 if size < 100 else 100_000))})
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (body[i : i + size] for i in range(0, len(body), size)))
    raw.send(request(target=WRITE, Content_Length=None, Transfer_Encoding="chunked"))
    cut = random.Random(size).randrange(len(chunks))
    raw.send(chunks[:cut])
    prompt_write(client)
    raw.send(chunks[cut:] + b"0\r\nTrailer: is ignored\r\n\r\n" + GET)
    assert raw.answer().status == 204
    assert raw.answer().status == 200
    rows = 2000 if size < 100 else 100_000
    assert client.rows(f"SELECT count(*), sum(v) FROM {name}") == [(rows, sum(range(rows)))]


def test_http_1_0_ends_after_its_answer(raw):
    raw.send("GET /health HTTP/1.0\r\n\r\n" + GET.decode())
    assert raw.answer().status == 200
    assert raw.is_closed()


# --- many ------------------------------------------------------------------------------------------


def test_connections_above_the_limit_are_closed_and_those_below_go_on(new_server):
    server = new_server("--server-max-connections", 10).start()
    kept = [Raw(server) for _ in range(10)]
    try:
        for one in kept:
            one.send(GET)
            assert one.answer().status == 200
        for _ in range(30):
            with Raw(server) as extra:
                assert extra.is_closed()
        for one in kept:
            one.send(GET)
            assert one.answer().status == 200
        kept.pop().close()

        def has_room():
            with Raw(server) as fresh:
                try:
                    fresh.send(GET)
                    return fresh.answer()
                except (BrokenPipeError, ConnectionResetError):
                    return None

        assert wait_for("room for a connection after one was closed", has_room).status == 200
    finally:
        for one in kept:
            one.close()


def test_a_client_gone_between_write_and_answer_leaves_all_or_nothing(shared, client):
    rows = 500
    for i in range(60):
        body = packed("gone", {"i": [i] * rows, "n": list(range(rows))})
        whole = request(body, WRITE)
        with Raw(shared) as brief:
            brief.send(whole if i % 3 else whole[: len(whole) - 1 - i])
            if i % 2:  # a reset instead of an end
                brief.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.write("gone", {"i": [-1], "n": [0]})

    def found():
        return client.rows("SELECT i, count(*), count(DISTINCT n), sum(n) FROM gone WHERE i >= 0 GROUP BY i ORDER BY i")

    seen = found()
    assert all(row[1:] == (rows, rows, sum(range(rows))) for row in seen), seen
    whole = {i for i, *_ in seen}
    assert whole <= {i for i in range(60) if i % 3}
    ordered = {i for i in range(60) if i % 3 and i % 2 == 0}
    wait_for("those that ended in good order", lambda: ordered <= {i for i, *_ in found()})
    prompt_write(client)


# --- start -----------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_refused_by_name(new_server, shared):
    status, text = new_server().refused("--http", shared.http_address)
    assert (status, shared.http_address in text) == (1, True), text
    assert "in use" in text


@pytest.mark.parametrize("arguments, status, parts", [
    (("--http", "nonsense"), 2, ["http", "nonsense"]), (("--http", "127.0.0.1:70000"), 2, ["http", "70000"]),
    (("--http", "0.0.0.0:0"), 2, ["http", "0.0.0.0", "--insecure"]), (("--htp", "127.0.0.1:0"), 2, ["--htp", "--http"]),
    (("--query-time-ms", "0"), 2, ["query.time_ms"]), (("--query-rows", "many"), 2, ["query.rows", "many"]),
    (("--tables-flush-age-ms", "1"), 2, ["tables.flush_age_ms"]), (("--http", "192.0.2.1:0", "--insecure"), 1, ["192.0.2.1"]),
], ids=str)  # fmt: skip
def test_a_wrong_flag_is_refused_by_name(new_server, arguments, status, parts):
    got, text = new_server().refused(*arguments)
    assert got == status
    assert [part for part in parts if part not in text] == [], text


def test_the_json_ready_line_says_where_http_is(new_server):
    server = new_server("--log-format", "json").start()
    assert json.loads(server.ready_line)["http"] == server.http_address
    with Client(server) as client:
        assert client.get("/health").status == 200


# --- stop ------------------------------------------------------------------------------------------


def test_a_stop_drains_and_keeps_what_was_acknowledged(new_server):
    server = new_server("--tables-flush-age-ms", 50, "--tables-flush-rows", 500).start()
    acknowledged, failures = [set() for _ in range(4)], []

    def write(number):
        try:
            with Client(server) as client:
                for i in range(1_000_000):
                    answer = client.post_columns(f"t{number % 2}", {"w": [number] * 3, "i": [i] * 3, "k": [0, 1, 2]})
                    if answer.status != 204:
                        failures.append(answer.text)
                        return
                    acknowledged[number].add(i)
        except OSError:
            pass  # the server is gone
        except Exception as error:  # noqa: BLE001 - http.client has several for a closed connection
            if type(error).__module__ != "http.client":
                failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    wait_for("acknowledged rows of each writer", lambda: all(len(own) > 50 for own in acknowledged), 30)
    server.signal()
    assert server.process.wait() == 0
    for writer in writers:
        writer.join(20)
    assert failures == []
    server.start()
    with Client(server) as client:
        for number in range(4):
            rows = client.rows(f"SELECT i, count(*), sum(k) FROM t{number % 2} WHERE w = {number} GROUP BY i")
            assert all(row[1:] == (3, 3) for row in rows), "whole requests, once"
            kept = {i for i, *_ in rows}
            assert acknowledged[number] <= kept and len(kept - acknowledged[number]) <= 1


def test_a_second_signal_ends_it_at_once_and_loses_nothing(new_server):
    server = new_server("--server-drain-ms", "10m", "--query-time-ms", "10m").start()
    with Client(server) as client:
        client.write("kept", {"v": [1, 2]})
    with Raw(server) as raw:
        raw.send(sql_request(SLOW))
        with Client(server) as client:
            wait_for("the query to run", lambda: client.metrics()["millrace_queries_total"] == 1)
        server.signal()
        # Two signals of one kind that are both pending are one: the first must have been taken.
        wait_for("the port to be closed", lambda: not accepts(server))
        assert server.process.is_running(), "it should wait for the query"
        server.signal()
        begun = time.monotonic()
        assert server.process.wait(10) == 1
        assert time.monotonic() - begun < 5
    server.start()
    with Client(server) as client:
        assert client.rows("SELECT v FROM kept ORDER BY v") == [(1,), (2,)]
