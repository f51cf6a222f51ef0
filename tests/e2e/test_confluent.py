"""librdkafka by its Python package: the client that most programs use."""

import collections
import time

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from .wire import Connection

COUNT = 100_000
PARTITIONS = 4
WAIT_S = 60


def producer(server, **settings):
    return ck.Producer({"bootstrap.servers": server.address, "partitioner": "murmur2_random", **settings})


@pytest.fixture
def consumer(shared):
    made = []

    def make(**settings):
        base = {
            "bootstrap.servers": shared.address,
            "group.id": "unused: partitions are assigned by hand",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": False,
            "topic.metadata.refresh.interval.ms": 500,
        }
        made.append(ck.Consumer({**base, **{name.replace("_", "."): value for name, value in settings.items()}}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def admin(shared):
    return AdminClient({"bootstrap.servers": shared.address})


def settle(futures):
    """Name → None or the error of each future."""
    outcome = {}
    for name, future in futures.items():
        try:
            future.result(WAIT_S)
            outcome[name] = None
        except ck.KafkaException as error:
            outcome[name] = error.args[0]
    return outcome


def create(admin, name, partitions=1, **configs):
    config = {key.replace("_", "."): value for key, value in configs.items()}
    return settle(admin.create_topics([NewTopic(name, partitions, 1, config=config)]))[name]


def take(consumer, count, seconds=WAIT_S):
    """The next `count` messages; those that are errors fail the test."""
    deadline = time.monotonic() + seconds
    messages = []
    while len(messages) < count:
        batch = consumer.consume(min(10_000, count - len(messages)), timeout=1)
        for message in batch:
            assert message.error() is None, message.error()
        messages += batch
        assert batch or time.monotonic() < deadline, f"{len(messages)} of {count} messages within {seconds} s"
    return messages


def from_start(consumer, topic, partitions=PARTITIONS, offset=0):
    consumer.assign([ck.TopicPartition(topic, p, offset) for p in range(partitions)])
    return consumer


def key_of(i):
    return None if i % 7 == 0 else b"key-%d" % (i % 1000)


def value_of(i):
    return None if i % 11 == 0 else b"" if i % 13 == 0 else b"value %d " % i + b"v" * (i % 50)


def headers_of(i):
    if i % 3 == 0:
        return [("trace", b"%d" % i), ("empty", b""), ("null", None), ("trace", b"a second one"), ("\u00fc", b"\xff\x00")]
    return []


def timestamp_of(i):
    return 1_600_000_000_000 + 10 * i


@pytest.fixture(scope="module")
def written(shared):
    """100,000 records of every kind; what was acknowledged: (partition, offset) → i."""
    assert create(AdminClient({"bootstrap.servers": shared.address}), "many", PARTITIONS, retention_ms="-1") is None
    landed, failures = {}, []

    def on_delivery(i):
        def note(error, message):
            if error:
                failures.append(str(error))
            else:
                landed[message.partition(), message.offset()] = i

        return note

    client = producer(shared, **{"acks": "all", "linger.ms": 5, "queue.buffering.max.messages": 2 * COUNT})
    for i in range(COUNT):
        client.produce(
            "many", value_of(i), key_of(i), headers=headers_of(i), timestamp=timestamp_of(i), on_delivery=on_delivery(i)
        )
        if i % 1000 == 0:
            client.poll(0)
    assert client.flush(WAIT_S) == 0
    assert failures == []
    assert len(landed) == COUNT
    return landed


def test_100000_records_come_back_whole(consumer, written):
    seen = collections.defaultdict(list)
    for message in take(from_start(consumer(), "many"), COUNT):
        i = written[message.partition(), message.offset()]
        seen[message.partition()].append((message.offset(), i))
        assert message.key() == key_of(i)
        assert message.value() == value_of(i)
        assert (message.headers() or []) == headers_of(i)
        assert message.timestamp() == (ck.TIMESTAMP_CREATE_TIME, timestamp_of(i))
    assert sum(map(len, seen.values())) == COUNT
    for messages in seen.values():
        assert [offset for offset, _ in messages] == list(range(len(messages)))  # dense
        assert [i for _, i in messages] == sorted(i for _, i in messages)  # in the order they were sent


def test_a_key_always_goes_to_one_partition(written):
    partitions = collections.defaultdict(set)
    for (partition, _), i in written.items():
        if key_of(i) is not None:
            partitions[key_of(i)].add(partition)
    assert {len(found) for found in partitions.values()} == {1}
    assert len({partition for partition, _ in written}) == PARTITIONS


def test_watermarks_are_the_ends_of_the_log(consumer, written):
    client = consumer()
    for partition in range(PARTITIONS):
        count = sum(1 for p, _ in written if p == partition)
        assert client.get_watermark_offsets(ck.TopicPartition("many", partition), WAIT_S) == (0, count)


def test_seek_and_fetch_from_the_middle_of_a_batch(consumer, written):
    client = consumer()
    end = sum(1 for partition, _ in written if partition == 0)
    client.assign([ck.TopicPartition("many", 0, end // 2)])
    for offset in (end // 2, 0, 1, 17, end // 3, end - 1):
        client.seek(ck.TopicPartition("many", 0, offset))
        (message,) = take(client, 1)
        assert (message.offset(), message.value()) == (offset, value_of(written[0, offset]))


def test_earliest_and_latest(shared, consumer, written):
    first = consumer()
    first.assign([ck.TopicPartition("many", 1, ck.OFFSET_BEGINNING)])
    assert take(first, 1)[0].offset() == 0
    create(AdminClient({"bootstrap.servers": shared.address}), "latest")
    client = producer(shared)
    client.produce("latest", b"before")
    assert client.flush(WAIT_S) == 0
    last = consumer(enable_partition_eof=True)
    last.assign([ck.TopicPartition("latest", 0, ck.OFFSET_END)])
    assert last.poll(WAIT_S).error().code() == ck.KafkaError._PARTITION_EOF
    client.produce("latest", b"after")
    assert client.flush(WAIT_S) == 0
    assert (m := take(last, 1)[0]).value() == b"after" and m.offset() == 1


def test_offsets_by_timestamp(consumer, written):
    client = consumer()
    by_partition = collections.defaultdict(list)
    for (partition, offset), i in written.items():
        by_partition[partition].append((timestamp_of(i), offset))
    for entries in by_partition.values():
        entries.sort()
    for i in (0, 1, COUNT // 3, COUNT - 10, COUNT - 1, COUNT + 5):
        for shift in (-5, 0, 5):
            time_ms = timestamp_of(i) + shift
            asked = [ck.TopicPartition("many", partition, time_ms) for partition in range(PARTITIONS)]
            for found in client.offsets_for_times(asked, WAIT_S):
                assert found.error is None
                entries = by_partition[found.partition]
                expected = next((offset for at, offset in entries if at >= time_ms), None)
                assert found.offset == (ck.OFFSET_END if expected is None else expected), (i, shift)


@pytest.mark.parametrize("acks", ["0", "1", "all"])
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_acks_and_codecs(shared, consumer, acks, codec):
    topic = f"acks-{acks}-{codec}"
    create(AdminClient({"bootstrap.servers": shared.address}), topic)
    client = producer(shared, **{"acks": acks, "compression.type": codec, "linger.ms": 20})
    values = [b"%d " % i + b"text that repeats itself, " * 10 for i in range(2000)]
    offsets = []
    for value in values:
        client.produce(topic, value, on_delivery=lambda error, message: offsets.append(error or message.offset()))
    assert client.flush(WAIT_S) == 0
    assert [m.value() for m in take(from_start(consumer(), topic, 1), len(values))] == values
    if acks == "0":
        assert not any(isinstance(offset, ck.KafkaError) for offset in offsets)
    else:
        assert offsets == list(range(len(values)))


@pytest.mark.parametrize("partitions", [1, 3])
def test_records_of_one_partition_keep_their_order_with_many_requests_in_flight(shared, consumer, partitions):
    topic = f"order-{partitions}"
    create(AdminClient({"bootstrap.servers": shared.address}), topic, partitions)
    client = producer(shared, **{"batch.num.messages": 3, "linger.ms": 0, "max.in.flight": 1000, "retries": 0})
    for i in range(6000):
        client.produce(topic, b"%d" % i, partition=i % partitions)
    assert client.flush(WAIT_S) == 0
    for message in take(from_start(consumer(), topic, partitions), 6000):
        assert int(message.value()) == message.offset() * partitions + message.partition()


def test_an_awaited_record_arrives_promptly(shared, consumer):
    create(AdminClient({"bootstrap.servers": shared.address}), "awaited-by-client")
    client = producer(shared, **{"linger.ms": 0})
    reader = consumer(fetch_wait_max_ms=20_000, fetch_error_backoff_ms=1)
    reader.assign([ck.TopicPartition("awaited-by-client", 0, 0)])
    for i in range(5):
        assert reader.poll(0.3 if i == 0 else 0.05) is None  # the fetch waits at the server now
        begun = time.monotonic()
        client.produce("awaited-by-client", b"%d" % i)
        assert client.flush(WAIT_S) == 0
        (message,) = take(reader, 1)
        assert (message.offset(), message.value()) == (i, b"%d" % i)
        assert time.monotonic() - begun < 3


def test_a_record_larger_than_the_fetch_size_comes_whole(shared, consumer):
    create(AdminClient({"bootstrap.servers": shared.address}), "large")
    client = producer(shared, **{"message.max.bytes": 2_000_000})
    client.produce("large", b"x" * 900_000)
    client.produce("large", b"after")
    assert client.flush(WAIT_S) == 0
    reader = consumer(fetch_message_max_bytes=1000, fetch_max_bytes=1_000_000)
    assert [len(m.value()) for m in take(from_start(reader, "large", 1), 2)] == [900_000, 5]


def test_max_message_bytes_is_obeyed(shared, admin):
    assert create(admin, "narrow", max_message_bytes="2000") is None
    outcome = []
    client = producer(shared, **{"linger.ms": 0})
    for size in (500, 5000, 500):
        client.produce("narrow", b"x" * size, on_delivery=lambda error, _: outcome.append(error and error.code()))
        assert client.flush(WAIT_S) == 0
    assert outcome == [None, ck.KafkaError.MSG_SIZE_TOO_LARGE, None]


def test_a_topic_is_made_with_4_partitions_when_first_written_to(shared, admin):
    client = producer(shared)
    client.produce("made by writing".replace(" ", "-"), b"first")
    assert client.flush(WAIT_S) == 0
    assert len(admin.list_topics("made-by-writing", WAIT_S).topics["made-by-writing"].partitions) == 4


def test_topics_are_made_listed_and_deleted(shared, admin):
    assert create(admin, "admin-1") is None
    assert create(admin, "admin-5", 5, retention_ms="60000") is None
    assert create(admin, "admin-5").code() == ck.KafkaError.TOPIC_ALREADY_EXISTS
    topics = admin.list_topics(timeout=WAIT_S).topics
    assert (len(topics["admin-1"].partitions), len(topics["admin-5"].partitions)) == (1, 5)
    assert settle(admin.delete_topics(["admin-1", "admin-5"])) == {"admin-1": None, "admin-5": None}
    assert settle(admin.delete_topics(["admin-1"]))["admin-1"].code() == ck.KafkaError.UNKNOWN_TOPIC_OR_PART
    assert not {"admin-1", "admin-5"} & admin.list_topics(timeout=WAIT_S).topics.keys()


@pytest.mark.parametrize("name, code", [
    ("a/b", ck.KafkaError.TOPIC_EXCEPTION),
    ("with blank", ck.KafkaError.TOPIC_EXCEPTION),
    ("..", ck.KafkaError.TOPIC_EXCEPTION),
    ("x" * 250, ck.KafkaError.TOPIC_EXCEPTION),
])  # fmt: skip
def test_a_bad_name_is_refused_with_the_rule(admin, name, code):
    error = create(admin, name)
    assert (error.code(), "1 to 249" in error.str()) == (code, True), error.str()


@pytest.mark.parametrize("config, part", [
    ({"cleanup_policy": "compact"}, "cleanup.policy=compact"),
    ({"retention_ms": "a week"}, "retention.ms=a week"),
    ({"no_such_setting": "1"}, "no.such.setting"),
])  # fmt: skip
def test_a_bad_config_is_refused_with_the_reason(admin, config, part):
    error = create(admin, "unmade", **config)
    assert (error.code(), part in error.str()) == (ck.KafkaError.INVALID_CONFIG, True), error.str()


def test_a_topic_deleted_and_made_again_shows_nothing_of_the_old_one(shared, admin, consumer):
    values = {}
    for life in range(3):
        assert create(admin, "phoenix", 2) is None
        client = producer(shared, **{"linger.ms": 0})
        values[life] = [b"life %d record %d" % (life, i) for i in range(50 - 10 * life)]
        for i, value in enumerate(values[life]):
            client.produce("phoenix", value, partition=i % 2)
        assert client.flush(WAIT_S) == 0
        found = [m.value() for m in take(from_start(consumer(), "phoenix", 2), len(values[life]))]
        assert sorted(found) == sorted(values[life])
        with Connection(shared.port) as connection:
            sizes = [connection.list_offset("phoenix", -1, partition)[2] for partition in range(2)]
        assert sum(sizes) == len(values[life])
        assert settle(admin.delete_topics(["phoenix"])) == {"phoenix": None}


def test_names_that_begin_alike_are_different_topics(shared, admin, consumer):
    names = ["orders", "orders-1", "orders-1-0", "orders-10", "orders.1", "Orders"]
    for i, name in enumerate(names):
        assert create(admin, name, 2 if name == "orders" else 1) is None
        client = producer(shared)
        for _ in range(i + 1):
            client.produce(name, name.encode(), partition=0)
        assert client.flush(WAIT_S) == 0
    assert settle(admin.delete_topics(["orders"])) == {"orders": None}
    for i, name in enumerate(names[1:], 1):
        assert [m.value() for m in take(from_start(consumer(), name, 1), i + 1)] == [name.encode()] * (i + 1)


def test_a_group_gets_a_clear_error(shared, admin):
    create(admin, "grouped")
    told = []
    client = ck.Consumer({
        "bootstrap.servers": shared.address,
        "group.id": "g",
        "debug": "cgrp",
        "log_level": 7,
        "error_cb": lambda error: told.append(error.str()),
        "logger": None,
    } | {})  # fmt: skip
    try:
        client.subscribe(["grouped"])
        assert client.poll(1) is None
        with pytest.raises(ck.KafkaException) as refused:
            client.committed([ck.TopicPartition("grouped", 0)], timeout=1)
        assert refused.value.args[0].code() in (
            ck.KafkaError._TIMED_OUT,
            ck.KafkaError._WAIT_COORD,
            ck.KafkaError.COORDINATOR_NOT_AVAILABLE,
        )
    finally:
        client.close()
