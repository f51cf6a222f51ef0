"""The traffic of a crash campaign: what is sent, and what of it must be there afterwards.

A load is one kind of traffic. Each has the methods of `Load`; a campaign has several at a time.
"""

import collections
import itertools
import random
import threading
import time

import confluent_kafka as ck
from e2e import wire

from . import checker, logs
from .history import History

ERROR_S = 0.005  # between two records once the server answers with errors
BURST = 32 << 10  # bytes between two breaths, so that other kinds of traffic get their share, and objects keep up
BREATH_S = 0.001
CHURN_S = 0.01  # between two topics: most runs of the journal shall hold records
ROLLING = "rolling"
ROLLING_BYTES = 1 << 20
FAST = "fast"
FAST_BYTES = 1 << 16  # in proportion to what is written to it: the same files
STORED = "stored"
STORED_BYTES = 1 << 18
KEPT_BYTES = {ROLLING: ROLLING_BYTES, FAST: FAST_BYTES, STORED: STORED_BYTES}  # of each partition


class Broken(AssertionError):
    """A promise was broken."""


class Load:
    """Of one campaign, with its server and counters."""

    def __init__(self, campaign):
        self.campaign = campaign
        self.counters = campaign.counters
        self.rng = campaign.rng

    @property
    def server(self):
        return self.campaign.server

    def prepare(self, number):
        """Makes what round `number` needs; the server runs."""

    def threads(self, life, large):
        """What sends, not yet started. Each has has_begun() and finish(is_server_gone)."""
        raise NotImplementedError

    def collect(self, threads, is_server_gone):
        """Takes over what the threads know; they have ended."""
        raise NotImplementedError

    def verify(self):
        """Reads back, and may send again what has an unknown outcome; raises Broken."""
        raise NotImplementedError

    def look_at_catalog(self, catalog):
        """What a process left, however it ended, before the next begins; raises Broken."""

    def flush(self):
        """Everything into files."""

    def check(self):
        """Reads back what verify_files() will compare with; raises Broken."""

    def verify_files(self, catalog):
        """The server has ended after flush() and check(): looks into its files; raises Broken."""

    def tidy(self, keep):
        """Deletes what is older than so many rounds; the server runs."""


class Writer(threading.Thread):
    """One connection: sends records with numbers, never again, until told to stop."""

    def __init__(self, address, name, places, large, queued, seed, life, pace=(BURST, BREATH_S)):
        super().__init__(name=name, daemon=True)
        self.rng = random.Random(seed)
        self.life = life
        self.burst, self.breath_s = pace
        self.places = places
        self.large = large  # share of large records
        self.sent = {}
        self.acknowledged = {}
        self.acknowledged_at = {}  # id → when it was known
        self.errors = collections.Counter()
        self.stopping = threading.Event()
        self.producer = ck.Producer({
            "bootstrap.servers": address,
            "acks": "all",
            "retries": 0,
            "enable.idempotence": False,
            "linger.ms": self.rng.choice([0, 1, 5]),
            "compression.type": self.rng.choice(["none", "gzip", "snappy", "lz4", "zstd"]),
            "queue.buffering.max.messages": queued,
            "message.timeout.ms": 20_000,
            "log_level": 0,
        })  # fmt: skip

    def run(self):
        sequence = written = 0
        while not self.stopping.wait(ERROR_S if self.errors else 0):
            record_id = f"{self.name}.{sequence}"
            place = self.rng.choice(self.places)
            size = self.rng.randrange(10_000, 60_000) if self.rng.random() < self.large else self.rng.randrange(30, 500)
            self.sent[record_id] = checker.Sent(place, self.name, sequence, self.life, time.monotonic())
            try:
                self.producer.produce(
                    place[0], checker.value_of(record_id, size), partition=place[1],
                    on_delivery=lambda error, message, own=record_id: self.delivered(own, error, message),
                )  # fmt: skip
                sequence += 1
                written += size
            except BufferError:
                del self.sent[record_id]
                self.producer.poll(0.005)
            self.producer.poll(0)
            if written >= self.burst:
                written = 0
                self.stopping.wait(self.breath_s)

    def has_begun(self):
        return bool(self.acknowledged)

    def delivered(self, record_id, error, message):
        if error is None:
            self.acknowledged[record_id] = message.offset()
            self.acknowledged_at[record_id] = time.monotonic()
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


