"""SQL sees a row as soon as its write was acknowledged: the short form, and proofs that it can fail.

tools/soak.py runs the long one, 10,000 rounds."""

import collections
import json
import subprocess
import sys

import pytest
from crash import read_your_writes as campaign

from .server import ROOT
from .web import Client

ROUNDS = 1000
FLUSHES = 20


def test_a_thousand_rows_one_after_the_other(tmp_path):
    broken, counters = campaign.run(ROUNDS, 20_261, tmp_path / "data")
    assert broken == [], "\n".join(broken)
    assert counters["rounds"] + counters["busy"] == ROUNDS
    assert campaign.missing(counters, FLUSHES) == [], counters


class Late(Client):
    """A server that forgets a row: what was acknowledged as number 7 is not there."""

    def rows(self, sql):
        return [] if "id = 7 " in sql else super().rows(sql)


class Changed(Client):
    """A server that changes a value a little."""

    def rows(self, sql):
        return [(f + 1e-12, s, n) for f, s, n in super().rows(sql)] if "id = 7 " in sql else super().rows(sql)


class Doubled(Client):
    """A server that stores row 7 twice."""

    def rows(self, sql):
        return [(f, s, 2 * n) for f, s, n in super().rows(sql)] if "id = 7 " in sql else super().rows(sql)


class Miscounted(Client):
    """A server that loses a row later."""

    def rows(self, sql):
        rows = super().rows(sql)
        return [(rows[0][0] - 1, rows[0][1])] if "count(DISTINCT s)" in sql else rows


@pytest.mark.parametrize("client", [Late, Changed, Doubled, Miscounted])
def test_a_server_that_breaks_the_promise_is_noticed(tmp_path, monkeypatch, client):
    monkeypatch.setattr(campaign, "Client", client)
    broken, _ = campaign.run(10, 1, tmp_path / "data")
    assert len(broken) == 1 and broken[0].startswith("Missing: "), broken


def test_a_campaign_that_saw_too_little_fails(tmp_path):
    counters = collections.Counter({**dict.fromkeys(campaign.KINDS, 1), "flushes": 50})
    assert campaign.missing(counters, 50) == []
    assert campaign.missing({**counters, "wide": 0, "flushes": 49}, 50) == ["wide", "flushes"]
    out = tmp_path / "counters.json"
    command = [sys.executable, ROOT / "tests/crash/read_your_writes.py", "--rounds", "5", "--flushes", "1000", "--json", out]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1, result.stderr
    assert "too little seen: flushes" in json.loads(out.read_text())["broken"]
    assert subprocess.run([*command[:2], "--rounds", "0"], capture_output=True, check=False).returncode == 2
