"""What the crash campaigns demand of durability=object: proofs that each rule can fail."""

import collections
import random
import types

import pytest
from crash import load as loads
from crash.checker import Sent
from crash.lives import Lives

ROUND, ROLLING = ("r1-stored", 0), (loads.STORED, 0)


@pytest.fixture
def load():
    """Of each topic five records were acknowledged."""
    campaign = types.SimpleNamespace(counters=collections.Counter(), rng=random.Random(1), server=None, server_lives=Lives())
    load = loads.ObjectLoad(campaign)
    for place in (ROUND, ROLLING):
        for offset in range(5):
            load.sent[f"{place[0]}.{offset}"] = Sent(place, "a", offset)
            load.acknowledged[f"{place[0]}.{offset}"] = offset
    return load


def catalog(of_round, rolling, topics=(ROUND[0], ROLLING[0])):
    ends = {(f"id of {ROUND[0]}", 0): of_round, (f"id of {ROLLING[0]}", 0): rolling}
    return types.SimpleNamespace(topics={name: f"id of {name}" for name in topics}, object_ends={k: v for k, v in ends.items() if v})


@pytest.mark.parametrize("of_round, rolling", [(5, 5), (7, 6)])
def test_objects_with_all_that_was_acknowledged_pass(load, of_round, rolling):
    load.look_at_catalog(catalog(of_round, rolling))
    assert load.counters["object_ends_checked"] == 2


@pytest.mark.parametrize("of_round, rolling", [(4, 5), (0, 5), (5, 4), (5, 0)])
def test_an_acknowledged_record_in_no_object_is_noticed(load, of_round, rolling):
    with pytest.raises(loads.Broken, match="5 was acknowledged"):
        load.look_at_catalog(catalog(of_round, rolling))


def test_a_topic_that_the_catalog_does_not_have_yet_is_not_judged(load):
    load.look_at_catalog(catalog(4, 5, topics=(ROLLING[0],)))
    assert load.counters["object_ends_checked"] == 1
