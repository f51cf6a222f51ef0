"""SQL over HTTP: answers, errors, limits; and what every path and method answers."""

import json
import threading
import time

import pytest

from .server import wait_for
from .web import QUERY, WRITE, Client, Raw, Refused, packed, sql_request
from .wire import Connection, batch_of


@pytest.fixture(scope="module")
def shared(new_shared_server):
    server = new_shared_server().start()
    with Client(server) as client:
        client.write("cpu", {"host": ["a", "b", None], "n": [1, 2, 3], "time": [1, 2, 3]})
    return server


# --- answers ---------------------------------------------------------------------------------------


def test_an_answer_has_columns_with_types_and_rows(client):
    answer = client.query("SELECT host, n, time FROM cpu ORDER BY n")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == {
        "columns": [{"name": "host", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}, {"name": "time", "type": "TIMESTAMP"}],
        "rows": [["a", 1, "1970-01-01T00:00:01Z"], ["b", 2, "1970-01-01T00:00:02Z"], [None, 3, "1970-01-01T00:00:03Z"]],
    }


@pytest.mark.parametrize("expression, kind, text", [
    ("9007199254740992", "BIGINT", "9007199254740992"), ("9007199254740993", "BIGINT", '"9007199254740993"'),
    ("(-9223372036854775808)::BIGINT", "BIGINT", '"-9223372036854775808"'), ("18446744073709551615", "HUGEINT", '"18446744073709551615"'),
    ("18446744073709551615::UBIGINT", "UBIGINT", '"18446744073709551615"'), ("-1", "INTEGER", "-1"), ("true", "BOOLEAN", "true"),
    ("'nan'::DOUBLE", "DOUBLE", "null"), ("'inf'::DOUBLE", "DOUBLE", "null"), ("0.1::DOUBLE", "DOUBLE", "0.1"),
    ("1.10::DECIMAL(5,2)", "DECIMAL(5,2)", "1.10"), ("NULL::VARCHAR", "VARCHAR", "null"), ("''", "VARCHAR", '""'),
    ("'é\"' || chr(10)", "VARCHAR", '"é\\"\\n"'), ("TIMESTAMP_NS '2023-11-14 22:13:20.123456789'", "TIMESTAMP_NS", '"2023-11-14T22:13:20.123456789Z"'),
    ("TIMESTAMP '1900-01-01 00:00:00.000001'", "TIMESTAMP", '"1900-01-01T00:00:00.000001Z"'), ("DATE '2024-02-29'", "DATE", '"2024-02-29"'),
    ("[1, NULL]", "INTEGER[]", "[1,null]"), ("{'a': 1}", "STRUCT(a INTEGER)", '{"a":1}'), ("'\\x00\\xff'::BLOB", "BLOB", '"AP8="'),
], ids=lambda value: str(value)[:40])  # fmt: skip
def test_values_as_json(client, expression, kind, text):
    answer = client.sql(f"SELECT {expression} AS v")
    assert answer.columns == {"v": kind}
    assert answer.text.endswith(f'"rows":[[{text}]]}}'), answer.text


def test_a_large_answer_is_whole(client):
    answer = client.sql("SELECT i, repeat('x', 100) AS v FROM range(100000) t(i)")
    assert [i for i, _ in answer.rows] == list(range(100_000))
    assert int(answer.headers["Content-Length"]) == len(answer.body) > 10_000_000


def test_tables_are_listed(client):
    client.write("mem", {"v": [1]}, x_millrace_database="other")
    assert ("cpu",) in client.rows("SHOW TABLES")
    assert ("other", "mem") in client.rows("SELECT table_schema, table_name FROM information_schema.tables")
    assert [row[:2] for row in client.rows("DESCRIBE cpu")] == [("host", "VARCHAR"), ("n", "BIGINT"), ("time", "TIMESTAMP")]
    assert client.rows("EXPLAIN SELECT * FROM cpu")


def test_topics_are_read_by_sql(shared, client):
    with Connection(shared.port) as kafka:
        kafka.create_topic("events")
        for i in range(10):
            kafka.produce("events", batch_of(b"value %d" % i))
    assert client.rows("SELECT \"offset\", value::VARCHAR FROM topic('events') ORDER BY 1") == [(i, f"value {i}") for i in range(10)]


