"""What crash campaigns have in common: the lives of a server under load, judgement, the command line."""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import tempfile
import time
import traceback

from e2e import journal, web, wire
from e2e.server import NotReady, Server, run as run_verb, wait_for

from .client import Client
from .http_load import AgainLoad, HttpLoad
from .lives import Lives
from .load import KEPT_BYTES, Broken, ChurnLoad, IntervalLoad, KafkaLoad, ObjectLoad
from .table_files import Catalog

FLAGS = ("--journal-file-bytes", "1MiB", "--journal-max-bytes", "512MiB", "--journal-retention-check-ms", "100ms",
         "--tables-flush-age-ms", "200ms", "--tables-flush-rows", "500",
         "--segment-bytes", "256KiB", "--segment-age-ms", "300ms", "--object-linger-ms", "20ms",
         "--query-threads", "1")  # fmt: skip  # many small files are read much sooner by one thread
LEAN_FILES = 8  # of the journal that may stay when everything in it may go
TABLE_COUNTERS = ("flushes", "catalog_commits", "http_acknowledged", "http_unknown", "http_settled", "tables_deleted",
                  "rows_read", "entries_read", "rows_read_from_files", "lean_rounds")  # fmt: skip
INTERVAL_COUNTERS = ("interval_acknowledged", "interval_gaps")
OBJECT_COUNTERS = ("object_acknowledged", "object_unknown", "object_expired", "object_ends_checked")
SEGMENT_COUNTERS = ("segments_written", "segments_expired")
SWEPT = re.compile(r"(\d+) objects? that nothing needs any more removed")
REWRITTEN = re.compile(r"since its checkpoint, the last (\d+) synced again")


