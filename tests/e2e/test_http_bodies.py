"""Bodies as they travel: compressed, damaged, too large, sent again."""

import gzip
import json
import zlib

import msgpack
import pytest
import zstandard

from .web import QUERY, WRITE, Client, Raw, packed, request
from .wire import Connection

LIMIT = 32 << 20


def post(client, body, target=WRITE, **headers):
    return client.call("POST", target, body, **headers)


# --- encodings -------------------------------------------------------------------------------------


def zstd(body, level=1):
    return zstandard.ZstdCompressor(level, write_checksum=True).compress(body)


PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd}


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate", "zstd", "Zstd"])
@pytest.mark.parametrize("rows", [1, 100_000])
def test_compressed_bodies_are_read(client, table, encoding, rows):
    pack = PACK[encoding.lower().removeprefix("x-")]
    body = pack(packed(table, {"n": list(range(rows)), "v": [f"text {i}" for i in range(rows)]}), 1)
    answer = post(client, body, content_encoding=encoding)
    assert answer.status == 204, answer.text
    assert client.rows(f"SELECT count(*), max(n), count(DISTINCT v) FROM {table}") == [(rows, rows - 1, rows)]


@pytest.mark.parametrize("encoding", ["x", "br", "gzip, zstd", "gzip " * 100])
def test_other_encodings_are_refused(client, table, encoding):
    answer = post(client, gzip.compress(packed(table, {"n": [1]})), content_encoding=encoding)
    assert answer.status == 400 and answer.error.startswith(f"Content-Encoding {encoding[:40]}"), answer.text
    assert "must be gzip, deflate, zstd or identity" in answer.error and len(answer.error) < 120
    assert client.table(table) is None


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_compressed_body_is_known_without_the_header(client, table, pack):
    """Clients of Arc send none."""
    assert post(client, pack(packed(table, {"v": [1]}))).status == 204
    assert post(client, pack(f"{table} v=2i".encode()), "/write").status == 204
    assert post(client, pack(json.dumps({"sql": f"SELECT v FROM {table} ORDER BY v"}).encode()), QUERY).rows == [(1,), (2,)]
    assert post(client, pack(packed(table, {"v": [3]})), content_encoding="identity").status == 400


def test_identity_and_no_encoding_are_the_same(client, table):
    for encoding in ("identity", ""):
        assert post(client, packed(table, {"v": [1]}), content_encoding=encoding).status == 204
    assert client.rows(f"SELECT count(*) FROM {table}") == [(2,)]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_several_members_or_frames_are_one_body(client, table, encoding):
    body = packed(table, {"v": [1, 2, 3]})
    assert post(client, PACK[encoding](body[:7]) + PACK[encoding](body[7:]), content_encoding=encoding).status == 204
    assert client.rows(f"SELECT v FROM {table} ORDER BY v") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("encoding", PACK)
