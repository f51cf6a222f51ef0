#!/usr/bin/env python3
"""Kills a server with SIGKILL under load, again and again, and looks whether it keeps its promises.

usage: tests/crash/kill9.py --rounds N [--seed S] [--json FILE] [--bin PATH] [--keep]

A round writes to topics of its own and to one whose old records expire, over several connections
that never retry, kills the server at a random moment, kills it again while it starts (every other
round surely), lets it recover, writes on, and reads everything back. Every acknowledged record must
be at its offset, none twice, none cut, none out of its connection's order, offsets without gaps;
topics whose creation or deletion was acknowledged are there or gone. Files are small, so that
rotation, freeing and recycling go on all the time; a campaign that never saw one of them fails.
Exit status: 0 promises kept, 1 broken, 2 wrong usage.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import confluent_kafka as ck  # noqa: E402

from crash import checker  # noqa: E402
from e2e import journal, wire  # noqa: E402
from e2e.server import NotReady, Server, wait_for  # noqa: E402

FLAGS = ("--journal-file-bytes", "1MiB", "--journal-retention-check-ms", "100ms")
WRITERS = 3
KEPT_ROUNDS = 2  # topics of so many rounds before stay, to be read again
FLOW_EVERY = 5  # rounds
ROLLING = "rolling"
ROLLING_BYTES = 1 << 20
REQUIRED = ("acknowledged", "unknown", "kills", "kills_during_start", "rotations", "files_freed", "recycled",
            "expired", "topics_created", "topics_deleted", "clean_stops")  # fmt: skip
REQUIRED_FROM = 10  # rounds; fewer are a part of a campaign, and chance may leave something out
RECYCLED = re.compile(r"(\d+) recycled")
REWRITTEN = re.compile(r"runs walked, (\d+) written again")


class Broken(AssertionError):
    """A promise was broken."""


class Writer(threading.Thread):
    """One connection: sends records with numbers, never again, until told to stop."""

    def __init__(self, address, name, places, large, seed):
        super().__init__(name=name, daemon=True)
        self.rng = random.Random(seed)
        self.places = places
        self.large = large  # share of large records
        self.sent = {}
        self.acknowledged = {}
        self.errors = collections.Counter()
        self.stopping = threading.Event()
        self.producer = ck.Producer({
            "bootstrap.servers": address,
            "acks": "all",
            "retries": 0,
            "enable.idempotence": False,
            "linger.ms": self.rng.choice([0, 1, 5]),
            "compression.type": self.rng.choice(["none", "gzip", "snappy", "lz4", "zstd"]),
            "queue.buffering.max.messages": 400,
            "message.timeout.ms": 20_000,
            "log_level": 0,
        })  # fmt: skip

    def run(self):
        sequence = 0
        while not self.stopping.is_set():
            record_id = f"{self.name}.{sequence}"
            place = self.rng.choice(self.places)
            size = self.rng.randrange(10_000, 60_000) if self.rng.random() < self.large else self.rng.randrange(30, 500)
            self.sent[record_id] = checker.Sent(place, self.name, sequence)
            try:
                self.producer.produce(
                    place[0], checker.value_of(record_id, size), partition=place[1],
                    on_delivery=lambda error, message, own=record_id: self.delivered(own, error, message),
                )  # fmt: skip
                sequence += 1
            except BufferError:
                del self.sent[record_id]
                self.producer.poll(0.005)
            self.producer.poll(0)

    def delivered(self, record_id, error, message):
        if error is None:
            self.acknowledged[record_id] = message.offset()
        else:
            self.errors[error.name()] += 1

    def finish(self, is_server_gone):
        self.stopping.set()
        self.join(30)
        if is_server_gone:
            self.producer.purge()
        left = self.producer.flush(30)
        if left:
            raise Broken(f"{left} records of {self.name} without an answer for 30 s")


class Churn(threading.Thread):
    """Makes and deletes topics until its connection ends."""

    def __init__(self, port, name):
        super().__init__(name=name, daemon=True)
        self.port = port
        self.made, self.deleted, self.unknown = set(), set(), set()
        self.failure = None
        self.stopping = threading.Event()

    def run(self):
        asked = None
        try:
            with wire.Connection(self.port) as connection:
                for i in range(1_000_000):
                    if self.stopping.is_set():
                        return
                    asked = f"{self.name}.{i}"
                    error, message = connection.create_topic(asked, 1 + i % 3)
                    if error != wire.NONE:
                        self.failure = f"create {asked}: error {error}: {message}"
                        return
                    self.made.add(asked)
                    if i % 4:
                        self.made.discard(asked)
                        error = connection.delete_topic(asked)
                        if error != wire.NONE:
                            self.failure = f"delete {asked}: error {error}"
                            return
                        self.deleted.add(asked)
        except (wire.Closed, OSError):
            self.unknown.add(asked)  # asked for, and no answer came

    def finish(self):
        self.stopping.set()
        self.join(30)
        if self.failure:
            raise Broken(self.failure)


class Campaign:
    def __init__(self, data, seed):
        self.rng = random.Random(seed)
        self.server = Server(data, *FLAGS)
        self.counters = collections.Counter({name: 0 for name in (*REQUIRED, "torn_tails", "runs_written_again")})
        self.sent, self.acknowledged = {}, {}
        self.topics = {ROLLING: 2}  # name → partitions
        self.by_round = collections.deque()
        self.present, self.absent = set(), set()  # topics of churn
        self.lives = 0
        self.start_s = 0.1

    # --- the server's lives --------------------------------------------------------------------

    def start(self):
        begun = time.monotonic()
        self.server.start()
        self.start_s = time.monotonic() - begun

    def account(self):
        """What the log of the process that ended tells."""
        log = self.server.process.text()
        self.counters["torn_tails"] += log.count("torn tail cut")
        self.counters["runs_written_again"] += sum(map(int, REWRITTEN.findall(log)))
        self.counters["recycled"] += sum(map(int, RECYCLED.findall(log)))  # told by a clean stop only

    def kill(self):
        self.server.kill()
        self.account()
        self.counters["kills"] += 1

    def stop(self):
        status = self.server.terminate()
        self.account()
        if status != 0:
            raise Broken(f"a clean stop ended with status {status}")
        self.counters["clean_stops"] += 1

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

    # --- load ----------------------------------------------------------------------------------

    def make_topics(self, number):
        names = {f"r{number}-many": 3, f"r{number}": 1}
        with wire.Connection(self.server.port) as connection:
            for name, partitions in names.items():
                error, message = connection.create_topic(name, partitions)
                if error != wire.NONE:
                    raise Broken(f"create {name}: error {error}: {message}")
        self.topics.update(names)
        self.by_round.append(names)

    def delete_topics(self, keep):
        """All but those of so many rounds."""
        with wire.Connection(self.server.port) as connection:
            while len(self.by_round) > keep:
                for name in self.by_round.popleft():
                    error = connection.delete_topic(name)
                    if error != wire.NONE:
                        raise Broken(f"delete {name}: error {error}")
                    del self.topics[name]
                    self.absent.add(name)
            while len(self.present) > 20:
                name = self.present.pop()
                if (error := connection.delete_topic(name)) != wire.NONE:
                    raise Broken(f"delete {name}: error {error}")
                self.absent.add(name)

    def write(self, seconds, ends_by_kill, large=0.04):
        """Load for a random time, ended by SIGKILL or in good order."""
        self.lives += 1
        names = [*(self.by_round[-1] if self.by_round else ()), ROLLING]
        places = [(name, partition) for name in names for partition in range(self.topics[name])]
        writers = [
            Writer(self.server.address, f"l{self.lives}c{i}", places, large, self.rng.getrandbits(32))
            for i in range(WRITERS)
        ]
        churn = Churn(self.server.port, f"churn-{self.lives}")
        for thread in [*writers, churn]:
            thread.start()
        wait_for("an acknowledged record on each connection", lambda: all(w.acknowledged for w in writers), 30)
        time.sleep(self.rng.uniform(*seconds))  # a random moment is the point
        if ends_by_kill:
            self.kill()
        for writer in writers:
            writer.finish(ends_by_kill)
            self.sent.update(writer.sent)
            self.acknowledged.update(writer.acknowledged)
            self.counters["sent"] += len(writer.sent)
            self.counters["acknowledged"] += len(writer.acknowledged)
            self.counters["unknown"] += len(writer.sent) - len(writer.acknowledged)
            if writer.errors and not ends_by_kill:
                raise Broken(f"{writer.name}: errors from a server that runs: {dict(writer.errors)}")
        churn.finish()
        self.present |= churn.made
        self.absent |= churn.deleted
        self.counters["topics_created"] += len(churn.made) + len(churn.deleted)
        self.counters["topics_deleted"] += len(churn.deleted)

    # --- judgement -----------------------------------------------------------------------------

    def read(self, name):
        """Every partition of a topic: (topic, partition) → Log."""
        for _ in range(10):
            logs = self.try_read(name)
            if logs is not None:
                return logs
        raise Broken(f"{name}: its start moved ten times while it was read")

    def try_read(self, name):
        logs = {}
        with wire.Connection(self.server.port) as connection:
            for partition in range(self.topics[name]):
                (error, _, start), (_, _, end) = (
                    connection.list_offset(name, when, partition) for when in (wire.EARLIEST, wire.LATEST)
                )
                if error != wire.NONE:
                    raise Broken(f"{name}/{partition}: error {error} when asked for its offsets")
                logs[name, partition] = checker.Log(start, end, [], may_expire=name == ROLLING)
        consumer = ck.Consumer({
            "bootstrap.servers": self.server.address, "group.id": "none", "enable.auto.commit": False,
            "auto.offset.reset": "error", "fetch.wait.max.ms": 10, "log_level": 0,
        })  # fmt: skip
        try:
            wanted = sum(log.end - log.start for log in logs.values())
            consumer.assign([ck.TopicPartition(*place, log.start) for place, log in logs.items() if log.end > log.start])
            deadline = time.monotonic() + 60
            while wanted:
                if time.monotonic() > deadline:
                    raise Broken(f"{name}: {wanted} records that its offsets promise did not come within 60 s")
                for message in consumer.consume(min(wanted, 5000), timeout=1):
                    if message.error():
                        if name == ROLLING and message.error().code() == ck.KafkaError._AUTO_OFFSET_RESET:
                            return None
                        raise Broken(f"{name}: {message.error()}")
                    log = logs[name, message.partition()]
                    if message.offset() < log.end:
                        log.records.append((message.offset(), message.value()))
                        wanted -= 1
        finally:
            consumer.close()
        return logs

    def verify(self):
        with wire.Connection(self.server.port) as connection:
            known = {name: partitions for name, (_, partitions) in connection.topics().items()}
        wrong = {name: known.get(name) for name, partitions in self.topics.items() if known.get(name) != partitions}
        lost, risen = self.present - known.keys(), self.absent & known.keys()
        if wrong or lost or risen:
            raise Broken(f"topics with wrong partitions {wrong}, lost {sorted(lost)}, risen again {sorted(risen)}")
        logs = {}
        for name in self.topics:
            logs.update(self.read(name))
        verdict = checker.check(self.sent, self.acknowledged, logs)
        if verdict.violations:
            raise Broken("\n".join(verdict.violations))
        for name, log in logs.items():
            kept = sum(len(value) for _, value in log.records)
            if log.may_expire and log.start > 0 and kept < ROLLING_BYTES // 8:  # it may be stored compressed
                raise Broken(f"{name}: only {kept} bytes are left, retention.bytes is {ROLLING_BYTES}")
        self.counters["unacknowledged_found"] = verdict.counters["unacknowledged_found"]
        self.counters["expired"] += self.forget_expired(logs)
        self.counters["records_read"] += sum(len(log.records) for log in logs.values())
        numbers = list(journal.files(self.server.data))
        self.counters["rotations"] = numbers[-1] - 1
        self.counters["files_freed"] = numbers[0] - 1

    def forget_expired(self, logs):
        """Should one of them come back, it is a foreigner."""
        gone = [
            record_id
            for record_id, offset in self.acknowledged.items()
            if (log := logs[self.sent[record_id].place]).may_expire and offset < log.start
        ]
        for record_id in gone:
            del self.sent[record_id], self.acknowledged[record_id]
        return len(gone)

    def forget_deleted(self):
        """Records of deleted topics are no longer asked for."""
        for record_id in [i for i, origin in self.sent.items() if origin.place[0] not in self.topics]:
            del self.sent[record_id]
            self.acknowledged.pop(record_id, None)

    def run_round(self, number):
        if not self.server.processes or not self.server.process.is_running():
            self.start()
        if number == 1:
            with wire.Connection(self.server.port) as connection:
                connection.create_topic(ROLLING, 2, {"retention.bytes": str(ROLLING_BYTES)})
        if number % FLOW_EVERY == 0:
            self.flow()
        self.make_topics(number)
        self.write((0, 0.5), ends_by_kill=True)
        if number % 2 == 0:
            wait_for("a kill that came before the server was ready", self.kill_during_start, 60)
        elif self.rng.random() < 0.3:
            self.kill_during_start()
        self.start()
        is_second_kill = self.rng.random() < 0.5
        self.write((0, 0.3), ends_by_kill=is_second_kill)
        if is_second_kill:
            self.start()
        self.verify()
        self.delete_topics(keep=KEPT_ROUNDS)
        self.forget_deleted()
        if number % 3 == 0:
            self.stop()
        self.counters["rounds"] += 1

    def flow(self):
        """Files are freed as fast as they are filled: once to a clean stop, which tells how many were recycled."""
        if not self.server.process.is_running():
            self.start()
        self.delete_topics(keep=0)
        self.forget_deleted()
        self.write((0.7, 1), ends_by_kill=False, large=1)
        self.stop()
        self.start()
        self.verify()
        self.write((0.2, 0.7), ends_by_kill=True, large=1)
        self.start()
        self.verify()

    def finish(self, tries=5):
        """Reads all once more, after a clean stop."""
        while not self.counters["recycled"] and tries:  # chance: only while no spare file is ready
            self.flow()
            tries -= 1
        if self.server.process.is_running():
            self.stop()
        self.start()
        self.verify()
        self.stop()


def run(rounds, seed, data, say=print):
    """Violations and counters of a whole campaign."""
    campaign = Campaign(data, seed)
    violations = []
    begun = time.monotonic()
    try:
        for number in range(1, rounds + 1):
            campaign.run_round(number)
            if number % 10 == 0:
                say(f"kill9: round {number} of {rounds}, {time.monotonic() - begun:.0f} s: {dict(campaign.counters)}")
        campaign.finish(tries=5 if rounds >= REQUIRED_FROM else 0)
    except (Broken, NotReady, AssertionError, wire.Closed, OSError) as error:
        violations.append(f"round {campaign.counters['rounds'] + 1}: {type(error).__name__}: {error}")
        violations.append(campaign.server.report())
    finally:
        campaign.server.close()
        violations += campaign.server.sanitizer_reports()
    if not violations and rounds >= REQUIRED_FROM:
        violations += [f"{name} is 0: the campaign proves nothing about it" for name in missing(campaign.counters)]
    return violations, dict(campaign.counters)


def missing(counters):
    return [name for name in REQUIRED if not counters[name]]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seed", type=int, help="by chance, and printed")
    parser.add_argument("--json", type=pathlib.Path, help="file for the counters")
    parser.add_argument("--bin", type=pathlib.Path, help="server to test (MILLRACE_BIN, or build/dev/bin/millrace)")
    parser.add_argument("--keep", action="store_true", help="leave the data directory")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    if options.bin:
        os.environ["MILLRACE_BIN"] = str(options.bin.resolve())
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 2**31)
    print(f"kill9: {options.rounds} rounds, seed {seed}", flush=True)
    data = tempfile.mkdtemp(prefix="millrace-kill9-")
    violations, counters = run(options.rounds, seed, data, say=lambda text: print(text, flush=True))
    if options.json:
        options.json.write_text(json.dumps({"seed": seed, **counters}, indent=2) + "\n")
    for violation in violations:
        print(f"kill9: {violation}")
    print(f"kill9: {'BROKEN' if violations else 'ok'} (seed {seed}): {counters}")
    if violations or options.keep:
        print(f"kill9: the directory is {data}")
    else:
        shutil.rmtree(data)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
