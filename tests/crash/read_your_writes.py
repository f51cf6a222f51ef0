#!/usr/bin/env python3
"""Read your writes: a row that was acknowledged on one connection is there on another, with its value.

usage: tests/crash/read_your_writes.py --rounds N [--flushes N] [--seed S] [--json FILE] [--bin PATH] [--keep]

One after the other, N times: writes a row, as columns or as line protocol, to one of two tables, and
asks for it by SQL on another connection as soon as the answer is there; it must be there once and with
its values. Writers in the background keep the tables growing, and rows are flushed all the time. Every
250 rounds all rows are counted and two new tables begin, since each flush adds a file that each query
reads. A campaign that saw fewer flushes than --flushes, or none of a kind of
write, fails: it proved nothing.
Exit status: 0 all rows seen, 1 one was not, 2 wrong usage.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from e2e.server import Server  # noqa: E402
from e2e.web import Client  # noqa: E402

FLAGS = ("--tables-flush-age-ms", "100", "--tables-flush-rows", "2000", "--journal-file-bytes", "1MiB",
         "--journal-max-bytes", "64MiB", "--journal-retention-check-ms", "100ms")  # fmt: skip
TABLES = 2  # at a time
BACKGROUND = 2
GENERATION = 250  # rounds
KINDS = ("columns", "lines", "widened", "wide")


class Missing(AssertionError):
    """A row that was acknowledged was not there, or not as it was written."""


class Writer(threading.Thread):
    """Keeps the tables of now growing."""

    def __init__(self, campaign, number):
        super().__init__(daemon=True)
        self.campaign, self.number = campaign, number
        self.rows = collections.Counter()
        self.busy = 0
        self.failure = None
        self.stopping = threading.Event()

    def run(self):
        try:
            with Client(self.campaign.server) as client:
                for i in range(10_000_000):
                    if self.stopping.wait(0.01):  # its share of the machine, not a wait for something
                        return
                    table = self.campaign.tables[i % TABLES]
                    answer = client.post_columns(table, {"id": [-1 - self.number] * 50, "f": [i / 2] * 50})
                    if answer.status == 204:
                        self.rows[table] += 50
                    elif answer.status == 503:
                        self.busy += 1
                    else:
                        raise Missing(f"a background write: {answer.status} {answer.text}")
        except Exception as error:  # noqa: BLE001 - told by finish()
            self.failure = error

    def finish(self):
        self.stopping.set()
        self.join(30)
        if self.failure:
            raise self.failure


class Campaign:
    def __init__(self, server, seed):
        self.server = server
        self.rng = random.Random(seed)
        self.counters = collections.Counter(dict.fromkeys((*KINDS, "rounds", "flushes", "busy", "background_rows"), 0))
        self.written = collections.Counter()
        self.tables = []

    def write(self, client, kind, table, number):
        """What SQL must return as (f, s)."""
        text, value = f"row {number} {self.rng.random()}", self.rng.random()
        if kind == "lines":
            answer = client.lines(f'{table} id={number}i,f={value!r},s="{text}"')
        elif kind == "widened":  # an integer where floats are, beside a column nobody had
            value = float(number)
            answer = client.post_columns(table, {"id": [number], "f": [number], "s": [text], f"c{number % 20}": [True]})
        else:
            rows = 1 if kind == "columns" else 100
            answer = client.post_columns(table, {"id": [number] * rows, "f": [value] * rows, "s": [text] * rows})
        return answer, (value, text, 100 if kind == "wide" else 1)

    def round(self, writer, reader, number):
        kind, table = self.rng.choice(KINDS), self.rng.choice(self.tables)
        answer, (value, text, rows) = self.write(writer, kind, table, number)
        if answer.status == 503:
            self.counters["busy"] += 1
            return
        if answer.status != 204:
            raise Missing(f"write {number} ({kind}): {answer.status} {answer.text}")
        found = reader.rows(f"SELECT f, s, count(*) FROM {table} WHERE id = {number} GROUP BY ALL")
        if found != [(value, text, rows)]:
            raise Missing(f"write {number} ({kind}, {table}) of {(value, text, rows)}: SQL has {found}")
        self.counters[kind] += 1
        self.counters["rounds"] += 1
        self.written[table] += rows

    def begin_tables(self, client, number):
        fresh = [f"t{number}_{i}" for i in range(TABLES)]
        for table in fresh:  # with the columns that all writers agree on
            client.write(table, {"id": [-100], "f": [0.5], "s": ["first"]})
        self.tables = fresh

    def check_counts(self, reader):
        for table in self.tables:
            found = reader.rows(f"SELECT count(*), count(DISTINCT s) FROM {table} WHERE id >= 0")[0]
            if found[0] != self.written[table]:
                raise Missing(f"{table}: {found[0]} rows of {self.written[table]}")

    def run(self, rounds):
        with Client(self.server) as writer, Client(self.server) as reader:
            self.begin_tables(writer, 0)
            background = [Writer(self, number) for number in range(BACKGROUND)]
            for thread in background:
                thread.start()
            try:
                for number in range(rounds):
                    if number % GENERATION == GENERATION - 1:
                        self.check_counts(reader)
                        self.begin_tables(writer, number)
                    self.round(writer, reader, number)
            finally:
                for thread in background:
                    thread.finish()
            self.check_counts(reader)
            totals = sum((thread.rows for thread in background), collections.Counter())
            for table, rows in totals.items():
                found = reader.rows(f"SELECT count(*) FROM {table} WHERE id < 0 AND id > -100")[0][0]
                if found != rows:
                    raise Missing(f"{table}: {found} rows of {rows} of the background")
            self.counters["background_rows"] = totals.total()
            self.counters["flushes"] = int(reader.flushes())


def missing(counters, flushes):
    """What a campaign must have seen to prove anything, and did not."""
    return [name for name in KINDS if not counters[name]] + (["flushes"] if counters["flushes"] < flushes else [])


def run(rounds, seed, data, bin_path=None):
    """(what was broken, counters)"""
    if bin_path:
        os.environ["MILLRACE_BIN"] = str(bin_path)
    server = Server(data, *FLAGS)
    campaign = Campaign(server, seed)
    broken = []
    begun = time.monotonic()
    try:
        server.start()
        campaign.run(rounds)
    except AssertionError as error:
        broken.append(f"{type(error).__name__}: {error}")
    finally:
        server.close()
    campaign.counters["seconds"] = round(time.monotonic() - begun, 1)
    broken += server.sanitizer_reports()
    return broken, dict(campaign.counters)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--flushes", type=int, default=50, help="fewer fail the campaign (50)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    parser.add_argument("--json", type=pathlib.Path, help="file for the counters")
    parser.add_argument("--bin", type=pathlib.Path, help="the server (MILLRACE_BIN)")
    parser.add_argument("--keep", action="store_true", help="keep the data directory")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    data = pathlib.Path(tempfile.mkdtemp(prefix="millrace-rows-"))
    broken, counters = run(options.rounds, options.seed, data / "data", options.bin)
    if not broken:
        broken = [f"too little seen: {name}" for name in missing(counters, options.flushes)]
    counters = {"seed": options.seed, **counters, "broken": broken}
    if options.json:
        options.json.write_text(json.dumps(counters, indent=2) + "\n")
    print(json.dumps(counters))
    if options.keep or broken:
        print(f"data directory: {data}")
    else:
        shutil.rmtree(data)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
