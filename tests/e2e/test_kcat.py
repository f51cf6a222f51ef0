"""kcat: what people use by hand, with each codec, and what of it stands in the journal."""

import json
import subprocess

import pytest

from .server import run

COUNT = 100_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEADERS = ["trace=abc", "origin=kcat", "empty="]
FORMAT = "%p\t%o\t%T\t%K\t%k\t%S\t%s\t%h\n"


def kcat(server, *arguments, stdin=None, check=True):
    result = subprocess.run(
        ["kcat", "-b", server.address, *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
        timeout=90,
    )
    assert not check or result.returncode == 0, result.stderr.decode("utf-8", "replace")
    return result


def batches(server):
    """The record batches in the journal, as `millrace dump` sees them."""
    result = run("dump", "--json", server.data, timeout=60)
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert not [line for line in lines if line["type"] == "damage"]
    return [line for line in lines if line["type"] == "batch"]


def key_of(i):
    return "" if i % 10 == 0 else f"key-{i % 500}"


def value_of(i):
    return "" if i % 9 == 0 else f"value {i} " + "abc " * (i % 40)


@pytest.mark.parametrize("codec", CODECS)
def test_100000_records_go_round_with_each_codec(shared, codec):
    topic = f"kcat-{codec}"
    before = {batch["topic_id"] for batch in batches(shared)}
    lines = "".join(f"{key_of(i)}|{value_of(i)}\n" for i in range(COUNT)).encode()
    headers = [argument for header in HEADERS for argument in ("-H", header)]
    kcat(shared, "-P", "-t", topic, "-z", codec, "-K", "|", "-Z", "-p", 2, "-X", "acks=all", *headers, stdin=lines)
    out = kcat(shared, "-C", "-t", topic, "-p", 2, "-o", "beginning", "-e", "-q", "-Z", "-f", FORMAT).stdout

    rows = out.decode().splitlines()
    assert len(rows) == COUNT
    for i, row in enumerate(rows):
        partition, offset, timestamp, key_size, key, value_size, value, got_headers = row.split("\t")
        assert (int(partition), int(offset)) == (2, i)
        assert int(timestamp) > 1_700_000_000_000
        expected_key, expected_value = key_of(i), value_of(i)
        assert (int(key_size), key) == ((len(expected_key), expected_key) if expected_key else (-1, "NULL"))
        assert (int(value_size), value) == ((len(expected_value), expected_value) if expected_value else (-1, "NULL"))
        assert got_headers == ",".join(HEADERS)

    stored = [batch for batch in batches(shared) if batch["topic_id"] not in before]
    assert sum(batch["records"] for batch in stored) == COUNT
    # librdkafka leaves a batch as it is if compression would not make it smaller: one of a record or two.
    large = [batch for batch in stored if batch["records"] >= 20]
    assert {(batch["attributes"], batch["codec"]) for batch in large} == {(CODECS[codec], codec)}, "kept as it was sent"
    assert {batch["attributes"] for batch in stored} <= {0, CODECS[codec]}
    ends = [(batch["base_offset"], batch["base_offset"] + batch["records"]) for batch in stored]
    assert [start for start, _ in ends] == [0] + [end for _, end in ends[:-1]]


def test_metadata_and_queries(shared):
    kcat(shared, "-P", "-t", "asked", "-p", 0, stdin=b"a\nb\nc\n")
    metadata = json.loads(kcat(shared, "-L", "-J", "-t", "asked").stdout)
    assert [broker["name"] for broker in metadata["brokers"]] == [shared.address]
    assert len(metadata["topics"][0]["partitions"]) == 4
    assert b"asked [0] offset 3" in kcat(shared, "-Q", "-t", "asked:0:-1").stdout
    assert b"asked [0] offset 0" in kcat(shared, "-Q", "-t", "asked:0:-2").stdout
    assert b"asked [0] offset 0" in kcat(shared, "-Q", "-t", "asked:0:1000").stdout


@pytest.mark.parametrize("start, expected", [
    ("beginning", b"0 1 2 3 4 "), (3, b"3 4 "), (-2, b"3 4 "), ("end", b""), ("s@1000", b"0 1 2 3 4 "),
])  # fmt: skip
def test_places_to_start_from(shared, start, expected):
    topic = f"start-{start}".replace("@", "-")
    kcat(shared, "-P", "-t", topic, "-p", 0, stdin=b"0\n1\n2\n3\n4\n")
    assert kcat(shared, "-C", "-t", topic, "-p", 0, "-o", start, "-e", "-q", "-f", "%s ").stdout == expected


def test_binary_keys_and_values(shared, tmp_path):
    content = bytes(range(256)) * 400
    (tmp_path / "binary").write_bytes(content)
    kcat(shared, "-P", "-t", "binary", "-p", 0, "-k", "\u00e4\u00f6", tmp_path / "binary")
    out = kcat(shared, "-C", "-t", "binary", "-p", 0, "-o", 0, "-c", 1, "-q", "-f", "%k %S %s").stdout
    assert out == "\u00e4\u00f6 ".encode() + b"%d " % len(content) + content


def test_a_consumer_group_is_told_that_there_are_none(shared):
    kcat(shared, "-P", "-t", "grouped", stdin=b"a\n")
    try:
        result = subprocess.run(
            ["kcat", "-b", shared.address, "-d", "cgrp,protocol", "-G", "group", "grouped"],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=2,
        )  # fmt: skip
        said = result.stdout + result.stderr
    except subprocess.TimeoutExpired as waiting:  # it asks again and again, as it must
        said = (waiting.stdout or b"") + (waiting.stderr or b"")
    assert b"no consumer groups" in said or b"oordinator not available" in said