# --- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sql, parts", [
    ("SELEC 1", ["Parser Error", "SELEC"]), ("SELECT nope FROM cpu", ["Binder Error", "nope"]), ("SELECT 'a'::INTEGER", ["Conversion Error", "'a'"]),
    ("", ["no statement"]), (";", ["statement"]), ("-- nothing", ["statement"]),
    ("SELECT 1/'x'", ["Conversion Error"]), ("SELECT error('mine')", ["mine"]),
    ("SELECT \0", ["zero"]), ("RESET ALL", ["RESET"]), ("SELECT $1", ["parameters"]),
], ids=repr)  # fmt: skip
def test_an_sql_error_is_400_with_its_message(client, sql, parts):
    answer = client.query(sql)
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid"), answer.text
    assert [part for part in parts if part not in answer.error] == [], answer.error
    assert client.rows("SELECT 1") == [(1,)]


@pytest.mark.parametrize("sql, parts", [
    ("SELECT * FROM nothing", ["nothing", "does not exist"]), ("SELECT * FROM cpuu", ["cpuu", 'did you mean "main"."cpu"']),
    ("SELECT * FROM other.cpu_", ["other", "cpu_"]), ("SELECT * FROM topic('no such')", ["no such"]),
], ids=repr)  # fmt: skip
def test_what_sql_names_and_is_not_there_is_404(client, sql, parts):
    answer = client.query(sql)
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found"), answer.text
    assert [part for part in parts if part not in answer.error] == [], answer.error


@pytest.mark.parametrize("sql", [
    "CREATE TABLE t (v INTEGER)", "INSERT INTO cpu VALUES (1)", "DELETE FROM cpu", "UPDATE cpu SET n = 1", "DROP VIEW cpu",
    "COPY cpu TO '/tmp/out.csv'", "COPY (SELECT 1) TO 'tables/out.parquet'", "ATTACH '/tmp/x.db'", "INSTALL httpfs", "LOAD httpfs",
    "SET memory_limit='10GB'", "PRAGMA database_list", "SELECT 1; SELECT 2", "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('*')", "SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM glob('/*')",
    "SELECT getenv('HOME')", "SELECT current_setting('temp_directory')", "CALL pragma_version()", "EXPORT DATABASE '/tmp/x'",
    "EXPLAIN ANALYZE INSERT INTO cpu VALUES (1)", "BEGIN", "VACUUM", "CHECKPOINT", "SELECT * FROM duckdb_settings()",
    "SELECT * FROM query('SELECT 1')", "USE main", "PREPARE p AS SELECT 1", "SHOW databases; SELECT 1",
], ids=lambda sql: sql[:24])  # fmt: skip
def test_what_may_not_run_is_403(client, sql):
    answer = client.query(sql)
    assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden"), answer.text
    assert client.rows("SELECT count(*) FROM cpu") == [(3,)]


@pytest.mark.parametrize("sql", ["SELECT * FROM '/etc/passwd'", "SELECT * FROM 'tables/x.parquet'", "SELECT * FROM \"/etc/hostname\""])
def test_a_file_is_no_table(client, sql):
    answer = client.query(sql)
    assert answer.status in (403, 404) and "root:" not in answer.text
    assert "does not exist" in answer.error or answer.status == 403


@pytest.mark.parametrize("body, part", [
    (b"", "not JSON"), (b"SELECT 1", "not JSON"), (b"{", "not JSON"), (b'{"sql": "SELECT 1"} x', "not JSON"), (b"[]", '"sql"'), (b"{}", '"sql"'),
    (b'{"sql": 1}', '"sql"'), (b'{"sql": null}', '"sql"'), (b'{"sql": "SELECT 1", "limit": 5}', '"limit" is unknown'),
    (b'{"sql": "SELECT \xff"}', "not JSON"), (b"null", '"sql"'), (b'"SELECT 1"', '"sql"'), (b'\xef\xbb\xbf{"sql":', "not JSON"),
], ids=repr)  # fmt: skip
def test_a_body_that_is_no_query_is_400(client, body, part):
    answer = client.call("POST", QUERY, body)
    assert (answer.status, part in answer.error) == (400, True), answer.text
    assert answer.json["error"]["code"] == "invalid"


