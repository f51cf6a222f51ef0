#!/usr/bin/env python3
"""Cuts the power of a loaded server's disk, again and again, and looks whether it keeps its promises.

usage: tests/crash/powercut.py --rounds N [--seed S] [--json FILE] [--bin PATH] [--plant NAME] [--keep]

The data directory is on a file system of our own (tests/fault/power_fs.cc), whose disk forgets at a
cut what was not synced: any subset of sectors, any subset of directory changes. A round writes by
Kafka, over connections that never retry, and by HTTP, with batch ids again until an answer comes; the
power goes at a random moment, in the middle of an operation (of the load, or of the start that
follows), or after syncs that failed; the server is killed once it is gone. Then the disk comes up,
the server starts, and everything is read back, as tests/crash/kill9.py says. In some lives nothing
is written but records of durability=interval. Of those alone a cut may take some: the last ones of
their partition, as young as tests/crash/lives.py says, their offsets never used again.

A plant is a disk that ignores syncs: of the files in `journal`, `catalog` or `parquet`, or of any
`directory`. A campaign on it must fail.
Exit status: 0 promises kept, 1 broken, 2 wrong usage, or the campaign itself does not work.
"""

import collections
import pathlib
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from crash import campaign  # noqa: E402
from crash.lives import WINDOW_S  # noqa: E402
from crash.load import Broken  # noqa: E402
from crash.power_fs import PowerFs  # noqa: E402
from e2e.server import wait_for  # noqa: E402

PLANTS = ("journal", "catalog", "parquet", "directory")
LARGE = 0.5  # share of records of many sectors: a run of few is hardly ever torn
KEPT_ROUNDS = 1  # topics of so many rounds before stay, to be read again
TAKEN = re.compile(r"rename journal/spare(-#)?\.log journal/#\.log")
RECYCLED = re.compile(r"rename journal/#\.log journal/spare(-#)?\.log")
FREED = re.compile(r"remove journal/#\.log|" + RECYCLED.pattern)


