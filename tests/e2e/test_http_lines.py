"""Line protocol, as InfluxDB 1 and 2 take it."""

import time

import pytest

from .web import Client, quoted

V1, V2, ARC = "/write", "/api/v2/write", "/api/v1/write/line-protocol"
BOTH = pytest.mark.parametrize("target", [V1, V2])


@pytest.fixture
def m(request):
    """A measurement of this test's own."""
    return "".join(c if c.isalnum() else "_" for c in request.node.name)[:80]


def take(client, text, target=V1, **more):
    answer = client.lines(text, target, **more)
    assert (answer.status, answer.body) == (204, b""), answer.text


def rows(client, m, columns="*", order="time"):
    return client.rows(f"SELECT {columns} FROM {quoted(m)} ORDER BY {order}")


# --- values ----------------------------------------------------------------------------------------


@BOTH
def test_each_kind_of_value_and_tag(client, m, target):
    take(client, f'{m},host=a,rack=r\\ 1 f=1.5,i=-5i,u=18446744073709551615u,b=t,s="text" 1700000000123456789\n', target)
    for _ in range(2):
        answer = client.sql(f"SELECT * FROM {quoted(m)}")
        assert answer.columns == {"time": "TIMESTAMP_NS", "host": "VARCHAR", "rack": "VARCHAR", "f": "DOUBLE", "i": "BIGINT",
                                  "u": "UBIGINT", "b": "BOOLEAN", "s": "VARCHAR"}  # fmt: skip
        assert answer.rows == [("2023-11-14T22:13:20.123456789Z", "a", "r 1", 1.5, -5, 18446744073709551615, True, "text")]
        client.flush(m)
    assert {c["name"]: c["is_tag"] for c in client.table(m)["columns"]} == {
        "time": False, "host": True, "rack": True, "f": False, "i": False, "u": False, "b": False, "s": False,
    }  # fmt: skip


@pytest.mark.parametrize("text, value", [
    ("1", 1.0), ("-1.5e3", -1500.0), (".5", 0.5), ("1e-400", 0.0), ("9223372036854775807i", 9223372036854775807),
    ("-9223372036854775808i", -9223372036854775808), ("0u", 0), ("T", True), ("true", True), ("False", False), ("F", False),
    ('""', ""), (r'"a\"b"', 'a"b'), (r'"a\\b"', "a\\b"), (r'"a\nb"', r"a\nb"), ('"a\nb"', "a\nb"), ('"é€𝄞 ,= "', "é€𝄞 ,= "),
    ('"# no comment\nno other v=1 line"', "# no comment\nno other v=1 line"), ('"\r\n"', "\r\n"),
], ids=repr)  # fmt: skip
def test_field_values_are_exact(client, m, text, value):
    take(client, f"{m} v={text} 1\n{m} w=1i 2")
    got = rows(client, m, "v")[0][0]
    assert (got, type(got)) == (value, type(value))
    assert len(rows(client, m)) == 2


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "1x", "9223372036854775808i", "-1u", "1.5i", "text", "", "'a'", '"open', '"a"b',
                                  "tRUE", "0x10", "1 2 3"])  # fmt: skip
@BOTH
def test_what_is_no_value_is_refused_by_line(client, m, text, target):
    answer = client.lines(f"{m} ok=1 1\n{m} v={text}", target)
    assert answer.status == 400 and "line 2: " in answer.error and answer.error.endswith("dropped=1"), answer.text
    assert client.rows(f"SELECT ok FROM {quoted(m)}") == [(1.0,)]
    assert [c["name"] for c in client.table(m)["columns"]] == ["time", "ok"]


def test_escapes_in_names_tags_and_keys(client):
    line = r"es\ ca\,pe\=d,ta\ g\=\,=va\ l\=\,\\ue,q=\"quo\"ted fi\=e\ l\,d=1i 1000"
    take(client, line)
    answer = client.sql(r'SELECT * FROM "es ca,pe\=d"')
    assert answer.columns == {"time": "TIMESTAMP", "ta g=,": "VARCHAR", "q": "VARCHAR", "fi=e l,d": "BIGINT"}
    assert answer.rows[0][1:] == (r"va l=,\\ue", r"\"quo\"ted", 1)


