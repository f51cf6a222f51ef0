"""Input that no client would send: it ends its connection, or gets its error, and disturbs nobody."""

import random
import socket
import struct
import time

import pytest

from . import wire as w
from .wire import Batch, Connection, batch_of, record

MIB = 1 << 20
BIG_GAP = 60  # seconds that no wait here may come near


@pytest.fixture(scope="module")
def stream(shared):
    """A topic with one partition for whoever wants to write."""
    with Connection(shared.port) as connection:
        assert connection.create_topic("stream") == (w.NONE, None)
    return "stream"


@pytest.fixture
def bystander(shared, stream):
    """A connection that worked before the test and has to work after it."""
    with Connection(shared.port) as connection:
        before = connection.produce(stream, batch_of(b"before"))
        assert before.error == w.NONE
        yield connection
        after = connection.produce(stream, batch_of(b"after"))
        assert (after.error, after.base_offset > before.base_offset) == (w.NONE, True)
        assert list(connection.fetch(stream, after.base_offset).values()) == [(after.base_offset, b"after")]


def produce_frame(topic="stream", version=7):
    return w.frame(w.header(w.PRODUCE, version) + w.produce_body(topic, 0, batch_of(b"whole")))


# --- frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 7, -1, -(2**31), 100 * MIB + 1, 2**31 - 1])
def test_a_length_out_of_range_closes_that_connection_alone(shared, bystander, length):
    with Connection(shared.port) as bad:
        bad.send_raw(struct.pack(">i", length) + w.header(w.PRODUCE, 7))
        assert bad.is_closed()


def test_a_large_frame_of_an_api_that_carries_no_records_closes_the_connection(shared, bystander):
    with Connection(shared.port) as bad:
        bad.send_raw(struct.pack(">i", 90 * MIB) + w.header(w.METADATA, 4))
        assert bad.is_closed()


def test_a_frame_that_ends_too_early_closes_the_connection_wherever_it_is_cut(shared, bystander, stream):
    end = bystander.list_offset(stream, w.LATEST)[2]
    whole = produce_frame()[4:]
    cuts = sorted({*range(8, 60), *random.Random(7).sample(range(60, len(whole)), 25), len(whole) - 1})
    for cut in cuts:
        with Connection(shared.port) as bad:
            bad.send_raw(w.frame(whole[:cut]))
            assert bad.is_closed(), f"cut at {cut} of {len(whole)}"
    assert bystander.list_offset(stream, w.LATEST)[2] == end


def test_a_client_that_goes_in_the_middle_of_a_frame_leaves_nothing_behind(shared, bystander, stream):
    end = bystander.list_offset(stream, w.LATEST)[2]
    whole = produce_frame()
    for cut in random.Random(8).sample(range(1, len(whole)), 25):
        with Connection(shared.port) as bad:
            bad.send_raw(whole[:cut])
    assert bystander.list_offset(stream, w.LATEST)[2] == end


def test_bytes_after_the_end_of_a_request_are_ignored_as_kafka_does(shared, bystander, stream):
    """librdkafka pads some requests: a broker that refused them could not serve it."""
    end = bystander.list_offset(stream, w.LATEST)[2]
    with Connection(shared.port) as padded:
        padded.send_raw(w.frame(produce_frame()[4:] + b"\0\0\0"))
        padded.receive()
    assert bystander.list_offset(stream, w.LATEST)[2] == end + 1


@pytest.mark.parametrize("api", [-1, 4, 22, 999, 32767])
def test_an_unknown_api_closes_the_connection(shared, bystander, api):
    with Connection(shared.port) as bad:
        bad.send(api, 0)
        assert bad.is_closed()


@pytest.mark.parametrize("api", [w.PRODUCE, w.FETCH, w.METADATA, w.LIST_OFFSETS, w.CREATE_TOPICS, w.DELETE_TOPICS])
@pytest.mark.parametrize("version", [-1, 99])
def test_an_unknown_version_closes_the_connection(shared, bystander, api, version):
    with Connection(shared.port) as bad:
        bad.send(api, version)
        assert bad.is_closed()


