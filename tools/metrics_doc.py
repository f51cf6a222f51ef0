#!/usr/bin/env python3
"""Writes docs/metrics.md from what a server answers at /metrics.

usage: tools/metrics_doc.py [--check] [--bin PATH]

Starts a server of its own, in a temporary directory and on free ports. --check writes nothing and
exits 1 if the document is out of date. PATH: build/dev/bin/millrace unless MILLRACE_BIN names
another. tests/e2e/test_metrics_doc.py checks it as well.
"""

import argparse
import os
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/metrics.md"
sys.path.insert(0, str(ROOT / "tests"))

from e2e.server import Server  # noqa: E402
from e2e.web import Client  # noqa: E402

HEAD = """# Metrics

What a server answers at `GET /metrics`, in the text format of Prometheus. A counter starts at 0 with
the process; those of `millrace_cache_` are there with a bucket. Made by `tools/metrics_doc.py`, from a server: run it again after a change of
`src/server/metrics.cc`; do not edit.

| name | type | labels | what it is |
|---|---|---|---|
"""
SAMPLE = re.compile(r"^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? \S+$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def families(text):
    """name → (type, labels as text, help), in the order of the answer."""
    kinds, helps, labels = {}, {}, {}
    for line in text.splitlines():
        if line.startswith("# "):
            _, what, name, rest = line.split(" ", 3)
            {"HELP": helps, "TYPE": kinds}[what][name] = rest
            continue
        match = SAMPLE.match(line)
        if not match:
            raise ValueError(f"not a line of metrics: {line!r}")
        family = re.sub("_(bucket|sum|count)$", "", match[1])
        family = family if kinds.get(family) == "histogram" else match[1]
        of = labels.setdefault(family, {})
        for name, value in LABEL.findall(match[2] or ""):
            if (kinds.get(family), name) != ("histogram", "le"):
                of.setdefault(name, []).append(value)
    if kinds.keys() != helps.keys() or not labels.keys() <= kinds.keys():
        raise ValueError(f"without type or help: {set(kinds) ^ set(helps) | set(labels) - set(kinds)}")
    return {name: (kinds[name], shown(labels.get(name, {})), helps[name]) for name in kinds}


def shown(labels):
    return "; ".join(f"`{name}`: {', '.join(dict.fromkeys(values))}" for name, values in labels.items())


def document(text):
    rows = (f"| `{name}` | {' | '.join(parts)} |\n" for name, parts in families(text).items())
    return HEAD + "".join(rows)


def ask():
    with tempfile.TemporaryDirectory(prefix="millrace-metrics-") as folder:
        # A bucket, for its metrics; nobody answers there, and the server does not mind.
        server = Server(f"{folder}/data", "--bucket", "s3://b", "--bucket-endpoint", "http://127.0.0.1:1")
        try:
            with Client(server.start()) as client:
                return client.get("/metrics").text
        finally:
            server.close()


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether the document is up to date")
    parser.add_argument("--bin", help="the server")
    options = parser.parse_args(arguments)
    if options.bin:
        os.environ["MILLRACE_BIN"] = options.bin
    fresh = document(ask())
    if not options.check:
        DOCUMENT.write_text(fresh)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != fresh:
        print("docs/metrics.md is out of date: run tools/metrics_doc.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
