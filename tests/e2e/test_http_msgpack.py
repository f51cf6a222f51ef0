"""Columnar writes: what was sent is what SQL returns, from memory, from files and after a replay."""

import base64
import datetime
import struct
import time

import msgpack
import pytest

from .web import WRITE, Client, packed, path_of, quoted

I64_MIN, I64_MAX, U64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
FIRST_NS = -9_223_286_400_000_000_000
EXACT = 1 << 53


def stored(client, table):
    """The values of column v in order of column n."""
    return [value for (value,) in client.rows(f"SELECT v FROM {quoted(table)} ORDER BY n")]


def written(client, table, values, **more):
    client.write(table, {"n": list(range(len(values))), "v": values, **more})
    return stored(client, table)


# --- values ----------------------------------------------------------------------------------------

CASES = {
    "i64": ([I64_MIN, -EXACT - 1, -1, 0, 1, 127, 128, EXACT, EXACT + 1, I64_MAX], "BIGINT"),
    "u64": ([0, 1, I64_MAX, I64_MAX + 1, U64_MAX], "UBIGINT"),
    "f64": ([0.0, -0.0, 0.1, -1.5, 5e-324, 1.7976931348623157e308, 2.0**63, 1e-7, 123456789.123456789], "DOUBLE"),
    "not_finite": ([float("nan"), float("inf"), float("-inf"), 1.5], "DOUBLE"),
    "bool": ([True, False, True], "BOOLEAN"),
    "string": (["", "a", 'q"\'\\', "é€𝄞\u0000\u001f\u007f", "\u2028", "line\r\nline\t", "x" * 100_000], "VARCHAR"),
    "i64_with_nil": ([None, 5, None, I64_MAX, None], "BIGINT"),
    "string_with_nil": ([None, "", None], "VARCHAR"),
    "bool_with_nil": ([None, False], "BOOLEAN"),
    "mixed": ([1, 2.5, EXACT, -EXACT, None], "DOUBLE"),
}


def test_every_value_from_memory_from_files_and_after_a_replay(new_server):
    server = new_server().start()
    columns = {name: values for name, (values, _) in CASES.items()}
    expected = {
        name: [None if v in (float("inf"), float("-inf")) or v != v else v for v in values]  # noqa: PLR0124
        for name, values in columns.items()
    }

    def check(client):
        for name, (_, kind) in CASES.items():
            answer = client.sql(f"SELECT v FROM {name} ORDER BY n")
            assert answer.columns == {"v": kind}, name
            got = [value for (value,) in answer.rows]
            assert got == expected[name], name
            assert [type(value) for value in got if kind != "DOUBLE"] == [type(v) for v in expected[name] if kind != "DOUBLE"]
        assert str(client.rows("SELECT v FROM f64 ORDER BY n")[1][0]) == "-0.0"
        assert client.rows("SELECT isnan(v), isinf(v), v > 0 FROM not_finite ORDER BY n") == [
            (True, False, True), (False, True, True), (False, True, False), (False, False, True),
        ]  # fmt: skip
        assert client.rows("SELECT length(v) FROM string ORDER BY n DESC LIMIT 1") == [(100_000,)]

    with Client(server) as client:
        for name, values in columns.items():
            client.write(name, {"n": list(range(len(values))), "v": values})
        check(client)
    server.kill()
    server.start()
    with Client(server) as client:
        check(client)  # replayed
        for name in columns:
            assert client.flush(name)["hot_rows"] == 0
        check(client)  # from files
    server.kill()
    server.start()
    with Client(server) as client:
        check(client)
        for name, values in columns.items():
            client.write(name, {"n": [1000 + i for i in range(len(values))], "v": values})
        doubled = client.rows("SELECT v FROM u64 ORDER BY n")
        assert doubled == [(v,) for v in columns["u64"]] * 2, "files and memory together"