# --- limits ----------------------------------------------------------------------------------------

SLOW = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"


def test_a_query_beyond_its_time_is_ended(new_server):
    server = new_server("--query-time-ms", "300").start()
    with Client(server) as client:
        for _ in range(2):
            begun = time.monotonic()
            answer = client.query(SLOW)
            assert (answer.status, answer.json["error"]["code"]) == (504, "timeout"), answer.text
            assert 0.25 < time.monotonic() - begun < 5
            assert client.rows("SELECT 1") == [(1,)]


def test_slow_queries_do_not_hold_up_writes(new_server):
    server = new_server("--query-time-ms", "1500").start()
    statuses = []

    def ask():
        with Client(server) as client:
            statuses.append(client.query(SLOW).status)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    written = 0
    with Client(server) as client:
        while any(asker.is_alive() for asker in askers):
            begun = time.monotonic()
            client.write("t", {"v": [written]})
            assert time.monotonic() - begun < 2
            written += 1
        assert set(statuses) == {504} and len(statuses) == 4
        assert client.rows("SELECT count(*) FROM t") == [(written,)]
    assert written > 20


def test_more_queries_than_may_wait_are_told_to_come_later(new_server):
    server = new_server("--query-time-ms", "1000").start()
    raws = [Raw(server) for _ in range(80)]
    for raw in raws:
        raw.send(sql_request(SLOW))
    answers = [raw.answer() for raw in raws]
    by_status = {status: [a for a in answers if a.status == status] for status in {a.status for a in answers}}
    assert by_status.keys() == {503, 504}, {k: len(v) for k, v in by_status.items()}
    for answer in by_status[503]:
        assert answer.headers["Retry-After"] == "1"
        assert answer.json["error"]["code"] == "overloaded" and answer.json["error"]["detail"] == {"retry_after_s": 1}
    assert all("did not end within" in a.error or "waited 1 s" in a.error for a in by_status[504]), {a.error for a in by_status[504]}
    for raw in raws:
        raw.close()
    with Client(server) as client:
        assert client.rows("SELECT 1") == [(1,)]


def test_more_rows_than_allowed_are_an_error(new_server):
    server = new_server("--query-rows", 1000).start()
    with Client(server) as client:
        assert len(client.rows("SELECT * FROM range(1000)")) == 1000
        answer = client.query("SELECT * FROM range(1001)")
        assert answer.status == 400 and "1000" in answer.error, answer.text
        assert client.rows("SELECT count(*) FROM range(1000000)") == [(1_000_000,)]


def test_queries_in_progress_do_not_hold_up_a_stop_beyond_the_deadline(new_server):
    server = new_server("--query-time-ms", "10m", "--server-drain-ms", 300).start()
    raws = [Raw(server) for _ in range(6)]  # more than run at once
    for raw in raws:
        raw.send(sql_request(SLOW))
    with Client(server) as client:
        wait_for("the queries to come", lambda: client.metrics()["millrace_queries_total"] == 6)
    server.signal()
    begun = time.monotonic()
    assert server.process.wait() == 0
    assert 0.2 < time.monotonic() - begun < 10
    for raw in raws:
        raw.close()


# --- paths and methods -----------------------------------------------------------------------------

ROUTES = {
    WRITE: "POST", "/write": "POST", "/api/v2/write": "POST", QUERY: "POST", "/api/v1/tables": "GET", "/api/v1/tables/main/cpu": "GET",
    "/api/v1/tables/main/cpu/flush": "POST", "/health": "GET", "/ready": "GET", "/metrics": "GET", "/ping": "GET",
    "/api/v2/health": "GET", "/api/v1/write/line-protocol": "POST",
}  # fmt: skip


