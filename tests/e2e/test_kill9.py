"""kill -9 under load, in its short form, and proofs that its checker can fail."""

import shutil

import pytest
from crash import campaign, checker, kill9
from crash.checker import Log, Sent, check, id_of, value_of

SEED = 20_260
PLACE = ("t", 0)


def test_20_rounds_of_kill_9(tmp_path):
    violations, counters = kill9.run(20, SEED, tmp_path / "data")
    assert violations == [], "\n".join(violations)
    assert counters["rounds"] == 20
    assert campaign.missing(kill9.Kill9, counters) == []
    shutil.rmtree(tmp_path / "data")


# --- the checker -----------------------------------------------------------------------------------


@pytest.fixture
def world():
    """What a good server leaves of two connections with five records each, the last one unknown."""

    class World:
        sent = {f"{c}.{i}": Sent(PLACE, c, i) for i in range(5) for c in ("a", "b")}
        acknowledged = {record_id: offset for offset, record_id in enumerate(sent) if record_id != "b.4"}
        records = [(offset, value_of(record_id, 100)) for offset, record_id in enumerate(sent)]

        def kinds(self, start=0, end=None, may_expire=False):
            end = len(self.records) + start if end is None else end
            verdict = check(self.sent, self.acknowledged, {PLACE: Log(start, end, self.records, may_expire)})
            return {violation.split(":")[0] for violation in verdict.violations}

    world = World()
    world.records = list(world.records)
    return world


def renumber(values, start=0):
    return list(enumerate((value for _, value in values), start))


def test_good_results_pass(world):
    assert world.kinds() == set()
    world.records.pop()  # the one nobody was promised
    assert world.kinds() == set()


def test_a_lost_record_is_noticed(world):
    world.acknowledged["b.4"] = 9
    world.records.pop()
    assert world.kinds() == {"lost"}


def test_a_lost_record_in_the_middle_is_noticed(world):
    world.records = renumber(world.records[:3] + world.records[4:])
    assert world.kinds() == {"lost", "moved"}


def test_a_doubled_record_is_noticed(world):
    world.records.append((10, world.records[9][1]))
    assert world.kinds() == {"doubled"}


def test_a_record_in_two_partitions_is_noticed(world):
    other = ("t", 1)
    logs = {PLACE: Log(0, 10, world.records), other: Log(0, 1, [(0, world.records[0][1])])}
    assert [v.split(":")[0] for v in check(world.sent, world.acknowledged, logs).violations] == ["foreign"]


def test_a_gap_is_noticed(world):
    world.records[9] = (10, world.records[9][1])
    assert world.kinds(end=11) == {"gap"}


def test_records_missing_at_the_end_are_noticed(world):
    assert world.kinds(end=11) == {"gap"}


def test_two_values_at_one_offset_are_noticed(world):
    world.sent["c.0"] = Sent(PLACE, "c", 0)
    world.records.insert(5, (4, value_of("c.0", 100)))
    assert world.kinds(end=10) == {"gap"}


def test_reordered_records_of_a_connection_are_noticed(world):
    world.acknowledged = {}
    world.records[2], world.records[4] = (2, world.records[4][1]), (4, world.records[2][1])
    assert world.kinds() == {"reordered"}


def test_two_connections_have_no_order_between_them(world):
    world.acknowledged = {}
    by_connection = sorted(world.records, key=lambda record: record[1][:1])
    world.records = renumber(by_connection)
    assert world.kinds() == set()


def test_a_record_at_another_offset_than_promised_is_noticed(world):
    world.acknowledged["a.0"], world.acknowledged["b.0"] = 1, 0
    assert world.kinds() == {"moved"}


@pytest.mark.parametrize("value", [None, b"", b"x", value_of("a.1", 100)[:-1], value_of("a.1", 100) + b"x", b"a.1|100|" + b"\0" * 92])
def test_a_damaged_or_cut_record_is_noticed(world, value):
    assert id_of(value) is None
    world.records[9] = (9, value)
    assert world.kinds() == {"damaged"}


def test_a_record_nobody_sent_is_noticed(world):
    world.records.append((10, value_of("z.0", 100)))
    assert world.kinds() == {"foreign"}


def test_only_what_may_expire_is_excused_and_only_below_the_start(world):
    world.records = world.records[4:]
    assert world.kinds(start=4, may_expire=True) == set()
    assert world.kinds(start=4) == {"lost"}
    world.records = world.records[1:]
    assert world.kinds(start=4, end=10, may_expire=True) == {"gap", "lost"}


@pytest.mark.parametrize("size", [0, 10, 100, 60_000])
def test_a_value_carries_its_id_at_any_size(size):
    assert id_of(value_of("l1c2.345", size)) == "l1c2.345"
    assert len(value_of("l1c2.345", size)) >= size
    assert checker.value_of("l1c2.345", size) != checker.value_of("l1c2.346", size)


def test_a_campaign_that_saw_too_little_fails():
    counters = dict.fromkeys(kill9.Kill9.REQUIRED, 1)
    assert campaign.missing(kill9.Kill9, counters) == []
    assert campaign.missing(kill9.Kill9, {**counters, "recycled": 0}) == ["recycled"]