def test_a_damaged_body_is_refused_and_leaves_nothing(client, table, encoding):
    good = PACK[encoding](packed(table, {"v": list(range(1000))}), 9)
    bad = {
        "empty": b"", "plain": b"plain", "cut": good[:-1], "cut in the data": good[: len(good) // 2], "header": good[:5],
        "checksum": good[:-4] + bytes([good[-4] ^ 1]) + good[-3:], "trailing": good + b"xyz",
        "flipped": good[:40] + bytes([good[40] ^ 0x10]) + good[41:],
    }  # fmt: skip
    if encoding == "gzip":
        bad |= {"sum of the data": good[:-8] + bytes([good[-8] ^ 1]) + good[-7:], "deflate": zlib.compress(b"x")}
    for name, body in bad.items():
        answer = post(client, body, content_encoding=encoding)
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid"), (name, answer.text)
    assert client.table(table) is None
    assert post(client, good, content_encoding=encoding).status == 204


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("target", [WRITE, QUERY, "/write", "/api/v2/write"])
def test_a_bomb_is_refused(client, target, encoding):
    bomb = PACK[encoding](b"\0" * (LIMIT + 1), 9)
    assert len(bomb) < 40_000
    answer = post(client, bomb, target, content_encoding=encoding)
    assert answer.status == 413 and str(LIMIT) in answer.error, answer.text


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_of_bombs_is_refused_without_being_blown_up(client, shared, encoding):
    bomb = PACK[encoding](b"\0" * (64 << 20), 9)
    before = client.metrics()["process_resident_memory_bytes"]
    for _ in range(3):
        assert post(client, bomb * 400, content_encoding=encoding).status == 413  # 25 GiB
    assert client.metrics()["process_resident_memory_bytes"] - before < 256 << 20


# --- sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [WRITE, QUERY, "/write", "/api/v2/write"])
def test_a_body_above_the_limit_is_refused_before_it_is_sent(shared, target):
    with Raw(shared) as raw:
        raw.send(request(target=target, Content_Length=LIMIT + 1))
        answer = raw.answer()
        assert answer.status == 413 and answer.error, answer.text
        assert raw.is_closed()


def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not(client, table):
    def body(size):
        text = "x" * 1_000_000
        rows = [text] * (size // 1_000_010)
        rest = size - len(packed(table, {"v": [*rows, "y" * 70_000]}))
        return packed(table, {"v": [*rows, "y" * (70_000 + rest)]})

    assert len(body(LIMIT)) == LIMIT
    assert post(client, body(LIMIT)).status == 204
    assert client.rows(f"SELECT sum(length(v)) < {LIMIT} AND sum(length(v)) > {LIMIT - 1000} FROM {table}") == [(True,)]
    assert post(client, body(LIMIT + 1)).status == 413
    assert post(client, gzip.compress(body(LIMIT + 1), 1), content_encoding="gzip").status == 413
    assert client.rows(f"SELECT count(*) FROM {table}") == [(34,)]


def test_a_chunked_body_above_the_limit_is_refused(shared, client, table):
    with Raw(shared, timeout=60) as raw:
        raw.send(request(target=WRITE, Content_Length=None, Transfer_Encoding="chunked"))
        chunk = b"100000\r\n" + b"\0" * (1 << 20) + b"\r\n"
        for _ in range(32):
            raw.send(chunk)
        raw.send(b"1\r\n")
        answer = raw.answer()
        assert (answer.status, raw.is_closed()) == (413, True)


def test_a_query_that_is_deeply_nested_json_costs_nothing(client):
    before = client.metrics()["process_resident_memory_bytes"]
    for body in (b"[" * (8 << 20), b'{"sql":' * (2 << 20), b'{"sql":' + b"[" * (8 << 20)):
        answer = post(client, body, QUERY)
        assert answer.status == 400 and "sql" in answer.error, answer.text
    assert client.metrics()["process_resident_memory_bytes"] - before < 128 << 20


# --- batch ids -------------------------------------------------------------------------------------


def counters(client):
    return {name: client.metrics()[f"millrace_ingest_{name}_total"] for name in ("rows", "requests", "duplicates", "refused")}


def test_the_same_id_again_answers_and_stores_once(client, table):
    before = counters(client)
    for _ in range(3):
        client.write(table, {"v": [1, 2]}, x_millrace_batch_id="once")
    assert client.rows(f"SELECT v FROM {table} ORDER BY v") == [(1,), (2,)]
    moved = {name: value - before[name] for name, value in counters(client).items()}
    assert moved == {"rows": 2, "requests": 3, "duplicates": 2, "refused": 0}
    client.write(table, {"v": [3]}, x_millrace_batch_id="another")
    client.write(table, {"v": [4]})
    client.write(table, {"v": [4]})
    assert client.rows(f"SELECT v FROM {table} ORDER BY v") == [(1,), (2,), (3,), (4,), (4,)]


def test_the_same_id_in_another_database_is_another_write(client, table):
    for database in ("one", "two", "one", "two"):
        client.write(table, {"v": [database]}, x_millrace_batch_id="same", x_millrace_database=database)
    for database in ("one", "two"):
        assert client.rows(f"SELECT v FROM {database}.{table}") == [(database,)]


@pytest.mark.parametrize("how", [None, "kill", "terminate"])
def test_an_id_is_forgotten_with_its_table(new_server, how):
    """Deleted, with or without a restart before the retry: what was acknowledged is there."""
    server = new_server().start()
    for _ in range(2):
        with Client(server) as client, Connection(server.port) as kafka:
            client.write("t", {"v": [1, 2]}, x_millrace_batch_id="import")
            assert client.rows("SELECT v FROM t ORDER BY v") == [(1,), (2,)]
            kafka.delete_topic("main.t")
        if how:
            getattr(server, how)()
            server.start()
    with Client(server) as client:
        client.write("t", {"v": [1, 2]}, x_millrace_batch_id="import")
        client.write("t", {"v": [1, 2]}, x_millrace_batch_id="import")
        assert client.rows("SELECT v FROM t ORDER BY v") == [(1,), (2,)]


@pytest.mark.parametrize("target", [WRITE, "/write", "/api/v2/write"])
def test_the_same_id_for_another_table_is_a_conflict(client, table, target):
    client.write(table, {"v": [1]}, x_millrace_batch_id=f"{target} twice")
    body = packed(f"{table}_b", {"v": [2]}) if target == WRITE else f"{table}_b v=2".encode()
    answer = post(client, body, target, x_millrace_batch_id=f"{target} twice")
    assert answer.status == 409, answer.text
    assert f"was used for a write to main.{table}" in answer.error
    form = {WRITE: ["error"], "/write": ["error"], "/api/v2/write": ["code", "message"]}[target]
    assert list(answer.json) == form and isinstance(answer.json[form[-1]], dict if target == WRITE else str)
    assert client.query(f"SELECT * FROM {table}_b").status != 200
    client.write(table, {"v": [1]}, x_millrace_batch_id=f"{target} twice")
    assert client.rows(f"SELECT v FROM {table}") == [(1,)]


def test_ids_and_databases_are_not_joined_to_one_text(client, table):
    client.write(table, {"v": [1]}, x_millrace_batch_id="b-c", x_millrace_database="a")
    client.write(table, {"v": [1]}, x_millrace_batch_id="c", x_millrace_database="a-b")
    assert client.rows(f'SELECT count(*) FROM "a-b".{table}') == [(1,)]


@pytest.mark.parametrize("target, body", [(WRITE, packed("long_id", {"v": [1]})), ("/write", b"long_id v=1"), ("/api/v2/write", b"long_id v=1")])
def test_an_id_has_1_to_128_bytes(client, target, body):
    for batch_id in ("", "x" * 129):
        answer = post(client, body, target, x_millrace_batch_id=batch_id)
        assert answer.status == 400 and "x-millrace-batch-id" in answer.error, answer.text
    assert client.table("long_id") is None


def test_an_id_of_128_bytes_is_known_again(client, table):
    for _ in range(2):
        client.write(table, {"v": [1]}, x_millrace_batch_id="x" * 128)
    client.write(table, {"v": [1]}, x_millrace_batch_id="x" * 127)
    assert client.rows(f"SELECT count(*) FROM {table}") == [(2,)]


def test_a_refused_write_does_not_use_up_its_id(client, table):
    client.write(table, {"v": [1]})
    assert client.post_columns(table, {"v": ["text"]}, x_millrace_batch_id="retried").status == 400
    client.write(table, {"v": [2]}, x_millrace_batch_id="retried")
    assert client.rows(f"SELECT v FROM {table} ORDER BY v") == [(1,), (2,)]


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_retry_after_a_restart_is_still_once(new_server, how):
    server = new_server("--journal-file-bytes", "1MiB").start()
    with Client(server) as client:
        for i in range(20):
            client.write("t", {"v": [i], "pad": ["x" * 100_000]}, x_millrace_batch_id=f"id {i}")
        client.flush("t")
        client.write("t", {"v": [20], "new_column": [1.5]}, x_millrace_batch_id="id 20")
    for _ in range(2):
        getattr(server, how)()
        server.start()
        with Client(server) as client:
            for i in range(20):
                client.write("t", {"v": [i], "pad": ["x" * 100_000]}, x_millrace_batch_id=f"id {i}")
            client.write("t", {"v": [20], "new_column": [1.5]}, x_millrace_batch_id="id 20")
            assert client.rows("SELECT v FROM t ORDER BY v") == [(i,) for i in range(21)]
            assert counters(client)["duplicates"] == 21


def test_the_same_id_at_the_same_moment_is_stored_once(shared, table):
    body = packed(table, {"v": [1]})
    for i in range(30):
        raws = [Raw(shared) for _ in range(4)]
        for raw in raws:
            raw.send(request(body, WRITE, x_millrace_batch_id=f"race {i}"))
        assert [raw.answer().status for raw in raws] == [204] * 4
        for raw in raws:
            raw.close()
    with Client(shared) as client:
        assert client.rows(f"SELECT count(*) FROM {table}") == [(30,)]


def test_two_requests_that_add_a_column_with_different_types_at_the_same_moment(shared):
    """One wins before either is acknowledged; the other is refused or fits."""
    kinds = [["text"], [True], [1], [1.5]]
    for i in range(30):
        raws = [Raw(shared) for _ in kinds]
        for raw, values in zip(raws, kinds, strict=True):
            raw.send(request(packed(f"race_{i}", {"v": values}), WRITE))
        statuses = [raw.answer().status for raw in raws]
        for raw in raws:
            raw.close()
        taken = [values[0] for status, values in zip(statuses, kinds, strict=True) if status == 204]
        assert set(statuses) <= {204, 400} and taken
        with Client(shared) as client:
            got = [v for (v,) in client.rows(f"SELECT v FROM race_{i}")]
            assert sorted(map(float if len(taken) == 2 else str, got)) == sorted(map(float if len(taken) == 2 else str, taken))


# --- errors have their form ------------------------------------------------------------------------


@pytest.mark.parametrize("target, keys", [(WRITE, {"error"}), ("/write", {"error"}), ("/api/v2/write", {"code", "message"})])
@pytest.mark.parametrize("body, headers, status", [
    (b"\xc1", {}, 400), (b"x", {"content_encoding": "br"}, 400), (b"x", {"content_encoding": "gzip"}, 400),
    (gzip.compress(b"\0" * (LIMIT + 1)), {"content_encoding": "gzip"}, 413),
], ids=["bad", "encoding", "damaged", "large"])  # fmt: skip
def test_each_family_has_its_form_of_errors(client, target, keys, body, headers, status):
    answer = post(client, body, target, **headers)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    document = answer.json
    assert document.keys() == keys
    if target == WRITE:
        assert document["error"].keys() == {"code", "message", "detail"}
    elif "code" in keys:
        assert document["code"] == {400: "invalid", 413: "request too large"}[status]
    assert answer.error


def test_a_table_and_a_kafka_topic_keep_out_of_each_others_way(shared, client):
    from . import wire
    from .wire import Connection, batch_of

    client.write("mine", {"v": [1]})
    with Connection(shared.port) as kafka:
        produced = kafka.produce("main.mine", batch_of(b"intruder"), version=8)
        assert (produced.error != wire.NONE, produced.base_offset) == (True, -1)
        kafka.create_topic("main.theirs")
        assert kafka.produce("main.theirs", batch_of(b"x")).error == wire.NONE
        fetched = [msgpack.unpackb(value, strict_map_key=False) if value[:1] == b"\x82" else value
                   for _, value in kafka.fetch_all("main.mine")]  # fmt: skip
        assert len(fetched) == 1
    answer = client.post_columns("theirs", {"v": [1]})
    assert (answer.status, answer.json["error"]["code"]) == (409, "conflict"), answer.text
    client.write("mine", {"v": [2]})
    assert client.rows("SELECT v FROM mine ORDER BY v") == [(1,), (2,)]


def test_a_table_deleted_by_kafka_is_gone_and_its_name_is_free(new_server):
    from . import wire
    from .wire import Connection

    server = new_server().start()
    with Client(server) as client, Connection(server.port) as kafka:
        client.write("t", {"v": ["old"]})
        client.flush("t")
        client.write("t", {"v": ["old"]})
        assert kafka.delete_topic("main.t") == wire.NONE
        assert client.query("SELECT * FROM t").status == 404
        assert client.table("t") is None
        client.write("t", {"v": [1.5]})
        assert client.rows("SELECT v FROM t") == [(1.5,)]
    server.kill()
    server.start()
    with Client(server) as client:
        assert client.rows("SELECT v FROM t") == [(1.5,)]
        assert json.dumps(client.get("/api/v1/tables").json).count('"measurement": "t"') == 1
