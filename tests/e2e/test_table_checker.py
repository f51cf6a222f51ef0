"""Proofs that the checker of HTTP writes can fail, and what answers mean to it."""

import collections
import json

import msgpack
import pytest
from crash import client, rows, table_checker
from crash.checker import Log, Verdict
from crash.table_checker import Ledger

ONE, TWO = ("main", "one"), ("main", "two")


class World:
    """What a good server leaves of three requests: one in two tables, one with a batch id that was sent twice, one unknown."""

    def __init__(self):
        self.ledger = Ledger()
        self.both = rows.Request("c", 0, "li", {ONE: range(2), TWO: range(2, 4)}, acknowledged=1)
        self.batch = rows.Request("c", 1, "mfx3", {ONE: range(2)}, batch_id="b", acknowledged=1, unknown=1)
        self.unknown = rows.Request("c", 2, "mt", {ONE: range(2)}, unknown=1)
        self.ledger.add([self.both, self.batch, self.unknown])
        self.found = {ONE: self.rows(self.both, ONE) + self.rows(self.batch, ONE), TWO: self.rows(self.both, TWO)}
        self.entries = [self.entry(0, self.both), self.entry(1, self.batch)]
        self.start = 0

    def rows(self, request, table):
        found = []
        for row_id in map(request.id_of, request.parts[table]):
            row = rows.row_of(row_id)
            found.append({"absent": None, **row, "at": str(row.pop("time", 77)), "time": "text"})
        return found

    def entry(self, offset, request):
        if request.is_line:
            value = "\n".join(rows.line_of(ONE[1], request.id_of(row)) for row in request.parts[ONE]).encode()
        else:
            value = msgpack.packb({"m": "one", "columns": {"id": [request.id_of(row) for row in request.parts[ONE]]}})
        return offset, value, [("millrace.decoder", b"line/1" if request.is_line else b"msgpack/1")]

    def kinds(self):
        verdict = Verdict()
        counts = collections.defaultdict(collections.Counter)
        for table, found in self.found.items():
            counts[table] = table_checker.count_rows(self.ledger, table, found, verdict)
        table_checker.judge(self.ledger, counts, verdict)
        log = Log(self.start, self.start + len(self.entries), self.entries)
        table_checker.check_entries(self.ledger, ONE, log, counts[ONE], verdict)
        return {violation.split(":")[0] for violation in verdict.violations}


@pytest.fixture
def world():
    return World()


def test_good_results_pass(world):
    assert world.kinds() == set()
    world.found[ONE] += world.rows(world.unknown, ONE)
    world.entries.append(world.entry(2, world.unknown))
    assert world.kinds() == set()


def test_a_lost_request_is_noticed(world):
    world.found[ONE] = world.rows(world.both, ONE)
    world.entries.pop()
    assert world.kinds() == {"lost"}


def test_a_request_in_one_of_its_tables_only_is_noticed(world):
    world.both.acknowledged, world.both.unknown = 0, 1
    world.found[TWO] = []
    assert world.kinds() == {"cut"}


def test_a_row_that_is_missing_of_an_unknown_request_is_noticed(world):
    world.found[ONE] += world.rows(world.unknown, ONE)[:1]
    world.entries.append(world.entry(2, world.unknown))
    assert world.kinds() == {"cut", "unlike"}


def test_a_batch_that_is_there_twice_is_noticed(world):
    world.found[ONE] += world.rows(world.batch, ONE)
    world.entries.append(world.entry(2, world.batch))
    assert world.kinds() == {"doubled"}


def test_a_request_without_a_batch_id_may_be_there_as_often_as_it_was_sent(world):
    world.unknown.unknown = 2
    for offset in (2, 3):
        world.found[ONE] += world.rows(world.unknown, ONE)
        world.entries.append(world.entry(offset, world.unknown))
    assert world.kinds() == set()
    world.unknown.unknown = 1
    assert world.kinds() == {"doubled"}