@pytest.mark.parametrize("text", [
    "{m} v=1i 1\n{m} v=2i 2", "{m} v=1i 1\n{m} v=2i 2\n", "{m} v=1i 1\r\n{m} v=2i 2\r\n", "\n\n# comment\n{m} v=1i 1\n  \n#\n{m} v=2i 2\n\n",
    "  {m} v=1i 1\n\t{m} v=2i 2 ", "# only\r\n{m} v=1i   1\r\n{m}   v=2i 2",
], ids=range(6))  # fmt: skip
def test_line_ends_blanks_and_comments(client, m, text):
    take(client, text.format(m=m))
    assert rows(client, m, "v") == [(1,), (2,)]


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "\r\n\r\n"])
@BOTH
def test_nothing_to_write_is_a_success(client, text, target):
    take(client, text, target)


def test_what_a_line_does_not_name_is_null(client, m):
    take(client, f"{m},a=1 x=1i 1\n{m},b=2 y=2i 2\n{m} z=3i 3")
    assert rows(client, m, "a, x, b, y, z") == [("1", 1, None, None, None), (None, None, "2", 2, None), (None, None, None, None, 3)]


def test_several_measurements_in_one_request(client, m):
    take(client, "".join(f"{m}_{i % 3},k={i} v={i}i {i}\n" for i in range(30)))
    for i in range(3):
        assert rows(client, f"{m}_{i}", "k, v") == [(str(k), k) for k in range(i, 30, 3)]


def test_many_lines_at_once_gzipped(client, m):
    text = "".join(f"{m},host=h{i % 10} v={i}i,w={i}.5 {1_700_000_000_000_000_000 + i}\n" for i in range(50_000))
    take(client, text, is_gzip=True)
    assert rows(client, m, "count(*), sum(v), count(DISTINCT host), count(DISTINCT time)", "1") == [
        (50_000, sum(range(50_000)), 10, 50_000)
    ]


# --- time ------------------------------------------------------------------------------------------

