"""What clients of InfluxDB and Arc expect around their rows: paths, headers, tokens."""

import json
import urllib.parse

import pytest

from .server import run
from .web import WRITE, Client, Raw, packed, request

V1, V2, ARC = "/write", "/api/v2/write", "/api/v1/write/line-protocol"


def test_what_they_ask_first(client):
    assert client.get("/ping").status == 204
    for path in ("/health", "/api/v2/health"):
        answer = client.get(path)
        assert (answer.status, answer.json["status"], answer.json["name"]) == (200, "pass", "millrace")


@pytest.mark.parametrize("asked", ["verbose=true", "verbose=1", "verbose=x"])
def test_a_verbose_ping_has_the_version_in_its_body(client, asked):
    answer = client.get(f"/ping?{asked}")
    assert (answer.status, answer.json) == (200, {"version": answer.headers["X-Influxdb-Version"]})


@pytest.mark.parametrize("asked", ["verbose=false", "verbose=0", "verbose=", "verbose"])
def test_other_pings_are_silent(client, asked):
    answer = client.get(f"/ping?{asked}")
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("method, target, body, status", [
    ("GET", "/ping", b"", 204), ("HEAD", "/ping", b"", 204), ("GET", "/health", b"", 200), ("GET", "/api/v2/health", b"", 200),
    ("POST", V1, b"influx_fields v=1", 204), ("POST", V2, b"influx_fields v=1", 204), ("POST", V1, b"bad", 400), ("POST", V2, b"bad", 400),
    ("GET", V1, b"", 405), ("GET", "/api/v2/nothing", b"", 404), ("POST", V1 + "?x=1", b"", 400),
])  # fmt: skip
def test_every_answer_of_theirs_has_version_build_and_id(client, method, target, body, status):
    answers = [client.call(method, target, body) for _ in range(2)]
    for answer in answers:
        assert (answer.status, answer.headers["X-Influxdb-Version"], answer.headers["X-Influxdb-Build"]) == (status, "1.8.10", "millrace")
        assert answer.headers["Request-Id"] == answer.headers["X-Request-Id"]
    assert len({answer.headers["Request-Id"] for answer in answers}) == 2


def test_what_is_refused_before_its_body_has_them_too(shared):
    with Raw(shared) as raw:
        raw.send(request(target=V1, Content_Length=1 << 40))
        answer = raw.answer()
        assert (answer.status, answer.headers["X-Influxdb-Version"]) == (413, "1.8.10")


@pytest.mark.parametrize("given, expected", [
    ({"X-Request-Id": "mine"}, "mine"), ({"Request-Id": "mine"}, "mine"), ({"X-Request-Id": "one", "Request-Id": "two"}, "one"),
])  # fmt: skip
def test_an_id_of_the_client_comes_back(client, given, expected):
    answer = client.lines("influx_id v=1", V1, headers=given)
    assert (answer.headers["Request-Id"], answer.headers["X-Request-Id"]) == (expected, expected)


def test_our_own_routes_do_not_speak_as_influxdb(client):
    for answer in (client.get("/metrics"), client.get("/api/v1/tables"), client.lines("influx_arc v=1", ARC)):
        assert "X-Influxdb-Version" not in answer.headers


def test_errors_are_in_a_header_too(client):
    answer = client.lines("bad\nworse", V1)
    assert answer.status == 400 and answer.headers["X-Influxdb-Error"] == answer.error
    assert client.lines("bad", V2).headers["X-Platform-Error-Code"] == "invalid"
    assert client.call("GET", V2).headers["X-Platform-Error-Code"] == "invalid"
    assert client.get("/api/v2/x").headers["X-Platform-Error-Code"] == "not found"


def test_lines_at_arcs_path(client, table):
    assert client.lines(f"{table},host=a v=1i 5", ARC, precision="s").status == 204
    assert client.lines(f"{table},host=a v=2i 6", ARC, is_gzip=True, precision="s").status == 204
    assert client.rows(f"SELECT host, v, time FROM {table} ORDER BY v") == [
        ("a", 1, "1970-01-01T00:00:05Z"), ("a", 2, "1970-01-01T00:00:06Z")]  # fmt: skip
    answer = client.lines(f"bad\n{table} v=3i", ARC)
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid") and "line 1: " in answer.error
    assert client.rows(f"SELECT count(*) FROM {table}") == [(3,)]


SECRET = "s3cr3t-t0ken"


@pytest.mark.parametrize("headers, target", [
    ({"Authorization": f"Token {SECRET}"}, ""), ({"Authorization": f"Bearer {SECRET}"}, ""), ({"Authorization": SECRET}, ""),
    ({"Authorization": "Basic " + "dXNlcjpzM2NyM3QtdDBrZW4="}, ""), ({"x-api-key": SECRET}, ""), ({}, f"?p={SECRET}"), ({}, f"?u=user&p={SECRET}"),
])  # fmt: skip
def test_a_token_in_any_form_is_taken_and_never_told(new_server, headers, target):
    server = new_server("--log-level", "verbose").start()
    with Client(server) as client:
        for path in (V1, V2, *([] if "u=" in target else [ARC])):
            answer = client.call("POST", path + target, b"tokens v=1", **headers)
            assert answer.status == 204, answer.text
            bad = client.call("POST", path + target, b"bad", **headers)
            assert bad.status == 400 and SECRET not in bad.text + str(bad.headers)
        assert client.call("POST", WRITE + target, packed("tokens", {"v": [1.0]}), **headers).status == 204
        assert client.call("GET", "/nothing" + target, **headers).status == 404
        client.flush("tokens")
    assert server.terminate() == 0
    told = "\n".join([server.process.text(), *server.process.out])
    assert "stopping" in told and SECRET not in told and "dXNlcjpzM2NyM3QtdDBrZW4" not in told


