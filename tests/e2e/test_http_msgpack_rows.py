"""Writes in MessagePack row by row, and batches of rows and columns of several tables."""

import msgpack
import pytest

from .web import WRITE, Client, quoted

SECOND = 1_700_000_000


def post(client, *parts, **headers):
    (body,) = parts if len(parts) == 1 else (list(parts),)
    return client.call("POST", WRITE, msgpack.packb(body), **headers)


def row(table, time=SECOND, **fields):
    return {"m": table, "t": time, "fields": fields}


def columns_of(client, table):
    return {column["name"]: (column["type"], column["is_tag"]) for column in client.table(table)["columns"]}


def test_a_row_of_every_part(client, table):
    tags = {"rack": "r1", "slot": 7, "spare": True, "none": None}
    fields = {"load": 0.5, "count": -3, "big": (1 << 64) - 1, "up": True, "note": "fine", "rack": 2}
    assert post(client, {"m": table, "t": SECOND * 1000, "h": "a", "tags": tags, "fields": fields}).status == 204
    assert client.rows(f"SELECT epoch_ms(time), host, rack, slot, spare, load, count, big, up, note, rack_value FROM {quoted(table)}") == [
        (SECOND * 1000, "a", "r1", "7", "true", 0.5, -3, (1 << 64) - 1, True, "fine", 2)
    ]
    shown = columns_of(client, table)
    assert [name for name, (_, is_tag) in shown.items() if is_tag] == ["host", "rack", "slot", "spare"]
    assert "none" not in shown


def test_the_compact_form_and_measurements_that_are_numbers(client):
    assert post(client, {"m": 42, "t": SECOND, "f": [1.5, "x", None]}).status == 204
    assert client.rows("SELECT field_0, field_1, field_2 FROM measurement_42") == [(1.5, "x", None)]


@pytest.mark.parametrize("host, expected", [({"h": "a"}, "a"), ({}, "b"), ({"h": None}, "b")], ids=["named", "absent", "nil"])
def test_a_host_that_is_not_there_takes_no_tag_away(client, table, host, expected):
    assert post(client, row(table, v=1) | {"tags": {"host": "b"}} | host).status == 204
    assert client.rows(f"SELECT host FROM {quoted(table)}") == [(expected,)]


@pytest.mark.parametrize("form", ["array", "batch"])
def test_rows_and_columns_of_several_tables_in_one_request(new_server, form):
    """Each table has its rows in its log, from memory, after kill -9, and in files."""
    server = new_server().start()
    items = []
    for i in range(100):
        items.append(row("cpu", SECOND + i, v=i) | {"h": f"host{i % 3}"})
        items.append(row("mem", SECOND + i, used=i / 2))
    items.insert(50, {"m": "cpu", "columns": {"time": [SECOND + 1000, SECOND + 1001], "v": [1000, 1001.5]}})
    body = {"batch": items} if form == "batch" else items

    def check(client):
        assert client.rows("SELECT count(*), count(DISTINCT time), sum(v), count(host) FROM cpu") == [(102, 102, 4950 + 2001.5, 100)]
        assert client.rows("SELECT count(*), sum(used) FROM mem") == [(100, 4950 / 2)]

    with Client(server) as client:
        for _ in range(3):  # the second and third are told to be there already
            assert post(client, body, x_millrace_batch_id="one").status == 204
        check(client)
    server.kill()
    with Client(server.start()) as client:
        check(client)
        assert post(client, body, x_millrace_batch_id="one").status == 204
        check(client)
        client.flush("cpu")
        client.flush("mem")
        check(client)
        assert client.rows("SELECT count(*) FROM topic('main.cpu')") == [(1,)], "a request is one record of each table"