def test_msgpack_of_every_width_is_read(client, table):
    """The encodings, not only the shortest ones that the library would pick."""
    numbers = [
        (b"\x05", 5), (b"\xff", -1), (b"\xcc\x05", 5), (b"\xcd\0\x05", 5), (b"\xce\0\0\0\x05", 5),
        (b"\xcf" + struct.pack(">Q", 5), 5), (b"\xd0\xfb", -5), (b"\xd1\xff\xfb", -5), (b"\xd2\xff\xff\xff\xfb", -5),
        (b"\xd3" + struct.pack(">q", -5), -5),
    ]  # fmt: skip
    texts = [b"\xa1s", b"\xd9\x01s", b"\xda\0\x01s", b"\xdb\0\0\0\x01s"] + [b"\xa1t"] * 6
    floats = [b"\xca" + struct.pack(">f", 1.5)] * 5 + [b"\xcb" + struct.pack(">d", 1.5)] * 5
    body = (
        b"\x82\xa1m" + msgpack.packb(table) + b"\xa7columns\x84"
        + b"\xa1n" + msgpack.packb(list(range(10)))
        + b"\xa1i\xdc\0\x0a" + b"".join(raw for raw, _ in numbers)
        + b"\xa1s\xdd\0\0\0\x0a" + b"".join(texts)
        + b"\xa1f\x9a" + b"".join(floats)
    )  # fmt: skip
    assert client.call("POST", WRITE, body).status == 204
    assert client.rows(f"SELECT i, s, f FROM {quoted(table)} ORDER BY n") == [
        (number, "s" if i < 4 else "t", 1.5) for i, (_, number) in enumerate(numbers)
    ]


BINARY = [b"\0\xff'\"", None, b"", b"x" * 70_000, b"text"]
MOMENTS = [(-62_135_596_800, 0), (253_402_300_799, 999_999_000), None, (0, 0), (1_700_000_000, 1000)]
FINE_MOMENTS = [(-9_223_286_400, 1), (9_223_372_036, 854_775_806), None, (0, 0), (1_700_000_000, 1)]


def text_of(moment, digits):
    seconds, ns = moment
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    fraction = f".{ns // 10 ** (9 - digits):0{digits}}" if ns else ""
    return f"{when.isoformat()}{fraction}Z"


def test_binary_data_and_timestamps_from_memory_from_files_and_after_a_replay(new_server):
    server = new_server().start()
    moments, fine = ([each and msgpack.Timestamp(*each) for each in values] for values in (MOMENTS, FINE_MOMENTS))
    times = [msgpack.Timestamp(1_700_000_000 + i, i * 1000) for i in range(5)]
    asked = "SELECT raw, coarse, fine, time FROM t ORDER BY time"
    expected = [
        (
            None if raw is None else base64.b64encode(raw).decode(),
            None if coarse is None else text_of(coarse, 6),
            None if exact is None else text_of(exact, 9),
            text_of((1_700_000_000 + i, i * 1000), 6),
        )
        for i, (raw, coarse, exact) in enumerate(zip(BINARY, MOMENTS, FINE_MOMENTS, strict=True))
    ]
    with Client(server) as client:
        client.write("t", {"time": times, "raw": BINARY, "coarse": moments, "fine": fine})
        assert client.sql(asked).columns == {"raw": "BLOB", "coarse": "TIMESTAMP", "fine": "TIMESTAMP_NS", "time": "TIMESTAMP"}
        assert client.rows(asked) == expected
        assert [column["type"] for column in client.table("t")["columns"]] == ["time_us", "binary", "time_us", "time_ns"]
    server.kill()
    with Client(server.start()) as client:
        assert client.rows(asked) == expected
        client.flush("t")
        assert client.rows(asked) == expected
        assert client.rows("SELECT octet_length(raw) FROM t WHERE raw = 'text'::BLOB") == [(4,)]
        client.write("t", {"time": [1_700_000_100], "raw": [b"later"], "fine": [msgpack.Timestamp(5, 0)]})
        answer = client.post_columns("t", {"raw": ["text"]})
        assert answer.status == 400 and "string does not fit a column of binary" in answer.error
        assert client.rows("SELECT raw, epoch_ns(fine), coarse FROM t ORDER BY time DESC LIMIT 1") == [("bGF0ZXI=", 5_000_000_000, None)]


def test_an_all_null_column_is_there_and_takes_the_type_that_comes(client, table):
    assert written(client, table, [None, None]) == [None, None]
    client.flush(table)
    assert stored(client, table) == [None, None]
    client.write(table, {"n": [2], "v": ["text"]})
    assert stored(client, table) == [None, None, "text"]
    client.flush(table)
    assert client.sql(f"SELECT v FROM {quoted(table)} ORDER BY n").columns == {"v": "VARCHAR"}
    assert stored(client, table) == [None, None, "text"]


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_numbers_of_rows(client, table, rows):
    client.write(table, {"n": list(range(rows)), "v": [str(i) for i in range(rows)]})
    assert client.rows(f"SELECT count(*), count(DISTINCT v) FROM {quoted(table)}") == [(rows, rows)]


