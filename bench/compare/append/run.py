#!/usr/bin/env python3
"""Runs the loops by which Go programs append records to a file beside `millrace bench append`.

usage: bench/compare/append/run.py [--repeats N] [--policy end|none] [--bin FILE] [--dir DIR] [--out FILE]

Builds the Go program beside this file (go 1.19 or newer; Debian: golang-go) into build/bench, then
does N rounds (9). A round runs every Go case once and `millrace bench append --quick` once; odd
rounds begin with Go, even ones with Millrace. Both put records of 128 B x 100,000, 1 KiB x 50,000
and 8 KiB x 10,000 into a file by one thread. With --policy end the time of a run includes the last
flush and one sync, each side's usual one: fsync in Go (msync for mapped), fdatasync in Millrace; both
make the records and the size of the file durable. With --policy none nothing is synced.

Each run is a JSON line in build/bench/append.jsonl (--out), which begins anew. When all rounds are
done, a markdown table for each size of records goes to standard output: median and range of MB/s
(2^20 bytes of records), and the best rows of each side with two ratios, of their medians and by
round. The best rows are chosen by their medians. Millrace's are only those of its own methods
(page_cache, direct, io_uring): its write, buffered, page_aligned and mapped are the loops of other
programs, shown to tell the language from the loop. A Go file is always fresh; Millrace also writes
files that are reserved (room is made within the measured time) and recycled (written over).

Files go into a new folder in DIR (build/bench), which is removed at the end. Nothing else should use
the machine or the disk. Ctrl-C ends it: no table, and the lines of the runs that ended are kept.
Exit status: 0 done, 1 failed (the reason is on standard error), 2 wrong usage, 130 interrupted.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CASES = {128: 100_000, 1024: 50_000, 8192: 10_000}  # bytes of a record: how many
BUFFERS = (4096, 8192, 16384, 65536)
GO_METHODS = (
    [("write", 0)] + [(method, size) for method in ("buffered", "page_aligned") for size in BUFFERS] + [("mapped", 0)]
)
LOOPS_OF_OTHERS = ("write", "buffered", "page_aligned", "mapped")
OWN_METHODS = ("page_cache", "direct", "io_uring")
POLICIES = {"end": "one sync at the end", "none": "never synced"}


class Failure(Exception):
    """Ends the program; the message says what failed and what to do."""


class Row(NamedTuple):
    """One line of a table: what is the same in every round."""

    record_bytes: int
    program: str  # Go or Millrace
    method: str
    buffer_bytes: int
    file: str  # fresh, reserved or recycled

    def label(self):
        return f"{self.program} {self.method}" + (f" {size_text(self.buffer_bytes)}" if self.buffer_bytes else "")

    def place(self):
        return f"{self.label()} ({self.file} file, records of {size_text(self.record_bytes)})"


def size_text(size):
    for unit, bytes_of_unit in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= bytes_of_unit and size % bytes_of_unit == 0:
            return f"{size // bytes_of_unit} {unit}"
    return f"{size} B"


class Progress:
    """One line on standard error that is written over; nothing when that is no terminal."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.done = 0
        self.started = self.round_started = time.monotonic()
        self.is_shown = sys.stderr.isatty()

    def show(self, what):
        if not self.is_shown:
            return
        left = ""
        if self.done:
            for_a_round = (self.round_started - self.started) / self.done
            left_at_its_start = for_a_round * (self.rounds - self.done)
            seconds = max(0, round(left_at_its_start - (time.monotonic() - self.round_started)))
            left = f", about {seconds // 60}:{seconds % 60:02} left"
        sys.stderr.write(f"\r\033[Kround {self.done + 1} of {self.rounds}: {what}{left}")
        sys.stderr.flush()

    def end_round(self):
        self.done += 1
        self.round_started = time.monotonic()

    def clear(self):
        if self.is_shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def output_of(command, what, **options):
    """Runs a command and returns its standard output; it has ended when this returns or raises."""
    try:
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
    except OSError as error:
        raise Failure(f"{what} did not start: {error}") from None
    try:
        output, errors = child.communicate()
    except BaseException:
        child.terminate()  # both programs then remove their files
        try:
            child.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        raise
    if child.returncode in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    if child.returncode != 0:
        said = errors.strip() or "and said nothing"
        raise Failure(f"{what} ended with status {child.returncode}: {said}")
    return output


