"""Judges what a log holds against what was sent to it and what it acknowledged.

Every record carries an id of its own, from which the rest of its value follows. A client that never
retries sends an id once, so that the log may hold it once; if it was acknowledged, it must. Only an
acknowledged record of a durability=interval topic may be excused, by crash/lives.py: then nothing of its
life may stand behind it. Over several looks, crash/history.py remembers what was at each offset.
"""

import collections
import dataclasses
import hashlib
import itertools
import random

MAX_TOLD = 20  # of each kind of violation
NOISE = random.Random(1).randbytes(1 << 20)  # so that values do not shrink when they are compressed


def value_of(record_id, size):
    """`size` bytes, at least those of id and size, which all follow from the id."""
    head = f"{record_id}|{size}|".encode()
    at = int.from_bytes(hashlib.sha256(head).digest()[:4]) % (len(NOISE) // 2)
    rest = max(0, size - len(head))
    assert rest <= len(NOISE) // 2
    return head + NOISE[at : at + rest]


def id_of(value):
    """The id of a whole value; None if a byte of it is not as it was sent."""
    try:
        record_id, size, _ = (value or b"").split(b"|", 2)
        record_id, size = record_id.decode(), int(size)
    except ValueError:
        return None
    return record_id if value_of(record_id, size) == value else None


@dataclasses.dataclass(frozen=True)
class Sent:
    place: tuple[str, int]  # topic, partition
    connection: str
    sequence: int  # counts what this connection sent
    life: int = 0  # of the server that it was sent to
    at: float = 0.0  # before it was sent, in the campaign's seconds


@dataclasses.dataclass
class Log:
    """One partition as it was read."""

    start: int
    end: int
    records: list[tuple[int, bytes]]
    may_expire: bool = False  # records below the start are gone by the topic's retention
    may_skip: bool = False  # offsets may have no record, as History allows it


@dataclasses.dataclass
class Verdict:
    violations: list[str] = dataclasses.field(default_factory=list)
    counters: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    found: dict[str, int] = dataclasses.field(default_factory=dict)  # id → offset
    excused: set[str] = dataclasses.field(default_factory=set)  # ids that were acknowledged and are gone

    def add(self, kind, text):
        self.counters[kind] += 1
        if self.counters[kind] <= MAX_TOLD:
            self.violations.append(f"{kind}: {text}")


def check(sent, acknowledged, logs, history=None, excuse=lambda record_id: False):
    """`sent`: id → Sent. `acknowledged`: id → offset. `logs`: (topic, partition) → Log. `excuse(id)`: it may be lost."""
    verdict = Verdict()
    found = {}
    last = {}  # place and life → offset of its last record
    for place, log in logs.items():
        here = _check_log(place, log, sent, found, verdict)
        found.update(here)
        for record_id, offset in here.items():
            group = place, sent[record_id].life
            last[group] = max(offset, last.get(group, offset))
        if history:
            history.look(place, log, here, sent, verdict)
    for record_id, offset in acknowledged.items():
        origin = sent[record_id]
        log = logs.get(origin.place)
        if log is None:
            continue  # its topic was deleted, or is not looked at this time
        if record_id in found:
            if found[record_id] != offset:
                verdict.add("moved", f"{record_id} was acknowledged at {offset} and is at {found[record_id]}")
            else:
                verdict.counters["acknowledged_found"] += 1
        elif log.may_expire and offset < log.start:
            verdict.counters["expired"] += 1
        elif not excuse(record_id):
            verdict.add("lost", f"{record_id}, acknowledged at {origin.place} offset {offset}")
        elif (after := last.get((origin.place, origin.life), -1)) > offset:
            verdict.add("hole", f"{record_id}, acknowledged at {origin.place} offset {offset}, is gone, what came at {after} is not")
        else:
            verdict.excused.add(record_id)
    verdict.found = found
    verdict.counters["unacknowledged_found"] = len(found.keys() - acknowledged.keys())
    return verdict


def _check_log(place, log, sent, earlier, verdict):
    offsets = [offset for offset, _ in log.records]
    if log.may_skip:
        if not all(a < b for a, b in itertools.pairwise([log.start - 1, *offsets, log.end])):
            verdict.add("order", f"{place} from {log.start} to {log.end}: offsets that do not rise, or are beyond")
    elif offsets != list(range(log.start, log.end)):
        expected = dict(enumerate(range(log.start, log.end)))
        at = next((i for i, offset in enumerate(offsets) if expected.get(i) != offset), len(offsets))
        there = offsets[at] if at < len(offsets) else "the end"
        verdict.add("gap", f"{place} from {log.start} to {log.end}: {there} where {expected.get(at, 'the end')} is due")
    found = {}
    last = {}
    for offset, value in log.records:
        record_id = id_of(value)
        if record_id is None:
            verdict.add("damaged", f"{place} offset {offset}: {value[:60] if value else value!r}")
            continue
        origin = sent.get(record_id)
        if origin is None or origin.place != place:
            verdict.add("foreign", f"{place} offset {offset}: {record_id} was not sent here")
            continue
        if record_id in found or record_id in earlier:
            verdict.add("doubled", f"{place} offset {offset}: {record_id} is also at {found.get(record_id)}")
            continue
        found[record_id] = offset
        before = last.get(origin.connection, -1)
        if origin.sequence < before:
            verdict.add("reordered", f"{place} offset {offset}: {record_id} after number {before} of its connection")
        last[origin.connection] = max(before, origin.sequence)
    return found
