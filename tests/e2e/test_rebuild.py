"""millrace rebuild: a lost catalog made again, and a lost directory out of its bucket."""

import json
import shutil
import uuid

import pytest

from . import journal, segments, wire
from .s3 import KEYS
from .server import run, wait_for
from .test_kcat import kcat
from .test_serve import SMALL, values_of
from .web import Client
from .wire import Connection, batch_of

SOON = (*SMALL, "--segment-bytes", "256KiB", "--segment-age-ms", "100ms", "--journal-retention-check-ms", "100ms")
GAP = 1_000_000
SIZE = 100_000
PARTITIONS = 12
SETTINGS = {"retention.ms": "-1", "max.message.bytes": "2000000"}


def rebuild(server, *flags, bucket=()):
    """Its report; it must work."""
    result = run("rebuild", "--data", server.data, *bucket, *flags, "--json", **(KEYS if bucket else {}))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def refusal(data, *flags, **settings):
    result = run("rebuild", "--data", data, *flags, timeout=120, **settings)
    assert result.returncode in (1, 2), result.stdout
    return result.stderr


class World:
    """A server with topics and tables of every kind, and what a client may find there."""

    def __init__(self, server):
        self.server = server
        self.values = {}  # by topic and partition: offset and value
        self.rows = 0
        with Connection(server.port) as connection:
            connection.create_topic("big", 1, SETTINGS)
            connection.create_topic("many", PARTITIONS)
            connection.create_topic("kept", 1, {"retention.bytes": "1000000"})
            connection.create_topic("fast", 1, {"durability": "interval"})
            connection.create_topic("gone", 1)

    def write(self, topic, partition=0, count=1, size=10):
        own = self.values.setdefault((topic, partition), [])
        with Connection(self.server.port) as connection:
            for _ in range(count):
                value = b"%s %d %d " % (topic.encode(), partition, len(own)) + b"x" * size
                own.append((connection.produce(topic, batch_of(value), partition).base_offset, value))

    def write_rows(self, count, table="cpu"):
        with Client(self.server) as client:
            for _ in range(count):
                client.write(table, {"n": [self.rows], "pad": ["y" * SIZE], "time": [1_700_000_000 + self.rows]})
                self.rows += 1

    def flush(self, table="cpu"):
        with Client(self.server) as client:
            assert client.flush(table)["hot_rows"] == 0

    def fill(self):
        for partition in range(PARTITIONS):
            self.write("many", partition, 3)
        self.write("fast", count=20, size=SIZE)
        self.write("gone", count=10, size=SIZE)
        for i in range(5):
            self.write("big", count=10, size=SIZE)
            self.write_rows(5)
            self.flush()
            self.write("kept", count=8, size=SIZE)
            segments.wait_until_cut(self.server, len(self.values["big", 0]))
        for partition in range(PARTITIONS):
            self.write("many", partition, 2)
        wait_for("what is in the topic kept has expired in part", lambda: self.start("kept") > 0, 20)
        wait_for("journal files freed", lambda: len(journal.files(self.server.data)) <= 3, 20)
        with Connection(self.server.port) as connection:
            connection.delete_topic("gone")
        del self.values["gone", 0]
        self.write_rows(3)  # of which the journal alone has the rows
        self.write("big", count=2)
        return self

    def start(self, topic, partition=0):
        with Connection(self.server.port) as connection:
            return connection.list_offset(topic, wire.EARLIEST, partition)[2]

    def starts(self):
        return {key: self.start(*key) for key in self.values if key[0] != "kept"}

    def settings(self):
        described = run("topic", "describe", "big", "--json", "--kafka", self.server.address)
        assert described.returncode == 0, described.stderr
        return json.loads(described.stdout).get("settings") or described.stdout

    def check(self):
        for (topic, partition), expected in self.values.items():
            with Connection(self.server.port) as connection:
                start, found = connection.fetch_kept(topic, partition)
            assert found == [each for each in expected if each[0] >= start], (topic, partition)
            assert topic == "kept" or start == 0, (topic, partition)
        with Client(self.server) as client:
            assert client.rows("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM cpu") == [
                (self.rows, self.rows, 0, self.rows - 1)
            ]
        with Connection(self.server.port) as connection:
            assert set(connection.topics()) == {"big", "many", "kept", "fast", "main.cpu"}

    def write_more(self):
        """Offsets go on where they were."""
        for (topic, partition), expected in self.values.items():
            behind = expected[-1][0]
            self.write(topic, partition)
            assert expected[-1][0] > behind if topic == "fast" else expected[-1][0] == behind + 1
        self.write_rows(1)