# --- time ------------------------------------------------------------------------------------------

NS = 1_700_000_000_123_456_789
TIMES = [
    ("s", [1_700_000_000, 0, -1, -62_135_596_800 // 10], ["2023-11-14T22:13:20Z", "1970-01-01T00:00:00Z",
                                                       "1969-12-31T23:59:59Z", "1773-02-05T19:12:00Z"]),
    ("ms", [1_700_000_000_123, -1_700_000_000_123], ["2023-11-14T22:13:20.123000Z", "1916-02-18T01:46:39.877000Z"]),
    ("us", [1_700_000_000_123_456, -1_700_000_000_123_456], ["2023-11-14T22:13:20.123456Z", "1916-02-18T01:46:39.876544Z"]),
    ("ns", [NS, -NS, NS + 1], ["2023-11-14T22:13:20.123456789Z", "1916-02-18T01:46:39.876543211Z",
                               "2023-11-14T22:13:20.123456790Z"]),
    ("whole_ns", [1_700_000_000_123_456_000], ["2023-11-14T22:13:20.123456Z"]),
    ("units_in_one_request", [1_700_000_000, 1_700_000_000_123, NS], [
        "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.123000000Z", "2023-11-14T22:13:20.123456789Z"]),
    ("ends_of_ns", [FIRST_NS + 1, I64_MAX - 1], ["1677-09-22T00:00:00.000000001Z", "2262-04-11T23:47:16.854775806Z"]),
]  # fmt: skip


@pytest.mark.parametrize("values, texts", [case[1:] for case in TIMES], ids=[case[0] for case in TIMES])
def test_times_by_magnitude_are_exact(client, table, values, texts):
    client.write(table, {"n": list(range(len(values))), "time": values})
    for _ in range(2):
        found = client.rows(f"SELECT time, replace(time::VARCHAR, ' ', 'T') FROM {quoted(table)} ORDER BY n")
        assert [text for text, _ in found] == texts
        assert all(text.startswith(shown) for text, shown in found), found
        client.flush(table)


def test_a_row_without_a_time_has_that_of_its_arrival(new_server):
    server = new_server().start()
    with Client(server) as client:
        before = time.time()
        client.write("t", {"n": [1, 2]})
        after = time.time()
        seen = client.rows("SELECT epoch_us(time), time FROM t")
        assert len(seen) == 2 and seen[0] == seen[1]
        assert before - 0.01 <= seen[0][0] / 1e6 <= after + 0.01
    server.kill()
    server.start()
    with Client(server) as client:
        assert client.rows("SELECT epoch_us(time), time FROM t") == seen, "the replay gives the same time"


@pytest.mark.parametrize("value, part", [(1.5, "a time is an integer"), ("x", "a time is an integer"), (None, "a time is an integer"),
                                         (U64_MAX, "2262"), (I64_MAX, "2262"), (FIRST_NS - 1, "1677"), (I64_MIN, "1677")], ids=str)  # fmt: skip
def test_what_is_no_time_is_refused_by_row(client, table, value, part):
    answer = client.post_columns(table, {"n": [1, 2], "time": [1_700_000_000, value]})
    assert (answer.status, 'column "time", row 1' in answer.error, part in answer.error) == (400, True, True), answer.text
    assert client.table(table) is None


# --- names -----------------------------------------------------------------------------------------


def test_databases_by_both_headers_and_by_default(client):
    client.write("where", {"v": ["default"]})
    client.write("where", {"v": ["ours"]}, x_millrace_database="one")
    client.write("where", {"v": ["theirs"]}, x_arc_database="two")
    client.write("where", {"v": ["both"]}, x_millrace_database="three", x_arc_database="four")
    client.write("where", {"v": ["empty"]}, x_millrace_database="")
    assert sorted(client.rows('SELECT v FROM "where"')) == [("default",), ("empty",)]
    assert client.rows('SELECT v FROM one."where"') == [("ours",)]
    assert client.rows('SELECT v FROM two."where"') == [("theirs",)]
    assert client.rows('SELECT v FROM three."where"') == [("both",)]
    assert client.query('SELECT v FROM four."where"').status == 404
    assert {"one", "two", "three", "main"} <= {t["database"] for t in client.get("/api/v1/tables").json["tables"]}


