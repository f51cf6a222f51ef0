"""millrace dump of segment objects: all that stands in them, and damage as a line of its own."""

import json
import select
import shutil
import signal
import subprocess

import pytest

from . import journal, segments
from .fsck_copy import Copy
from .server import binary, run
from .test_segments import SOON, freed
from .test_serve import SMALL, fill
from .wire import NONE, Connection, batch_of

COUNT = 40
SIZE = 100_000


@pytest.fixture(scope="module")
def built(new_shared_server):
    """A stopped server's directory with t in objects and a little of it, and of small topics, in the journal."""
    server = new_shared_server(*SOON).start()
    server.values = fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    with Connection(server.port) as connection:
        connection.create_topic("small", 2)
        assert connection.produce("small", batch_of(b"in partition 1"), 1).error == NONE
    segments.wait_until_cut(server, 1, 1)
    assert server.terminate() == 0
    return server


@pytest.fixture
def copy(built, tmp_path):
    shutil.copytree(built.data, tmp_path / "data")
    return Copy(tmp_path / "data")


def dump(*arguments, code=0):
    done = run("dump", "--json", *arguments, timeout=60)
    assert done.returncode == code, (done.stdout[-1000:], done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_type(lines, kind, topic="t"):
    return [line for line in lines if line["type"] == kind and line.get("topic") == topic]


def test_all_of_an_object_is_printed(built):
    before = journal.checksums(built.data)
    lines = dump(built.data / "segments", "--records")
    assert journal.checksums(built.data) == before
    ours = segments.objects(built.data)
    shown = [line for line in lines if line["type"] == "object"]
    assert [(line["file"], line["bytes"]) for line in shown] == [(str(one.path), one.bytes) for one in ours]
    assert {line["directory_id"] for line in shown} == {line["directory_id"] for line in shown[:1]}
    assert [line["object_id"] for line in shown] == [one.path.stem[-36:] for one in ours]
    assert all(line["created_ms"] > 1_700_000_000_000 for line in shown)
    assert {line["settings"]["retention.ms"] for line in of_type(lines, "topic")} == {"604800000"}
    parts = sorted((line["first_offset"], line["next_offset"], line["bytes"]) for line in of_type(lines, "part"))
    assert parts == sorted((p.first, p.next, p.data_bytes) for one in ours for p in one.parts if one.path.parent.name == "0")
    batches = of_type(lines, "batch")
    assert sorted(line["base_offset"] for line in batches) == list(range(COUNT))
    assert all((line["records"], line["codec"], line["producer_id"]) == (1, "none", -1) for line in batches)
    records = [line for line in lines if line["type"] == "record"]
    values = {line["offset"]: line["value"].encode() for line in records if line["value"] != "in partition 1"}
    assert [values[offset] for offset in range(COUNT)] == built.values
    assert len(records) == COUNT + 1


def test_a_directory_is_its_journal_then_its_objects(built):
    whole = dump(built.data)
    journal_part, objects = dump(built.data / "journal"), dump(f"{built.data}/segments/")
    named = [{key: value for key, value in line.items() if key != "topic"} for line in journal_part + objects]
    assert [{key: value for key, value in line.items() if key != "topic"} for line in whole] == named
    one = segments.objects(built.data)[0]
    alone = dump(one.path)
    assert alone == objects[: len(alone)] and alone[0]["type"] == "object"
    text = run("dump", one.path).stdout.splitlines()
    assert len(text) == len(alone) and text[0].startswith(f"object file={one.path} bytes={one.bytes} ")


def damage(copy, path, position):
    copy.flip(path, position)
    lines = dump(copy.data / "segments", code=1)
    (found,) = [line for line in lines if line["type"] == "damage"]
    return lines, found["error"]


def test_a_damaged_batch_is_a_line_and_all_others_are_printed(copy):
    one = copy.object(1)
    (part,) = one.parts
    lines, error = damage(copy, one.path, part.data_position + 500)
    assert str(one.path) in error and f"offset {part.first} of partition 0" in error and "CRC" in error
    assert sorted(line["base_offset"] for line in of_type(lines, "batch")) == [i for i in range(COUNT) if i != part.first]
    assert "1 damaged place, see" in run("dump", copy.data).stderr


@pytest.mark.parametrize("where", ["index", "header", "tail", "footer"])
def test_other_damage_of_an_object_is_a_line(copy, where):
    one = copy.object(1)
    (part,) = one.parts
    position = {"index": part.index_position + 3, "header": 20, "tail": one.topics_position + 3, "footer": one.bytes - 30}[where]
    lines, error = damage(copy, one.path, position)
    assert str(one.path) in error
    lost = range(0) if where == "header" else range(part.first, part.next)
    assert sorted(line["base_offset"] for line in of_type(lines, "batch")) == [i for i in range(COUNT) if i not in lost]


@pytest.mark.parametrize("which", ["first", "last"])
def test_a_run_whose_frame_headers_are_damaged_is_a_line(copy, which):
    """Of all others every frame is printed: it is the way to what can still be read."""
    whole = dump(copy.data / "journal")
    found = [run for run in journal.runs(copy.data) if run.frames > 0]
    victim = found[0 if which == "first" else -1]
    copy.flip(victim.path, victim.position + journal.HEADER.size + 10)
    lines = dump(copy.data / "journal", code=1)
    (told,) = [line["error"] for line in lines if line["type"] == "damage"]
    assert told == f"{victim.path}: the {victim.frames} frame headers of run {victim.run} at {victim.position} are damaged"
    numbers = [line["run"] for line in whole if line["type"] == "run"]
    assert [line["run"] for line in lines if line["type"] == "run"] == [number for number in numbers if number != victim.run]


def test_what_holds_no_objects_is_refused(tmp_path):
    (tmp_path / "segments").mkdir()
    for path in (tmp_path, tmp_path / "segments"):
        done = run("dump", path)
        assert (done.returncode, "no journal and no segment objects there" in done.stderr) == (1, True)
    assert run("dump", tmp_path / "none.seg").returncode == 1
    assert run("dump", tmp_path, "--bucket-region", "x").returncode == 2


def test_a_journal_is_followed_from_file_to_file_until_it_is_interrupted(new_server):
    server = new_server(*SMALL).start()
    fill(server, "t", 3, size=SIZE)
    with Connection(server.port) as connection, subprocess.Popen(
        [binary(), "dump", "-f", server.data, "--records", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as follower:  # fmt: skip
        try:
            lines = iter(lambda: json.loads(follower.stdout.readline()), None)
            answers = iter(range(1000))
            while True:  # it prints what comes once it is there
                assert connection.produce("t", batch_of(b"first %d" % next(answers))).error == NONE
                if journal_line_comes(follower):
                    break
            sent = [b"%d " % i + b"x" * SIZE for i in range(30)]
            for value in sent:
                assert connection.produce("t", batch_of(value)).error == NONE
            found, batches, before = [], [], len(journal.files(server.data))
            assert before > 2, "of files there are several"
            while len(found) < len(sent):
                line = next(lines)
                assert line["type"] != "damage", line
                batches += [line] if line["type"] == "batch" else []
                if line["type"] == "record" and not line["value"].startswith("first"):
                    found.append(line["value"].encode())
            assert found == sent
            assert {batch["topic"] for batch in batches} == {"t"}, "names come from what was there before"
            follower.send_signal(signal.SIGINT)
            assert follower.wait(10) == 130 and "interrupted" in follower.stderr.read()
        finally:
            follower.kill()


def journal_line_comes(follower):
    """Something can be read of it within a moment."""
    return select.select([follower.stdout], [], [], 0.2)[0] != []


def test_what_cannot_be_followed_is_refused(built, tmp_path):
    assert "no journal there" in run("dump", "-f", tmp_path).stderr
    done = run("dump", "-f", "--bucket", "s3://b")
    assert done.returncode == 2 and "--follow is of a journal" in done.stderr
