"""kill -9 and power cuts at each step by its name, proofs that they can fail, and the disk that stops."""

import os
import threading

import pytest
from crash import campaign, steps
from crash.power_fs import PowerFs, PowerFsError

from .server import wait_for

SEED = 20_260
RUN = b"MRUN" + b"r" * 508
OBJECT = b"MSEG" + b"o" * 508


def test_each_step_is_struck_before_and_after_by_kill_and_by_power():
    violations, counters = steps.run(1, SEED)
    assert violations == [], "\n".join(violations)
    assert campaign.missing(steps.Steps, counters) == []
    struck = {name: times for name, times in counters.items() if name.endswith(("_kill", "_power"))}
    assert len(struck) == len(steps.STEPS) * 4
    assert set(struck.values()) == {1}


@pytest.mark.parametrize("plant, step", [("journal", "ack"), ("catalog", "commit_sync"), ("catalog", "free"), ("directory", "put_sync")])
def test_a_disk_that_ignores_syncs_is_noticed_by_power_alone(plant, step):
    violations, counters = steps.run(1, SEED, plant, [step])
    assert violations[0].startswith((f"round 1: Broken: {step} before power", f"round 1: Broken: {step} after power")), violations[0]
    assert counters["cuts"] == 1


def test_a_step_that_does_not_come_fails(monkeypatch):
    monkeypatch.setitem(steps.STEPS, "cut", 10**9)
    monkeypatch.setattr(steps, "DEADLINE_S", 1)
    violations, _ = steps.run(1, SEED, steps=["cut"])
    assert "in vain: cut" in violations[0]


# --- the disk --------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """With the directories of a server, and files whose creation nothing waits for."""
    (tmp_path / "disk").mkdir()
    with PowerFs(tmp_path / "disk") as disk:
        for name in ("journal", "segments", "segments/t", "tmp"):
            (disk.directory / name).mkdir()
        yield disk


class Act(threading.Thread):
    """One that may wait for its answer."""

    def __init__(self, do):
        super().__init__(daemon=True)
        self.do = do
        self.error = None
        self.start()

    def run(self):
        try:
            self.do()
        except OSError as error:
            self.error = error


def write(path, data):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def do(disk, step):
    """What comes before the step, and what the step is."""
    root = disk.directory
    file, wal, making, named = root / "journal/1.log", root / "catalog.db-wal", root / "tmp/1.object", root / "segments/t/1.seg"
    changes = {
        "append": ([], lambda: write(file, RUN)),
        "write": ([], lambda: write(file, b"w" * 512)),
        "sync": ([lambda: write(file, RUN)], lambda: sync(file)),
        "cut": ([], lambda: write(making, OBJECT)),
        "cut_sync": ([lambda: write(making, OBJECT)], lambda: sync(making)),
        "put": ([lambda: write(making, OBJECT)], lambda: os.rename(making, named)),
        "commit": ([], lambda: write(wal, b"c" * 512)),
        "commit_sync": ([lambda: write(wal, b"c" * 512)], lambda: sync(wal)),
        "free": ([lambda: write(file, RUN)], lambda: os.rename(file, root / "journal/spare.log")),
        "forget": ([lambda: write(named, OBJECT)], lambda: os.remove(named)),
    }
    if step in changes:
        return changes[step]
    change = step.removesuffix("_sync")
    before, act = changes[change]
    return [*before, act], lambda: sync(root / ("journal" if change == "free" else "segments/t"))


def files(disk):
    return {str(path.relative_to(disk.directory)): path.read_bytes() for path in disk.directory.rglob("*") if path.is_file()}


STEPS = [step for step in steps.STEPS if step != "ack"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", steps.WHEN)
def test_it_stops_at_each_step_and_a_kill_leaves_what_was_done(disk, step, when):
    before, act = do(disk, step)
    for other in before:
        other()
    created = {"write": ["journal/1.log"], "append": ["journal/1.log"], "cut": ["tmp/1.object"], "commit": ["catalog.db-wal"]}
    for name in created.get(step, []):
        write(disk.directory / name, b"")
    left = files(disk)
    disk.stop_at(step, when)
    acting = Act(act)
    wait_for("the stop", disk.is_off)
    acting.join(0.05)
    assert acting.is_alive(), "it was answered"
    disk.release()
    acting.join(10)
    assert (acting.error is None) == (when == "after")
    disk.kill()
    assert (files(disk) == left) == (when == "before" or step.endswith("sync"))


@pytest.mark.parametrize("step", STEPS)
def test_other_operations_are_not_that_step(disk, step):
    disk.stop_at(step, "before")
    for name in ("journal/spare.tmp", "tables", "catalog.db", "tmp/2.object"):
        write(disk.directory / name, b"x" * 512)
        sync(disk.directory / name)
    os.rename(disk.directory / "journal/spare.tmp", disk.directory / "journal/spare.log")
    os.rename(disk.directory / "journal/spare.log", disk.directory / "journal/2.log")
    for name in ("journal", "segments/t", "tmp"):
        sync(disk.directory / name)
    os.remove(disk.directory / "tmp/2.object")
    assert not disk.is_off()


def test_it_stops_at_the_operation_of_that_number(disk):
    write(disk.directory / "journal/1.log", b"")
    disk.stop_at("append", "before", 3)
    for _ in range(2):
        write(disk.directory / "journal/1.log", RUN)
    assert not disk.is_off()
    third = Act(lambda: write(disk.directory / "journal/1.log", RUN))
    wait_for("the stop", disk.is_off)
    disk.release()
    third.join(10)
    assert third.error


def test_after_a_stop_power_takes_what_was_not_synced_and_nothing_else(disk):
    write(disk.directory / "journal/1.log", b"a" * 512)
    for name in ("journal/1.log", "journal", "."):
        sync(disk.directory / name)
    disk.stop()
    others = [Act(lambda n=n: write(disk.directory / f"journal/{n}.log", RUN)) for n in (1, 2, 3)]
    disk.release()
    for other in others:
        other.join(10)
        assert other.error
    disk.power()
    assert files(disk) == {"journal/1.log": b"a" * 512}


@pytest.mark.parametrize("words, told", [
    (("stop_at", "explode", "before", 1), "no step 'explode'"),
    (("stop_at", "sync", "during", 1), "neither before nor after: 'during'"),
    (("stop_at", "sync", "before", 0), "or none of number 0"),
    (("stop_at", "sync", "before"), "or none of number 0"),
])  # fmt: skip
def test_a_wrong_stop_is_refused(disk, words, told):
    with pytest.raises(PowerFsError, match=told):
        disk.ask(*words)


def test_it_ends_while_it_is_stopped(disk):
    write(disk.directory / "journal/1.log", b"")
    disk.stop_at("sync", "before")
    waiting = Act(lambda: sync(disk.directory / "journal/1.log"))
    wait_for("the stop", disk.is_off)
    disk.close()
    waiting.join(10)
    assert waiting.error
    assert not os.path.ismount(disk.directory)