@pytest.mark.parametrize("version", [4, 99, -1])
def test_api_versions_of_an_unknown_version_is_answered_in_version_0(shared, version):
    with Connection(shared.port) as connection:
        error, ranges = connection.api_versions(version)
        assert (error, ranges[w.PRODUCE][0]) == (w.UNSUPPORTED_VERSION, 0)
        assert connection.api_versions(0)[0] == w.NONE  # and the connection goes on


def test_the_advertised_versions(wire):
    _, ranges = wire.api_versions()
    assert ranges == {
        w.PRODUCE: (0, 11),
        w.FETCH: (4, 13),
        w.LIST_OFFSETS: (1, 7),
        w.METADATA: (0, 12),
        w.FIND_COORDINATOR: ranges[w.FIND_COORDINATOR],
        w.API_VERSIONS: (0, 3),
        w.CREATE_TOPICS: (2, 7),
        w.DELETE_TOPICS: (1, 6),
        w.DELETE_RECORDS: (0, 2),
    }


def test_metadata_of_all_topics_as_librdkafka_sends_it_is_answered(wire):
    # It reserves four bytes for the array's length, needs one, and leaves the others where they are.
    wire.send_raw(w.frame(w.header(w.METADATA, 12, correlation=77) + b"\0" + bytes.fromhex("00000000010000")))
    wire.receive(77)


def test_garbage_closes_the_connection(shared, bystander):
    chance = random.Random(3)
    for _ in range(50):
        with Connection(shared.port) as bad:
            garbage = chance.randbytes(chance.randrange(12, 4000))
            try:
                bad.send_raw(struct.pack(">i", len(garbage)) + garbage)
                bad.send_raw(garbage)
                bad.socket.shutdown(socket.SHUT_WR)
                while bad.socket.recv(1 << 16):
                    pass  # chance may have made a request of it
            except (w.Closed, OSError):
                pass


def test_http_on_the_kafka_port_closes_the_connection(shared, bystander):
    with Connection(shared.port) as bad:
        bad.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert bad.is_closed()


def test_requests_on_one_connection_are_answered_in_order(wire, stream):
    sent = [wire.send_produce(stream, batch_of(b"%d" % i)) for i in range(200)]
    versions = wire.send(w.API_VERSIONS, 0)
    offsets = [wire.receive_produced(correlation).base_offset for correlation in sent]
    assert offsets == list(range(offsets[0], offsets[0] + 200))
    wire.receive(versions)


# --- batches ---------------------------------------------------------------------------------------


def long_record():
    """A record that says it is longer than the batch."""
    return w.varint(1000) + record()[1:]


def long_value():
    body = b"\0\0\0" + w.varint(1) + b"k" + w.varint(500) + b"v" + w.varint(0)
    return w.varint(len(body)) + body