class Campaign:
    """One data directory, the processes that serve it one after the other, and what was promised."""

    NAME = ""  # of the program
    REQUIRED = ()  # counters of which none may be 0
    REQUIRED_FROM = 10  # rounds; fewer are a part of a campaign, and chance may leave something out
    QUEUED = 400  # records of one connection without an answer
    LOADS = (HttpLoad, AgainLoad, KafkaLoad, IntervalLoad, ObjectLoad, ChurnLoad)  # in this order they are read back

    def __init__(self, data, seed):
        self.rng = random.Random(seed)
        self.server = Server(data, *FLAGS)
        self.counters = collections.Counter({name: 0 for name in (*self.REQUIRED, "torn_tails", "runs_written_again")})
        self.server_lives = Lives()
        self.loads = [kind(self) for kind in self.LOADS]
        self.interval_load = next(load for load in self.loads if isinstance(load, IntervalLoad))
        self.lives = self.looks = 0
        self.running = []  # of each load that writes, with its threads
        self.start_s = 0.1
        self.is_lean = False  # nothing is kept for long: rows are soon in files alone
        self.metrics = {}  # of this life, when they were looked at last
        self.broker_run = None  # that the broker's part of the catalog rests on

    # --- what a campaign is --------------------------------------------------------------------

    def run_round(self, number):
        raise NotImplementedError

    def finish(self, is_whole):
        """A last look. `is_whole`: the campaign is long enough to need all its counters."""
        raise NotImplementedError

    def close(self):
        self.server.close()

    def remove(self, directory, keep):
        """After close(): what is left on the machine."""
        if keep:
            print(f"{self.NAME}: the directory is {directory}")
        else:
            shutil.rmtree(directory)

    # --- the server's lives --------------------------------------------------------------------

    def is_running(self):
        return bool(self.server.processes) and self.server.process.is_running()

    def start(self):
        self.look_at_catalog()
        begun = time.monotonic()
        self.server.start()
        self.server_lives.begin()
        self.start_s = time.monotonic() - begun

    def look_at_catalog(self):
        """As the last end left it. A commit of the broker shows in its place; each flush is one as well."""
        if (self.server.data / "catalog.db").exists():
            catalog = Catalog(self.server.data)
            for load in self.loads:
                load.look_at_catalog(catalog)
            run = catalog.runs.get("broker")
            self.counters["catalog_commits"] += run != self.broker_run
            self.broker_run = run

    def observe(self):
        """What the server counts: as much of it as is known should it end at once."""
        with Client(self.server.http_port) as client:
            self.metrics = client.metrics()

    def account(self):
        """What the process that ended told of itself."""
        flushes = int(self.metrics.get("millrace_table_flushes_total", 0))
        self.counters["flushes"] += flushes
        self.counters["catalog_commits"] += flushes
        for name in ("segments_written", "segments_expired"):
            self.counters[name] += int(self.metrics.get(f"millrace_{name}_total", 0))
        self.metrics = {}
        log = self.server.process.text()
        self.counters["torn_tails"] += log.count("torn tail cut")
        self.counters["segments_swept"] += sum(map(int, SWEPT.findall(log)))
        self.counters["runs_written_again"] += sum(map(int, REWRITTEN.findall(log)))

    def kill(self, worked_until=None):
        """`worked_until`: a moment when its disk still did (now)."""
        self.server_lives.end(worked_until or time.monotonic())
        self.server.kill()
        self.account()
        self.counters["kills"] += 1

    def stop(self):
        status = self.server.terminate()
        self.account()
        if status != 0:
            raise Broken(f"a clean stop ended with status {status}")
        self.server_lives.end(time.monotonic(), is_clean=True)
        self.counters["clean_stops"] += 1

    # --- load and judgement --------------------------------------------------------------------

    def prepare(self, number):
        for load in self.loads:
            load.prepare(number)

    def write(self, seconds, end=None, large=0.04, loads=None):
        """Load (all there is) for a random time, ended by `end()`, which ends the server, or in good order."""
        self.lives += 1
        self.running = [(load, load.threads(self.lives, large)) for load in loads or self.loads]
        threads = [thread for _, some in self.running for thread in some]
        for thread in threads:
            thread.start()
        wait_for("an acknowledgement on each connection", lambda: all(t.has_begun() for t in threads), 30)
        time.sleep(self.rng.uniform(*seconds))  # a random moment is the point
        self.observe()
        if end:
            end()
        for thread in threads:
            thread.finish(is_server_gone=end is not None)
        for load, some in self.running:
            load.collect(some, is_server_gone=end is not None)

    def verify(self):
        for load in self.loads:
            load.verify()
        if self.is_lean:
            try:
                wait_for("files of the journal to be freed", lambda: len(journal.files(self.server.data)) <= LEAN_FILES)
            except AssertionError as error:
                if (unwanted := self.files_below_retention()) > LEAN_FILES // 2:
                    raise Broken(f"{error}: {unwanted} that no retention wants; {self.holders()}") from None
            self.counters["lean_rounds"] += 1
        self.observe()

    def files_below_retention(self):
        """Files that no topic's retention.bytes wants: of a topic little of which was written lately, it wants many."""
        sizes = collections.defaultdict(collections.Counter)  # file → (topic, partition) → bytes
        dump = run_verb("dump", "--json", self.server.data / "journal", timeout=60)
        for line in map(json.loads, dump.stdout.splitlines()):
            if line["type"] == "run":
                file = line["file"]
            elif line["type"] == "batch" and line.get("topic") in KEPT_BYTES:
                sizes[file][line["topic"], line["partition"]] += line["bytes"]
        wanted, later = max(sizes, default=0), collections.Counter()
        for file in sorted(sizes, reverse=True):
            if any(later[place] < KEPT_BYTES[place[0]] for place in sizes[file]):
                wanted = file
            later.update(sizes[file])
        return sum(file < wanted for file in journal.files(self.server.data))

    def holders(self):
        """What may keep files of the journal."""
        with web.Client(self.server) as client:
            tables = [table for table in client.get("/api/v1/tables").json["tables"] if table["hot_rows"] or table["damage"]]
            metrics = {name: value for name, value in client.metrics().items() if "journal" in name or "flush" in name}
        return f"files {list(journal.files(self.server.data))}; tables {tables}; {metrics}"

    def stop_and_look(self, after_stop=lambda: None):
        """A clean stop with all rows in files; those are read without the server. It runs before and does not afterwards."""
        for load in self.loads:
            load.flush()
        for load in self.loads:
            load.check()
        self.observe()
        self.stop()
        after_stop()
        catalog = Catalog(self.server.data)
        self.counters["files_read"] += catalog.check_names()
        for load in self.loads:
            load.verify_files(catalog)

    def tidy(self, keep):
        for load in self.loads:
            load.tidy(keep)

    def freeing_mark(self):
        """Grows; what was freed at a lower mark is freed for good. Each look is one more without power cuts."""
        self.looks += 1
        return self.looks

    def check_topics(self, present, absent):
        """`present`: name → partitions."""
        with wire.Connection(self.server.port) as connection:
            known = {name: partitions for name, (_, partitions) in connection.topics().items()}
        wrong = {name: known.get(name) for name, partitions in present.items() if known.get(name) != partitions}
        risen = absent & known.keys()
        if wrong or risen:
            raise Broken(f"topics with wrong partitions, or none if lost: {wrong}; risen again: {sorted(risen)}")


