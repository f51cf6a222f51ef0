"""A durability=object topic whose machine is gone: killed while it is written to, its directory deleted."""

import collections
import json
import pathlib
import random
import shutil
import tempfile
import time

import confluent_kafka as ck
import pytest

from . import segments, wire
from .s3 import KEYS
from .server import run, wait_for
from .web import Client
from .wire import Connection

TOPIC = "orders"
PARTITIONS = 3
LIVES = 3
SETTINGS = {"durability": "object", "retention.ms": "-1", "max.message.bytes": "2000000"}
# Small objects and frequent merges, so that a kill strikes amid all of it.
FLAGS = ("--segment-bytes", "256KiB", "--segment-age-ms", "300ms", "--object-linger-ms", "20ms",
         "--journal-file-bytes", "1MiB", "--journal-retention-check-ms", "100ms")  # fmt: skip
LONG_S = 60
COUNT = 12


class Written:
    """What producers were told. A value says which record it is; one that failed may be there or not."""

    def __init__(self):
        self.acknowledged = collections.defaultdict(dict)  # partition → offset → value
        self.failed = set()
        self.sent = 0

    def note(self, error, message):
        if error:
            self.failed.add(message.value())
            return
        known = self.acknowledged[message.partition()]
        assert message.offset() not in known, f"offset {message.offset()} given twice"
        known[message.offset()] = message.value()

    def count(self):
        return sum(map(len, self.acknowledged.values()))

    def write_until_killed(self, server, rng):
        """Producers that never retry, so that an answer is about one record."""
        producer = ck.Producer({"bootstrap.servers": server.address, "acks": "all", "retries": 0, "linger.ms": 5,
                                "message.max.bytes": 2_000_000, "log_level": 0})  # fmt: skip
        before, enough, waiting = self.count(), rng.randrange(300, 900), rng.randrange(20, 200)
        deadline = time.monotonic() + LONG_S
        is_killed = False
        while not is_killed or len(producer) > 0:
            if not is_killed and self.count() - before >= enough and len(producer) >= waiting:
                server.kill()
                is_killed = True
                producer.purge()
            if not is_killed and len(producer) < 200:
                size = 150_000 if rng.random() < 0.02 else rng.randrange(2_000)
                producer.produce(TOPIC, b"%d " % self.sent + b"x" * size, partition=rng.randrange(PARTITIONS), on_delivery=self.note)
                self.sent += 1
            producer.poll(0 if len(producer) < 200 and not is_killed else 0.05)
            assert time.monotonic() < deadline, f"{self.count() - before} acknowledged, {len(producer)} waiting"


def check(server, written):
    for partition in range(PARTITIONS):
        with Connection(server.port) as connection:
            assert connection.list_offset(TOPIC, wire.EARLIEST, partition)[2] == 0
            found = connection.fetch_all(TOPIC, 0, partition)
        assert len(found) == len(dict(found)), "an offset is read twice"
        expected = written.acknowledged[partition]
        assert {offset: value for offset, value in found if offset in expected} == expected
        assert {value for offset, value in found if offset not in expected} <= written.failed