PRECISIONS = [
    ("ns", 1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"), ("n", -1, "1969-12-31T23:59:59.999999999Z"),
    ("us", 1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z"), ("u", -1, "1969-12-31T23:59:59.999999Z"),
    ("ms", -1, "1969-12-31T23:59:59.999000Z"), ("s", 1_700_000_000, "2023-11-14T22:13:20Z"), ("s", 5, "1970-01-01T00:00:05Z"),
    ("m", 1, "1970-01-01T00:01:00Z"), ("h", -1, "1969-12-31T23:00:00Z"), ("", 1, "1970-01-01T00:00:00.000000001Z"),
    (None, 1_000, "1970-01-01T00:00:00.000001Z"), ("ns", -9_223_286_399_999_999_999, "1677-09-22T00:00:00.000000001Z"),
]  # fmt: skip


@pytest.mark.parametrize("precision, value, text", PRECISIONS, ids=repr)
@BOTH
def test_precisions_are_exact(client, m, target, precision, value, text):
    parameters = {} if precision is None else {"precision": precision}
    take(client, f"{m} v=1 {value}", target, **parameters)
    for _ in range(2):
        assert rows(client, m, "time") == [(text,)]
        client.flush(m)


@pytest.mark.parametrize("precision", ["d", "NS", "seconds", "1"])
@BOTH
def test_an_unknown_precision_is_refused(client, m, target, precision):
    answer = client.lines(f"{m} v=1 1", target, precision=precision)
    text = {V1: f'invalid precision "{precision}" (use n, u, ms, s, m or h)', V2: "invalid precision; valid precision units are ns, us, ms, and s"}
    assert (answer.status, answer.error) == (400, text[target])
    assert client.table(m) is None


def test_a_line_without_a_time_has_that_of_its_arrival(client, m):
    before = time.time()
    take(client, f"{m} v=1i\n{m} v=2i", precision="s")
    got = rows(client, m, "epoch_us(time)")
    assert len(got) == 2 and got[0] == got[1]
    assert before - 0.01 <= got[0][0] / 1e6 <= time.time() + 0.01


def test_a_time_outside_is_that_lines_error(client, m):
    answer = client.lines(f"{m} v=1i 1\n{m} v=2i 9223372037\n{m} v=3i 2", precision="s")
    assert answer.status == 400 and "line 2: " in answer.error and "1677-09-22 to 2262-04-11" in answer.error
    assert rows(client, m, "v") == [(1,), (3,)]


# --- databases -------------------------------------------------------------------------------------


@pytest.mark.parametrize("target, parameters, headers, database", [
    (V1, {"db": "lines"}, {}, "lines"), (V2, {"bucket": "buck et/1"}, {}, "buck et"), (V1, {}, {}, "main"), (V2, {}, {}, "main"),
    (V1, {"db": ""}, {}, "main"), (V1, {"db": "über"}, {}, "über"), (V1, {}, {"x-millrace-database": "head"}, "head"),
    (V2, {}, {"x-arc-database": "arc"}, "arc"), (V1, {"db": "named"}, {"x-millrace-database": "head"}, "head"),
    (V2, {"org": "o", "bucket": "b", "precision": "ns"}, {"Authorization": "Token t"}, "b"),
    (V1, {"db": "d", "u": "user", "p": "pass", "rp": "autogen", "consistency": "one"}, {}, "d"), (V1, {"db": "a/b"}, {}, "a/b"),
    (V2, {"bucket": "/b"}, {}, "/b"), (V2, {"db": "one"}, {}, "one"), (V2, {"db": "one", "bucket": "two"}, {}, "two"),
    (V2, {"bucket": "named"}, {"x-arc-database": "arc"}, "arc"), (ARC, {}, {"x-arc-database": "arc"}, "arc"), (ARC, {"p": "token"}, {}, "main"),
], ids=range(18))  # fmt: skip
def test_where_the_database_comes_from(client, m, target, parameters, headers, database):
    take(client, f"{m} v=1", target, headers=headers, **parameters)
    assert client.rows(f"SELECT v FROM {quoted(database)}.{quoted(m)}") == [(1.0,)]


# --- partly bad ------------------------------------------------------------------------------------

MIXED = '{m} v=1i 1\nbad\n{m} v=2i 2\n{m},t= v=1\n{m} s="two\nlines" 3\n{m} v="text" 4\n{m} v=5i 5\n,x=1 v=1\n{m} =1\n{m} time=1'
BAD_LINES = (2, 4, 7, 9, 10, 11)  # line 5 is two lines long


def named_lines(answer):
    return tuple(n for n in range(1, 13) if f"line {n}: " in answer.error)


def test_good_lines_are_kept_and_each_bad_one_is_named_version_1(client, m):
    answer = client.lines(MIXED.format(m=m), V1)
    assert (answer.status, answer.json.keys()) == (400, {"error"})
    assert answer.error.startswith("partial write: line 2: ") and answer.error.endswith("; dropped=6"), answer.error
    assert named_lines(answer) == BAD_LINES, answer.error
    assert rows(client, m, "v, s") == [(1, None), (2, None), (None, "two\nlines"), (5, None)]


def test_good_lines_are_kept_and_each_bad_one_is_named_version_2(client, m):
    answer = client.lines(MIXED.format(m=m), V2)
    assert (answer.status, answer.json.keys(), answer.json["code"]) == (400, {"code", "message"}, "invalid")
    assert named_lines(answer) == BAD_LINES, answer.error
    assert len(rows(client, m)) == 4


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_the_good_ones_of_a_partly_bad_request_survive_a_restart(new_server, how):
    server = new_server().start()
    with Client(server) as client:
        assert client.lines(MIXED.format(m="a") + "\n" + MIXED.format(m="b"), db="d").status == 400
        assert client.lines("b,tag=new w=1.5 6", db="d").status == 204
        before = [client.rows(f"SELECT * FROM d.{m} ORDER BY time") for m in "ab"]
        assert [len(rows) for rows in before] == [4, 5]
    getattr(server, how)()
    server.start()
    with Client(server) as client:
        assert [client.rows(f"SELECT * FROM d.{m} ORDER BY time") for m in "ab"] == before


def test_a_thousand_bad_lines_are_counted_and_the_first_hundred_named(client, m):
    answer = client.lines(f"{m} v=1\n" + "bad\n" * 1000)
    assert answer.status == 400 and answer.error.endswith("and 900 more; dropped=1000")
    assert "line 101: " in answer.error and "line 102: " not in answer.error
    assert len(rows(client, m)) == 1


def test_no_good_line_makes_no_table(client, m):
    assert client.lines(f"{m} v=\n{m}").status == 400
    assert client.table(m) is None


@pytest.mark.parametrize("first, second, part", [
    ("v=1i", 'v="a"', 'field "v": string does not fit the table\'s column of i64'),
    ("v=t", "v=1", 'field "v": f64 does not fit the table\'s column of bool'),
    ("v=1", "v=9007199254740993i", 'field "v": i64 does not fit the table\'s column of f64'),
    ("v=9007199254740993i", "v=1", 'field "v": f64 does not fit the table\'s column of i64'),
    ("v=-1i", "v=18446744073709551615u", 'field "v": u64 does not fit the table\'s column of i64'),
], ids=["string", "bool", "beyond 2^53", "2^53+1 kept", "signs"])  # fmt: skip
@BOTH
@pytest.mark.parametrize("is_flushed", [False, True], ids=["hot", "file"])
def test_a_clash_with_the_tables_column_is_that_lines_error(client, m, target, first, second, part, is_flushed):
    take(client, f"{m} {first} 1", target)
    before = rows(client, m, "v")
    if is_flushed:
        client.flush(m)
    answer = client.lines(f"{m} ok=1i 2\n{m} {second} 3\n{m} ok=2i 4", target)
    assert answer.status == 400 and f"line 2: {part}" in answer.error, answer.text
    assert rows(client, m, "v, ok") == [(before[0][0], None), (None, 1), (None, 2)]


def test_a_tag_is_no_field_and_the_other_way_round(client, m):
    take(client, f"{m},host=a v=1i 1")
    answer = client.lines(f'{m} host="b" 2\n{m},host=c v=3i 3')
    assert answer.status == 400 and "line 1: " in answer.error and "a tag in the table" in answer.error, answer.text
    assert rows(client, m, "host, v") == [("a", 1), ("c", 3)]
    answer = client.lines(f"{m},v=x w=1 4")
    assert answer.status == 400 and "line 1: " in answer.error, answer.text


def test_line_protocol_and_columns_share_a_table(client, m):
    client.write(m, {"v": [1], "host": ["a"], "time": [1_000]})
    take(client, f"{m},host=b v=2.5 2000000000")
    assert rows(client, m, "host, v", "v") == [("a", 1.0), ("b", 2.5)]


def test_bytes_that_are_no_text_are_that_lines_error(client, m):
    body = f"{m} v=1i 1\n".encode() + f"{m} s=".encode() + b'"\xff" 2\n' + f"{m} v=3i 3".encode()
    answer = client.lines(body)
    assert answer.status == 400 and "line 2: not UTF-8" in answer.error
    assert rows(client, m, "v") == [(1,), (3,)]


def test_a_measurement_whose_name_no_table_can_have_is_an_error(client, m):
    answer = client.lines("x" * 81 + " v=1")
    assert answer.status == 400 and "80" in answer.error, answer.text


# --- batch ids -------------------------------------------------------------------------------------


@BOTH
def test_a_batch_id_covers_all_measurements_of_a_request(client, m, target):
    text = f"{m}_a v=1i 1\n{m}_b v=2i 2\n{m}_c v=3i 3\n{m}_a v=4i 4"
    headers = {"x-millrace-batch-id": m}
    for _ in range(3):
        take(client, text, target, headers=headers)
    assert [rows(client, f"{m}_{c}", "v") for c in "abc"] == [[(1,), (4,)], [(2,)], [(3,)]]


def test_a_batch_id_of_a_partly_bad_request_tells_the_same_lines_again(client, m):
    headers = {"x-millrace-batch-id": m}
    for _ in range(2):
        answer = client.lines(MIXED.format(m=m), headers=headers)
        assert (answer.status, named_lines(answer)) == (400, BAD_LINES), answer.text
    assert len(rows(client, m)) == 4


@pytest.mark.parametrize("target, known", [
    (V1, "db, precision, rp, u, consistency, p"), (V2, "bucket, precision, org, orgID, db, rp, u, p"), (ARC, "precision, u, p"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["databse", "presicion", "DB"])
def test_a_parameter_of_another_name_is_refused(client, m, target, known, name):
    answer = client.lines(f"{m} v=1", target, **{name: "s"})
    assert answer.status == 400 and answer.error == f'the parameter "{name}": {target} takes {known}'
    assert client.table(m) is None


def test_parameters_of_clients_of_influxdb_are_taken(client, m):
    every = {V1: {"db": "main", "rp": "autogen", "consistency": "all", "u": "x", "p": "y", "precision": "s"},
             V2: {"bucket": "main", "org": "acme", "orgID": "1", "precision": "s", "db": "x", "rp": "y", "u": "x", "p": "y"},
             ARC: {"precision": "s", "p": "token"}}  # fmt: skip
    for target, parameters in every.items():
        assert client.lines(f"{m} v=1 1", target, **parameters).status == 204
    assert client.rows(f"SELECT count(*) FROM {quoted(m)}") == [(3,)]


def test_a_name_with_a_control_character_is_a_bad_line(client, m):
    answer = client.lines(f"{m} a\0b=1\n{m},a\x01=c v=1\n{m} v=1")
    assert answer.status == 400 and answer.json["error"].count("has a control character") == 2
    assert client.rows(f"SELECT v FROM {quoted(m)}") == [(1.0,)]
