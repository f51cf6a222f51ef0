"""What the crash campaigns demand of durability=interval: proofs that each rule can fail."""

import collections
import random
import types

import pytest
from crash import load as loads
from crash.checker import Log, Sent, value_of
from crash.lives import WINDOW_S, Lives

FAST = ("fast", 0)
CUT = 100.0  # a moment, in seconds
YOUNG, OLD = CUT - 0.01, CUT - WINDOW_S - 0.01


class World:
    """One partition, as a good server keeps it unless a test does otherwise."""

    def __init__(self, kind, monkeypatch):
        self.campaign = types.SimpleNamespace(
            counters=collections.Counter(), rng=random.Random(1), server=None, server_lives=Lives(),
            check_topics=lambda present, absent: None, freeing_mark=self.mark,
        )  # fmt: skip
        self.lives = self.campaign.server_lives
        self.counters = self.campaign.counters
        self.load = kind(self.campaign)
        self.records, self.start, self.end, self.marks = {}, 0, 0, 0  # offset → id
        monkeypatch.setattr(loads.logs, "read", self.read)
        self.lives.begin()

    def mark(self):
        self.marks += 1
        return self.marks

    def read(self, server, topics, may_expire, take, may_skip):
        records = [(offset, value_of(name, 40)) for offset, name in sorted(self.records.items())]
        return {FAST: Log(self.start, self.end, records, may_expire=self.start > 0, may_skip=may_skip)}

    def write(self, *names, at=0.0, is_acknowledged=True, by=None):
        """To the end of the log; acknowledged at that moment."""
        offsets = dict(zip(names, range(self.end, self.end + len(names)), strict=True))
        life = self.lives.number
        sent = {name: Sent(FAST, name[0], int(name[1:]), life, at) for name in names}
        told = offsets if is_acknowledged else {}
        writer = types.SimpleNamespace(
            name="w", errors={}, life=life, sent=sent, acknowledged=dict(told), acknowledged_at=dict.fromkeys(told, at),
        )  # fmt: skip
        (by or self.load).collect([writer], is_server_gone=True)
        if by is None:
            self.records.update((offset, name) for name, offset in offsets.items())
            self.end += len(names)

    def lose(self, *names):
        self.records = {offset: name for offset, name in self.records.items() if name not in names}

    def restart(self, gap=10):
        self.end += gap
        self.lives.begin()

    def kill(self, gap=10):
        self.lives.end(CUT)
        self.restart(gap)

    def cut(self, *lost, gap=10):
        self.lives.end(CUT)
        self.lives.lose_power()
        self.lose(*lost)
        self.restart(gap)

    def kinds(self):
        try:
            self.load.verify()
        except loads.Broken as broken:
            return {line.split(":")[0] for line in str(broken).splitlines()}
        return set()


@pytest.fixture
def world(monkeypatch):
    return World(loads.IntervalLoad, monkeypatch)


@pytest.fixture
def fsync_world(monkeypatch):
    return World(loads.KafkaLoad, monkeypatch)


def test_kills_leave_all_records_and_gaps_that_are_counted_once(world):
    for name in ("a0", "a1", "a2"):
        world.write(name)
        world.kill()
        assert world.kinds() == set()
        assert world.kinds() == set()
    assert (world.counters["interval_gaps"], world.counters["interval_lost"]) == (3, 0)


def test_a_record_lost_by_a_kill_is_noticed(world):
    world.write("a0", "a1", at=YOUNG)
    world.kill()
    world.lose("a1")
    assert world.kinds() == {"lost"}


def test_a_cut_may_take_the_last_records_and_they_are_counted(world):
    world.write("a0", at=OLD)
    world.write("a1", "a2", at=YOUNG)
    world.cut("a1", "a2")
    assert world.kinds() == set()
    world.write("b0")
    assert world.kinds() == set()
    assert (world.counters["interval_gaps"], world.counters["interval_lost"]) == (1, 2)


def test_a_lost_record_older_than_the_window_is_noticed(world):
    world.write("a0", at=OLD)
    world.write("a1", at=YOUNG)
    world.cut("a0", "a1")
    assert world.kinds() == {"lost"}


def test_a_lost_record_that_an_fsync_record_was_sent_after_is_noticed(world):
    safe = loads.KafkaLoad(world.campaign)
    world.write("a0", at=YOUNG)
    world.write("s0", at=YOUNG + 0.001, by=safe)
    world.write("a1", at=YOUNG + 0.002)
    world.cut("a0", "a1")
    assert world.kinds() == {"lost"}


@pytest.mark.parametrize("sent_at, is_acknowledged", [(YOUNG - 0.001, True), (YOUNG + 0.001, False)])
def test_an_fsync_record_without_an_answer_or_sent_before_says_nothing(world, sent_at, is_acknowledged):
    safe = loads.KafkaLoad(world.campaign)
    world.write("a0", at=YOUNG)
    world.write("s0", at=sent_at, is_acknowledged=is_acknowledged, by=safe)
    world.cut("a0")
    assert world.kinds() == set()


def test_an_interval_record_is_no_proof_for_those_before_it(world):
    world.write("a0", at=YOUNG)
    world.write("a1", at=YOUNG + 0.001)
    world.cut("a0", "a1")
    assert world.kinds() == set()


def test_a_lost_record_before_one_that_stayed_is_noticed(world):
    world.write("a0", "a1", "a2", at=YOUNG)
    world.cut("a1")
    assert world.kinds() == {"hole", "gap"}
    assert world.counters["interval_lost"] == 0


def test_the_first_record_of_a_life_lost_before_its_second_is_noticed(world):
    world.write("a0")
    world.cut()
    world.write("b0", "b1", at=YOUNG)
    world.cut("b0")
    assert world.kinds() == {"hole"}