class Powercut(campaign.Campaign):
    NAME = "powercut"
    QUEUED = 20  # several runs a file, not several files a run
    REQUIRED = ("acknowledged", "unknown", "cuts", "cuts_in_operation", "cuts_after_failed_sync", "cuts_after_stop",
                "cuts_after_kill", "kills_during_start", "sectors_lost", "sectors_kept", "changes_lost", "changes_kept",
                "rotations", "files_freed", "recycled", "torn_tails", "runs_written_again", "expired",
                "topics_created", "topics_deleted", "clean_stops", "interval_lost", *campaign.INTERVAL_COUNTERS,
                *campaign.OBJECT_COUNTERS, *campaign.TABLE_COUNTERS)  # fmt: skip

    def __init__(self, directory, seed, plant=None):
        self.mount = pathlib.Path(directory) / "disk"
        self.mount.mkdir()
        super().__init__(self.mount / "data", seed)
        self.disk = PowerFs(self.mount, self.rng.getrandbits(32))
        if plant:
            self.disk.plant(plant)
        self.worked_until = 0.0  # the disk, as is_off() saw it
        self.seen = collections.Counter()  # what the disk had counted when this life began

    def close(self):
        try:
            super().close()
        finally:
            self.disk.close()

    def remove(self, directory, keep):
        shutil.rmtree(directory)
        if keep:
            print(f"{self.NAME}: the disk was in memory and is gone; the seed makes one like it")

    # --- the disk ------------------------------------------------------------------------------

    def start(self):
        super().start()
        self.seen = collections.Counter(self.disk.stats())

    def count(self):
        """What the disk saw of this life, its start left out."""
        for name, times in self.disk.stats().items():
            since = times - self.seen[name]
            self.counters["rotations"] += since if TAKEN.fullmatch(name) else 0
            self.counters["recycled"] += since if RECYCLED.fullmatch(name) else 0
            self.counters["files_freed"] += since if FREED.fullmatch(name) else 0

    def kill(self, worked_until=None):
        super().kill(worked_until)
        self.count()

    def power(self):
        """Nobody uses the disk: it loses what it can, and comes up."""
        self.counters["cuts"] += 1
        for name, number in self.disk.power().items():
            self.counters[name] += number
        self.server_lives.lose_power()

    def is_off(self):
        asked = time.monotonic()
        if self.disk.is_off():
            return True
        self.worked_until = asked
        return False

    def freeing_mark(self):
        """The removal of a file is durable after the next sync of its directory; until then it may come back."""
        return self.disk.stats().get("sync_directory journal/", 0)

    # --- ends of a life ------------------------------------------------------------------------

    def cut_now(self):
        worked_until = time.monotonic()
        self.disk.cut()
        self.kill(worked_until)
        self.power()

    def cut_in_operation(self):
        """Of a number whose magnitude is random: some strike at once, some after rotations."""
        self.worked_until = time.monotonic()
        self.disk.cut_after(round(2 ** self.rng.uniform(0, 9)))
        wait_for("the cut in the middle of an operation", self.is_off, 30)
        self.counters["cuts_in_operation"] += 1
        self.kill(self.worked_until)
        self.power()

    def cut_after_failed_sync(self):
        """Nothing may be acknowledged any more, however many syncs succeed later."""
        worked_until = time.monotonic()
        self.disk.fail_sync(True)
        time.sleep(self.rng.uniform(0, 0.05))
        self.disk.fail_sync(False)
        time.sleep(self.rng.uniform(0, 0.05))
        self.disk.cut()
        self.counters["cuts_after_failed_sync"] += 1
        self.kill(worked_until)
        self.power()

    def cut_during_start(self):
        """True if it was not ready yet."""
        self.disk.cut_after(self.rng.randrange(1, 12))
        process = self.server.launch()
        wait_for(
            "the cut, or the end of the start",
            lambda: self.disk.is_off() or process.out or not process.is_running(),
            30,
        )
        if not process.is_running() and not self.disk.is_off():
            raise Broken(f"ended by itself during start:\n{process.text()}")
        self.disk.cut()
        was_early = not process.out
        if not was_early:
            self.server_lives.begin()
            self.server_lives.end(time.monotonic())
        self.server.kill()  # its log is not asked for torn tails: they will be cut again
        self.counters["kills"] += 1
        self.counters["kills_during_start"] += was_early
        self.power()
        return was_early

    # --- a round -------------------------------------------------------------------------------

    def run_round(self, number):
        if not self.is_running():
            if self.rng.random() < 0.3:
                self.cut_during_start()
            self.start()
        self.is_lean = number % 2 == 0
        self.prepare(number)
        second = (self.cut_now, self.cut_in_operation, self.cut_in_operation, self.cut_after_failed_sync)
        for end in (self.cut_in_operation, second[number % len(second)]):
            self.write((0, 0.15), end=end, large=LARGE)
            while self.rng.random() < 0.3:  # cuts before it has recovered from the one before
                self.cut_during_start()
            self.start()
        if number % 2 == 1:
            self.cut_interval_writes(is_slow=number % 6 == 5)
        self.verify()
        if number % 5 == 0:
            self.after_kill()
        if number % 4 == 0:
            self.after_stop()
        self.tidy(keep=KEPT_ROUNDS)

    def cut_interval_writes(self, is_slow):
        """Nothing but records that are acknowledged before their sync: a cut takes some of them.

        `is_slow`: for longer than those may stay without a sync, once what was there before is flushed and
        its syncs are done. A new file of the journal brings a sync as well, which slow writes need seldom.
        """
        self.interval_load.is_slow = is_slow
        if is_slow:
            for load in self.loads:
                load.flush()
        seconds = (WINDOW_S + 1.2, WINDOW_S + 1.4) if is_slow else (0, 0.15)
        self.write(seconds, end=self.cut_now, loads=[self.interval_load])
        self.interval_load.is_slow = False
        self.start()

    def after_kill(self):
        """What a start found in the page cache, and told its readers, must be on the disk."""
        self.write((0, 0.2), end=self.kill, large=LARGE)
        self.start()
        self.verify()
        self.counters["cuts_after_kill"] += 1
        self.cut_now()
        self.start()
        self.verify()

    def after_stop(self):
        self.write((0, 0.2), large=LARGE)
        self.stop_and_look(after_stop=self.power_after_stop)
        self.start()
        self.verify()

    def power_after_stop(self):
        self.count()
        self.counters["cuts_after_stop"] += 1
        self.power()

    def finish(self, is_whole):
        while is_whole and not self.counters["kills_during_start"]:
            self.kill()
            self.cut_during_start()
            self.start()
        self.stop()
        self.power()
        self.start()
        self.verify()
        self.stop_and_look(after_stop=self.power)


def run(rounds, seed, plant=None):
    """Violations and counters of a whole campaign."""
    directory = tempfile.mkdtemp(prefix="millrace-powercut-")
    one = Powercut(directory, seed, plant)
    try:
        return campaign.run(one, rounds)
    finally:
        one.remove(directory, keep=False)


if __name__ == "__main__":
    sys.exit(campaign.main(Powercut, __doc__.split("\n")[0], sys.argv[1:], PLANTS))