def missing(campaign, counters):
    return [name for name in campaign.REQUIRED if not counters[name]]


def run(campaign, rounds, say=print, is_interrupted=lambda: False):
    """Violations and counters of a whole campaign, which is closed afterwards."""
    violations = []
    begun = time.monotonic()
    try:
        for number in range(1, rounds + 1):
            if is_interrupted():
                raise KeyboardInterrupt
            campaign.run_round(number)
            campaign.counters["rounds"] += 1
            if number % 10 == 0:
                told = f"round {number} of {rounds}, {time.monotonic() - begun:.0f} s: {dict(campaign.counters)}"
                say(f"{campaign.NAME}: {told}")
        campaign.finish(is_whole=rounds >= campaign.REQUIRED_FROM)
    except (NotReady, AssertionError, wire.Closed, OSError) as error:  # Broken is an AssertionError
        violations.append(f"round {campaign.counters['rounds'] + 1}: {type(error).__name__}: {error}")
        violations.append(campaign.server.report())
    finally:
        campaign.close()
        violations += campaign.server.sanitizer_reports()
    if not violations and rounds >= campaign.REQUIRED_FROM:
        lacking = missing(campaign, campaign.counters)
        violations += [f"{name} is 0: the campaign proves nothing about it" for name in lacking]
    return violations, dict(campaign.counters)


def main(kind, description, arguments, plants=()):
    """The command line of a campaign class: its exit status. kind(directory, seed[, plant])."""
    try:
        return _main(kind, description, arguments, plants)
    except Exception:  # not 1: a campaign that does not work has noticed nothing
        traceback.print_exc()
        return 2


def _main(kind, description, arguments, plants):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seed", type=int, help="by chance, and printed")
    parser.add_argument("--json", type=pathlib.Path, help="file for the counters")
    parser.add_argument("--bin", type=pathlib.Path, help="server to test (MILLRACE_BIN, or build/dev/bin/millrace)")
    parser.add_argument("--keep", action="store_true", help="leave the directory")
    if plants:
        parser.add_argument("--plant", choices=plants, help="a fault put in on purpose, which must be noticed")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    if options.bin:
        os.environ["MILLRACE_BIN"] = str(options.bin.resolve())
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 2**31)
    print(f"{kind.NAME}: {options.rounds} rounds, seed {seed}", flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"millrace-{kind.NAME}-"))
    given = {"plant": options.plant} if plants else {}
    interrupts = []

    def interrupt(number, _):
        interrupts.append(number)  # Python drops an exception that is raised in a finalizer or a callback
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        campaign = kind(directory, seed, **given)
        violations, counters = run(campaign, options.rounds, lambda text: print(text, flush=True), lambda: bool(interrupts))
    except BaseException:
        shutil.rmtree(directory)
        raise
    if options.json:
        options.json.write_text(json.dumps({"seed": seed, **counters}, indent=2) + "\n")
    for violation in violations:
        print(f"{kind.NAME}: {violation}")
    print(f"{kind.NAME}: {'BROKEN' if violations else 'ok'} (seed {seed}): {counters}")
    campaign.remove(directory, keep=bool(violations) or options.keep)
    return 1 if violations else 0
