#!/usr/bin/env python3
"""Strikes a loaded server at each step of its work by name, and looks whether it keeps its promises.

usage: tests/crash/steps.py --rounds N [--seed S] [--json FILE] [--bin PATH] [--plant NAME] [--keep]

The disk is that of tests/crash/powercut.py, the load too. It stops right before or right after an
operation of the step, nothing that is under way is answered any more, and the server is killed with
SIGKILL. Either that is all, and the next server finds everything that was written, or the power goes
as well. Then the server starts, and everything is read back. A round strikes each step before and
after, in both ways, in an order by chance; a step that does not come fails the campaign. The steps
are those of tests/fault/power_steps.h, and the acknowledgement (`ack`): before is after a sync of the
journal, when the answer has not gone out; after is when an answer is there.
Plants as for tests/crash/powercut.py.
Exit status: 0 promises kept, 1 broken, 2 wrong usage, or the campaign itself does not work.
"""

import pathlib
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from crash import campaign  # noqa: E402
from crash.load import Broken, KafkaLoad  # noqa: E402
from crash.powercut import LARGE, PLANTS, Powercut  # noqa: E402
from e2e.server import wait_for  # noqa: E402

# Step → most operations that are let pass before the one that is struck. Of some, each is like any other;
# one that comes seldom is struck at once.
STEPS = {"append": 1, "write": 8, "sync": 4, "ack": 4, "cut": 3, "cut_sync": 2, "put": 2, "put_sync": 2, "commit": 6,
         "commit_sync": 3, "free": 2, "free_sync": 1, "forget": 1, "forget_sync": 1}  # fmt: skip
AT_START = ("forget", "forget_sync")  # of objects that expired in the life before: readers may have them for a minute
WHEN = ("before", "after")
ENDS = ("kill", "power")
DEADLINE_S = 60
LOOK_EVERY = 12  # strikes


class Steps(Powercut):
    NAME = "steps"
    REQUIRED_FROM = 1
    REQUIRED = ("acknowledged", "interval_acknowledged", "object_acknowledged", "http_acknowledged", "files_freed",
                "segments_swept",  # a kill at a moment by chance hardly ever leaves an object that nothing names
                *(f"{step}_{when}_{end}" for step in STEPS for when in WHEN for end in ENDS))  # fmt: skip

    def __init__(self, directory, seed, plant=None, steps=tuple(STEPS)):
        super().__init__(directory, seed, plant)
        self.steps = steps
        self.strikes = 0

    def close(self):
        try:
            self.disk.release()  # or no process on it could end
        finally:
            super().close()

    def run_round(self, number):
        strikes = [(step, when, end) for step in self.steps for when in WHEN for end in ENDS]
        self.rng.shuffle(strikes)
        for strike in strikes:
            try:
                self.strike(*strike)
            except AssertionError as error:
                raise Broken(f"{' '.join(strike)}: {type(error).__name__}: {error}") from error

    def strike(self, step, when, end):
        if not self.is_running():
            self.start()
        self.strikes += 1
        self.is_lean = self.strikes % 2 == 0
        self.prepare(self.strikes)
        if step in AT_START:
            self.strike_start(step, when, end)
        else:
            self.write((0, 0.1), end=lambda: self.strike_load(step, when, end), large=LARGE)
        self.start()
        self.verify()
        self.tidy(keep=1)
        if self.strikes % LOOK_EVERY == 0:
            self.stop_and_look(after_stop=self.power_after_stop)

    def strike_load(self, step, when, end):
        self.worked_until = time.monotonic()
        if (step, when) == ("ack", "after"):
            before = self.answers()
            wait_for("an answer", lambda: self.answers() > before, DEADLINE_S)
            self.worked_until = time.monotonic()
            self.disk.stop()
        else:
            self.arm(step, when)
            wait_for(step, self.is_off, DEADLINE_S)
        self.end_stopped(step, when, end)

    def strike_start(self, step, when, end):
        self.write((0, 0.1), end=self.kill_with_expired, large=LARGE)
        self.arm(step, when)
        process = self.server.launch()
        wait_for(f"{step}, or the end of the process", lambda: self.is_off() or not process.is_running(), DEADLINE_S)
        if not self.disk.is_off():
            raise Broken(f"ended by itself during start:\n{process.text()}")
        if process.out:
            self.server_lives.begin()
        self.end_stopped(step, when, end)

    def kill_with_expired(self):
        def has_expired():
            self.observe()
            return self.metrics["millrace_segments_expired_total"]

        wait_for("objects that expire", has_expired, DEADLINE_S)
        self.kill()

    def arm(self, step, when):
        step, when = ("sync", "after") if step == "ack" else (step, when)
        self.disk.stop_at(step, when, self.rng.randint(1, STEPS[step]))

    def end_stopped(self, step, when, end):
        self.server.signal(signal.SIGKILL)
        self.disk.release()
        self.kill(self.worked_until)
        if end == "power":
            self.power()
        else:
            self.disk.kill()
        self.counters[f"{step}_{when}_{end}"] += 1

    def answers(self):
        """That tell of a sync."""
        return sum(len(thread.acknowledged) for load, threads in self.running if type(load) is KafkaLoad for thread in threads)

    def finish(self, is_whole):
        if not self.is_running():
            self.start()
        self.stop_and_look(after_stop=self.power_after_stop)


def run(rounds, seed, plant=None, steps=tuple(STEPS)):
    """Violations and counters of a whole campaign."""
    directory = tempfile.mkdtemp(prefix="millrace-steps-")
    one = Steps(directory, seed, plant, steps)
    try:
        return campaign.run(one, rounds)
    finally:
        one.remove(directory, keep=False)


if __name__ == "__main__":
    sys.exit(campaign.main(Steps, __doc__.split("\n")[0], sys.argv[1:], PLANTS))
