#!/usr/bin/env python3
"""Runs the long forms of the tests and writes build/soak/report.json.

usage: tools/soak.py [--only NAME ...] [--scale F] [--seed N] [--list] [--no-build]

The table CAMPAIGNS says what runs. A campaign must end with status 0. A plant is a campaign with a
fault put in on purpose, in its short form: it must be noticed, that is, end with status 1 (another
status is a crash or wrong usage, and proves nothing). Each program writes its counters as JSON; they
go into the report as they are. The report is written anew after each part, so an interrupted soak
keeps what it did. Exit status 0 only if every part ended as it must.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build/soak"


@dataclasses.dataclass(frozen=True)
class Campaign:
    name: str
    command: str  # {n} schedules, {seed}, {json}: the file for its counters, {python}: this one
    schedules: int  # at --scale 1
    short: int  # with a plant: as many as CI runs
    plants: tuple[str, ...] = ()


CAMPAIGNS = [
    Campaign(
        name="journal_model",
        command="build/release/bin/journal_model_test --schedules {n} --seed {seed} --json {json}",
        schedules=50_000,
        short=2_000,
        plants=("journal", "directory"),
    ),
    Campaign(
        name="catalog_model",
        command="build/release/bin/catalog_model_test --schedules {n} --seed {seed} --json {json}",
        schedules=50_000,
        short=600,
        plants=("catalog", "directory"),
    ),
    Campaign(
        name="history_model",
        command="build/release/bin/history_model_test --schedules {n} --seed {seed} --json {json}",
        schedules=50_000,
        short=2_000,
        plants=("journal", "catalog", "objects"),
    ),
    Campaign(
        name="kill9",
        command="{python} tests/crash/kill9.py --bin build/release/bin/millrace --rounds {n} --seed {seed} --json {json}",
        schedules=200,
        short=20,
    ),
    Campaign(
        name="powercut",
        command="{python} tests/crash/powercut.py --bin build/release/bin/millrace --rounds {n} --seed {seed} --json {json}",
        schedules=200,
        short=20,
        plants=("journal", "catalog", "parquet", "directory"),
    ),
    Campaign(
        name="steps",
        command="{python} tests/crash/steps.py --bin build/release/bin/millrace --rounds {n} --seed {seed} --json {json}",
        schedules=10,
        short=1,
        plants=("journal", "catalog", "parquet", "directory"),
    ),
    Campaign(
        name="read_your_writes",
        command="{python} tests/crash/read_your_writes.py --rounds {n} --seed {seed} --json {json}"
        " --bin build/release/bin/millrace",
        schedules=10_000,
        short=1_000,
    ),
]


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    command: str
    schedules: int
    must: int  # the status it has to end with


def parts(campaigns, scale):
    """What runs, in order: each campaign, then its plants."""
    for campaign in campaigns:
        yield Part(campaign.name, campaign.command, max(1, round(campaign.schedules * scale)), must=0)
        for plant in campaign.plants:
            yield Part(f"{campaign.name}.plant.{plant}", f"{campaign.command} --plant {plant}", campaign.short, must=1)


def git(*arguments):
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip()


def filled(command, values):
    return shlex.split(command.format(**{name: shlex.quote(str(value)) for name, value in values.items()}))


def run(part, seed, out=OUT, root=ROOT, heartbeat=60):
    """Runs one part; its output goes to a file beside the report. Returns its entry in the report."""
    counters_file = out / f"{part.name}.json"
    counters_file.unlink(missing_ok=True)
    log = out / f"{part.name}.log"
    values = {"n": part.schedules, "seed": seed, "json": counters_file, "python": sys.executable}
    command = filled(part.command, values)
    told = filled(part.command, values | {"json": counters_file.relative_to(root), "python": "python3"})  # of no machine
    entry = {"name": part.name, "command": shlex.join(told), "schedules": part.schedules, "seed": seed}
    print(f"soak: {part.name}: {entry['command']}", flush=True)
    started = time.monotonic()
    try:
        with log.open("wb") as output:
            child = subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            try:
                while True:
                    try:
                        entry["status"] = child.wait(timeout=heartbeat)
                        break
                    except subprocess.TimeoutExpired:
                        print(f"soak: {part.name}: {time.monotonic() - started:.0f} s", flush=True)
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
    except OSError as error:
        entry["status"] = None
        entry["error"] = str(error)
    entry["hours"] = round((time.monotonic() - started) / 3600, 4)
    try:
        entry["counters"] = json.loads(counters_file.read_text())
    except (OSError, ValueError) as error:
        entry["counters"] = None
        if part.must == 0:
            entry.setdefault("error", f"no counters: {error}")
    entry["ok"] = entry["status"] == part.must and "error" not in entry
    if not entry["ok"]:
        print(f"soak: {part.name}: status {entry['status']}, must be {part.must}: {entry.get('error', log)}")
    print(f"soak: {part.name}: {'ok' if entry['ok'] else 'FAILED'}, {entry['hours']:.2f} h", flush=True)
    return entry


def write(report, path):
    """Writes the whole report, or leaves the one before."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(report, indent=2) + "\n")
    os.replace(fresh, path)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="this campaign (may be given again)")
    parser.add_argument("--scale", type=float, default=1.0, help="times the schedules of each campaign (1.0)")
    parser.add_argument("--seed", type=int, help="first seed (by chance, and printed)")
    parser.add_argument("--list", action="store_true", help="say what would run")
    parser.add_argument("--no-build", action="store_true", help="take build/release as it is")
    options = parser.parse_args(arguments)

    unknown = set(options.only or []) - {c.name for c in CAMPAIGNS}
    if unknown:
        parser.error(f"no campaign {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in CAMPAIGNS)}")
    if options.scale <= 0:
        parser.error(f"--scale {options.scale}: must be more than 0")
    chosen = [c for c in CAMPAIGNS if not options.only or c.name in options.only]
    todo = list(parts(chosen, options.scale))
    if options.list:
        for part in todo:
            print(f"{part.name}: {part.schedules} schedules, must end with status {part.must}")
        return 0
    if not options.no_build:
        subprocess.run(["make", "--no-print-directory", "tree-release"], cwd=ROOT, check=True)

    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 2**31)
    OUT.mkdir(parents=True, exist_ok=True)
    report = {
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain")),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "scale": options.scale,
        "seed": seed,
        "schedules": 0,
        "hours": 0.0,
        "complete": False,
        "ok": False,
        "parts": [],
    }
    for part in todo:
        entry = run(part, seed)
        report["parts"].append(entry)
        report["schedules"] += part.schedules if entry["ok"] and part.must == 0 else 0
        report["hours"] = round(report["hours"] + entry["hours"], 4)
        report["complete"] = len(report["parts"]) == len(todo)
        report["ok"] = report["complete"] and all(e["ok"] for e in report["parts"])
        write(report, OUT / "report.json")
    print(f"soak: {'ok' if report['ok'] else 'FAILED'}: {OUT.relative_to(ROOT)}/report.json (seed {seed})")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