@pytest.mark.parametrize("target", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method_is_405_with_the_right_ones(client, target, method):
    answer = client.call(method, target)
    if method == ROUTES[target]:
        assert answer.status != 405
        return
    assert answer.status == 405, answer.text
    assert answer.headers["Allow"] == {"GET": "GET, HEAD", "POST": "POST"}[ROUTES[target]]
    assert f"{target} takes {ROUTES[target]}" in answer.error and f"not {method}" in answer.error


@pytest.mark.parametrize("target, keys", [
    ("/", {"error"}), ("/nothing", {"error"}), ("/write/", {"error"}), ("/api/v1/query/", {"error"}), ("/api/v2/query", {"code", "message"}),
    ("/api/v2/", {"code", "message"}), ("/api/v1/tables/main", {"error"}), ("/api/v1/tables/main/cpu/x", {"error"}), ("//health", {"error"}),
    ("/health/../metrics", {"error"}), ("/api/v1/tables/main/nothing", {"error"}), ("/api/v1/tables/%ff/%00", {"error"}), ("/é".encode().decode("latin-1"), {"error"}),
], ids=repr)  # fmt: skip
def test_an_unknown_path_is_404_in_its_familys_form(shared, target, keys):
    with Raw(shared) as raw:
        raw.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"))
        answer = raw.answer()
    if answer.status == 400 and not target.isascii():
        return  # bytes beyond ASCII are no target; refused before a path is looked for
    assert (answer.status, answer.json.keys()) == (404, keys), answer.text
    assert answer.error


@pytest.mark.parametrize("target", [t for t, method in ROUTES.items() if method == "GET"])
def test_head_is_get_without_its_body(shared, target):
    with Raw(shared) as raw:
        raw.send(f"HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\nGET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for("the head", lambda: raw._more() and b"\r\n\r\n" in raw.received)
        head, raw.received = raw.received.split(b"\r\n\r\n", 1)
        got = raw.answer()
    lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert head.startswith(f"HTTP/1.1 {got.status} ".encode())
    assert lines.get("Content-Type") == got.headers["Content-Type"]
    assert ("Content-Length" in lines) == ("Content-Length" in got.headers)


def test_head_of_an_unknown_path_and_of_a_post_route(shared):
    with Raw(shared) as raw:
        raw.send("HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n" f"HEAD {QUERY} HTTP/1.1\r\nHost: x\r\n\r\n" "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while raw._more():
            pass
    heads = [part.split(b"\r\n")[0] for part in raw.received.split(b"\r\n\r\n")]
    assert [head[:12] for head in heads[:3]] == [b"HTTP/1.1 404", b"HTTP/1.1 405", b"HTTP/1.1 200"]


def test_tables_as_the_server_sees_them(client):
    client.write("seen", {"v": [1, 2]})
    seen = client.table("seen")
    assert (seen["hot_rows"], seen["files"], seen["file_rows"], seen["is_rebuilt"], seen["damage"]) == (2, 0, 0, True, None)
    assert [(c["name"], c["type"]) for c in seen["columns"]] == [("v", "i64"), ("time", "time_us")]
    assert (seen["next_offset"], seen["table_offset"], seen["topic"]) == (1, 0, "main.seen")
    assert client.flush("seen")["files"] == 1
    seen = client.table("seen")
    assert (seen["hot_rows"], seen["file_rows"], seen["table_offset"], seen["file_bytes"] > 0) == (0, 2, 1, True)
    assert client.flush("seen")["files"] == 1, "nothing to flush is no error"
    with pytest.raises(Refused) as caught:
        client.flush("nothing")
    assert (caught.value.answer.status, "main.nothing" in caught.value.answer.error) == (404, True)


def test_metrics_are_readable_and_move(client):
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    before = client.metrics()
    client.write("moved", {"v": [1, 2, 3]})
    client.rows("SELECT * FROM moved")
    assert client.query("nonsense").status == 400
    after = client.metrics()
    moved = {name: after[name] - before[name] for name in before if after[name] != before[name]}
    assert moved["millrace_ingest_rows_total"] == 3 and moved["millrace_queries_total"] == 2
    assert moved["millrace_http_refused_total"] == 1 and moved["millrace_http_requests_total"] >= 4
    assert moved["millrace_ingest_bytes_total"] == len(packed("moved", {"v": [1, 2, 3]}))
    assert json.loads(client.get("/ready").body) == {"status": "ready", "tables_being_rebuilt": 0, "tables_damaged": 0}
