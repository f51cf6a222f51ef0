"""millrace rebuild where the journal is there and objects are missing: what lies on both sides of them is read."""

import re

import pytest

from . import journal, segments, wire
from .s3 import KEYS
from .server import run, wait_for
from .test_rebuild import SETTINGS, SIZE, SOON, rebuild
from .web import Client
from .wire import Connection, batch_of

RECORDS = 50


class World:
    """A topic whose first records are in objects alone, on a server that has stopped, and a way to take objects away."""

    def __init__(self, new_server, kind, s3, prefix, away):
        self.s3, self.prefix, self.away = s3, prefix, away
        self.bucket = s3.flags(prefix) if kind == "bucket" else ()
        self.server = new_server(*SOON, *self.bucket, **(KEYS if self.bucket else {})).start()
        self.values = []
        with Connection(self.server.port) as connection:
            connection.create_topic("t", 1, SETTINGS)
        self.write(RECORDS)
        wait_for("journal files freed", lambda: len(journal.files(self.server.data)) <= 3, 30)
        assert self.server.terminate() == 0

    def write(self, count):
        with Connection(self.server.port) as connection:
            for _ in range(count):
                value = b"%d " % len(self.values) + b"x" * SIZE
                self.values.append((connection.produce("t", batch_of(value)).base_offset, value))

    def objects(self):
        """Their names and first offsets, in order."""
        names = self.s3.names(self.prefix) if self.bucket else [str(one.path.relative_to(self.server.data)) for one in segments.objects(self.server.data)]
        return sorted((int(found[1]), name) for name in names if (found := re.search(r"/(\d{20})-[^/]*\.seg$", name)))

    def take(self, names):
        for i, name in enumerate(names):
            if self.bucket:
                self.s3.move(name, f"away-{self.prefix}/{i}")
            else:
                (self.server.data / name).rename(self.away / str(i))

    def put_back(self, names):
        for i, name in enumerate(names):
            if self.bucket:
                self.s3.move(f"away-{self.prefix}/{i}", name)
            else:
                (self.server.data / name).parent.mkdir(parents=True, exist_ok=True)
                (self.away / str(i)).rename(self.server.data / name)

    def rebuild(self):
        """What it says is lost."""
        return rebuild(self.server, "--replace", bucket=self.bucket)["lost"]

    def check(self, lost=range(0)):
        """Whole but for these offsets, also for SQL, and fsck finds nothing."""
        self.server.start()
        expected = [each for each in self.values if each[0] not in lost]
        with Connection(self.server.port) as connection:
            assert connection.list_offset("t", wire.EARLIEST)[2] == 0
            assert connection.fetch_all("t") == expected
        with Client(self.server) as client:
            assert client.rows("SELECT count(*) FROM topic('t')") == [(len(expected),)]
        assert self.server.terminate() == 0
        checked = run("fsck", "--data", self.server.data, *self.bucket, **(KEYS if self.bucket else {}), timeout=120)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("is_catalog_there", [True, False], ids=["catalog", "no-catalog"])
@pytest.mark.parametrize("where", ["between", "before-the-journal"])
@pytest.mark.parametrize("kind", ["directory", "bucket"])
def test_what_lies_in_front_of_missing_objects_is_read(new_server, s3, request, tmp_path, kind, where, is_catalog_there):
    world = World(new_server, kind, s3, request.node.name.replace("[", "-").rstrip("]"), tmp_path)
    objects = world.objects()
    assert len(objects) >= 4
    if where == "between":
        taken, hole = objects[1:3], range(objects[1][0], objects[3][0])
    else:  # the journal has the last records itself
        taken, hole = objects[2:], range(objects[2][0], RECORDS)
    world.take([name for _, name in taken])
    if not is_catalog_there:
        (world.server.data / "catalog.db").unlink()
    lost = world.rebuild()
    (found,) = [re.fullmatch(r"records of topic t partition 0 with offsets (\d+) to (\d+), unless they were expired: no object has them", text) for text in lost if "unless" in text]
    missing = range(int(found[1]), int(found[2]) + 1)
    assert missing == hole if where == "between" else missing.start == hole.start and missing.stop < hole.stop
    named = [text for text in lost if "catalog.db named" in text]
    assert len(named) == 0 if not is_catalog_there else any(taken[0][1].rsplit("/", 1)[1] in text for text in named)
    world.check(missing)

    world.server.start()
    world.write(5)
    world.server.kill()
    world.check(missing)

    world.put_back([name for _, name in taken])
    assert not any("offsets" in text for text in world.rebuild())
    world.check()