@pytest.fixture
def world(new_server):
    return World(new_server(*SOON).start()).fill()


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_a_lost_catalog_is_made_again(world, how):
    server = world.server
    starts, kept, settings = world.starts(), world.start("kept"), world.settings()
    assert kept > 0 and set(starts.values()) == {0}
    getattr(server, how)()
    objects = {one.path for one in segments.objects(server.data)}
    assert any(len(one.parts) > 1 for one in segments.objects(server.data))
    (server.data / "catalog.db").unlink()
    status, said = server.refused()
    assert status == 1
    if how == "terminate":
        assert "millrace rebuild --data DIR" in said, said
    report = rebuild(server)
    assert [topic["name"] for topic in report["topics"]] == ["big", "fast", "kept", "many"]
    assert [(table["name"], table["next"]) for table in report["tables"]] == [("main.cpu", world.rows)]
    assert 0 < report["objects"] <= len(objects) and report["files"] > 0
    assert any("catalog.db-wal" in moved for moved in report["moved"]) == (how == "kill")
    assert {one.path for one in segments.objects(server.data)} == objects, "nothing was deleted"
    server.start()
    world.check()
    assert world.starts() == starts
    wait_for("the same start", lambda: world.start("kept") >= kept)
    assert world.settings() == settings
    world.write_more()
    world.flush()
    world.check()
    server.restart()
    world.check()


def test_an_old_or_damaged_catalog_is_replaced(world):
    server = world.server
    assert server.terminate() == 0
    kept = server.data / "catalog.db"
    assert "is there: with --replace it goes to" in refusal(server.data)
    journal.overwrite(kept, 0, b"not a catalog at all")
    damaged = kept.read_bytes()
    assert server.refused()[0] == 1
    (moved,) = rebuild(server, "--replace")["moved"]
    assert moved == str(server.data / "quarantine" / "catalog.db.1")
    assert (server.data / "quarantine" / "catalog.db.1").read_bytes() == damaged
    server.start()
    world.check()
    assert server.terminate() == 0
    (moved,) = rebuild(server, "--replace")["moved"]
    assert moved == str(server.data / "quarantine" / "catalog.db.2")
    server.start()
    world.check()


def test_a_file_that_a_crash_left_is_no_second_copy_of_its_rows(world):
    """It was published, and its commit never came; the journal has its rows."""
    server = world.server
    assert server.terminate() == 0
    server.start()
    world.write_rows(4)
    world.flush()
    files = set((server.data / "tables").rglob("*.parquet"))
    server.kill()
    (server.data / "catalog.db-wal").unlink(missing_ok=True)
    (server.data / "catalog.db").unlink()
    report = rebuild(server)
    assert report["files"] < len(files) and report["lost"][:-1] == [], report["lost"]
    server.start()
    world.check()


def test_what_cannot_be_placed_is_named_and_left_alone(world):
    server = world.server
    assert server.terminate() == 0
    assert server.start().terminate() == 0  # readers of what expired are gone
    one, other, third, *_ = sorted(
        (one for one in segments.objects(server.data) if len(one.parts) == 1 and one.bytes > 2 * SIZE and is_of(server, one, "big")),
        key=lambda one: one.parts[0].first,
    )
    orphan = plant(one, one.parts[0].first, uuid.uuid4())
    shutil.copy(one.path, renamed := one.path.with_name("00000000000000000007-" + one.path.name[21:]))
    foreign = server.data / "segments" / str(uuid.uuid4()) / "0" / "readme.seg"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("not a segment")
    journal.overwrite(other.path, other.bytes - 60, b"\xff\xff\xff\xff")
    (server.data / "tables" / "main" / "readme.txt").write_text("hello")
    before = {path: path.read_bytes() for folder in ("segments", "tables") for path in (server.data / folder).rglob("*") if path.is_file()}
    (server.data / "catalog.db").unlink()
    report = rebuild(server)
    left = {each["path"]: each["why"] for each in report["left_alone"]}
    assert "it was made as" in left[str(renamed)]
    assert str(foreign) in left and str(other.path) in left
    assert "its name is none" in left[str(server.data / "tables" / "main" / "readme.txt")]
    assert f"offsets {one.parts[0].first} to {one.parts[0].next - 1}" in left.get(str(orphan), "") + left.get(str(one.path), ""), "of the two one is named"
    lost = other.parts[0]
    assert sum(f"topic big partition 0 with offsets {lost.first} to {lost.next - 1}" in text for text in report["lost"]) == 1
    after = {path: path.read_bytes() for folder in ("segments", "tables") for path in (server.data / folder).rglob("*") if path.is_file()}
    (filler,) = after.keys() - before.keys()
    assert {path: content for path, content in after.items() if path != filler} == before
    assert [(str(part.topic), part.first, part.next) for part in segments.read(filler).parts] == [(topic_id(server, "big"), lost.first, lost.next)]
    server.start()
    wait_for("the store looked through", lambda: server.process.text().count("is not in the catalog and left alone") >= 3)
    assert (one.path.exists() or orphan.exists()) and other.path.exists()
    with Connection(server.port) as connection:
        assert connection.fetch_all("big") == [each for each in world.values["big", 0] if not lost.first <= each[0] < lost.next]


