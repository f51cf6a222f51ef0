"""Queries that DuckDB does not interrupt, and clients that do not wait: who is held up, and how long."""

import pathlib
import signal
import subprocess
import threading
import time

import pytest

from .server import binary, environment, wait_for
from .web import Client, Raw, sql_request

# One call of one function, in which DuckDB looks at no interrupt; far longer than a test waits.
STUCK = "SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))"
# The same for its binder, which takes twice as long for each arrow.
STUCK_BINDING = "SELECT '1'::JSON" + "->0" * 60
# DuckDB would run it for hours, and looks at its interrupt all the time.
ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range <> b.range"
MANY = 60  # nearly as many as may wait (64)


@pytest.fixture
def raws():
    """raws(server): a raw connection, closed at the end."""
    made = []

    def make(server):
        made.append(Raw(server))
        return made[-1]

    yield make
    for raw in made:
        raw.close()


def occupy(server, raws, *statements):
    """One statement a thread for queries: their connections, once all of them have come."""
    busy = [raws(server) for _ in statements]
    with Client(server) as client:
        before = client.metrics()["millrace_queries_total"]
        for raw, sql in zip(busy, statements):
            raw.send(sql_request(sql))
        wait_for("the queries to come", lambda: client.metrics()["millrace_queries_total"] == before + len(statements))
    return busy


def threads_for_queries(server):
    names = [path.read_text().strip() for path in pathlib.Path(f"/proc/{server.pid}/task").glob("*/comm")]
    return sum(name.startswith("query-") and name != "query-watch" for name in names)


def test_every_query_is_answered_in_its_time_whatever_runs(new_server, raws):
    server = new_server("--query-time-ms", "1s", "--server-drain-ms", "1s").start()
    count = threads_for_queries(server)
    begun = time.monotonic()
    busy = occupy(server, raws, *([STUCK, STUCK_BINDING] * count)[:count])
    waiting = [raws(server) for _ in range(20)]
    for raw in waiting:
        raw.send(sql_request("SELECT 1"))
    with Client(server) as client:
        for target in ("/ready", "/metrics", "/health"):
            at = time.monotonic()
            assert client.get(target).status == 200
            assert time.monotonic() - at < 1
        client.write("t", {"v": [1]})
    for raw in waiting:
        answer = raw.answer()
        assert (answer.status, "waited 1 s" in answer.error) == (504, True), answer.text
    for raw in busy:
        answer = raw.answer()
        assert (answer.status, answer.error) == (504, "the query did not end within 1 s"), answer.text
    assert time.monotonic() - begun < 5
    # Those that gave up wait no more: as many may again.
    again = [raws(server) for _ in range(MANY)]
    for raw in again:
        raw.send(sql_request("SELECT 1"))
    assert {raw.answer().status for raw in again} == {504}


def test_a_late_query_gives_its_thread_back(new_server, raws):
    server = new_server("--query-time-ms", "300").start()
    late = "SELECT levenshtein(repeat('a', 12000), repeat('b', 12000))"
    occupy(server, raws, *[late] * threads_for_queries(server))
    with Client(server) as client:
        wait_for("a query to run", lambda: client.query("SELECT 1").status == 200, 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("sql", [STUCK, STUCK_BINDING], ids=["function", "binding"])
def test_a_stop_does_not_wait_for_a_query_that_does_not_end(new_server, raws, sql, number):
    server = new_server("--query-time-ms", "1s", "--server-drain-ms", "1s").start()
    occupy(server, raws, sql)
    with Client(server) as client:
        client.write("t", {"v": list(range(1000))})
        client.flush("t")
        client.write("t", {"v": list(range(500))})
    server.signal(number)
    begun = time.monotonic()
    assert server.process.wait() == 0
    assert time.monotonic() - begun < 10
    log = server.process.text()
    assert "queries that did not end when told to: 1;" in log and "journal: closed: " in log, log
    server.arguments = []
    server.start()
    with Client(server) as client:
        assert client.rows("SELECT count(*) FROM t") == [(1500,)]
    assert "torn" not in server.process.text(), server.process.text()
    assert server.terminate() == 0
    assert "did not end when told to" not in server.process.text()


def test_a_client_that_goes_away_ends_its_query(new_server):
    server = new_server("--query-time-ms", "10m").start()
    raws = [Raw(server) for _ in range(threads_for_queries(server))]
    with Client(server) as client:
        for raw in raws:
            raw.send(sql_request(ENDLESS))
        wait_for("the queries to come", lambda: client.metrics()["millrace_queries_total"] == len(raws))
        for raw in raws:
            raw.close()
        begun = time.monotonic()
        assert client.rows("SELECT 1") == [(1,)]
        assert time.monotonic() - begun < 10


def test_sql_that_is_interrupted_ends_its_query(new_server):
    server = new_server("--query-time-ms", "10m").start()
    command = [binary(), "sql", ENDLESS]
    with Client(server) as client:
        children = [
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment(MILLRACE_HTTP=server.http_address),
            )
            for _ in range(threads_for_queries(server))
        ]  # fmt: skip
        try:
            wait_for("the queries to come", lambda: client.metrics()["millrace_queries_total"] == len(children))
        finally:
            for child in children:
                child.send_signal(signal.SIGINT)
                child.communicate(timeout=30)
        begun = time.monotonic()
        assert client.rows("SELECT 1") == [(1,)]
        assert time.monotonic() - begun < 10


def test_a_client_that_waits_long_is_answered(new_server):
    """The watch for its end does not disturb it, nor what it sends behind its query."""
    server = new_server("--query-time-ms", "1s").start()
    with Raw(server) as raw:
        raw.send(sql_request(ENDLESS))
        time_sent = time.monotonic()
        raw.send(sql_request("SELECT 1"))
        first, second = raw.answer(), raw.answer()
        assert (first.status, second.status, second.json["rows"]) == (504, 200, [[1]]), (first.text, second.text)
        assert time.monotonic() - time_sent > 0.9


def test_queries_of_clients_that_stay_are_not_touched_by_those_that_go(new_server):
    server = new_server().start()
    answers = []

    def stay():
        with Client(server) as client:
            for i in range(100):
                answers.append(client.rows(f"SELECT {i}") == [(i,)])

    def go():
        for _ in range(100):
            with Raw(server) as raw:
                raw.send(sql_request("SELECT count(*) FROM range(1000000)"))

    threads = [threading.Thread(target=target) for target in (stay, go, stay, go)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 200 and all(answers)
