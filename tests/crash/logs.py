"""Reads partitions from their start to the end they have now, by a real consumer."""

import sys
import threading
import time

import confluent_kafka as ck
from e2e import wire

from . import checker

READ_S = 60
CLOSE_S = 10


class Failed(AssertionError):
    """What the offsets promise could not be read."""


def read(server, topics, may_expire, take, may_skip=False):
    """`topics`: name → partitions; `may_expire`: names whose start may move; `may_skip`: offsets may have no record.

    (topic, partition) → checker.Log of take(message).
    """
    for _ in range(10):
        logs = _try_read(server, topics, may_expire, take)
        if logs is not None:
            for log in logs.values():
                log.may_skip = may_skip
            return logs
    raise Failed(f"a start of {sorted(may_expire)} moved ten times while it was read")


def _try_read(server, topics, may_expire, take):
    logs = _extents(server, topics, may_expire)
    unread = {place for place, log in logs.items() if log.end > log.start}
    consumer = ck.Consumer({
        "bootstrap.servers": server.address, "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True,
        "auto.offset.reset": "error", "fetch.wait.max.ms": 10, "log_level": 0,
    })  # fmt: skip
    try:
        consumer.assign([ck.TopicPartition(*place, logs[place].start) for place in unread])
        deadline = time.monotonic() + READ_S
        while unread:
            if time.monotonic() > deadline:
                raise Failed(f"the ends of {sorted(unread)} were not reached within {READ_S} s")
            for message in consumer.consume(5000, timeout=0) or consumer.consume(1, timeout=1):
                place = message.topic(), message.partition()
                error = message.error()
                if error and error.code() == ck.KafkaError._AUTO_OFFSET_RESET and message.topic() in may_expire:
                    return None
                if error and error.code() != ck.KafkaError._PARTITION_EOF:
                    raise Failed(f"{message.topic()}: {error}")
                log = logs[place]
                if not error and message.offset() < log.end:
                    log.records.append(take(message))
                # Offsets without records may stand before the end: the consumer says when it is behind them.
                if message.offset() >= (log.end if error else log.end - 1):
                    unread.discard(place)
    finally:
        _close(consumer)
    return logs


def _close(consumer):
    """Once in some hundred rounds librdkafka 2.16 never returns from this, with all that was asked for read; such a
    consumer is left behind (see also its issue 4362)."""
    closing = threading.Thread(target=consumer.close, daemon=True)
    closing.start()
    closing.join(CLOSE_S)
    if closing.is_alive():
        print("a consumer does not close and is left behind", file=sys.stderr)


def _extents(server, topics, may_expire):
    logs = {}
    with wire.Connection(server.port) as connection:
        for name, partition in ((name, n) for name, partitions in topics.items() for n in range(partitions)):
            (error, _, start), (_, _, end) = (connection.list_offset(name, when, partition) for when in (wire.EARLIEST, wire.LATEST))
            if error != wire.NONE:
                raise Failed(f"{name}/{partition}: error {error} when asked for its offsets")
            logs[name, partition] = checker.Log(start, end, [], may_expire=name in may_expire)
    return logs