def is_of(server, one, topic):
    (name,) = {part.topic for part in one.parts}
    return str(name) == topic_id(server, topic)


def topic_id(server, topic):
    told = map(json.loads, run("dump", server.data, "--json").stdout.splitlines())
    return next(one["topic_id"] for one in told if one.get("kind") == "topic" and one.get("topic") == topic)


def plant(one, first, object_id):
    """A copy under another id: what a crash leaves when the same offsets are cut again."""
    path = one.path.with_name(f"{first:020}-{object_id}.seg")
    segments.copy_as(one, object_id, path)
    return path


def test_it_refuses_while_a_server_runs_and_where_there_is_nothing(new_server, tmp_path):
    server = new_server().start()
    assert "lock" in refusal(server.data, "--replace")
    assert server.terminate() == 0
    assert "catalog.db is there: with --replace" in refusal(server.data)
    assert "no journal is there, and only a bucket can stand in for it" in refusal(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


# --- a bucket --------------------------------------------------------------------------------------


@pytest.fixture
def bucket(s3, request):
    yield s3.flags(request.node.name)
    if s3.popen is None:
        s3.start()


def gap_of(topic):
    return GAP + (1 << 20) * (topic == "fast")  # what durability=interval reserves ahead


class InBucket:
    """A server whose Kafka records are in a bucket, one directory after another."""

    def __init__(self, new_server, bucket):
        self.new_server, self.bucket = new_server, bucket
        self.server = new_server(*SOON, *bucket, **KEYS).start()
        self.values = {}
        with Connection(self.server.port) as connection:
            connection.create_topic("big", 1, SETTINGS)
            connection.create_topic("many", PARTITIONS)
            connection.create_topic("fast", 1, {"durability": "interval"})

    def fill(self, round_):
        with Connection(self.server.port) as connection:
            for topic, partition, count, size in [("big", 0, 12, SIZE), ("fast", 0, 4, 10), *(("many", i, 3, 10) for i in range(PARTITIONS - 1))]:
                own = self.values.setdefault((topic, partition), [])
                for i in range(count):
                    value = b"%s %d %d %d " % (topic.encode(), round_, partition, i) + b"x" * size
                    own.append((connection.produce(topic, batch_of(value), partition).base_offset, value))
        wait_for("all of it in the bucket", lambda: self.is_uploaded(), 60)

    def is_uploaded(self):
        """By what a rebuild of another directory would find."""
        nowhere = self.server.data.parent / f"nowhere-{uuid.uuid4()}"
        result = run("rebuild", "--data", nowhere, *self.bucket, "--dry-run", "--json", **KEYS)
        assert not nowhere.exists()
        if result.returncode != 0:
            return False
        # One that has no object but the gap's is as far as the others of its topic.
        found = {(topic["name"], each["partition"]): each["next"] for topic in json.loads(result.stdout)["topics"] for each in topic["partitions"] if each["objects"] > 1}
        return all(found.get(key, 0) > own[-1][0] + gap_of(key[0]) for key, own in self.values.items())

    def lose(self):
        """The machine and its directory are gone; the next server is on another."""
        self.server.kill()
        shutil.rmtree(self.server.data)
        self.server = self.new_server(*SOON, *self.bucket, data=self.server.data.with_name(f"new-{uuid.uuid4()}"), **KEYS)

    def check(self):
        for (topic, partition), expected in self.values.items():
            with Connection(self.server.port) as connection:
                assert connection.list_offset(topic, wire.EARLIEST, partition)[2] == 0
                assert connection.fetch_all(topic, 0, partition) == expected, (topic, partition)


def test_a_lost_directory_is_made_out_of_its_bucket(new_server, bucket):
    world = InBucket(new_server, bucket)
    world.fill(1)
    ids, seen = set(), []
    for round_ in (2, 3):
        world.lose()
        ends = {key: own[-1][0] + 1 for key, own in world.values.items()}
        report = rebuild(world.server, bucket=bucket)
        assert report["is_new_directory"] and report["directory_id"] not in ids
        ids.add(report["directory_id"])
        for topic in report["topics"]:
            for each in topic["partitions"]:
                assert (each["start"], each["objects_end"]) == (0, each["next"]), "the gap is in an object"
                end = ends.get((topic["name"], each["partition"]))
                assert end is None or each["next"] == end + gap_of(topic["name"])
                (lost,) = [text for text in report["lost"] if f"records of topic {topic['name']} partition {each['partition']} " in text.replace(",", " ")]
                assert f"the next one gets offset {each['next']}" in lost
        world.server.start()
        world.check()
        last = {key: own[-1][0] for key, own in world.values.items()}
        world.fill(round_)
        for (topic, partition), own in world.values.items():
            first = next(offset for offset, _ in own if offset > last[topic, partition])
            assert first == ends[topic, partition] + gap_of(topic), "no offset is given twice"
        world.check()
        out = kcat(world.server, "-C", "-t", "big", "-p", 0, "-o", "beginning", "-e", "-q", "-D", "\n").stdout
        assert out.splitlines() == [value for _, value in world.values["big", 0]]
        with Client(world.server) as client:
            counted = client.rows("SELECT count(*), max(\"offset\") FROM topic('big')")
            assert counted == [(len(world.values["big", 0]), world.values["big", 0][-1][0])]
        world.server.restart()
        world.check()
        # Of a partition that no object has records of; mostly it does not reach the bucket either.
        with Connection(world.server.port) as connection:
            seen.append(connection.produce("many", batch_of(b"v"), PARTITIONS - 1).base_offset)
    assert seen[0] >= GAP and seen[1] >= seen[0] + GAP
    # A catalog that is lost on such a directory is made again with the objects of all three.
    world.server.kill()
    (world.server.data / "catalog.db").unlink()
    rebuild(world.server, bucket=bucket)
    world.server.start()
    world.check()


def test_a_rebuild_that_was_cut_short_goes_on(new_server, bucket):
    world = InBucket(new_server, bucket)
    world.fill(1)
    world.lose()
    data = world.server.data
    (data / "journal.new").mkdir(parents=True)
    for number in (1, 2):
        (data / "journal.new" / f"{number:020}.log").write_bytes(b"half")
    (data / "catalog.db.rebuilt").write_bytes(b"half")
    status, told = world.server.refused()
    assert status != 0 and "a rebuild was cut short here" in told and not (data / "journal").exists()
    rebuild(world.server, bucket=bucket)
    assert {path.name for path in data.iterdir()} <= {"journal", "catalog.db", "lock", "tmp"}
    (data / "catalog.db").unlink()  # as if it had ended between the two renames
    assert not rebuild(world.server, bucket=bucket)["is_new_directory"]
    world.server.start()
    world.check()


def test_a_bucket_that_is_empty_or_away_or_a_directory_that_is_not_empty_is_refused(tmp_path, s3, bucket):
    new = tmp_path / "new"
    assert "no segment objects are there" in refusal(new, *bucket, **KEYS)
    assert not new.exists()
    new.mkdir()
    (new / "readme.txt").write_text("mine")
    assert "it is not empty" in refusal(new, *bucket, **KEYS)
    assert [path.name for path in new.iterdir()] == ["readme.txt"]
    (new / "readme.txt").unlink()
    s3.stop()
    said = refusal(new, *bucket, **KEYS)
    assert s3.endpoint.removeprefix("http://") in said or "s3://" in said, said
    assert list(new.iterdir()) == []