NAMES = ["a b", 'quo"te', "it's", "dot.ted", "sl/ash", "back\\slash", "é€𝄞", "100%", "%2F", "UPPER", "..", ".", "-", "select",
         "a;b", "x" * 80, "€" * 26, "~", "a*b?[c]", "--", "{}"]  # fmt: skip


def test_names_of_all_kinds_for_measurements_and_columns(client):
    for i, name in enumerate(NAMES):
        client.write(name, {name: [i], "n": [0]})
    for i, name in enumerate(NAMES):
        for _ in range(2):
            answer = client.sql(f"SELECT {quoted(name)} FROM main.{quoted(name)}")
            assert (answer.columns, answer.rows) == ({name: "BIGINT"}, [(i,)]), name
            assert client.flush(name)["measurement"] == name
        assert [c["name"] for c in client.table(name)["columns"]] == [name, "n", "time"]


def test_names_of_all_kinds_for_databases(client):
    for i, name in enumerate(NAMES):
        client.write("cpu", {"v": [i]}, x_millrace_database=name.encode())
        assert client.rows(f"SELECT v FROM {quoted(name)}.cpu") == [(i,)], name
        assert client.table("cpu", name)["database"] == name


def test_a_dot_in_a_name_is_no_boundary(client):
    client.write("b.c", {"v": [1]}, x_millrace_database="a")
    client.write("c", {"v": [2]}, x_millrace_database="a.b")
    assert client.rows('SELECT v FROM a."b.c"') == [(1,)]
    assert client.rows('SELECT v FROM "a.b".c') == [(2,)]


@pytest.mark.parametrize("database, measurement", [("x" * 81, "m"), ("d", "x" * 81), ("d", "a\nb"), ("d", "\x7f"), ("d", "€" * 27)])
def test_a_name_that_cannot_be_one_is_refused(client, database, measurement):
    answer = client.post_columns(measurement, {"v": [1]}, x_millrace_database=database)
    assert answer.status == 400 and ("name" in answer.error or 'measurement "m"' in answer.error), answer.text
    assert client.get(path_of(measurement, database)).status == 404


def test_names_that_differ_in_case_alone_are_two_tables(client):
    client.write("Case", {"v": [1]})
    client.write("case", {"v": [2]})
    assert client.rows('SELECT v FROM "Case"') == [(1,)]
    assert client.rows('SELECT v FROM "case"') == [(2,)]
    answer = client.query('SELECT v FROM "cASE"')
    assert answer.status == 400 and "upper and lower case" in answer.error


# --- columns change --------------------------------------------------------------------------------


@pytest.mark.parametrize("first, second, result", [
    ([None], [1], [None, 1]), ([None], ["a"], [None, "a"]), ([None], [True], [None, True]), ([None], [1.5], [None, 1.5]),
    ([1], [1.5], [1.0, 1.5]), ([EXACT], [0.5], [float(EXACT), 0.5]), ([1.5], [EXACT], [1.5, float(EXACT)]),
    ([1.5], [-EXACT], [1.5, float(-EXACT)]), ([1], [U64_MAX], [1, U64_MAX]), ([U64_MAX], [1], [U64_MAX, 1]),
    ([1], [None], [1, None]),
], ids=repr)  # fmt: skip
@pytest.mark.parametrize("is_flushed", [False, True], ids=["hot", "file"])
def test_a_column_widens_over_requests(client, table, first, second, result, is_flushed):
    client.write(table, {"n": [0], "v": first})
    if is_flushed:
        client.flush(table)
    client.write(table, {"n": [1], "v": second})
    assert stored(client, table) == result
    client.flush(table)
    assert stored(client, table) == result


