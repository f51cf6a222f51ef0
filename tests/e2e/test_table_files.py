"""A table's files that are not what the catalog means, and files that somebody still needs."""

import random
import threading

import pytest

from .server import wait_for
from .test_tables_start import SMALL, Filled
from .web import Client
from .wire import Connection

FLIPS = 60


@pytest.fixture
def few(new_server):
    return Filled(new_server(*SMALL).start(), pad=1000)


def corrupt(client, sql):
    """The message of a query that must find damage."""
    answer = client.query(sql)
    assert (answer.status, answer.json["error"]["code"]) == (500, "corrupt"), answer.text
    return answer.error


def names(message, *parts):
    assert [part for part in parts if str(part) not in message] == [], message


# --- while stopped ---------------------------------------------------------------------------------


def test_folders_of_two_tables_swapped(few):
    for table in ("p", "q"):
        few.write(30, table).flush(table)
    few.write(3, "other").flush("other")
    one, two = (few.parquet(table)[0] for table in ("p", "q"))
    assert one.stat().st_size == two.stat().st_size and one.read_bytes() != two.read_bytes()
    assert few.server.terminate() == 0

    def swap():
        aside = one.parent.with_name("aside")
        one.parent.rename(aside)
        two.parent.rename(one.parent)
        aside.rename(two.parent)

    swap()
    few.server.start()
    with Client(few.server) as client:
        for table, path in (("p", one), ("q", two)):
            names(corrupt(client, f"SELECT sum(n) FROM {table}"), f"main.{table} is damaged", path, "offsets 0 to 29", "topic_id")
            assert str(path) in client.table(table)["damage"]
    assert few.found("other") == few.rows["other"]
    assert few.server.terminate() == 0
    swap()
    few.goes_on()


def test_a_file_of_a_table_copied_over_another_of_it(few):
    for _ in range(10):
        few.write(10, "p").flush("p")
    by_size = {}
    for path in few.parquet("p"):
        by_size.setdefault(path.stat().st_size, []).append(path)
    first, second = next(paths for paths in by_size.values() if len(paths) > 1)[:2]
    good = second.read_bytes()
    assert few.server.terminate() == 0
    second.write_bytes(first.read_bytes())
    few.server.start()
    with Client(few.server) as client:
        offset = int(second.name.split("-")[0])
        names(corrupt(client, "SELECT count(*) FROM p"), second, f"first_offset is {int(first.name.split('-')[0])}", f"offsets {offset} to {offset + 9}")
        assert str(first) not in client.table("p")["damage"]
    assert few.server.terminate() == 0
    second.write_bytes(good)
    few.goes_on()


def test_flipped_bits_are_never_wrong_answers(few):
    few.write(40).flush()
    few.write(3, "other").flush("other")
    path = few.parquet()[0]
    good = path.read_bytes()
    chance = random.Random(7)
    seen = {"right": 0, "damage": 0}
    for _ in range(FLIPS):
        assert few.server.terminate() == 0
        at, bit = chance.randrange(len(good)), chance.randrange(8)
        bad = bytearray(good)
        bad[at] ^= 1 << bit
        path.write_bytes(bad)
        few.server.start()
        with Client(few.server) as client:
            answer = client.query("SELECT n, v, length(pad) FROM t ORDER BY n")
            if answer.status == 200:
                assert answer.rows == few.rows["t"], f"byte {at}, bit {bit}"
                seen["right"] += 1
            else:
                names(corrupt(client, "SELECT count(*) FROM t"), "main.t is damaged", path, "offsets 0 to 39, 40 rows")
                names(corrupt(client, "SELECT 1 FROM t"), "put the file back")
                seen["damage"] += 1
            assert client.rows("SELECT count(*) FROM other") == [(3,)]
    assert seen["damage"] > FLIPS * 0.8, seen
    assert few.server.terminate() == 0
    path.write_bytes(good)
    few.goes_on()


# --- while running ---------------------------------------------------------------------------------