def test_it_is_read_back_whole_by_a_new_server(new_server, s3, tmp_path):
    rng = random.Random(19)
    bucket = s3.flags("machine")
    server = new_server(*FLAGS, *bucket, **KEYS).start()
    with Connection(server.port) as connection:
        assert connection.create_topic(TOPIC, PARTITIONS, SETTINGS) == (0, None)
    written = Written()
    for life in range(1, LIVES + 1):
        written.write_until_killed(server, rng)
        shutil.rmtree(server.data)
        server = new_server(*FLAGS, *bucket, data=tmp_path / f"machine-{life}", **KEYS)
        status, told = server.refused()  # else it would begin without all of it
        assert status == 1 and "objects of another one" in told and "millrace rebuild" in told, told
        made = run("rebuild", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
        assert made.returncode == 0, made.stderr
        assert [topic["name"] for topic in json.loads(made.stdout)["topics"]] == [TOPIC]
        server.start()
        check(server, written)
    assert written.count() > LIVES * 300
    assert written.failed, "no kill amid writing"
    server.terminate()
    checked = run("fsck", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
    assert checked.returncode == 0, checked.stdout
    server.start()
    check(server, written)


def test_what_the_lost_machine_had_merged_goes(new_server, s3, tmp_path):
    bucket = s3.flags("merged")
    server = new_server(*FLAGS, *bucket, **KEYS).start()
    with Connection(server.port) as connection, Client(server) as client:
        assert connection.create_topic(TOPIC, 1, SETTINGS) == (0, None)
        for i in range(COUNT):
            assert connection.produce(TOPIC, wire.batch_of(b"%d" % i)).base_offset == i
        wait_for("a merge", lambda: client.metrics()["millrace_segments_merged_total"] >= 2, LONG_S)
    server.kill()  # those that were merged go a minute later
    shutil.rmtree(server.data)
    server = new_server(*FLAGS, *bucket, data=tmp_path / "next", **KEYS)
    made = run("rebuild", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
    assert made.returncode == 0, made.stderr
    doubles = [left["path"] for left in json.loads(made.stdout)["left_alone"] if "are in other objects too" in left["why"]]
    assert doubles
    server.start()
    wait_for("them to go", lambda: not any(path.endswith(name) for name in s3.names("merged") for path in doubles), LONG_S)
    server.terminate()
    checked = run("fsck", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
    assert checked.returncode == 0 and "unknown-object" not in checked.stdout and "stray-object" not in checked.stdout, checked.stdout
    server.start()
    with Connection(server.port) as connection:
        assert connection.fetch_all(TOPIC) == [(i, b"%d" % i) for i in range(COUNT)]


def test_objects_of_a_topic_that_was_made_again_are_no_damage(new_server, s3, tmp_path):
    """The rebuild leaves them: nobody can tell whether the lost machine was to remove them."""
    bucket = s3.flags("again")
    quiet = ("--segment-age-ms", "1h", "--object-linger-ms", "20ms", *bucket)
    server = new_server(*quiet, **KEYS).start()
    with Connection(server.port) as connection:
        for topic in (TOPIC, "other"):
            assert connection.create_topic(topic, 1, SETTINGS) == (0, None)
            assert connection.produce(topic, wire.batch_of(b"old")).base_offset == 0
        old = set(s3.names("again"))
        assert connection.delete_topic(TOPIC) == 0
        assert connection.create_topic(TOPIC, 1, SETTINGS) == (0, None)
        assert connection.produce(TOPIC, wire.batch_of(b"new")).base_offset == 0
    server.kill()
    shutil.rmtree(server.data)
    server = new_server(*quiet, data=tmp_path / "next", **KEYS)
    made = run("rebuild", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
    left = [one["path"] for one in json.loads(made.stdout)["left_alone"] if "was made later" in one["why"]]
    assert len(left) == 1 and any(left[0].endswith(name) for name in old)
    server.start()
    with Connection(server.port) as connection:
        assert connection.fetch_all(TOPIC) == [(0, b"new")]
    server.terminate()
    checked = run("fsck", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
    assert checked.returncode == 0, checked.stdout
    strays = [one for one in map(json.loads, checked.stdout.splitlines()) if one.get("problem") == "stray-object"]
    assert [(one["type"], one["file"], one["touched"]) for one in strays] == [("leftover", left[0], [])]
    assert "of topics of which later ones are here" in strays[0]["what"]
    checked = run("fsck", "--repair", "--data", server.data, *bucket, timeout=LONG_S, **KEYS)
    assert checked.returncode == 0 and any(left[0].endswith(name) for name in s3.names("again"))


def fill_one_object_each(server, s3, prefix, values, durability="object"):
    """The name of the object of each value, in order."""
    with Connection(server.port) as connection:
        assert connection.create_topic(TOPIC, 1, SETTINGS | {"durability": durability}) == (0, None)
        for i, value in enumerate(values):
            assert connection.produce(TOPIC, wire.batch_of(value)).base_offset == i
            if durability == "fsync":
                wait_for("its object", lambda: len(s3.names(prefix)) > i, LONG_S)  # noqa: B023 - awaited here
    server.kill()
    shutil.rmtree(server.data)

    def first_of(name):
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(s3.filer(name))
            copy.flush()
            return segments.read(pathlib.Path(copy.name)).parts[0].first

    names = sorted(s3.names(prefix), key=first_of)
    assert list(map(first_of, names)) == list(range(len(values)))
    return names


@pytest.mark.parametrize("durability", ["object", "fsync"])
def test_what_lies_behind_a_missing_object_is_read_and_what_is_missing_named(new_server, s3, tmp_path, durability):
    """Also what the missing one has, once it is back: whatever a start and fsck --repair thought of it before."""
    prefix = f"hole-{durability}"
    bucket = s3.flags(prefix)
    flags = ("--segment-bytes", "128KiB", "--segment-age-ms", "2s", "--object-linger-ms", "20ms", *bucket)
    values = [b"%d" % i + b"x" * 150_000 for i in range(COUNT)]
    names = fill_one_object_each(new_server(*flags, **KEYS).start(), s3, prefix, values, durability)
    missing = COUNT // 2
    s3.move(names[missing], "aside.seg")
    server = new_server(*flags, data=tmp_path / "next", **KEYS)
    made = run("rebuild", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
    assert made.returncode == 0, made.stderr
    lost = f"records of topic {TOPIC} partition 0 with offsets {missing} to {missing}, unless they were expired: no object has them"
    assert lost in json.loads(made.stdout)["lost"], made.stdout
    for back in (False, True):
        if back:
            s3.move("aside.seg", names[missing])
            again = run("rebuild", "--replace", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
            assert again.returncode == 0, again.stderr
        server.start()
        with Connection(server.port) as connection:
            assert connection.fetch_all(TOPIC) == [(i, values[i]) for i in range(COUNT) if back or i != missing]
        server.terminate()
        checked = run("fsck", "--repair", "--data", server.data, *bucket, timeout=LONG_S, **KEYS)
        assert checked.returncode == 0, checked.stdout
        assert set(names) - ({names[missing]} if not back else set()) <= set(s3.names(prefix))


def test_a_merge_over_missing_offsets_stands_for_no_record_of_them(new_server, s3, tmp_path):
    """What was missing and comes back stays, the only copy that there is, though a merged object has its offsets."""
    prefix = "merged-hole"
    bucket = s3.flags(prefix)
    flags = ("--segment-age-ms", "300ms", "--object-linger-ms", "20ms", "--journal-retention-check-ms", "100ms", *bucket)
    values = [b"%d" % i + b"x" * 10_000 for i in range(COUNT)]
    quiet = ("--segment-age-ms", "1h", "--object-linger-ms", "20ms", *bucket)  # nothing is merged yet
    names = fill_one_object_each(new_server(*quiet, **KEYS).start(), s3, prefix, values)
    missing = COUNT // 2
    s3.move(names[missing], "aside.seg")
    server = new_server(*flags, data=tmp_path / "next", **KEYS)
    made = run("rebuild", "--data", server.data, *bucket, timeout=LONG_S, **KEYS)
    assert made.returncode == 0, made.stderr
    server.start()
    with Client(server) as client:
        wait_for("all of it to be merged", lambda: client.metrics()["millrace_segments_merged_total"] >= COUNT + 1, LONG_S)
    server.terminate()  # those that were merged go
    s3.move("aside.seg", names[missing])
    (merged,) = set(s3.names(prefix)) - {names[missing]}
    rest = [(i, values[i]) for i in range(COUNT) if i != missing]
    for lost in ((), ("catalog.db",)):
        for name in lost:
            (server.data / name).unlink()
            made = run("rebuild", "--data", server.data, *bucket, "--json", timeout=LONG_S, **KEYS)
            assert made.returncode == 0, made.stderr
            assert [one["path"].endswith(names[missing]) for one in json.loads(made.stdout)["left_alone"]] == [True]
        server.start()
        wait_for("the sweep", lambda: f"{names[missing]} is not in the catalog and left alone" in server.process.text(), LONG_S)
        with Connection(server.port) as connection:
            assert connection.fetch_all(TOPIC) == rest
        server.terminate()
        run("fsck", "--repair", "--data", server.data, *bucket, timeout=LONG_S, **KEYS)
        assert {merged, names[missing]} <= set(s3.names(prefix))


def test_what_the_lost_machine_had_goes_once_its_heir_has_merged_it(new_server, s3, tmp_path):
    """Also when the heir is killed within the grace of their readers and its catalog is lost."""
    prefix = "heir"
    bucket = s3.flags(prefix)
    quiet = ("--segment-age-ms", "1h", "--object-linger-ms", "20ms", *bucket)  # nothing is merged yet
    values = [b"%d" % i + b"x" * 10_000 for i in range(COUNT)]
    names = fill_one_object_each(new_server(*quiet, **KEYS).start(), s3, prefix, values)
    flags = ("--segment-age-ms", "300ms", "--journal-retention-check-ms", "100ms", *bucket)
    server = new_server(*flags, data=tmp_path / "next", **KEYS)
    assert run("rebuild", "--data", server.data, *bucket, timeout=LONG_S, **KEYS).returncode == 0
    server.start()
    with Client(server) as client:
        wait_for("all of it to be merged", lambda: client.metrics()["millrace_segments_merged_total"] >= COUNT + 1, LONG_S)
    server.kill()
    assert set(names) < set(s3.names(prefix))
    for path in server.data.glob("catalog.db*"):
        path.unlink()
    assert run("rebuild", "--data", server.data, *bucket, timeout=LONG_S, **KEYS).returncode == 0
    server.start()
    wait_for("them to go", lambda: not set(names) & set(s3.names(prefix)), LONG_S)
    with Connection(server.port) as connection:
        assert connection.fetch_all(TOPIC) == list(enumerate(values))
    assert server.terminate() == 0
    checked = run("fsck", "--data", server.data, *bucket, timeout=LONG_S, **KEYS)
    assert checked.returncode == 0, checked.stdout


def test_retention_of_one_topic_in_an_object_that_another_keeps(new_server, s3, tmp_path):
    """The part of it goes, whatever was lost meanwhile, and nothing else."""
    bucket = s3.flags("shared")
    # An object of a linger has some of both, and is too large for a merge.
    flags = ("--segment-bytes", "256KiB", "--object-linger-ms", "1s", "--journal-file-bytes", "1MiB",
             "--journal-retention-check-ms", "100ms", *bucket)  # fmt: skip
    server = new_server(*flags, **KEYS).start()
    kept = [b"%d" % i + b"k" * 2_000 for i in range(COUNT)]
    short = [b"%d" % i + b"s" * 20_000 for i in range(10 * COUNT)]
    with Connection(server.port) as connection:
        assert connection.create_topic("kept", 1, SETTINGS) == (0, None)
        assert connection.create_topic("short", 1, SETTINGS | {"retention.bytes": "300000"}) == (0, None)
    producer = ck.Producer({"bootstrap.servers": server.address, "acks": "all", "linger.ms": 0})
    for value in kept:
        producer.produce("kept", value)
    for value in short[:COUNT]:
        producer.produce("short", value)
    assert producer.flush(LONG_S) == 0
    for value in short[COUNT:]:
        producer.produce("short", value)
    assert producer.flush(LONG_S) == 0

    def start():
        with Connection(server.port) as connection:
            return connection.list_offset("short", wire.EARLIEST)[2]

    def is_kept():
        with Connection(server.port) as connection:
            first, found = connection.fetch_kept("short")
            assert found == [(i, short[i]) for i in range(first, len(short))]
            assert connection.fetch_all("kept") == list(enumerate(kept))

    def is_sound():
        checked = run("fsck", "--data", server.data, *bucket, timeout=LONG_S, **KEYS)
        assert checked.returncode == 0, checked.stdout

    def rebuild(*more):
        made = run("rebuild", "--data", server.data, *bucket, *more, timeout=LONG_S, **KEYS)
        assert made.returncode == 0, made.stderr

    def is_shared(name):
        (tmp_path / "object").write_bytes(s3.filer(name))
        return [part.first for part in segments.read(tmp_path / "object").parts] == [0, 0]

    wait_for("its records to go", start, LONG_S)
    is_kept()
    assert [name for name in s3.names("shared") if is_shared(name)]
    server.kill()
    is_sound()
    rebuild("--replace")
    is_sound()
    server.start()
    is_kept()
    server.kill()
    shutil.rmtree(server.data)
    server = new_server(*flags, data=tmp_path / "next", **KEYS)
    rebuild()
    server.start()
    wait_for("its records to go again", start, LONG_S)
    is_kept()
    server.terminate()
    is_sound()