def test_a_record_that_a_start_found_may_not_be_lost_any_more(world):
    world.write("a0", at=YOUNG)
    world.cut()
    assert world.kinds() == set()
    world.cut("a0")
    assert world.kinds() == {"lost"}


def test_an_unacknowledged_record_that_a_start_found_may_not_be_lost_any_more(world):
    world.write("a0", is_acknowledged=False)
    world.kill()
    assert world.kinds() == set()
    world.cut("a0")
    assert world.kinds() == {"lost"}


def test_an_unacknowledged_record_may_be_there_or_not(world):
    world.write("a0", "a1", is_acknowledged=False)
    world.cut("a1")
    assert world.kinds() == set()


def test_power_that_goes_after_a_kill_before_the_next_start_is_a_cut(world):
    world.write("a0", at=OLD)
    world.write("a1", at=YOUNG)
    world.lives.end(CUT)
    world.lives.end(CUT + 9)  # of a process that was not ready
    world.lives.lose_power()
    world.lose("a1")
    world.restart()
    assert world.kinds() == set()


def test_a_record_lost_after_a_start_that_followed_a_kill_is_noticed(world):
    world.write("a0", at=YOUNG)
    world.kill()
    world.cut("a0")
    assert world.kinds() == {"lost"}


def test_a_record_lost_by_a_clean_stop_is_noticed(world):
    world.write("a0", "a1", at=YOUNG)
    world.lives.end(CUT, is_clean=True)
    world.lives.lose_power()
    world.lose("a1")
    world.restart(gap=0)
    assert world.kinds() == {"lost", "gap"}


def test_a_gap_after_a_clean_stop_is_noticed(world):
    world.write("a0")
    world.lives.end(CUT, is_clean=True)
    world.restart(gap=0)
    assert world.kinds() == set()
    world.end += 1
    assert world.kinds() == {"gap"}


def test_a_gap_within_a_life_is_noticed(world):
    world.kill()
    world.write("a0")
    world.end += 1
    world.write("a1")
    assert world.kinds() == {"gap"}


def test_an_end_that_went_back_is_noticed(world):
    world.write("a0", "a1", at=YOUNG)
    world.cut("a1")
    assert world.kinds() == set()
    world.end -= 1
    assert world.kinds() == {"shrunk"}


def test_an_end_below_a_lost_record_is_noticed(world):
    world.write("a0", "a1", at=YOUNG)
    world.cut("a1", gap=-1)
    assert world.kinds() == {"shrunk"}


def test_an_offset_given_out_twice_is_noticed_when_it_is_acknowledged(world):
    world.write("a0", "a1", at=YOUNG)
    world.cut("a1", gap=-1)
    with pytest.raises(loads.Broken, match="changed: .* offset 1 is b0, and was a1"):
        world.write("b0")


def test_an_offset_with_two_values_is_noticed_when_it_is_read(world):
    world.write("a0", "a1", is_acknowledged=False)
    assert world.kinds() == set()  # read before the cut
    world.cut("a1", gap=-1)
    world.write("b0", is_acknowledged=False)
    assert world.kinds() == {"changed"}


def test_a_record_in_what_was_a_gap_is_noticed(world):
    world.write("a0")
    world.kill()
    assert world.kinds() == set()
    world.load.sent["a1"] = Sent(FAST, "a", 1, 1)
    world.records[5] = "a1"
    assert "risen" in world.kinds()


def test_a_lost_record_that_comes_back_is_noticed(world):
    world.write("a0", "a1", at=YOUNG)
    world.cut("a1")
    assert world.kinds() == set()
    world.records[1] = "a1"
    assert world.kinds() == {"foreign"}


def test_records_of_a_connection_in_another_order_are_noticed(world):
    world.write("a0", "a1", is_acknowledged=False)
    world.kill()
    world.write("a2")
    world.records[0], world.records[1] = "a1", "a0"
    assert world.kinds() == {"reordered"}


def test_a_record_at_or_behind_the_end_is_noticed(world):
    world.write("a0", "a1")
    world.load.history.ends.clear()
    world.end -= 1
    assert world.kinds() == {"order"}


def test_what_has_expired_is_asked_for_no_more_and_may_come_back_until_it_is_freed_for_good(world):
    world.write(*(f"a{i}" for i in range(400)))
    world.kill()
    world.write(*(f"b{i}" for i in range(400)))
    everything = dict(world.records)
    world.load.history.ends[FAST] = world.end
    for start in (200, 0, 405):
        world.start = start
        world.records = {offset: name for offset, name in everything.items() if offset >= start}
        assert world.kinds() == set()
    assert world.kinds() == set()
    assert world.counters["interval_expired"] == 400
    assert not world.load.history.values[FAST].keys() & set(range(400))


# --- other topics have none of these excuses -----------------------------------------------------


def test_a_record_lost_by_a_cut_is_noticed_in_an_fsync_topic(fsync_world):
    fsync_world.write("a0", "a1", at=YOUNG)
    fsync_world.cut("a1", gap=0)
    assert fsync_world.kinds() == {"lost", "gap"}


def test_a_gap_is_noticed_in_an_fsync_topic(fsync_world):
    fsync_world.write("a0", at=YOUNG)
    fsync_world.cut(gap=0)
    assert fsync_world.kinds() == set()
    fsync_world.end += 1
    fsync_world.write("b0")
    assert fsync_world.kinds() == {"gap"}


def test_an_end_that_went_back_is_noticed_in_an_fsync_topic(fsync_world):
    fsync_world.write("a0", "a1", is_acknowledged=False)
    assert fsync_world.kinds() == set()
    fsync_world.cut("a1", gap=-1)
    assert "shrunk" in fsync_world.kinds()
