#!/usr/bin/env python3
"""Writes the seeds of fuzz_frames, fuzz_sql_body and fuzz_influxql. Run it from anywhere."""

import pathlib
import struct

import seed_columnar

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
TOPIC = bytes(range(16))


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def piece(raw):
    return varint(-1) if raw is None else varint(len(raw)) + raw


def batch(value, headers, records=1, codec=0):
    """A record batch (version 2) without its CRC."""
    body = b"\0" + varint(0) * 2 + piece(None) + piece(value) + varint(len(headers))
    body += b"".join(piece(key.encode()) + piece(None if text is None else text.encode()) for key, text in headers.items())
    record = varint(len(body)) + body
    after_crc = struct.pack(">hiqqqhii", codec, records - 1, 1_700_000_000_000, 1_700_000_000_000, -1, -1, -1, records)
    after_crc += record * records
    return struct.pack(">qiibI", 0, 9 + len(after_crc), 0, 2, 0) + after_crc


def text(value, size="<H"):
    raw = value.encode()
    return struct.pack(size, len(raw)) + raw


def schema(columns, version=1, schema_version=1, database="main", measurement="cpu"):
    head = struct.pack("<BQ", version, schema_version) + text(database) + text(measurement)
    return TOPIC + head + struct.pack("<I", len(columns)) + b"".join(text(n) + bytes([t, f]) for n, t, f in columns)


def topic(settings, version=1, partitions=4, is_deleted=0, name="flights"):
    head = struct.pack("<BBiq", version, is_deleted, partitions, 1_700_000_000_000) + text(name, "<I")
    return TOPIC + head + struct.pack("<I", len(settings)) + b"".join(text(w, "<I") for pair in settings.items() for w in pair)


def entry_headers(decoder, **more):
    return {"millrace.decoder": decoder, "millrace.arrival_us": "1700000000123456", "millrace.schema_version": "1", **more}


def entries():
    rows = seed_columnar.MSGPACK["all_types"]
    line = b"cpu,host=a value=1.5 1700000000000000001\n"
    precision = {"millrace.precision": "ns"}
    yield "batch_msgpack", batch(rows, entry_headers("msgpack/1"))
    yield "batch_line", batch(line, entry_headers("line/1", **precision))
    yield "batch_bad_line", batch(b"cpu\n", entry_headers("line/1", **precision))
    yield "batch_two_measurements", batch(line + b"m f=1\n", entry_headers("line/1", **precision))
    yield "batch_precision", batch(line, entry_headers("line/1", **{"millrace.precision": "week"}))
    yield "batch_rows", batch(seed_columnar.MSGPACK["row"], entry_headers("msgpack/2"))
    yield "batch_rows_version_1", batch(seed_columnar.MSGPACK["row"], entry_headers("msgpack/1"))
    yield "batch_rows_of_several", batch(seed_columnar.MSGPACK["batch"], entry_headers("msgpack/2"))
    yield "batch_newer", batch(rows, entry_headers("msgpack/3"))
    yield "batch_no_headers", batch(rows, {"other": None})
    yield "batch_no_arrival", batch(rows, {"millrace.decoder": "msgpack/1", "millrace.arrival_us": "x"})
    far = {"millrace.arrival_us": "9700000000123456"}  # has no nanoseconds of 64 bits
    yield "batch_far_arrival", batch(line, entry_headers("line/1", **precision) | far)
    yield "batch_null", batch(None, entry_headers("msgpack/1"))
    yield "batch_two", batch(rows, entry_headers("msgpack/1"), records=2)
    yield "batch_no_rows", batch(b"\x81", entry_headers("msgpack/1"))


def payloads():
    for name, content in seed_columnar.MSGPACK.items():
        yield f"payload_{name}", b"\1\0" + content
    for name, content in seed_columnar.LINES.items():
        yield f"line_{name}", b"\2\0" + content.encode()