class KafkaLoad(Load):
    """Connections that write to topics of the round and to one whose old records expire."""

    WRITERS = 2
    PREFIX = ""  # of what it counts
    ROLLING = ROLLING
    OF_ROUND = {"-many": 3, "": 1}  # behind the round's name → partitions
    CONFIGS = {}
    MAY_SKIP = False  # offsets may have no record

    def __init__(self, campaign):
        super().__init__(campaign)
        self.sent, self.acknowledged = {}, {}
        self.history = History(campaign.server_lives)
        self.topics = {}  # name → partitions
        self.by_round = collections.deque()
        self.deleted = set()
        self.expired_at = {}  # id → mark of the freeing

    def prepare(self, number):
        names = {} if self.campaign.is_lean else {f"r{number}{name}": count for name, count in self.OF_ROUND.items()}
        if self.campaign.is_lean:
            self.tidy(keep=0)  # what never expires keeps every file after it
        with wire.Connection(self.server.port) as connection:
            if self.ROLLING not in self.topics:
                self.create(connection, self.ROLLING, 2, {"retention.bytes": str(KEPT_BYTES[self.ROLLING])})
            for name, partitions in names.items():
                self.create(connection, name, partitions)
        if names:
            self.by_round.append(names)

    def create(self, connection, name, partitions, configs=None):
        error, message = connection.create_topic(name, partitions, {**self.CONFIGS, **(configs or {})})
        if error != wire.NONE:
            raise Broken(f"create {name}: error {error}: {message}")
        self.topics[name] = partitions

    def tidy(self, keep):
        with wire.Connection(self.server.port) as connection:
            while len(self.by_round) > keep:
                for name in self.by_round.popleft():
                    if (error := connection.delete_topic(name)) != wire.NONE:
                        raise Broken(f"delete {name}: error {error}")
                    del self.topics[name]
                    self.deleted.add(name)
                    self.history.forget_topic(name)
        # Records of deleted topics are no longer asked for.
        for record_id in [i for i, origin in self.sent.items() if origin.place[0] not in self.topics]:
            self.forget(record_id)

    def forget(self, record_id):
        """It need not be there any more, and must not."""
        del self.sent[record_id]
        self.acknowledged.pop(record_id, None)

    def threads(self, life, large):
        return [self.writer(f"l{life}c{i}", large) for i in range(self.WRITERS)]

    def writer(self, name, large, **pace):
        names = [*(self.by_round[-1] if self.by_round else ()), self.ROLLING]
        places = [(topic, partition) for topic in names for partition in range(self.topics[topic])]
        life = self.campaign.server_lives.number
        return Writer(self.server.address, name, places, large, self.campaign.QUEUED, self.rng.getrandbits(32), life, **pace)

    def collect(self, threads, is_server_gone):
        for writer in threads:
            self.sent.update(writer.sent)
            self.acknowledged.update(writer.acknowledged)
            self.counters[f"{self.PREFIX}sent"] += len(writer.sent)
            self.counters[f"{self.PREFIX}acknowledged"] += len(writer.acknowledged)
            self.counters[f"{self.PREFIX}unknown"] += len(writer.sent) - len(writer.acknowledged)
            if writer.errors and not is_server_gone:
                raise Broken(f"{writer.name}: errors from a server that runs: {dict(writer.errors)}")
            self.learn(writer)

    def learn(self, writer):
        verdict = checker.Verdict()
        for record_id, offset in writer.acknowledged.items():
            self.history.acknowledge(writer.sent[record_id].place, offset, record_id, verdict)
        if verdict.violations:
            raise Broken("\n".join(verdict.violations))
        self.fence(writer)

    def fence(self, writer):
        for record_id in writer.acknowledged:
            self.campaign.server_lives.fence(writer.life, writer.sent[record_id].at)

    def excuse(self, record_id):
        """A record that was acknowledged may be lost."""
        return False

    def verify(self):
        self.campaign.check_topics(self.topics, self.deleted)
        read = logs.read(self.server, self.topics, {self.ROLLING}, lambda m: (m.offset(), m.value()), self.MAY_SKIP)
        verdict = checker.check(self.sent, self.acknowledged, read, self.history, self.excuse)
        if verdict.violations:
            raise Broken("\n".join(verdict.violations))
        for name, log in read.items():
            kept = sum(len(value) for _, value in log.records)
            least = KEPT_BYTES[self.ROLLING] // 8  # it may be stored compressed
            if log.may_expire and log.start > 0 and kept < least:
                raise Broken(f"{name}: only {kept} bytes are left, retention.bytes is {KEPT_BYTES[self.ROLLING]}")
        self.settle(verdict.found)
        found = verdict.counters["unacknowledged_found"]
        self.counters[f"{self.PREFIX}unacknowledged_found"] = max(found, self.counters[f"{self.PREFIX}unacknowledged_found"])
        self.counters[f"{self.PREFIX}expired"] += self.forget_expired(read)
        self.counters[f"{self.PREFIX}records_read"] += sum(len(log.records) for log in read.values())
        return verdict

    def settle(self, found):
        """What a start has found is durable, whether it was acknowledged or not."""
        for record_id, offset in found.items():
            if self.sent[record_id].life < self.campaign.server_lives.number:
                self.acknowledged.setdefault(record_id, offset)

    def forget_expired(self, read):
        """Once they cannot come back. Should one do so, it is a foreigner."""
        mark = self.campaign.freeing_mark()
        gone = [
            record_id
            for record_id, offset in self.acknowledged.items()
            if (log := read[self.sent[record_id].place]).may_expire and offset < log.start
        ]
        settled = [i for i in gone if self.expired_at.setdefault(i, mark) < mark]
        for record_id in settled:
            del self.expired_at[record_id]
            self.history.forget(self.sent[record_id].place, self.acknowledged[record_id])
            self.forget(record_id)
        return len(settled)


