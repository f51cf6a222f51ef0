"""The server reads what it stores and finds damage by itself, while it runs: the metric says so, the log where and what."""

import json
import threading

import pytest

from . import journal, segments
from .fsck_copy import Copy
from .server import run, wait_for
from .test_segments import SOON, freed
from .test_serve import SMALL, fill, values_of
from .web import Client

SCRUB = ("--scrub-interval-ms", "100ms", "--scrub-read-rate", "1GiB")
COUNT = 40
SIZE = 100_000


def metrics(server):
    with Client(server) as client:
        return {name.removeprefix("millrace_scrub_"): value for name, value in client.metrics().items() if "_scrub_" in name}


def await_pass(server):
    """One that began after the call is over: what it met."""
    passes = metrics(server)["passes_total"]
    wait_for("a whole pass", lambda: metrics(server)["passes_total"] >= passes + 2, 30)
    return metrics(server)


def errors(server):
    return [line for line in server.process.log if " error scrub: " in line]


def test_a_byte_of_a_sealed_journal_file_that_changes_is_found(new_server):
    server = new_server(*SMALL, *SCRUB).start()
    values = fill(server, "t", COUNT, size=SIZE)
    clean = await_pass(server)
    assert (clean["damaged"], clean["damaged_total"]) == (0, 0) and clean["read_bytes_total"] > 2 << 20
    copy = Copy(server.data)
    run_of_t, frame = copy.victim(0)
    copy.flip(run_of_t.path, frame.position + 1000)
    wait_for("the damage", lambda: metrics(server)["damaged"] == 1, 30)
    await_pass(server)
    assert metrics(server)["damaged_total"] == 1
    (line,) = wait_for("its line in the log", lambda: errors(server))
    assert f"{run_of_t.path} at {frame.position}: payload" in line
    assert f"offsets {frame.first} to {frame.next - 1} of partition 0 of topic t" in line
    assert f"millrace fsck --data {server.data}" in line
    copy.flip(run_of_t.path, frame.position + 1000)  # put back
    wait_for("the damage to be gone", lambda: metrics(server)["damaged"] == 0, 30)
    assert metrics(server)["damaged_total"] == 1 and len(errors(server)) == 1
    assert values_of(server, "t") == values


def test_a_run_header_that_changes_is_found(new_server):
    server = new_server(*SMALL, *SCRUB).start()
    fill(server, "t", COUNT, size=SIZE)
    copy = Copy(server.data)
    damaged, _ = copy.victim(0)
    copy.flip(damaged.path, damaged.position + 20)
    wait_for("the damage", lambda: metrics(server)["damaged"] == 1, 30)
    (line,) = wait_for("its line in the log", lambda: errors(server))
    assert f"{damaged.path} at {damaged.position}: run-header" in line


@pytest.mark.parametrize("where", ["data", "index", "header", "missing"])
def test_an_object_that_changes_is_found(new_server, where):
    server = new_server(*SOON, *SCRUB).start()
    fill(server, "t", COUNT, size=SIZE)
    segments.wait_until_cut(server, COUNT)
    freed(server)
    assert await_pass(server)["damaged"] == 0
    copy = Copy(server.data)
    one = copy.object(1)
    (part,) = one.parts
    if where == "missing":
        one.path.unlink()
    else:
        copy.flip(one.path, {"data": part.data_position + 500, "index": part.index_position + 3, "header": 20}[where])
    wait_for("the damage", lambda: metrics(server)["damaged"] == 1, 30)
    (line,) = wait_for("its line in the log", lambda: errors(server))
    problem = "missing-object" if where == "missing" else f"object-{where}"
    assert str(one.path) in line and f": {problem}: " in line and f"offsets {part.first} to " in line
    assert server.terminate() == 0
    findings = [json.loads(text) for text in run("fsck", "--data", server.data, "--json").stdout.splitlines()]
    assert [finding["problem"] for finding in findings if finding["type"] == "damage"] == [problem], "fsck calls it the same"


def test_of_what_is_in_use_nothing_is_called_damage(new_server):
    server = new_server(*SOON, *SCRUB).start()
    loads = [threading.Thread(target=fill, args=(server, f"t{i}", COUNT * 2, SIZE // 2)) for i in range(3)]
    for load in loads:
        load.start()
    for load in loads:
        load.join()
    for i in range(3):
        segments.wait_until_cut(server, COUNT * 2)
        assert len(values_of(server, f"t{i}")) == COUNT * 2
    last = await_pass(server)
    assert (last["damaged"], last["damaged_total"], errors(server)) == (0, 0, [])
    with Client(server) as client:
        assert client.metrics()["millrace_journal_files_recycled_total"] > 0
    assert journal.files(server.data)


def test_a_stop_does_not_wait_for_a_slow_pass(new_server):
    server = new_server(*SMALL, "--scrub-interval-ms", "100ms", "--scrub-read-rate", "64KiB", "--server-drain-ms", "1s").start()
    fill(server, "t", COUNT, size=SIZE)
    wait_for("a pass under way", lambda: metrics(server)["read_bytes_total"] > 0, 30)
    assert server.terminate() == 0
    assert not any("error" in line for line in server.process.log)
