"""The wall clock jumps under a server, either way and by years: nothing is lost, late or twice."""

import struct
import time

import pytest

from . import wire
from .server import binary, wait_for
from .web import Client
from .wire import Connection

DAY_S = 24 * 3600
JUMPS = {"-1 day": -DAY_S, "+1 day": DAY_S, "-5 years": -1825 * DAY_S, "+5 years": 1825 * DAY_S, "1966": -21900 * DAY_S, "2126": 36500 * DAY_S}
jumps = pytest.mark.parametrize("by", JUMPS.values(), ids=JUMPS.keys())


class Shifted:
    """A server whose wall clock is the machine's plus what a file says; its steady clock is the machine's."""

    def __init__(self, new_server, tmp_path):
        self.file = (tmp_path / "shift").open("w+b", buffering=0)
        self.jump(0)
        self.server = new_server(
            *("--tables-flush-age-ms", "200ms", "--journal-file-bytes", "1MiB", "--journal-retention-check-ms", "100ms"),
            LD_PRELOAD=str(binary().parent / "libclock_shift.so"),
            CLOCK_SHIFT_FILE=self.file.name,
        ).start()
        self.values = []
        self.batch_ids = []
        with Connection(self.server.port) as kafka:
            assert kafka.create_topic("kept", configs={"retention.ms": "-1"}) == (0, None)

    def jump(self, seconds):
        """From the machine's time; see tests/fault/clock_shift.cc."""
        self.file.seek(0)
        self.file.write(struct.pack("=q", seconds * 10**9))

    def offset_s(self):
        """The server's wall clock less ours, by the time of a row that names none."""
        with Client(self.server) as client:
            client.write("clock", {"n": [time.monotonic_ns()]})
            return client.rows("SELECT epoch(max_by(time, n)) FROM clock")[0][0] - time.time()

    def write(self):
        """A row and a record; both are there at once."""
        n = len(self.values)
        self.batch_ids.append(f"batch {n}")
        self.values.append(b"value %d" % n)
        with Client(self.server) as client, Connection(self.server.port) as kafka:
            self.send_row(client, n)
            assert client.rows("SELECT n FROM t ORDER BY n") == [(i,) for i in range(n + 1)]
            produced = kafka.produce("kept", wire.batch_of(self.values[n]))
            assert (produced.error, produced.base_offset) == (wire.NONE, n)

    def send_row(self, client, n):
        client.write("t", {"n": [n], "time": [1_700_000_000 + n]}, x_millrace_batch_id=self.batch_ids[n])

    def check(self):
        """Everything once, also after each write was sent again under its id."""
        with Client(self.server) as client, Connection(self.server.port) as kafka:
            for n in range(len(self.values)):
                self.send_row(client, n)
            assert client.rows("SELECT n, epoch(time)::BIGINT FROM t ORDER BY n") == [(n, 1_700_000_000 + n) for n in range(len(self.values))]
            assert kafka.fetch_all("kept") == list(enumerate(self.values))

    def flushed(self):
        """Rows become files by their age, which is not the wall's."""

        def is_in_files():
            with Client(self.server) as client:
                return client.table("t")["hot_rows"] == 0

        wait_for("rows to become files by age", is_in_files)
        return self


@pytest.fixture
def shifted(new_server, tmp_path):
    return Shifted(new_server, tmp_path)


@jumps
def test_jump_while_it_runs_and_back(shifted, by):
    shifted.write()
    shifted.jump(by)
    assert shifted.offset_s() == pytest.approx(by, abs=60)
    shifted.write()
    shifted.flushed().check()
    shifted.jump(0)
    shifted.write()
    shifted.flushed().check()


@pytest.mark.parametrize("how", ["kill", "terminate"])
@jumps
def test_jump_between_two_starts(shifted, by, how):
    for shift in (0, by, 0):
        shifted.jump(shift)
        shifted.write()
        if how == "kill":
            shifted.server.kill()
        else:
            assert shifted.server.terminate() == 0
        shifted.server.start()
        shifted.check()


@jumps
def test_waits_are_not_the_walls(shifted, by):
    with Connection(shifted.server.port) as kafka:
        began = time.monotonic()
        asked = kafka.send_fetch("kept", 0, wait_ms=400)
        shifted.jump(by)
        answer = kafka.receive_fetched(asked)
        assert (answer.error, list(answer.values())) == (wire.NONE, [])
        assert time.monotonic() - began >= 0.4
        shifted.write()
        shifted.check()
