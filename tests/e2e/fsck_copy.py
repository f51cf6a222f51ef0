"""What the tests of `millrace fsck` share: a directory that a server wrote, and copies of it to damage."""

import json
import shutil
import sqlite3

import pytest

from . import journal, segments
from .server import Server, run
from .test_segments import SOON, freed
from .test_serve import SMALL, fill
from .web import Client
from .wire import NONE, Connection, batch_of

COUNT = 40
SIZE = 100_000
LATE = (*SMALL, "--segment-bytes", "256KiB")  # as large as what was cut, which is not merged; nothing more is cut


class Copy:
    """A copy of a directory, to be damaged."""

    def __init__(self, data):
        self.data = data

    def fsck(self, *more):
        """Exit code, findings and the summary; a check changes nothing."""
        before = journal.checksums(self.data)
        done = run("fsck", "--data", self.data, "--json", *more)
        assert done.stderr == "", done.stderr
        if "--repair" not in more:
            assert journal.checksums(self.data) == before
        *findings, summary = map(json.loads, done.stdout.splitlines())
        assert summary["type"] == "summary"
        assert summary["damage"] == sum(finding["type"] == "damage" for finding in findings)
        assert done.returncode == (1 if summary["damage"] else 0)
        return done.returncode, findings, summary

    def finds(self, problem, path=None, position=None, touched=(), kind="damage"):
        """There is this finding and no other: what it says."""
        _, findings, _ = self.fsck()
        assert [finding["problem"] for finding in findings] == [problem], findings
        (finding,) = findings
        assert finding["type"] == kind
        if path is not None:
            assert finding["file"] == str(path)
        if position is not None:
            assert finding["position"] == position
        if touched is not None:
            assert ranges(finding) == list(touched), finding
        assert finding["advice"]
        return finding["what"]

    def is_clean(self):
        code, findings, summary = self.fsck()
        assert (code, findings, summary["unchecked"]) == (0, [], [])
        return summary

    def journal(self, index):
        return list(journal.files(self.data).values())[index]

    def object(self, index=0):
        """Of the topic t alone."""
        return [one for one in segments.objects(self.data) if one.path.parent.name == "0"][index]

    def sql(self, *statements):
        connection = sqlite3.connect(self.data / "catalog.db")
        for statement in statements:
            connection.execute(*statement)
        connection.commit()
        connection.close()

    def flip(self, path, position):
        journal.overwrite(path, position, bytes([path.read_bytes()[position] ^ 0x10]))

    def victim(self, index):
        """A run of the topic t in a journal file, and its frame; another one follows, which shows what it had."""
        found = large_batches(self.data, index)
        assert len({one.run for one, _ in found}) > 1, "no such run"
        return found[0]


def large_batches(data, index):
    """Of a journal file: runs and their frames of the topic t, behind its checkpoint."""
    found = []
    for one in journal.runs(data, list(journal.files(data))[index])[1:]:
        found += [(one, frame) for frame in journal.frames(one) if frame.is_batch and frame.bytes > SIZE // 2]
    return found


def of_run(one):
    """Offsets of t in a run, of which a write has one or more."""
    batches = [frame for frame in journal.frames(one) if frame.is_batch]
    return [("t", 0, batches[0].first, batches[-1].next - 1)]


def ranges(finding):
    return [(one["topic"], one["partition"], one["first"], one["last"]) for one in finding["touched"]]


class Built:
    pass


@pytest.fixture(scope="module")
def built(new_shared_server, tmp_path_factory):
    """t in objects and in several journal files behind them, late in both, an interval topic, a table with files."""
    result = Built()
    server = new_shared_server(*SOON).start()
    fill(server, "t", COUNT // 2, size=SIZE)
    segments.wait_until_cut(server, COUNT // 2)
    assert server.terminate() == 0
    result.early = tmp_path_factory.mktemp("early") / "data"  # before the rest was cut
    shutil.copytree(server.data, result.early)
    server.start()
    fill(server, "t", COUNT // 2, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    with Connection(server.port) as connection:
        connection.create_topic("late", 2)
        assert connection.produce("late", batch_of(b"late"), 1).error == NONE
    segments.wait_until_cut(server, 1, 1)
    assert server.terminate() == 0
    server.arguments = list(LATE)
    server.start()
    fill(server, "t", COUNT, size=SIZE)
    with Connection(server.port) as connection:
        connection.create_topic("fast", 1, {"durability": "interval"})
        for i in range(20):
            assert connection.produce("fast", batch_of(b"%d" % i)).error == NONE
    with Client(server) as client:
        for i in range(3):
            client.write("cpu", {"n": [i], "time": [1_700_000_000 + i]})
            client.flush("cpu")
        client.write("cpu", {"n": [3], "time": [1_700_000_003]})
    fill(server, "t", 5, size=SIZE)  # further runs behind, so that all before is proven
    result.count = 2 * COUNT + 5
    while len({one.run for one, _ in large_batches(server.data, -1)}) < 2:  # the file may have begun with the last of them
        fill(server, "t", 1, size=SIZE)
        result.count += 1
    assert server.terminate() == 0
    result.data = server.data
    assert len(journal.files(result.data)) >= 5
    return result


@pytest.fixture
def copy(built, tmp_path):
    shutil.copytree(built.data, tmp_path / "data")
    return Copy(tmp_path / "data")


@pytest.fixture
def killed(built, tmp_path):
    """After kill -9, without the files that it was making, leftovers of their own."""
    shutil.copytree(built.data, tmp_path / "data")
    server = Server(tmp_path / "data", *LATE).start()
    fill(server, "t", 3)
    server.kill()
    for path in [*(tmp_path / "data" / "tmp").glob("*.object"), *(tmp_path / "data" / "journal").glob("*.tmp")]:
        path.unlink()
    return Copy(tmp_path / "data")