@pytest.mark.parametrize("first, second, row, parts", [
    ([EXACT + 1], [0, 0.5], 0, ["beyond 2^53"]), ([1.5], [1, EXACT + 1], 1, ["i64", "f64", "beyond 2^53"]),
    ([1.5], [-EXACT - 1], 0, ["beyond 2^53"]), ([1], ["a"], 0, ["string", "i64"]), (["a"], [None, 1], 1, ["i64", "string"]),
    ([True], [1], 0, ["i64", "bool"]), ([-1], [5, U64_MAX], 1, ["u64", "i64", "2^63-1"]), ([U64_MAX], [0, -1], 1, ["below 0"]),
    ([1.5], ["a"], 0, ["string", "f64"]),
], ids=repr)  # fmt: skip
def test_what_does_not_fit_the_column_is_refused_with_column_and_row(client, table, first, second, row, parts):
    client.write(table, {"n": [0], "v": first})
    answer = client.post_columns(table, {"n": [1] * len(second), "v": second})
    assert answer.status == 400
    assert [p for p in [f'column "v", row {row}:', *parts] if p not in answer.error] == [], answer.error
    assert stored(client, table) == first
    client.write(table, {"n": [1], "v": first})
    assert stored(client, table) == first * 2, "the table goes on"


def test_columns_come_and_go(client, table):
    client.write(table, {"n": [0], "a": [1]})
    client.write(table, {"b": ["x"], "n": [1]})
    client.flush(table)
    client.write(table, {"c": [True], "n": [2], "a": [3]})
    assert client.rows(f"SELECT n, a, b, c FROM {quoted(table)} ORDER BY n") == [
        (0, 1, None, None), (1, None, "x", None), (2, 3, None, True),
    ]  # fmt: skip


@pytest.mark.parametrize("is_flushed", [False, True], ids=["hot", "file"])
def test_microseconds_become_nanoseconds(client, table, is_flushed):
    client.write(table, {"n": [0], "time": [-1_700_000_000_123_456]})
    assert client.sql(f"SELECT time FROM {quoted(table)}").columns == {"time": "TIMESTAMP"}
    if is_flushed:
        client.flush(table)
    client.write(table, {"n": [1], "time": [NS]})
    for _ in range(2):
        answer = client.sql(f"SELECT time FROM {quoted(table)} ORDER BY n")
        assert answer.columns == {"time": "TIMESTAMP_NS"}
        assert answer.rows == [("1916-02-18T01:46:39.876544000Z",), ("2023-11-14T22:13:20.123456789Z",)]
        client.flush(table)
    answer = client.post_columns(table, {"n": [2, 3], "time": [1_700_000_000, 9_999_999_999]})
    assert answer.status == 400 and 'column "time", row 1' in answer.error and "1677 to 2262" in answer.error
    assert len(client.rows(f"SELECT 1 FROM {quoted(table)}")) == 2


# --- refused whole ---------------------------------------------------------------------------------

GOOD = packed("broken", {"n": [1, 2], "v": ["a", None], "time": [1_700_000_000] * 2})
BAD = {
    "empty": b"",
    "trailing byte": GOOD + b"\xc0",
    "second document": GOOD + GOOD,
    "an array": msgpack.packb([1]),
    "a number": b"\x01",
    "no measurement": msgpack.packb({"columns": {"v": [1]}}),
    "no columns": msgpack.packb({"m": "broken"}),
    "columns empty": packed("broken", {}),
    "columns an array": packed("broken", [1]),
    "measurement a double": packed(5.0, {"v": [1]}),
    "measurement empty": packed("", {"v": [1]}),
    "unequal": packed("broken", {"a": [1, 2], "v": [1]}),
    "a column is no array": packed("broken", {"v": 1}),
    "nested value": packed("broken", {"v": [1, [2]]}),
    "a map as value": packed("broken", {"v": [{}]}),
    "binary after text": packed("broken", {"v": ["a", b"raw"]}),
    "extension": packed("broken", {"v": [msgpack.ExtType(1, b"x")]}),
    "never used byte": b"\x82\xa1m\xa6broken\xa7columns\x81\xa1v\x91\xc1",
    "types that do not meet": packed("broken", {"v": [1, "a"]}),
    "beyond 2^53 in one request": packed("broken", {"v": [EXACT + 1, 0.5]}),
    "signs that do not meet": packed("broken", {"v": [-1, U64_MAX]}),
    "column named by a number": packed("broken", {1: [1]}),
    "column without a name": packed("broken", {"": [1]}),
    "column twice": b"\x82\xa1m\xa6broken\xa7columns\x82\xa1v\x91\x01\xa1v\x91\x02",
    "m twice": b"\x83\xa1m\xa6broken\xa1m\xa6broken\xa7columns\x81\xa1v\x91\x01",
    "columns twice": b"\x83\xa1m\xa6broken\xa7columns\x81\xa1v\x91\x01\xa7columns\x81\xa1v\x91\x01",
    "not UTF-8": b"\x82\xa1m\xa6broken\xa7columns\x81\xa1v\x91\xa2\xff\xfe",
    "a billion rows said": b"\x82\xa1m\xa6broken\xa7columns\x81\xa1v\xdd\x3b\x9a\xca\x00\x01",
    "JSON": b'{"m": "broken", "columns": {"v": [1]}}',
    "line protocol": b"broken v=1",
}  # fmt: skip


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_is_no_good_request_is_refused_whole(client, body):
    answer = client.call("POST", WRITE, body)
    document = answer.json
    assert (answer.status, document["error"]["code"], document["error"]["detail"]) == (400, "invalid", None), answer.text
    assert "byte" in answer.error or "column" in answer.error, answer.error
    assert client.table("broken") is None