@pytest.mark.parametrize("name, batch, error", [
    ("wrong crc", Batch(crc=0xDEAD), w.CORRUPT_MESSAGE),
    ("announces more bytes", Batch(length=5000), w.CORRUPT_MESSAGE),
    ("announces fewer bytes", Batch(records=[record(value=b"x" * 100)], length=60), w.CORRUPT_MESSAGE),
    ("shorter than a header", Batch(length=10), w.CORRUPT_MESSAGE),
    ("negative length", Batch(length=-5), w.CORRUPT_MESSAGE),
    ("a record more", Batch(count=2, last_offset_delta=1), w.INVALID_RECORD),
    ("a record fewer", Batch(records=[record(), record(1)], count=1, last_offset_delta=0), w.INVALID_RECORD),
    ("no records", Batch(records=[], last_offset_delta=0), w.INVALID_RECORD),
    ("negative count", Batch(count=-1), w.INVALID_RECORD),
    ("two thousand million records", Batch(count=2**31 - 1, last_offset_delta=2**31 - 2), w.INVALID_RECORD),
    ("last offset too high", Batch(last_offset_delta=7), w.INVALID_RECORD),
    ("last offset negative", Batch(last_offset_delta=-1), w.INVALID_RECORD),
    ("offsets with a gap", Batch(records=[record(0), record(2)], last_offset_delta=1), w.INVALID_RECORD),
    ("offsets twice", Batch(records=[record(0), record(0)]), w.INVALID_RECORD),
    ("a record longer than the batch", Batch(records=[long_record()]), w.INVALID_RECORD),
    ("a value longer than its record", Batch(records=[long_value()]), w.INVALID_RECORD),
    ("bytes after the last record", Batch(body=record() + b"rest", count=1), w.INVALID_RECORD),
    ("garbage as gzip", Batch(attributes=1, body=b"no gzip at all"), w.INVALID_RECORD),
    ("garbage as snappy", Batch(attributes=2, body=b"\xff" * 20), w.INVALID_RECORD),
    ("garbage as lz4", Batch(attributes=3, body=b"no lz4 at all"), w.INVALID_RECORD),
    ("garbage as zstd", Batch(attributes=4, body=b"no zstd at all"), w.INVALID_RECORD),
    ("an unknown codec", Batch(attributes=5), w.UNSUPPORTED_FOR_MESSAGE_FORMAT),
    ("magic 0", Batch(magic=0), w.UNSUPPORTED_FOR_MESSAGE_FORMAT),
    ("magic 1", Batch(magic=1), w.UNSUPPORTED_FOR_MESSAGE_FORMAT),
    ("magic 3", Batch(magic=3), w.UNSUPPORTED_FOR_MESSAGE_FORMAT),
    ("control batch", Batch(attributes=0x20), w.INVALID_RECORD),
    ("time of the log", Batch(attributes=0x08), w.INVALID_RECORD),
    ("transactional batch", Batch(attributes=0x10, producer=(5, 0, 0)), w.INVALID_RECORD),
], ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "")  # fmt: skip
def test_a_bad_batch_gets_its_error_and_offset_minus_one(wire, stream, name, batch, error):
    end = wire.list_offset(stream, w.LATEST)[2]
    answer = wire.produce(stream, batch.pack(), version=8)
    assert (answer.error, answer.base_offset) == (error, -1), (name, answer.message)
    assert answer.message, "an error comes with a reason"
    assert wire.list_offset(stream, w.LATEST)[2] == end
    assert wire.produce(stream, batch_of(b"good")).base_offset == end  # the connection goes on


@pytest.mark.parametrize("name, topic, partition, records, acks, error", [
    ("no records", "stream", 0, None, -1, w.INVALID_RECORD),
    ("empty records", "stream", 0, b"", -1, w.INVALID_RECORD),
    ("two batches", "stream", 0, batch_of(b"a") + batch_of(b"b"), -1, w.INVALID_RECORD),
    ("acks 2", "stream", 0, batch_of(b"a"), 2, w.INVALID_REQUIRED_ACKS),
    ("acks -2", "stream", 0, batch_of(b"a"), -2, w.INVALID_REQUIRED_ACKS),
    ("partition 1 of 1", "stream", 1, batch_of(b"a"), -1, w.UNKNOWN_TOPIC_OR_PARTITION),
    ("partition -1", "stream", -1, batch_of(b"a"), -1, w.UNKNOWN_TOPIC_OR_PARTITION),
    ("no such topic", "nobody-made-this", 0, batch_of(b"a"), -1, w.UNKNOWN_TOPIC_OR_PARTITION),
    ("no topic name", "", 0, batch_of(b"a"), -1, w.UNKNOWN_TOPIC_OR_PARTITION),
], ids=lambda value: "")  # fmt: skip
def test_a_bad_produce_gets_its_error_and_offset_minus_one(wire, stream, name, topic, partition, records, acks, error):
    end = wire.list_offset(stream, w.LATEST)[2]
    answer = wire.produce(topic, records, partition, acks, version=8)
    assert (answer.error, answer.base_offset) == (error, -1), (name, answer.message)
    assert wire.list_offset(stream, w.LATEST)[2] == end


