"""kafka-python: a client whose protocol code has nothing in common with librdkafka's."""

import warnings

import pytest

with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
    import kafka
    from kafka.admin import NewTopic
    from kafka.errors import TopicAlreadyExistsError

COUNT = 5000


@pytest.fixture(scope="module")
def written(shared):
    admin = kafka.KafkaAdminClient(bootstrap_servers=shared.address)
    admin.create_topics([NewTopic("pure", 3, 1, topic_configs={"retention.ms": "-1"})])
    admin.close()
    producer = kafka.KafkaProducer(
        bootstrap_servers=shared.address, enable_idempotence=False, acks="all", compression_type="gzip", linger_ms=5
    )
    pending = []
    for i in range(COUNT):
        key = None if i % 5 == 0 else b"%d" % (i % 100)
        value = None if i % 7 == 0 and key else b"value %d" % i  # it wants one of the two
        headers = [("h", b"%d" % i)] if i % 2 else []
        sent = producer.send("pure", value, key, headers=headers, partition=i % 3, timestamp_ms=1_700_000_000_000 + i)
        pending.append((sent, key, value, headers, 1_700_000_000_000 + i))
    producer.flush(60)
    landed = {}
    for sent, *rest in pending:
        metadata = sent.get(60)
        landed[metadata.partition, metadata.offset] = rest
    producer.close()
    assert len(landed) == COUNT
    return landed


@pytest.fixture
def consumer(shared):
    client = kafka.KafkaConsumer(
        bootstrap_servers=shared.address, group_id=None, enable_auto_commit=False, consumer_timeout_ms=20_000
    )
    yield client
    client.close()


def test_records_come_back_whole(consumer, written):
    consumer.assign([kafka.TopicPartition("pure", partition) for partition in range(3)])
    consumer.seek_to_beginning()
    seen = {}
    for message in consumer:
        headers = [(name, bytes(value)) for name, value in message.headers]
        seen[message.partition, message.offset] = [message.key, message.value, headers, message.timestamp]
        if len(seen) == COUNT:
            break
    assert seen == written


def test_offsets_by_time_and_ends(consumer, written):
    partitions = [kafka.TopicPartition("pure", partition) for partition in range(3)]
    assert sum(consumer.end_offsets(partitions).values()) == COUNT
    assert set(consumer.beginning_offsets(partitions).values()) == {0}
    found = consumer.offsets_for_times({partition: 1_700_000_000_000 + 300 for partition in partitions})
    assert {p.partition: at.offset for p, at in found.items()} == {0: 100, 1: 100, 2: 100}


def test_topics(shared):
    admin = kafka.KafkaAdminClient(bootstrap_servers=shared.address)
    try:
        admin.create_topics([NewTopic("pure-topic", 2, 1)])
        assert "pure-topic" in admin.list_topics()
        with pytest.raises(TopicAlreadyExistsError):
            admin.create_topics([NewTopic("pure-topic", 2, 1)])
        admin.delete_topics(["pure-topic"])
        assert "pure-topic" not in admin.list_topics()
    finally:
        admin.close()