def build_go(program):
    go = shutil.which("go")
    if not go:
        raise Failure("no `go` in PATH: install Go 1.19 or newer (Debian: apt-get install golang-go)")
    program.parent.mkdir(parents=True, exist_ok=True)
    output_of([go, "build", "-buildvcs=false", "-o", program, "."], "go build", cwd=HERE)
    return output_of([go, "env", "GOVERSION"], "go env", cwd=HERE).strip()


def file_system(folder):
    """The type of the file system that holds the folder, as the kernel names it."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "file system unknown"


def go_runs(program, folder, policy, progress):
    """One run of each Go case: (row, line) in order."""
    total = len(CASES) * len(GO_METHODS)
    cases = [(record, *method) for record in CASES for method in GO_METHODS]
    for number, (record, method, buffer) in enumerate(cases, start=1):
        row = Row(record, "Go", method, buffer, "fresh")
        progress.show(f"Go, {number} of {total}")
        command = [program, "-method", method, "-buffer", buffer, "-record", record]
        command += ["-records", CASES[record], "-dir", folder, "-sync", policy]
        output = output_of(command, row.place())
        yield row, json_line(output, row.place())


def millrace_runs(program, folder, policy, progress):
    """One run of each case that Millrace has: (row or None, line); None is for a case Go has not."""
    progress.show("Millrace")
    command = [program, "bench", "append", "--quick", "--repeats", 1, "--policy", policy, "--json"]
    command += ["--dir", folder]
    for method in LOOPS_OF_OTHERS + OWN_METHODS:
        command += ["--method", method]
    what = "millrace bench append"
    for text in output_of(command, what).splitlines():
        line = json_line(text, what)
        if "method" in line:
            yield row_of(line, policy), line


def row_of(line, policy):
    """The row of a line of Millrace; None if it is of another case than those of Go."""
    is_ours = (
        line["threads"] == 1
        and line["batch_bytes"] == 0
        and line["policy"] == policy
        and CASES.get(line["record_bytes"]) == line["records"]
    )
    if not is_ours:
        return None
    return Row(line["record_bytes"], "Millrace", line["method"], line["buffer_bytes"], line["file"])


def json_line(text, what):
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        raise Failure(f"{what} printed no JSON line but {text.strip()[:200]!r}: is it of this tree? build it anew")
    return line


def run_round(number, sides, out):
    """Runs both sides once; returns {row: MB/s}."""
    speeds = {}
    for side in sides if number % 2 else reversed(sides):
        for row, line in side():
            program = row.program if row else "Millrace"
            out.write(json.dumps({"round": number, "program": program.lower(), **line}) + "\n")
            out.flush()
            if row is None:
                continue
            if row in speeds:
                raise Failure(f"two results of {row.place()} in a round: run.py must learn to tell them apart")
            speeds[row] = line["megabytes_per_second"]
    return speeds


def check_rows(speeds, first):
    """Every round must have the same rows, or medians would be of different rounds."""
    for row in speeds.keys() ^ first.keys():
        raise Failure(f"{row.place()} is not in every round: run it again")
    for record in CASES:
        if not any(r.record_bytes == record and r.method in OWN_METHODS and r.file == "fresh" for r in speeds):
            raise Failure(f"millrace bench append has no result for records of {record} B: build it anew, or see --bin")


def best_of(rounds, rows):
    return max(rows, key=lambda row: statistics.median(speeds[row] for speeds in rounds))


def table(rounds, record, policy):
    """The markdown of one size of records."""
    rows = [row for row in rounds[0] if row.record_bytes == record]
    rows.sort(key=lambda row: row.program)  # stable: the order of each program stays
    medians = {row: statistics.median(speeds[row] for speeds in rounds) for row in rows}
    yield f"### {size_text(record)} x {CASES[record]:,}, {POLICIES[policy]}"
    yield ""
    yield "| program | method | buffer | file | median MB/s | range |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        values = [speeds[row] for speeds in rounds]
        buffer = size_text(row.buffer_bytes) if row.buffer_bytes else "-"
        measured = f"{medians[row]:.0f} | {min(values):.0f} to {max(values):.0f}"
        yield f"| {row.program} | {row.method} | {buffer} | {row.file} | {measured} |"
    yield ""
    own = [row for row in rows if row.program == "Millrace" and row.method in OWN_METHODS]
    go = best_of(rounds, [row for row in rows if row.program == "Go"])
    yield f"- best Go row: {go.label()}, {medians[go]:.0f} MB/s"
    for where, candidates in (("a fresh file", [row for row in own if row.file == "fresh"]), ("any file", own)):
        best = best_of(rounds, candidates)
        ratios = [speeds[best] / speeds[go] for speeds in rounds]
        yield (
            f"- best Millrace row on {where}: {best.label()}, {best.file}, {medians[best]:.0f} MB/s: "
            f"{medians[best] / medians[go]:.2f} times the best Go row by the medians; "
            f"by round {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    yield ""


def measure(options):
    """Runs all rounds and returns the report."""
    if not os.access(options.bin, os.X_OK) or options.bin.is_dir():
        raise Failure(f"no program {options.bin}: run `make build` first, or name one with --bin")
    if not options.dir.is_dir():
        raise Failure(f"--dir {options.dir}: no such folder; make it, or name another")
    program = ROOT / "build/bench/append_go"
    go_version = build_go(program)
    version = output_of([options.bin, "--version"], "millrace --version").strip()
    progress = Progress(options.repeats)
    rounds = []
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="append-", dir=options.dir)
        stack.callback(shutil.rmtree, folder)
        stack.callback(progress.clear)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        out = stack.enter_context(options.out.open("w"))
        sides = (
            lambda: go_runs(program, folder, options.policy, progress),
            lambda: millrace_runs(options.bin, folder, options.policy, progress),
        )
        for number in range(1, options.repeats + 1):
            speeds = run_round(number, sides, out)
            check_rows(speeds, rounds[0] if rounds else speeds)
            rounds.append(speeds)
            progress.end_round()
        where = file_system(folder)
    title = f"{go_version} and {version}, rounds: {options.repeats}, {POLICIES[options.policy]}, "
    title += f"{os.cpu_count()} CPUs, Linux {platform.release()}, {where}"
    return [title, ""] + [line for record in CASES for line in table(rounds, record, options.policy)]


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, at least 1")
    return int(text)


def main(arguments):
    described = argparse.RawDescriptionHelpFormatter
    description, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=details.partition("\n\n")[2], formatter_class=described
    )
    parser.add_argument("--repeats", type=positive, default=9, metavar="N", help="rounds, at least 1 (9)")
    parser.add_argument("--policy", choices=POLICIES, default="end", help="one sync at the end, or none (end)")
    path = pathlib.Path
    binary, lines = ROOT / "build/release/bin/millrace", ROOT / "build/bench/append.jsonl"
    parser.add_argument("--bin", type=path, default=binary, metavar="FILE", help="(build/release/bin/millrace)")
    parser.add_argument("--dir", type=path, metavar="DIR", help="a folder on the disk to measure (build/bench)")
    parser.add_argument("--out", type=path, default=lines, metavar="FILE", help="(build/bench/append.jsonl)")
    options = parser.parse_args(arguments)
    options.bin = options.bin.absolute()  # a name without a slash is a file here, not one in PATH
    if options.dir is None:
        options.dir = ROOT / "build/bench"
        options.dir.mkdir(parents=True, exist_ok=True)

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        report = measure(options)
    except KeyboardInterrupt:
        print("run.py: interrupted: no table; its files are removed", file=sys.stderr)
        return 130
    except (Failure, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    print("\n".join(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