def schemas():
    columns = [("time", 6, 16), ("host", 5, 1), ("value", 4, 2), ("flag", 1, 0), ("count", 2, 2 | 4 | 8), ("big", 3, 8), ("none", 0, 0)]
    yield "schema", schema(columns)
    yield "schema_ns", schema([("time", 7, 16)], schema_version=7)
    yield "schema_newer", schema(columns, version=2)
    yield "schema_type", schema([("time", 8, 0)])
    yield "schema_no_columns", schema([])
    yield "schema_no_time", schema([("value", 4, 0)])
    yield "schema_twice", schema([("time", 6, 0), ("a", 4, 0), ("a", 4, 0)])
    yield "schema_name", schema(columns, measurement="")
    yield "schema_cut", schema(columns)[:-3]
    yield "schema_trailing", schema(columns) + b"x"
    yield "schema_short_key", TOPIC[:7]


def topics():
    settings = {"retention.ms": "-1", "retention.bytes": "1048576", "max.message.bytes": "1048588", "millrace.table": "off",
                "cleanup.policy": "delete"}
    yield "topic", topic(settings)
    yield "topic_deleted", topic({}, is_deleted=1)
    yield "topic_table", topic({"millrace.table": "typed"}, partitions=1, name="main.cpu")
    yield "topic_newer", topic({}, version=2)
    yield "topic_partitions", topic({}, partitions=0)
    yield "topic_unknown", topic({"nope": "1"})
    yield "topic_value", topic({"retention.ms": "soon"})
    yield "topic_name", topic({}, name="no such/name")
    yield "topic_trailing", topic({}) + b"x"


def starts():
    start = TOPIC + struct.pack("<iq", 3, 258)
    yield "start", start
    yield "start_zero", TOPIC + bytes(12)
    yield "start_negative", TOPIC + struct.pack("<iq", 3, -1)
    yield "start_partition", TOPIC + struct.pack("<iq", -1, 1)
    yield "start_cut", start[:-1]
    yield "start_trailing", start + b"x"
    yield "start_short_key", TOPIC[:7]


def databases():
    """The first four bytes are the name."""
    value = struct.pack("<Bq", 1, 1_700_000_000_000)
    yield "database", b"name" + value
    yield "database_control", b"a\nbc" + value
    yield "database_cut", b"name" + value[:-1]
    yield "database_trailing", b"name" + value + b"x"
    yield "database_newer", b"name\2" + value[1:]


INFLUXQL = {
    "show": "SHOW DATABASES",
    "several": ';create database "a b" ;; SHOW MEASUREMENTS ON x;show measurements\n',
    "escapes": r'CREATE DATABASE "a\"b\\c\nd"',
    "bad_escape": r'CREATE DATABASE "a\t"',
    "open": 'CREATE DATABASE "a',
    "digit": "CREATE DATABASE 9",
    "more": "CREATE DATABASE a WITH DURATION 1d",
    "select": "SELECT 1",
    "what": "SHOW SERIES",
    "no_object": "CREATE",
    "not_ascii": "SHOW é",
    "empty": " ; ",
}

SQL = {
    "plain": '{"sql": "SELECT 1"}',
    "escapes": ' {"sql" : "\\u00fc\\n\\"\\ud83d\\ude00"}\n',
    "other_key": '{"sql": "a", "limit": 1}',
    "twice": '{"sql": "a", "sql": "b"}',
    "null": '{"sql": null}',
    "true": '{"sql": true}',
    "numbers": '{"sql": 7}',
    "negative": '{"sql": -7}',
    "fraction": '{"sql": 0.5e3}',
    "array": '{"sql": ["a"]}',
    "object": '{"sql": {"sql": "a"}}',
    "empty": "{}",
    "bare": '"SELECT 1"',
    "trailing": '{"sql": "a"} x',
    "cut": '{"sql": "a',
    "deep": '{"sql": ' + "[" * 100,
    "surrogate": '{"sql": "\\ud83d"}',
}


def main():
    kinds = ((b"\0", entries()), (b"", payloads()), (b"\3", schemas()), (b"\4", topics()), (b"\5", starts()), (b"\6", databases()))
    seeds = {"frames": {name: kind + content for kind, of_kind in kinds for name, content in of_kind},
             "sql_body": {name: content.encode() for name, content in SQL.items()},
             "influxql": {name: content.encode() for name, content in INFLUXQL.items()}}
    for target, contents in seeds.items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (CORPUS / target / name).write_bytes(content)


if __name__ == "__main__":
    main()
