"""Reads partitions from their start to the end they have now, by a real consumer."""

import time

import confluent_kafka as ck
from e2e import wire

from . import checker

READ_S = 60


class Failed(AssertionError):
    """What the offsets promise could not be read."""


def read(server, topics, may_expire, take):
    """`topics`: name → partitions; `may_expire`: names whose start may move. (topic, partition) → checker.Log of take(message)."""
    for _ in range(10):
        logs = _try_read(server, topics, may_expire, take)
        if logs is not None:
            return logs
    raise Failed(f"a start of {sorted(may_expire)} moved ten times while it was read")


def _try_read(server, topics, may_expire, take):
    logs = _extents(server, topics, may_expire)
    wanted = sum(log.end - log.start for log in logs.values())
    consumer = ck.Consumer({
        "bootstrap.servers": server.address, "group.id": "none", "enable.auto.commit": False,
        "auto.offset.reset": "error", "fetch.wait.max.ms": 10, "log_level": 0,
    })  # fmt: skip
    try:
        consumer.assign([ck.TopicPartition(*place, log.start) for place, log in logs.items() if log.end > log.start])
        deadline = time.monotonic() + READ_S
        while wanted:
            if time.monotonic() > deadline:
                raise Failed(f"{wanted} records that the offsets promise did not come within {READ_S} s")
            for message in consumer.consume(min(wanted, 5000), timeout=1):
                if message.error():
                    if message.topic() in may_expire and message.error().code() == ck.KafkaError._AUTO_OFFSET_RESET:
                        return None
                    raise Failed(f"{message.topic()}: {message.error()}")
                log = logs[message.topic(), message.partition()]
                if message.offset() < log.end:
                    log.records.append(take(message))
                    wanted -= 1
    finally:
        consumer.close()
    return logs


def _extents(server, topics, may_expire):
    logs = {}
    with wire.Connection(server.port) as connection:
        for name, partition in ((name, n) for name, partitions in topics.items() for n in range(partitions)):
            (error, _, start), (_, _, end) = (connection.list_offset(name, when, partition) for when in (wire.EARLIEST, wire.LATEST))
            if error != wire.NONE:
                raise Failed(f"{name}/{partition}: error {error} when asked for its offsets")
            logs[name, partition] = checker.Log(start, end, [], may_expire=name in may_expire)
    return logs
