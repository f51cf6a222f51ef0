"""DeleteRecords: the start of a partition moved up, by every client, for good, and in every state of the server."""

import json
import warnings

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient

from . import journal, segments, wire
from .fsck_copy import Copy
from .server import run, wait_for
from .test_disk_full import fill_up
from .test_full_journal import budget
from .test_full_journal import fill as fill_budget
from .test_segments import SOON, freed
from .test_serve import SMALL, fill, small_disk  # noqa: F401 - a fixture
from .web import Client
from .wire import Connection, batch_of

with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
    import kafka
    from kafka import errors

COUNT = 40
SIZE = 100_000
WAIT_S = 20


def start_of(server, topic, partition=0):
    with Connection(server.port) as connection:
        return connection.list_offset(topic, wire.EARLIEST, partition)[2]


def delete(server, topic, before, partition=0):
    """By the command line: where the partition starts."""
    done = run("topic", "delete-records", topic, "--partition", partition, "--before", before, "--json", "--kafka", server.address)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["start"]


def test_librdkafka(shared, topic):
    values = fill(shared, topic, 10)
    admin = AdminClient({"bootstrap.servers": shared.address})

    def delete_before(offset, partition=0, name=topic):
        (future,) = admin.delete_records([ck.TopicPartition(name, partition, offset)]).values()
        return future.result(WAIT_S).low_watermark

    assert delete_before(4) == 4
    assert delete_before(2) == 4
    for offset, partition, name, code in [
        (11, 0, topic, ck.KafkaError.OFFSET_OUT_OF_RANGE),
        (1, 9, topic, ck.KafkaError._NOENT),  # it finds no leader of it
    ]:
        with pytest.raises(ck.KafkaException) as refused:
            delete_before(offset, partition, name)
        assert refused.value.args[0].code() == code
    consumer = ck.Consumer({
        "bootstrap.servers": shared.address,
        "group.id": "unused",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    })  # fmt: skip
    assert consumer.get_watermark_offsets(ck.TopicPartition(topic, 0), WAIT_S, cached=False) == (4, 10)
    consumer.assign([ck.TopicPartition(topic, 0, 0)])  # below the start: it is told to begin elsewhere
    found = [message.value() for message in consumer.consume(6, WAIT_S)]
    assert found == values[4:]
    assert delete_before(ck.OFFSET_END) == 10
    assert consumer.get_watermark_offsets(ck.TopicPartition(topic, 0), WAIT_S, cached=False) == (10, 10)
    consumer.close()


def test_kafka_python(shared, topic):
    values = fill(shared, topic, 10)
    admin = kafka.KafkaAdminClient(bootstrap_servers=shared.address)
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=shared.address,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    partition = kafka.TopicPartition(topic, 0)
    try:
        admin.delete_records({partition: 7})
        assert consumer.beginning_offsets([partition]) == {partition: 7}
        consumer.assign([partition])
        consumer.seek(partition, 1)
        assert [next(consumer).value for _ in range(3)] == values[7:]
        with pytest.raises(errors.OffsetOutOfRangeError):
            admin.delete_records({partition: 11})
        admin.delete_records({partition: -1})
        assert consumer.beginning_offsets([partition]) == consumer.end_offsets([partition]) == {partition: 10}
    finally:
        consumer.close()
        admin.close()


def test_the_command_line(shared, topic):
    fill(shared, topic, 10)
    to = ("--kafka", shared.address)
    done = run("topic", "delete-records", topic, "--partition", 0, "--before", 3, *to)
    assert (done.returncode, done.stdout) == (0, f"{topic} partition 0 starts at offset 3\n")
    described = run("topic", "describe", topic, "--json", *to)
    assert json.loads(described.stdout)["partitions"][0] == {"partition": 0, "start": 3, "end": 10}
    assert delete(shared, topic, "end") == 10
    for arguments, code, part in [
        ((topic, "--partition", 0, "--before", 11), 1, "the partition ends before that offset"),
        ((topic, "--partition", 0, "--before", "all"), 2, "--before all: must be an offset or end"),
        ((topic, "--partition", -1, "--before", 1), 2, "--partition: Value -1 not in range 0 to 9999"),
        ((topic, "--partition", 7, "--before", 1), 1, "artition"),
        ((topic + "x", "--partition", 0, "--before", 1), 1, f"did you mean {topic}?"),
    ]:
        done = run("topic", "delete-records", *arguments, *to)
        assert (done.returncode, part in done.stderr) == (code, True), (arguments, done.stderr)


def test_a_table_is_refused(shared):
    with Client(shared) as client:
        client.write("cpu", {"n": [1]})
    done = run("topic", "delete-records", "main.cpu", "--partition", 0, "--before", "end", "--kafka", shared.address)
    assert done.returncode == 1
    assert "it is the log of a table, whose rows go with the table alone" in done.stderr
    with Client(shared) as client:
        assert client.rows("SELECT n FROM cpu") == [(1,)]