def test_a_batch_above_max_message_bytes_is_too_large(wire, stream):
    fitting = 1_048_588 - len(batch_of(b"x" * 1_000_000)) + 1_000_000
    assert wire.produce(stream, batch_of(b"x" * fitting)).error == w.NONE
    answer = wire.produce(stream, batch_of(b"x" * (fitting + 1)), version=8)
    assert (answer.error, answer.base_offset) == (w.MESSAGE_TOO_LARGE, -1)
    assert "1048588" in answer.message


@pytest.mark.parametrize("version", [0, 1, 2])
def test_produce_in_the_old_message_format_is_refused(wire, stream, version):
    end = wire.list_offset(stream, w.LATEST)[2]
    one = w.text(stream) + w.array([struct.pack(">ii", 0, len(batch_of(b"a"))) + batch_of(b"a")])
    reader = wire.call(w.PRODUCE, version, struct.pack(">hi", -1, 1000) + w.array([one]))
    layout = "ihq" if version < 2 else "ihqq"
    ((_, (answer,)),) = reader.array(lambda: (reader.text(), reader.array(lambda: reader.get(layout))))
    assert answer[1:3] == (w.UNSUPPORTED_VERSION, -1)
    assert wire.list_offset(stream, w.LATEST)[2] == end


def test_acks_0_is_not_answered_and_kept(wire, stream):
    end = wire.list_offset(stream, w.LATEST)[2]
    wire.send_produce(stream, batch_of(b"silent"), acks=0)
    wire.send_produce(stream, Batch(crc=1).pack(), acks=0)
    assert wire.fetch_all(stream, end) == [(end, b"silent")]


def test_one_bad_partition_does_not_take_the_other_along(wire):
    wire.create_topic("halves", partitions=2)
    parts = [struct.pack(">ii", i, len(r)) + r for i, r in enumerate([batch_of(b"good"), Batch(crc=1).pack()])]
    body = w.text(None) + struct.pack(">hi", -1, 1000) + w.array([w.text("halves") + w.array(parts)])
    reader = wire.call(w.PRODUCE, 7, body)
    ((_, answers),) = reader.array(lambda: (reader.text(), reader.array(lambda: reader.get("ihqqq"))))
    assert [answer[:3] for answer in answers] == [(0, w.NONE, 0), (1, w.CORRUPT_MESSAGE, -1)]


@pytest.mark.parametrize("fields", [
    {"base_offset": 77},
    {"timestamp": 0},
    {"timestamp": -1},
    {"timestamp": 2**62},
    {"producer": (7, 0, 0)},
], ids=str)  # fmt: skip
def test_unusual_and_legal_fields_are_kept(wire, stream, fields):
    sent = batch_of(b"a", b"b", **fields)
    answer = wire.produce(stream, sent)
    assert answer.error == w.NONE
    ((base, _, count, whole),) = wire.fetch(stream, answer.base_offset).batches()
    assert (base, count) == (answer.base_offset, 2)
    assert whole[16:] == sent[16:]  # all that is the producer's, byte for byte


# --- fetch -----------------------------------------------------------------------------------------


def test_fetch_inside_a_batch_gives_the_whole_batch(wire):
    wire.create_topic("inside")
    assert wire.produce("inside", batch_of(*(b"%d" % i for i in range(10)))).base_offset == 0
    for offset in (0, 1, 5, 9):
        assert [v for _, v in wire.fetch("inside", offset).values()] == [b"%d" % i for i in range(10)]
    assert list(wire.fetch("inside", 10).values()) == []


@pytest.mark.parametrize("offset", [-1, -3, 11, 2**62])
def test_fetch_outside_the_log_is_out_of_range(wire, offset):
    topic = f"outside{offset}"
    wire.create_topic(topic)
    wire.produce(topic, batch_of(*[b"x"] * 10))
    answer = wire.fetch(topic, offset, wait_ms=20_000)
    assert (answer.error, answer.records) == (w.OFFSET_OUT_OF_RANGE, b"")


