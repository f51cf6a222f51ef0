#!/usr/bin/env python3
"""Kills a server with SIGKILL under load, again and again, and looks whether it keeps its promises.

usage: tests/crash/kill9.py --rounds N [--seed S] [--json FILE] [--bin PATH] [--keep]

A round writes over several connections: Kafka records, never sent again, to topics of its own and to
one whose old records expire, others of the same kind to topics of durability=object and of
durability=interval, in some lives to the latter alone; rows by HTTP, in MessagePack and line protocol,
those with a batch id sent again, after the restart too, until an answer says how it ended. Columns are
added and widened, tables flushed, deleted and made again meanwhile. It kills the server at a random
moment, kills it again while it starts (every other round surely), lets it recover, writes on, and reads
everything back. Every acknowledged record must be at its offset, none twice, none cut, none out of its
connection's order, offsets without gaps, but for those that a kill leaves in an interval topic, and none
ever with another value; before each start, catalog.db must name objects with every acknowledged record of
an object topic; every acknowledged row must be once in SQL, with all its values, in the entries of its
topic, and, after a flush and a stop, in the Parquet files that catalog.db names, which are read without
the server; a write of unknown outcome is there whole or not, and stays as it was seen. What is deleted is
gone.
Files are small, and in every other round nothing keeps the journal, so that rotation, freeing,
recycling and flushing go on all the time; a campaign that never saw one of them fails.
A kill hardly ever leaves a torn tail: they are counted here, and demanded of the power cuts.
Exit status: 0 promises kept, 1 broken, 2 wrong usage, or the campaign itself does not work.
"""

import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from crash import campaign  # noqa: E402
from crash.load import Broken  # noqa: E402
from e2e import journal  # noqa: E402
from e2e.server import wait_for  # noqa: E402

KEPT_ROUNDS = 2  # topics of so many rounds before stay, to be read again
FLOW_EVERY = 5  # rounds
RECYCLED = re.compile(r"(\d+) recycled")
COMPLAINT = re.compile(r"^\S+ (?:warning|error) .*$", re.MULTILINE)


class Kill9(campaign.Campaign):
    NAME = "kill9"
    REQUIRED = ("acknowledged", "unknown", "kills", "kills_during_start", "rotations", "files_freed", "recycled",
                "expired", "topics_created", "topics_deleted", "clean_stops",
                *campaign.INTERVAL_COUNTERS, *campaign.OBJECT_COUNTERS, *campaign.SEGMENT_COUNTERS,
                *campaign.TABLE_COUNTERS)  # fmt: skip

    def account(self):
        seen = int(self.metrics.get("millrace_journal_files_recycled_total", 0))
        super().account()
        log = self.server.process.text()
        told = RECYCLED.findall(log)  # by a clean stop only
        self.counters["recycled"] += int(told[0]) if told else seen
        complaints = [line for line in COMPLAINT.findall(log) if "torn tail cut" not in line]
        if complaints:
            raise Broken("complaints on a good disk:\n" + "\n".join(complaints))

    def kill_during_start(self):
        """True if it died before it was ready."""
        process = self.server.launch()
        time.sleep(self.rng.uniform(0, self.start_s))  # a random moment is the point
        if not process.is_running():
            raise Broken(f"ended by itself during start:\n{process.text()}")
        self.kill()
        was_early = not process.out
        self.counters["kills_during_start"] += was_early
        return was_early

    def verify(self):
        super().verify()
        numbers = list(journal.files(self.server.data))
        self.counters["rotations"] = numbers[-1] - 1
        self.counters["files_freed"] = numbers[0] - 1

    def run_round(self, number):
        if not self.is_running():
            self.start()
        if number % FLOW_EVERY == 0:
            self.flow()
        self.is_lean = number % 2 == 0
        self.prepare(number)
        self.write((0, 0.5), end=self.kill)
        if number % 2 == 0:
            wait_for("a kill that came before the server was ready", self.kill_during_start, 60)
        elif self.rng.random() < 0.3:
            self.kill_during_start()
        self.start()
        is_second_kill = self.rng.random() < 0.5
        loads = [self.interval_load] if number % 4 == 3 else None  # without the syncs of all others
        self.write((0, 0.3), end=self.kill if is_second_kill else None, loads=loads)
        if is_second_kill:
            self.start()
        self.verify()
        self.tidy(keep=KEPT_ROUNDS)
        if number % 3 == 0:
            self.stop_and_look()

    def flow(self):
        """Files are freed as fast as they are filled: once to a clean stop, which tells how many were recycled."""
        if not self.is_running():
            self.start()
        self.tidy(keep=0)
        self.write((0.7, 1), large=1)
        self.stop()
        self.start()
        self.verify()
        self.write((0.2, 0.7), end=self.kill, large=1)
        self.start()
        self.verify()

    def finish(self, is_whole):
        """Reads all once more, after a clean stop."""
        if self.is_running():
            self.stop()
        self.start()
        self.verify()
        self.stop_and_look()


def run(rounds, seed, data):
    """Violations and counters of a whole campaign."""
    return campaign.run(Kill9(data, seed), rounds)


if __name__ == "__main__":
    sys.exit(campaign.main(Kill9, __doc__.split("\n")[0], sys.argv[1:]))