class IntervalLoad(KafkaLoad):
    """The same for topics of durability=interval. Its rules are those of crash/lives.py."""

    WRITERS = 1
    PREFIX = "interval_"
    ROLLING = FAST
    OF_ROUND = {"-fast": 2}
    CONFIGS = {"durability": "interval"}
    MAY_SKIP = True
    PACE = (BURST // 2, 0.002)
    LARGE = 0.25  # of the share that the others have: files last
    SLOW = (1, 0.08)  # a file lasts much longer than the window: its end brings a sync

    def __init__(self, campaign):
        super().__init__(campaign)
        self.acknowledged_at = {}  # id → when; of those that no life after their own has found yet
        self.is_slow = False

    def threads(self, life, large):
        how = {"large": 0, "pace": self.SLOW} if self.is_slow else {"large": large * self.LARGE, "pace": self.PACE}
        return [self.writer(f"l{life}i{i}", **how) for i in range(self.WRITERS)]

    def learn(self, writer):
        super().learn(writer)
        self.acknowledged_at.update(writer.acknowledged_at)

    def fence(self, writer):
        """It is none."""

    def excuse(self, record_id):
        at = self.acknowledged_at.get(record_id)
        return at is not None and self.campaign.server_lives.may_lose(self.sent[record_id].life, at)

    def forget(self, record_id):
        super().forget(record_id)
        self.acknowledged_at.pop(record_id, None)

    def settle(self, found):
        super().settle(found)
        for record_id in found.keys() & self.acknowledged_at.keys():
            if self.sent[record_id].life < self.campaign.server_lives.number:
                del self.acknowledged_at[record_id]

    def verify(self):
        verdict = super().verify()
        for record_id in verdict.excused:
            self.forget(record_id)
        self.counters["interval_lost"] += len(verdict.excused)
        self.counters["interval_gaps"] += verdict.counters["new_gaps"]
        return verdict


class ObjectLoad(KafkaLoad):
    """The same for topics of durability=object: an acknowledgement comes when the catalog names the object."""

    WRITERS = 1
    PREFIX = "object_"
    ROLLING = STORED
    OF_ROUND = {"-stored": 2}
    CONFIGS = {"durability": "object"}

    def look_at_catalog(self, catalog):
        """It names objects with all that was acknowledged: the newest of a partition never expires here."""
        due = collections.Counter()
        for record_id, offset in self.acknowledged.items():
            place = self.sent[record_id].place
            due[place] = max(due[place], offset + 1)
        for (name, partition), end in due.items():
            if name not in catalog.topics:
                continue  # it comes into it later than its first object
            there = catalog.object_ends.get((catalog.topics[name], partition), 0)
            if there < end:
                raise Broken(f"{name}/{partition}: the catalog has objects up to {there}, {end} was acknowledged")
            self.counters["object_ends_checked"] += 1


class Churn(threading.Thread):
    """Makes and deletes topics until its connection ends."""

    def __init__(self, port, name):
        super().__init__(name=name, daemon=True)
        self.port = port
        self.made = {}  # name → partitions
        self.deleted, self.unknown = set(), set()
        self.failure = None
        self.stopping = threading.Event()

    def run(self):
        asked = None
        try:
            with wire.Connection(self.port) as connection:
                for i in itertools.count():
                    if self.stopping.wait(CHURN_S):
                        return
                    asked = f"{self.name}.{i}"
                    error, message = connection.create_topic(asked, 1 + i % 3)
                    if error != wire.NONE:
                        self.failure = f"create {asked}: error {error}: {message}"
                        self.unknown.add(asked)
                        return
                    self.made[asked] = 1 + i % 3
                    if i % 4:
                        del self.made[asked]
                        error = connection.delete_topic(asked)
                        if error != wire.NONE:
                            self.failure = f"delete {asked}: error {error}"
                            self.unknown.add(asked)
                            return
                        self.deleted.add(asked)
        except (wire.Closed, OSError):
            self.unknown.add(asked)  # asked for, and no answer came

    def has_begun(self):
        return True

    def finish(self, is_server_gone):
        self.stopping.set()
        self.join(30)
        if self.failure and not is_server_gone:
            raise Broken(self.failure)


class ChurnLoad(Load):
    """Topics made and deleted all the time: there, or gone, as it was acknowledged."""

    def __init__(self, campaign):
        super().__init__(campaign)
        self.present, self.absent = {}, set()  # name → partitions

    def threads(self, life, large):
        return [Churn(self.server.port, f"churn-{life}")]

    def collect(self, threads, is_server_gone):
        for churn in threads:
            self.present.update(churn.made)
            self.absent |= churn.deleted
            self.counters["topics_created"] += len(churn.made) + len(churn.deleted)
            self.counters["topics_deleted"] += len(churn.deleted)

    def verify(self):
        self.campaign.check_topics(self.present, self.absent)

    def tidy(self, keep):
        with wire.Connection(self.server.port) as connection:
            while len(self.present) > 20:
                name, _ = self.present.popitem()
                if (error := connection.delete_topic(name)) != wire.NONE:
                    raise Broken(f"delete {name}: error {error}")
                self.absent.add(name)