def test_fetch_of_an_unknown_partition_is_answered_at_once(wire, stream):
    begun = time.monotonic()
    assert wire.fetch(stream, 0, partition=5, wait_ms=20_000).error == w.UNKNOWN_TOPIC_OR_PARTITION
    assert wire.fetch("nobody-made-this", 0, wait_ms=20_000).error == w.UNKNOWN_TOPIC_OR_PARTITION
    assert time.monotonic() - begun < 10


def test_fetch_limits_count_in_whole_batches(wire):
    wire.create_topic("limits")
    size = len(batch_of(b"x" * 1000))
    for _ in range(10):
        wire.produce("limits", batch_of(b"x" * 1000))
    assert len(list(wire.fetch("limits", 0, max_bytes=1).batches())) == 1  # the first comes whole
    assert len(list(wire.fetch("limits", 0, partition_bytes=1).batches())) == 1
    assert len(list(wire.fetch("limits", 0, max_bytes=3 * size).batches())) == 3
    assert len(list(wire.fetch("limits", 0, partition_bytes=3 * size).batches())) == 3
    assert len(list(wire.fetch("limits", 0).batches())) == 10


def test_an_idle_fetch_returns_at_its_deadline(wire):
    wire.create_topic("idle")
    begun = time.monotonic()
    assert wire.fetch("idle", 0, wait_ms=400).records == b""
    assert 0.38 <= time.monotonic() - begun < 3


def test_a_waiting_fetch_gets_the_record_as_it_arrives(shared, wire):
    wire.create_topic("awaited")
    with Connection(shared.port) as writer:
        for i in range(5):
            waiting = wire.send_fetch("awaited", i, wait_ms=BIG_GAP * 1000)
            writer.api_versions()  # a round trip, so that the fetch is likely to wait already
            begun = time.monotonic()
            assert writer.produce("awaited", batch_of(b"%d" % i)).base_offset == i
            assert list(wire.receive_fetched(waiting).values()) == [(i, b"%d" % i)]
            assert time.monotonic() - begun < 2


def test_min_bytes_are_awaited(shared, wire):
    wire.create_topic("enough")
    size = len(batch_of(b"x" * 100))
    with Connection(shared.port) as writer:
        waiting = wire.send_fetch("enough", 0, wait_ms=BIG_GAP * 1000, min_bytes=3 * size)
        for _ in range(3):
            writer.produce("enough", batch_of(b"x" * 100))
        assert len(list(wire.receive_fetched(waiting).batches())) == 3
        begun = time.monotonic()
        short = wire.fetch("enough", 0, wait_ms=300, min_bytes=4 * size)
        assert time.monotonic() - begun >= 0.28
        assert len(list(short.batches())) == 3  # what there is, at the deadline


def test_a_waiting_fetch_ends_when_its_topic_is_deleted(shared, wire):
    wire.create_topic("going")
    waiting = wire.send_fetch("going", 0, wait_ms=BIG_GAP * 1000)
    with Connection(shared.port) as other:
        other.api_versions()  # a round trip, so that the fetch is likely to wait already
        assert other.delete_topic("going") == w.NONE
    answer = wire.receive_fetched(waiting)
    assert (answer.error, answer.records) == (w.UNKNOWN_TOPIC_OR_PARTITION, b"")
    assert wire.fetch("going", 0).error == w.UNKNOWN_TOPIC_OR_PARTITION


# --- list offsets ----------------------------------------------------------------------------------


def test_offsets_by_time(wire):
    wire.create_topic("times")
    assert wire.list_offset("times", w.EARLIEST) == wire.list_offset("times", w.LATEST) == (w.NONE, -1, 0)
    assert wire.list_offset("times", 0) == (w.NONE, -1, -1)
    for base in (1000, 2000, 3000):
        records = [record(i, timestamp_delta=10 * i) for i in range(3)]
        wire.produce("times", Batch(records=records, timestamp=base, max_timestamp=base + 20).pack())
    assert wire.list_offset("times", w.LATEST) == (w.NONE, -1, 9)
    wanted = {0: (1000, 0), 1000: (1000, 0), 1001: (1010, 1), 1020: (1020, 2), 1021: (2000, 3), 2015: (2020, 5), 3020: (3020, 8)}
    found = {time: wire.list_offset("times", time)[1:] for time in wanted}
    assert found == wanted
    assert wire.list_offset("times", 3021) == (w.NONE, -1, -1)
    assert wire.list_offset("nobody-made-this", 0)[0] == w.UNKNOWN_TOPIC_OR_PARTITION