def test_what_was_seen_once_must_stay(world):
    found, entries = list(world.found[ONE]), list(world.entries)
    world.found[ONE] += world.rows(world.unknown, ONE)
    world.entries.append(world.entry(2, world.unknown))
    assert world.kinds() == set()
    world.found[ONE], world.entries = found, entries
    assert world.kinds() == {"lost"}


@pytest.mark.parametrize("change", [{"n": 1}, {"payload": "?"}, {"host": None}, {"at": 5}, {"more": 1}])
def test_another_value_is_noticed(world, change):
    world.found[ONE][0].update(change)
    assert world.kinds() == {"damaged"}


def test_a_time_that_the_server_chose_must_stay(world):
    world.unknown.acknowledged = 1
    world.found[ONE] += world.rows(world.unknown, ONE)
    world.entries.append(world.entry(2, world.unknown))
    assert world.kinds() == set()
    world.found[ONE][-1]["at"] = 78
    assert world.kinds() == {"damaged"}


def test_a_row_of_another_table_or_of_nobody_is_noticed(world):
    world.found[TWO] += world.rows(world.batch, ONE)
    assert world.kinds() == {"foreign"}
    world.found[TWO] = world.found[TWO][:2] + [{"id": "c.0.9.li", "at": 0}, {"id": None, "at": 0}]
    assert world.kinds() == {"foreign"}


def test_rows_of_a_deleted_table_are_noticed(world):
    world.ledger.forget(TWO)
    assert world.kinds() == {"foreign"}
    world.found[TWO] = []
    assert world.kinds() == set()


def test_a_gap_in_the_log_is_noticed(world):
    world.entries[1] = world.entry(2, world.batch)
    assert world.kinds() == {"gap"}


def test_entries_out_of_order_are_noticed(world):
    world.entries = [world.entry(0, world.batch), world.entry(1, world.both)]
    assert world.kinds() == {"reordered"}
    world.both.is_late = True
    assert World.kinds(world) == set()


def test_an_entry_that_moved_is_noticed(world):
    assert world.kinds() == set()
    world.start = 1
    world.entries = [world.entry(1, world.both), world.entry(2, world.batch)]
    assert world.kinds() == {"moved"}


def test_a_log_and_sql_that_differ_are_noticed(world):
    world.entries.pop()
    assert world.kinds() == {"unlike"}
    world.start = 1  # the first entry may be gone by now
    world.entries = [world.entry(1, world.batch)]
    assert world.kinds() == set()


def test_an_entry_of_other_rows_is_noticed(world):
    whole = world.entries[1]
    world.entries[1] = (1, msgpack.packb({"m": "one", "columns": {"id": [world.batch.id_of(0)]}}), whole[2])
    assert world.kinds() == {"foreign", "unlike"}
    world.entries[1] = (1, whole[1], [])
    assert world.kinds() == {"damaged", "unlike"}


@pytest.mark.parametrize("status, code, outcome", [
    (204, None, client.ACKNOWLEDGED),
    (503, "outcome_unknown", client.UNKNOWN),
    (503, "read_only", client.REFUSED),
    (503, "overloaded", client.REFUSED),
    (504, "timeout", client.REFUSED),
    (400, "invalid", None),
    (404, "not_found", None),
    (500, "internal", None),
])  # fmt: skip
def test_what_an_answer_says_of_the_outcome(status, code, outcome):
    request = rows.Request("c", 0, "mi", {ONE: range(1)})
    answer = json.dumps({"error": {"code": code, "message": "m", "detail": None}}).encode() if code else b""
    assert client.outcome_of(status, answer, request) == outcome


def test_a_line_that_must_be_refused_and_was_not_is_noticed():
    request = rows.Request("c", 0, "li", {ONE: range(1)}, has_bad_line=True)
    assert client.outcome_of(204, b"", request) is None
    assert client.outcome_of(400, b'{"error":"partial write: line 2: no; dropped=1"}', request) == client.ACKNOWLEDGED
    assert client.outcome_of(400, b'{"error":"partial write: line 1: no; dropped=2"}', request) is None