HARM = {
    "deleted": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:500]),
    "zeros": lambda path: path.write_bytes(path.read_bytes()[:100] + bytes(path.stat().st_size - 100)),
    "pages": lambda path: path.write_bytes(path.read_bytes()[:4] + b"\xa5" * 600 + path.read_bytes()[604:]),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_damage_that_a_running_query_meets_is_named(few, harm):
    few.write(30).flush().write(30).flush()
    few.write(3, "other").flush("other")
    few.check()
    victim = few.parquet()[1]
    good = victim.read_bytes()
    harm(victim)
    with Client(few.server) as client:
        assert client.table("t")["damage"] is None
        for sql in ("SELECT sum(n), max(v), max(pad) FROM t", "SELECT count(*) FROM t"):
            names(corrupt(client, sql), "main.t is damaged", victim, "offsets 30 to 59, 30 rows")
        assert str(victim) in client.table("t")["damage"]
        assert client.query("SELECT nope FROM other").status == 400
        assert client.query("SELECT v::DATE FROM other").status == 400, "a wrong statement is no damage"
        assert client.table("other")["damage"] is None
    assert few.found("other") == few.rows["other"]
    few.write(2)
    assert few.server.terminate() == 0
    victim.write_bytes(good)
    few.goes_on()


def test_the_file_of_no_rows_is_made_again(few):
    few.write(3).flush()
    few.check()
    (made,) = (few.data / "tables").rglob("schema-1.parquet")
    made.unlink()
    few.check()
    made.write_bytes(b"\0" * 100)
    with Client(few.server) as client:
        names(corrupt(client, "SELECT count(*) FROM t"), made, "repeat the query")
    few.check()


# --- a table that is deleted while queries read it ---------------------------------------------------


def test_a_query_never_meets_the_files_of_a_deleted_table_missing(new_server):
    server = new_server(*SMALL).start()
    stop = threading.Event()
    bad, answers = [], {200: 0, 404: 0}

    def writing():
        with Client(server) as client:
            while not stop.is_set():
                client.post_columns("gone", {"a": list(range(500))})
                client.call("POST", "/api/v1/tables/main/gone/flush")

    def reading():
        with Client(server) as client:
            while not stop.is_set():
                answer = client.query("SELECT count(*) % 500, sum(a) FROM gone")
                if answer.status in answers:
                    answers[answer.status] += 1
                else:
                    bad.append(answer.text)
                if answer.status == 200 and answer.rows[0][0] != 0:
                    bad.append(answer.text)

    threads = [threading.Thread(target=each) for each in (writing, writing, reading, reading)]
    for thread in threads:
        thread.start()
    with Connection(server.port) as kafka:
        for _ in range(40):
            seen = answers[200]
            wait_for("a query of the table", lambda seen=seen: answers[200] > seen or bad, 30)
            kafka.delete_topic("main.gone")
    stop.set()
    for thread in threads:
        thread.join()
    assert bad == [] and answers[200] >= 40, answers
    with Connection(server.port) as kafka:
        kafka.delete_topic("main.gone")
    wait_for("its files to go", lambda: not list((server.data / "tables").rglob("*.parquet")))
    with Client(server) as client:
        assert client.query("SELECT * FROM gone").status == 404


# --- a write that is refused -------------------------------------------------------------------------


def test_a_refused_write_leaves_nothing(new_server):
    server = new_server().start()
    with Client(server) as client, Connection(server.port) as kafka:

        def check():
            assert client.table("ghost") is None
            assert client.get("/api/v1/tables").json["tables"] == []
            assert client.query("SELECT * FROM ghost").status == 404
            assert client.rows("SHOW TABLES") == []
            assert [topic for topic in kafka.topics() if "ghost" in topic] == []

        answer = client.post_columns("ghost", {f"c{i}": [1] for i in range(4096)})
        assert answer.status == 400 and "4097 columns" in answer.error, answer.text
        check()
        kafka.create_topic("main.taken")
        answer = client.lines("ghost v=1\ntaken v=1")
        assert answer.status == 409, answer.text
        check()
        server.kill()
        server.start()
    with Client(server) as client, Connection(server.port) as kafka:
        assert client.table("ghost") is None and [topic for topic in kafka.topics() if "ghost" in topic] == []
        client.write("ghost", {"v": [1]})
        assert client.rows("SELECT v FROM ghost") == [(1,)]