def test_sql_and_times_begin_at_the_start(shared, topic):
    with Connection(shared.port) as connection:
        connection.create_topic(topic)
        batch = batch_of(b"a", b"b", b"c", b"d")
        assert connection.produce(topic, batch).error == wire.NONE
        assert delete(shared, topic, 2) == 2  # within the batch
        assert connection.list_offset(topic, 0)[2] == 2
        assert connection.fetch(topic, 1).error == wire.OFFSET_OUT_OF_RANGE
    with Client(shared) as client:
        assert client.rows(f"SELECT \"offset\", decode(value) FROM topic('{topic}')") == [(2, "c"), (3, "d")]


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_it_holds_after_a_restart(new_server, how):
    server = new_server(*SMALL).start()
    values = fill(server, "t", COUNT, size=SIZE)
    assert delete(server, "t", 25) == 25
    getattr(server, how)()
    server.start()
    assert start_of(server, "t") == 25
    with Connection(server.port) as connection:
        assert connection.fetch_all("t", 25) == list(enumerate(values))[25:]
        assert connection.produce("t", batch_of(b"next")).base_offset == COUNT
    assert delete(server, "t", "end") == COUNT + 1
    getattr(server, how)()
    server.start()
    assert start_of(server, "t") == COUNT + 1


def test_journal_files_and_objects_go_and_what_is_left_is_read(new_server):
    server = new_server(*SOON).start()
    values = fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    assert delete(server, "t", 30) == 30
    wait_for("objects expired", lambda: "t partition 0 is kept from offset" in server.process.text(), WAIT_S)
    with Connection(server.port) as connection:
        assert connection.fetch_all("t", 30) == list(enumerate(values))[30:]
    # What waits for its readers is left by the kill, as a check says; the next start removes it.
    server.kill()
    copy = Copy(server.data)
    code, findings, _ = copy.fsck()
    problems = {finding["problem"] for finding in findings}
    assert code == 0 and "leaving-object" in problems and "unnamed-object" not in problems, findings
    server.start()

    def first():
        return min(part.first for one in segments.objects(server.data) for part in one.parts)

    wait_for("objects to be gone", lambda: first() >= 24, WAIT_S)
    assert first() <= 30
    assert start_of(server, "t") == 30
    with Connection(server.port) as connection:
        assert connection.fetch_all("t", 30) == list(enumerate(values))[30:]
    assert "otherwise begins at" not in server.process.text(), "nothing is taken for damage"


def test_a_catalog_made_again_knows_it(new_server):
    server = new_server(*SOON).start()
    values = fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    assert delete(server, "t", 30) == 30
    assert server.terminate() == 0
    done = run("rebuild", "--data", server.data, "--replace", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert not any("topic t " in line for line in report["lost"]), report["lost"]
    (topic,) = [topic for topic in report["topics"] if topic["name"] == "t"]
    assert (topic["partitions"][0]["start"], topic["partitions"][0]["next"]) == (30, COUNT)
    server.start()
    assert start_of(server, "t") == 30
    with Connection(server.port) as connection:
        assert connection.fetch_all("t", 30) == list(enumerate(values))[30:]


@pytest.mark.parametrize("how", [None, "kill"])
def test_it_works_though_the_journal_is_full(new_server, how):
    server = new_server(*budget(16)).start()
    fill_budget(server)
    if how:
        getattr(server, how)()
        server.start()
    with Connection(server.port) as kafka_connection:
        end = kafka_connection.list_offset("hoard", wire.LATEST)[2]
        assert delete(server, "hoard", "end") == end
        wait_for(
            "room again",
            lambda: kafka_connection.produce("hoard", batch_of(b"x" * SIZE)).error == wire.NONE,
            WAIT_S,
        )
    assert any("hoard partition 0 starts at " in line and "(delete-records)" in line for line in server.process.log)
    server.kill()
    server.start()
    assert start_of(server, "hoard") == end
    assert len(journal.files(server.data)) < 16


def test_it_works_on_a_full_disk(new_server, small_disk):  # noqa: F811
    server = new_server(*SMALL, "--journal-max-bytes", "1GiB", "--segment-age-ms", "1h", data=small_disk / "data").start()
    fill(server, "t", 60, size=SIZE)
    fill_up(small_disk / "filler")
    with Connection(server.port) as connection:
        refused = 0
        while refused < 2:
            answer = connection.produce("t", batch_of(b"x" * SIZE))
            assert answer.error in (wire.NONE, wire.KAFKA_STORAGE_ERROR)
            refused += answer.error != wire.NONE
        end = connection.list_offset("t", wire.LATEST)[2]
        assert delete(server, "t", "end") == end
        wait_for("room again", lambda: connection.produce("t", batch_of(b"x" * SIZE)).error == wire.NONE, WAIT_S)
    server.kill()
    server.start()
    assert start_of(server, "t") == end