def test_cut_at_every_byte_is_refused_and_leaves_nothing(client):
    for length in range(len(GOOD)):
        answer = client.call("POST", WRITE, GOOD[:length])
        assert answer.status == 400 and "byte" in answer.error, (length, answer.text)
    assert client.table("broken") is None
    whole = GOOD.replace(b"broken", b"mended")
    assert client.call("POST", WRITE, whole).status == 204
    assert client.rows("SELECT n, v FROM mended ORDER BY n") == [(1, "a"), (2, None)]


def test_not_a_number_is_found_in_memory_and_in_files(client, table):
    """Parquet's statistics leave NaN out, and a reader that trusts them skips its rows."""
    client.write(table, {"n": [1, 2, 3, 4], "v": [float("nan"), 1.0, 2.0, None]})
    asked = ["v > 5", "v = 'nan'::DOUBLE", "v IN ('nan'::DOUBLE, 7)", "isnan(v)", "v >= 2", "v < 5", "v IS NULL", "NOT v < 5"]
    answers = [client.rows(f"SELECT n FROM {quoted(table)} WHERE {where} ORDER BY n") for where in asked]
    assert answers[0] == answers[1] == answers[2] == [(1,)] and answers[6] == [(4,)]
    client.flush(table)
    assert answers == [client.rows(f"SELECT n FROM {quoted(table)} WHERE {where} ORDER BY n") for where in asked]


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x7f"], ids=repr)
def test_a_column_name_with_a_control_character_is_refused(client, table, name):
    answer = client.post_columns(table, {name: [1]})
    assert answer.status == 400 and "a column's name has a control character" in answer.json["error"]["message"]
    assert client.table(table) is None and client.rows("SHOW TABLES") is not None


def test_keys_that_a_write_does_not_have_are_refused(client, table):
    body = msgpack.packb({"m": table, "columns": {"v": [1]}, "database": "other"})
    answer = client.call("POST", WRITE, body)
    assert answer.status == 400 and 'the key "database"' in answer.json["error"]["message"]
    assert "x-millrace-database" in answer.json["error"]["message"]
    body = msgpack.packb({"m": table, "columns": {"v": [1]}, "h": "a"})
    assert 'the key "h"' in client.call("POST", WRITE, body).error
    assert client.table(table) is None


def test_columns_of_strings_are_tags_where_tag_keys_names_them(client, table):
    def write(columns, tag_keys):
        return client.call("POST", WRITE, msgpack.packb({"m": table, "columns": columns, "tag_keys": tag_keys}))

    assert write({"host": ["a", None], "v": [1, 2]}, ["host", "rack"]).status == 204
    assert {column["name"]: column["is_tag"] for column in client.table(table)["columns"]} == {"time": False, "host": True, "v": False}
    answer = write({"host": ["a"], "v": [1]}, ["v"])
    assert answer.status == 400 and '"v"' in answer.error and "tag" in answer.error
    assert client.rows(f"SELECT host, v FROM {quoted(table)} ORDER BY v") == [("a", 1), (None, 2)]


def test_json_is_told_from_messagepack(client):
    answer = client.call("POST", WRITE, b'{"m": "t", "columns": {"v": [1]}}')
    assert answer.status == 400 and "looks like JSON" in answer.json["error"]["message"]
