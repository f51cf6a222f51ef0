"""Damaged, missing, swapped and foreign journal files: refused with nothing changed, or cut and told."""

import os
import random
import re
import shutil

import pytest

from . import journal, wire
from .server import run
from .test_serve import SMALL, fill, values_of
from .web import Client
from .wire import Connection, batch_of


@pytest.fixture
def filled(new_server):
    """A server stopped cleanly, with several journal files of one topic, and its values."""
    server = new_server(*SMALL).start()
    values = fill(server, "t", 60, size=100_000)
    assert server.terminate() == 0
    assert len(journal.files(server.data)) >= 4
    return server, values


def assert_refused_unchanged(server, *parts):
    before = journal.checksums(server.data)
    for _ in range(2):
        status, text = server.refused()
        assert status == 1, text
        assert [part for part in map(str, parts) if part not in text] == [], text
        assert journal.checksums(server.data) == before


def test_damage_in_a_proven_run_header_is_refused(filled):
    server, values = filled
    middle = journal.runs(server.data, max(journal.files(server.data)))
    victim = next(run for run in middle[len(middle) // 2 :] if run.frames)
    good = victim.path.read_bytes()
    for at in (0, 4, 8, 40, 56, 84):  # magic, version, directory, run number, length, CRC
        journal.overwrite(victim.path, victim.position + at, bytes([good[victim.position + at] ^ 0x10]))
        if at == 4:  # looks like a newer version, with a CRC that says otherwise
            assert server.refused()[0] == 1
        else:
            assert_refused_unchanged(server, victim.path.name, victim.position, "nothing was changed")
        victim.path.write_bytes(good)
    server.start()
    assert values_of(server, "t") == values


def test_damage_in_a_proven_payload_is_an_error_of_that_offset_alone(filled):
    server, values = filled
    oldest = journal.runs(server.data, min(journal.files(server.data)))
    victim = next(run for run in oldest if run.length > 50_000)
    at = victim.position + victim.length - 1000
    journal.overwrite(victim.path, at, b"\xff")
    server.start()
    with Connection(server.port) as connection:
        answers = [connection.fetch("t", offset, partition_bytes=1) for offset in range(len(values))]
        bad = [offset for offset, answer in enumerate(answers) if answer.error != wire.NONE]
        assert len(bad) == 1
        assert answers[bad[0]].error == wire.CORRUPT_MESSAGE
        good = [dict(answer.values())[offset] for offset, answer in enumerate(answers) if offset != bad[0]]
        assert good == [value for offset, value in enumerate(values) if offset != bad[0]]
        assert connection.produce("t", batch_of(b"next")).base_offset == len(values)
        for _ in range(3):  # as a consumer that tries again
            assert connection.fetch("t", bad[0]).error == wire.CORRUPT_MESSAGE
    with Client(server) as client:
        assert client.metrics()["millrace_read_failures_total"] == 4
    (line,) = [line for line in server.process.log if "cannot read" in line]
    assert f" error journal: cannot read offset {bad[0]} of partition 0 of topic " in line
    assert str(victim.path) in line and f"(run {victim.run})" in line, line
    consumed = run("consume", "t", "--kafka", server.address, "-o", bad[0])
    assert consumed.returncode == 1
    assert f"consume t partition 0 from offset {bad[0]} on: " in consumed.stderr and "millrace verify t" in consumed.stderr, consumed.stderr


def test_of_a_damaged_partition_the_others_are_consumed(new_server):
    server = new_server(*SMALL).start()
    with Connection(server.port) as connection:
        assert connection.create_topic("several", 2) == (wire.NONE, None)
        for i in range(10):
            for partition in range(2):
                value = b"%d-%d " % (partition, i) + b"x" * 60_000
                assert connection.produce("several", batch_of(value), partition).base_offset == i
    server.kill()
    runs = journal.runs(server.data, min(journal.files(server.data)))
    frames = [frame for run in runs for frame in journal.frames(run) if frame.is_batch and frame.bytes > 50_000]
    victim = frames[0]  # of partition 0, its first
    journal.overwrite(runs[0].path, victim.position + 30_000, b"\xff")
    server.start()
    consumed = run("consume", "several", "--kafka", server.address)
    assert consumed.returncode == 1 and "consume several partition 0 from offset 0 on" in consumed.stderr, consumed.stderr
    assert [line[:4].rstrip() for line in consumed.stdout.splitlines()] == [f"1-{i}" for i in range(10)]
    read_on = run("consume", "several", "--kafka", server.address, "-p", 0, "-o", 1)
    assert read_on.returncode == 0 and len(read_on.stdout.splitlines()) == 9


@pytest.mark.parametrize("kind", ["garbage", "header", "header and half"])
def test_a_torn_tail_is_cut_and_reported(new_server, kind):
    server = new_server(*SMALL).start()
    values = fill(server, "t", 50)
    server.kill()
    last = journal.runs(server.data)[-1]
    chance = random.Random(1)
    if kind == "garbage":
        torn = chance.randbytes(9000)
    else:
        torn = journal.torn_run(last, 9000) + (chance.randbytes(4000) if kind == "header and half" else b"")
    journal.overwrite(last.path, last.end, torn)
    server.start()
    assert values_of(server, "t") == values
    if kind != "garbage":
        assert "torn tail" in server.process.text()
        assert any((server.data / "quarantine").iterdir())
    with Connection(server.port) as connection:
        assert connection.produce("t", batch_of(b"next")).base_offset == 50
    server.restart()
    assert len(values_of(server, "t")) == 51


def test_a_missing_file_in_the_middle_is_refused(filled, tmp_path):
    server, values = filled
    numbers = list(journal.files(server.data))
    victim = journal.files(server.data)[numbers[1]]
    shutil.move(victim, tmp_path / "away")
    assert_refused_unchanged(server, "missing", "nothing was changed")
    shutil.move(tmp_path / "away", victim)
    server.start()
    assert values_of(server, "t") == values


def test_swapped_files_are_refused(filled):
    server, values = filled
    paths = list(journal.files(server.data).values())

    def swap():
        paths[1].rename(paths[1].with_suffix(".away"))
        paths[2].rename(paths[1])
        paths[1].with_suffix(".away").rename(paths[2])

    swap()
    assert_refused_unchanged(server, "nothing was changed")
    swap()
    server.start()
    assert values_of(server, "t") == values


def test_a_file_of_another_directory_is_refused(filled, new_server):
    server, _ = filled
    stranger = new_server(*SMALL).start()
    fill(stranger, "t", 60, size=100_000)
    assert stranger.terminate() == 0
    number = list(journal.files(server.data))[1]
    shutil.copy(journal.files(stranger.data)[number], journal.files(server.data)[number])
    ids = [journal.runs(s.data)[0].directory.hex() for s in (server, stranger)]
    before = journal.checksums(server.data)
    status, text = server.refused()
    assert status == 1
    assert all(directory in text.replace("-", "") for directory in ids), text
    assert journal.checksums(server.data) == before


def test_a_newer_format_is_refused_by_name(filled):
    server, _ = filled
    first = journal.runs(server.data, max(journal.files(server.data)))[0]
    journal.rewrite_header(first, version=2)
    assert_refused_unchanged(server, first.path.name, "newer version", "journal format 2")


def test_a_newest_file_cut_short_is_refused_and_can_be_given_up(new_server):
    server = new_server(*SMALL).start()
    values = fill(server, "t", 20, size=100_000)
    server.kill()
    last = next(run for run in reversed(journal.runs(server.data)) if run.frames and run.length > 50_000)
    whole = last.path.read_bytes()
    for size in (0, 100, last.position + 88, last.position + 40_001, last.position + 40_960, last.end):
        last.path.write_bytes(whole[:size])
        assert_refused_unchanged(server, last.path.name, "cut short", "nothing was changed")
    last.path.write_bytes(whole[: last.position + 40_960])
    _, text = server.refused()
    assert f"damaged at {last.position}" in text
    first = int(re.search(r"the run has offsets (\d+) to 19 of partition 0 of topic ", text)[1])
    lengthened, path = re.search(r"`truncate -s (\d+) (\S+)`", text).groups()
    os.truncate(path, int(lengthened))
    server.start()
    assert "torn tail cut" in server.process.text()
    assert any((server.data / "quarantine").iterdir())
    assert values_of(server, "t") == values[:first]
    with Connection(server.port) as connection:
        assert connection.produce("t", batch_of(b"next")).base_offset == first


def test_a_newest_file_cut_after_a_clean_stop_ends_no_start_in_an_abort(filled):
    server, values = filled
    last = journal.runs(server.data)[-1]
    assert last.frames == 0  # proves the one before
    whole = last.path.read_bytes()
    for size in (last.position, last.end - 1, last.end + 100):
        last.path.write_bytes(whole[:size])
        assert_refused_unchanged(server, last.path.name, "cut short")
    last.path.write_bytes(whole[: last.end])  # full
    server.start()
    assert values_of(server, "t") == values