def test_a_row_without_a_time_has_that_of_its_arrival_also_after_a_replay(new_server):
    server = new_server().start()
    with Client(server) as client:
        items = [{"m": "a", "fields": {"v": 1}}, {"m": "a", "t": None, "fields": {"v": 2}}, {"m": "b", "fields": {"v": 3}}]
        assert post(client, *items).status == 204
        (times,) = client.rows("SELECT min(epoch_us(time)), max(epoch_us(time)), (SELECT epoch_us(time) FROM b), epoch_us(now()) FROM a")
        assert times[0] == times[1] == times[2] and 0 <= times[3] - times[0] < 60_000_000
    server.kill()
    with Client(server.start()) as client:
        assert client.rows("SELECT DISTINCT epoch_us(time) FROM (FROM a UNION ALL FROM b)") == [(times[0],)]


def test_times_of_a_declared_precision(new_server):
    server = new_server().start()
    units = {"ns": 1, "us": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
    body = [row("t", 5, v=0), {"m": "t", "columns": {"time": [6, 7], "v": [1, 2]}}]

    def check(client):
        for precision, ns in units.items():
            assert client.rows(f"SELECT epoch_ns(time) FROM {precision}.t ORDER BY time") == [(5 * ns,), (6 * ns,), (7 * ns,)]

    with Client(server) as client:
        for precision in units:
            target = f"{WRITE}?precision={precision}"
            assert client.call("POST", target, msgpack.packb(body), x_millrace_database=precision).status == 204
        check(client)
        for target, told in [(WRITE + "?precision=d", 'invalid precision "d"'), (WRITE + "?precison=s", 'the parameter "precison"')]:
            answer = client.call("POST", target, msgpack.packb(body))
            assert answer.status == 400 and told in answer.error
        assert client.table("t") is None
    server.kill()
    with Client(server.start()) as client:
        check(client)


GOOD = row("good", v=1)
BAD = {
    "no fields": ({"m": "bad", "t": SECOND}, "the row has no fields"),
    "no measurement": ({"t": SECOND, "fields": {"v": 1}}, 'the row has no "m"'),
    "a time that is text": (row("bad", "now", v=1), 'the time "t": a time is an integer or a timestamp, this is a string'),
    "a time beyond nanoseconds": (row("bad", 9_250_000_000_000, v=1), "outside 1677-09-22 to 2262-04-11"),
    "a field that is a map": (row("bad", v={}), 'the field "v": a map where a value should be'),
    "a type that changes": (row("good", v="x"), 'field "v": string does not fit a column of i64'),
    "an unknown key": (row("bad", v=1) | {"x": 1}, 'the key "x"'),
    "a batch within a batch": ({"batch": [GOOD]}, "a batch within a batch"),
    "a number": (5, "a request is an integer, not a map"),
}


@pytest.mark.parametrize("bad, told", BAD.values(), ids=BAD)
def test_one_bad_item_refuses_the_whole_request_and_is_named(client, bad, told):
    answer = post(client, GOOD, GOOD, bad, GOOD)
    assert answer.status == 400 and "item 2: byte " in answer.error and told in answer.error, answer.error
    assert client.table("good") is None and client.table("bad") is None


def test_a_row_that_does_not_fit_its_table_refuses_the_whole_request(client):
    assert post(client, row("typed", v=1)).status == 204
    answer = post(client, row("fresh", v=1), row("typed", v="text"))
    assert answer.status == 400 and '"v"' in answer.error and "typed" in answer.error, answer.error
    assert client.table("fresh") is None
    assert client.rows("SELECT v FROM typed") == [(1,)]


def test_cut_at_every_byte_is_refused_and_leaves_nothing(client):
    body = msgpack.packb([row("cut", v=1) | {"h": "a", "tags": {"b": "c"}}, {"m": "cut", "columns": {"v": [1, 2]}}])
    for length in range(len(body)):
        assert client.call("POST", WRITE, body[:length]).status == 400, length
    assert client.table("cut") is None
    assert client.call("POST", WRITE, body).status == 204
    assert client.rows("SELECT count(*) FROM cut") == [(3,)]


def test_an_empty_batch_is_nothing_to_store(client):
    assert post(client, {"batch": []}).status == 204
    assert client.call("POST", WRITE, msgpack.packb([])).status == 204