# --- topics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "a\n", "x" * 250, "50%"])
def test_a_bad_topic_name_is_refused_everywhere(wire, name):
    assert wire.create_topic(name)[0] == w.INVALID_TOPIC
    assert wire.topics(name, create=True) == {name: (w.INVALID_TOPIC, 0)}
    assert name not in wire.topics()


@pytest.mark.parametrize("partitions, replication, configs, error, part", [
    (0, 1, {}, w.INVALID_PARTITIONS, "0 partitions"),
    (-2, 1, {}, w.INVALID_PARTITIONS, "-2 partitions"),
    (10_001, 1, {}, w.INVALID_PARTITIONS, "10001 partitions"),
    (1, 3, {}, w.INVALID_REPLICATION_FACTOR, "replication factor 3"),
    (1, 1, {"no.such": "1"}, w.INVALID_CONFIG, "no.such"),
    (1, 1, {"retention.ms": "soon"}, w.INVALID_CONFIG, "retention.ms=soon"),
    (1, 1, {"max.message.bytes": "0"}, w.INVALID_CONFIG, "max.message.bytes=0"),
    (1, 1, {"max.message.bytes": "99999999999999999999"}, w.INVALID_CONFIG, "max.message.bytes"),
    (1, 1, {"cleanup.policy": "compact"}, w.INVALID_CONFIG, "cleanup.policy=compact"),
    (1, 1, {"durability": "twice"}, w.INVALID_CONFIG, "durability=twice"),
    (1, 1, {"compression.type": "zstd"}, w.INVALID_CONFIG, "compression.type"),
], ids=str)  # fmt: skip
def test_a_bad_topic_is_refused_with_the_reason(wire, partitions, replication, configs, error, part):
    code, message = wire.create_topic("unmade", partitions, configs, replication)
    assert (code, part in message) == (error, True), message
    assert "unmade" not in wire.topics()


def test_validate_only_makes_nothing(wire):
    assert wire.create_topic("dry", validate_only=True) == (w.NONE, None)
    assert "dry" not in wire.topics()


def test_a_topic_named_twice_in_one_request_is_refused(wire):
    one = w.text("twice") + struct.pack(">ih", 1, 1) + w.array([]) + w.array([])
    reader = wire.call(w.CREATE_TOPICS, 4, w.array([one, one]) + struct.pack(">i?", 1000, False))
    reader.get("i")
    answers = reader.array(lambda: (reader.text(), reader.get("h"), reader.text()))
    assert {error for _, error, _ in answers} == {w.INVALID_REQUEST}
    assert "twice" not in wire.topics()


def test_metadata_makes_a_topic_only_when_asked_to(wire):
    assert wire.topics("made") == {"made": (w.UNKNOWN_TOPIC_OR_PARTITION, 0)}
    assert wire.topics("made", create=True) == {"made": (w.NONE, 4)}
    assert wire.topics("made") == {"made": (w.NONE, 4)}


def test_groups_get_a_clear_error(wire):
    error, message = wire.find_coordinator("group")
    assert error == w.COORDINATOR_NOT_AVAILABLE
    assert "no consumer groups" in message


@pytest.mark.parametrize("claimed", [0, 2_000, 10**15], ids="max_timestamp={}".format)
def test_records_are_found_by_their_own_times_whatever_the_batch_claims(wire, topic, claimed):
    records = [record(0, timestamp_delta=0), record(1, timestamp_delta=1_000)]
    wire.create_topic(topic)
    assert wire.produce(topic, Batch(records=records, timestamp=1_000, max_timestamp=claimed).pack()).error == w.NONE
    assert wire.list_offset(topic, 1_500) == (w.NONE, 2_000, 1)
    assert wire.list_offset(topic, 2_001) == (w.NONE, -1, -1)