# --- /query ----------------------------------------------------------------------------------------

QUERY1 = "/query"


def ask(client, text, how="GET", **parameters):
    """The results, by one of the ways in which clients ask."""
    form = urllib.parse.urlencode({"q": text, **parameters})
    if how == "form":
        answer = client.call("POST", QUERY1, form.encode(), content_type="application/x-www-form-urlencoded; charset=utf-8")
    else:
        answer = client.call(how, f"{QUERY1}?{form}")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["X-Influxdb-Version"]) == (200, "application/json", "1.8.10"), answer.text
    results = answer.json["results"]
    assert [result.pop("statement_id") for result in results] == list(range(len(results)))
    return results


def names_of(result, of="databases"):
    (series,) = result["series"]
    assert (series["name"], series["columns"]) == (of, ["name"])
    return [name for (name,) in series["values"]]


@pytest.mark.parametrize("how", ["GET", "POST", "form"])
def test_databases_and_measurements_are_shown(client, table, how):
    before = names_of(ask(client, "SHOW DATABASES", how)[0])
    assert "main" in before and f"db_{table}" not in before
    client.write(table, {"v": [1]}, x_millrace_database=f"db_{table}")
    client.write(f"{table} 2", {"v": [1]}, x_millrace_database=f"db_{table}")
    assert names_of(ask(client, "show databases", how)[0]) == sorted([*before, f"db_{table}"])
    for text, parameters in ((f'SHOW MEASUREMENTS ON "db_{table}"', {}), ("SHOW MEASUREMENTS", {"db": f"db_{table}"})):
        assert names_of(ask(client, text, how, **parameters)[0], "measurements") == [table, f"{table} 2"]
    assert ask(client, "SHOW MEASUREMENTS ON nowhere; SHOW DATABASES", how)[0] == {}
    assert ask(client, "SHOW MEASUREMENTS; SHOW DATABASES", how) == [{"error": "database name required"}]


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_created_database_is_kept(new_server, how):
    server = new_server().start()
    with Client(server) as client:
        assert ask(client, 'CREATE DATABASE telegraf; create database "my db"; CREATE DATABASE telegraf', "POST") == [{}, {}, {}]
        (warned,) = ask(client, "CREATE DATABASE read_only", "GET")
        assert warned["messages"] == [{"level": "warning", "text": "deprecated use of 'CREATE DATABASE read_only' in a read only context,"
                                       " please use a POST request instead"}]  # fmt: skip
    for _ in range(2):
        getattr(server, how)()
        server.start()
        with Client(server) as client:
            assert names_of(ask(client, "SHOW DATABASES")[0]) == ["main", "my db", "read_only", "telegraf"]
    with Client(server) as client:
        assert client.lines("cpu v=1", db="telegraf").status == 204
        assert names_of(ask(client, "SHOW MEASUREMENTS ON telegraf")[0], "measurements") == ["cpu"]
    server.kill()
    assert run("fsck", "--data", server.data).returncode == 0
    frames = [json.loads(line) for line in run("dump", next((server.data / "journal").glob("*.log")), "--json").stdout.splitlines()]
    assert {frame["database"] for frame in frames if frame.get("kind") == "database"} == {"telegraf", "my db", "read_only"}


def test_what_cannot_be_created_says_why(client):
    for text, part in ((f'CREATE DATABASE "{"x" * 81}"', "must be 1 to 80"), ('CREATE DATABASE ""', "must be 1 to 80"), (r'CREATE DATABASE "a\nb"', "control")):
        (result,) = ask(client, f"{text}; SHOW DATABASES", "POST")
        assert part in result["error"], result


@pytest.mark.parametrize("text, part", [
    ("SELECT * FROM cpu", "queries are SQL: POST /api/v1/query"), ("DROP DATABASE main", "found DROP"), ("SHOW SERIES", "expected DATABASES, MEASUREMENTS"),
    ("CREATE DATABASE a-b", "found -"), ("\x00", "found"), ("é", "found"),
])  # fmt: skip
def test_other_statements_are_refused_and_say_where(client, text, part):
    answer = client.get(f"{QUERY1}?" + urllib.parse.urlencode({"q": text}))
    assert (answer.status, answer.json.keys()) == (400, {"error"})
    assert answer.error.startswith("error parsing query: ") and part in answer.error and " at line 1, char " in answer.error
    told = answer.headers["X-Influxdb-Error"].encode("latin-1").decode()
    assert told == answer.error.replace("\0", " ")


def test_a_query_without_a_statement(client):
    for answer in (client.get(QUERY1), client.get(f"{QUERY1}?q="), client.call("POST", QUERY1, b"q=SHOW+DATABASES")):
        assert (answer.status, answer.error) == (400, 'missing required parameter "q"')


def test_a_pretty_answer(client):
    assert '\n    "results"' in client.get(f"{QUERY1}?q=SHOW+DATABASES&pretty=true").text
