"""durability=interval: acknowledged before the sync; after a crash a gap, which every client passes over."""

import json

import confluent_kafka as ck
import pytest
from crash import logs

from . import wire
from .server import run, wait_for
from .test_kcat import kcat
from .web import Client
from .wire import Connection

INTERVAL = {"durability": "interval"}
RESERVED = 1 << 20


def write(server, topic, values):
    with Connection(server.port) as connection:
        return [connection.produce(topic, wire.batch_of(value)).base_offset for value in values]


def ends(server, topic):
    with Connection(server.port) as connection:
        return [connection.list_offset(topic, when)[2] for when in (wire.EARLIEST, wire.LATEST)]


@pytest.fixture
def crashed(new_server):
    """A server after kill -9 with 20 records in an interval topic, 5 before and 5 after another crash."""
    server = new_server().start()
    with Connection(server.port) as connection:
        assert connection.create_topic("fast", 1, INTERVAL) == (0, None)
        assert connection.create_topic("safe", 1) == (0, None)
    assert write(server, "fast", [b"a%d" % i for i in range(20)]) == list(range(20))
    assert write(server, "safe", [b"safe"]) == [0]
    server.kill()
    server.start()
    wait_for("the line about it", lambda: any("of topic" in line and "stay unused" in line for line in server.process.log))
    return server


def test_a_killed_server_loses_nothing_and_gives_no_offset_twice(crashed):
    begin, end = ends(crashed, "fast")
    assert begin == 0 and 20 < end <= RESERVED + 20
    assert ends(crashed, "safe") == [0, 1]
    with Connection(crashed.port) as connection:
        assert connection.fetch_all("fast") == [(i, b"a%d" % i) for i in range(20)]
    assert write(crashed, "fast", [b"b"]) == [end]
    with Connection(crashed.port) as connection:
        assert connection.fetch_all("fast")[-1] == (end, b"b")
        # A consumer that had seen what a power cut took stands within the gap.
        assert connection.fetch_all("fast", 20 + (end - 20) // 2) == [(end, b"b")]


def test_a_clean_stop_leaves_no_gap(new_server):
    server = new_server().start()
    with Connection(server.port) as connection:
        assert connection.create_topic("fast", 1, INTERVAL) == (0, None)
    write(server, "fast", [b"a", b"b"])
    server.terminate()
    server.start()
    assert not [line for line in server.process.log if "stay unused" in line]
    assert ends(server, "fast") == [0, 2]
    assert write(server, "fast", [b"c"]) == [2]


def test_kcat_reads_to_the_end_over_the_gap(crashed):
    out = kcat(crashed, "-C", "-t", "fast", "-o", "beginning", "-e", "-q", "-f", "%s\n").stdout.split()
    assert out == [b"a%d" % i for i in range(20)]
    write(crashed, "fast", [b"b"])
    out = kcat(crashed, "-C", "-t", "fast", "-o", "15", "-e", "-q", "-f", "%s\n").stdout.split()
    assert out == [b"a15", b"a16", b"a17", b"a18", b"a19", b"b"]


def test_librdkafka_reaches_the_end_behind_the_gap(crashed):
    end = ends(crashed, "fast")[1]
    consumer = ck.Consumer({
        "bootstrap.servers": crashed.address, "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True,
    })  # fmt: skip
    consumer.assign([ck.TopicPartition("fast", 0, 0)])
    values = []
    while not (message := consumer.consume(1, timeout=30)[0]).error():
        values.append(message.value())
    assert message.error().code() == ck.KafkaError._PARTITION_EOF
    assert message.offset() == end and len(values) == 20
    assert consumer.position([ck.TopicPartition("fast", 0)])[0].offset in (20, end)
    consumer.close()


def test_the_reader_of_the_crash_campaigns_reaches_the_end_behind_the_gap(crashed):
    def read():
        return logs.read(crashed, {"fast": 1, "safe": 1}, set(), lambda message: (message.offset(), message.value()))

    end = ends(crashed, "fast")[1]
    log = read()["fast", 0]
    assert (log.start, log.end) == (0, end)
    assert log.records == [(i, b"a%d" % i) for i in range(20)]
    write(crashed, "fast", [b"b"])
    assert read()["fast", 0].records[19:] == [(19, b"a19"), (end, b"b")]
    assert read()["safe", 0].records == [(0, b"safe")]


def test_kafka_python_passes_over_the_gap(crashed):
    kafka = pytest.importorskip("kafka")
    end = write(crashed, "fast", [b"b"])[0]
    consumer = kafka.KafkaConsumer(bootstrap_servers=crashed.address, group_id=None, consumer_timeout_ms=20_000)
    place = kafka.TopicPartition("fast", 0)
    consumer.assign([place])
    consumer.seek(place, 19)
    assert [(m.offset, m.value) for _, m in zip(range(2), consumer)] == [(19, b"a19"), (end, b"b")]
    assert consumer.position(place) == end + 1
    consumer.close()


def test_our_own_client_and_sql_pass_over_it(crashed):
    write(crashed, "fast", [b"b"])
    result = run("consume", "fast", "--kafka", crashed.address, timeout=60)
    assert result.stdout.split() == [*(f"a{i}" for i in range(20)), "b"], result.stderr
    with Client(crashed) as client:
        rows = client.rows("SELECT count(*), max(\"offset\") FROM topic('fast')")
    assert rows == [(21, ends(crashed, "fast")[1] - 1)]


def test_records_are_found_by_time_behind_the_gap(crashed):
    before = ends(crashed, "fast")[1]
    tomorrow = (1 << 43, 1 << 42)
    with Connection(crashed.port) as connection:
        assert connection.list_offset("fast", tomorrow[1])[1:] == (-1, -1)
        assert connection.produce("fast", wire.batch_of(b"b", timestamp=tomorrow[0])).error == wire.NONE
        assert connection.list_offset("fast", tomorrow[1])[1:] == (tomorrow[0], before)
        assert connection.list_offset("fast", 0)[2] == 0


def test_what_is_acknowledged_early_is_synced_soon(new_server):
    server = new_server("--journal-interval-ms", "50ms").start()
    with Connection(server.port) as connection:
        assert connection.create_topic("fast", 1, INTERVAL) == (0, None)
    write(server, "fast", [b"x"] * 50)
    with Client(server) as client:
        wait_for("the sync of what was written", lambda: client.metrics()["millrace_journal_unsynced_bytes"] == 0, 30)


def test_the_dump_shows_reservations_and_fillers(crashed):
    crashed.terminate()
    lines = [json.loads(line) for line in run("dump", "--json", crashed.data, timeout=60).stdout.splitlines()]
    assert [line for line in lines if line.get("kind") == "reservation"]
    (filler,) = [line for line in lines if line.get("filler")]
    assert (filler["type"], filler["base_offset"], filler["bytes"]) == ("batch", 20, 61)
