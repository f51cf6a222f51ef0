#!/usr/bin/env python3
"""Says how much of each decoder its fuzz target reaches, and fails where that is too little.

usage: tools/fuzz_coverage.py [NAME ...]      (all targets)

Runs every target of the coverage tree once over its seeds (tests/fuzz/corpus/NAME) and over what
tools/fuzz.sh has learned (build/fuzz/NAME/corpus), and prints the lines reached of each file in
DECODERS. Over a decoder's files together that must be FLOOR per cent. `make fuzz` builds the tree.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build/coverage/bin"
OUT = ROOT / "build/coverage/fuzz"
FLOOR = 85.0

# What reads bytes from outside. A file that writes as well is here if the target also writes.
DECODERS = {
    "cached_block": ["src/objects/cached_block.cc"],
    "codec": ["src/bytes/codec*.cc"],
    "frames": ["src/tables/entry.cc", "src/tables/schema_frame.cc", "src/tables/database_frame.cc", "src/broker/topic.cc"],
    "http": ["src/net/http_parser.cc", "src/net/http_head.cc", "src/net/http_body.cc"],
    "influxql": ["src/http/influxql.cc"],
    "journal": ["src/journal/format.cc", "src/journal/index_file.cc", "src/journal/state.cc", "src/record/system_frame.cc"],
    "kafka_request": ["src/kafka/protocol/wire.cc", "src/kafka/protocol/frame.cc", "build/coverage/src/kafka/generated/kafka/protocol/*.cc"],
    "line_protocol": [
        "src/columnar/decode_line_protocol.cc",
        "src/columnar/line_protocol_parser.cc",
        "src/columnar/line_protocol_value.cc",
        "src/columnar/utf8.cc",
    ],
    "msgpack": [
        "src/columnar/decode_msgpack.cc",
        "src/columnar/msgpack_column.cc",
        "src/columnar/msgpack_columns.cc",
        "src/columnar/msgpack_parts.cc",
        "src/columnar/msgpack_reader.cc",
        "src/columnar/msgpack_rows.cc",
        "src/columnar/msgpack_value.cc",
        "src/columnar/time_column.cc",
        "src/columnar/utf8.cc",
    ],
    "record_batch": ["src/record/record_batch.cc", "src/record/record_reader.cc"],
    "segment": ["src/segment/format.cc", "src/segment/partition_index.cc", "src/segment/segment.cc"],
    "sql_body": ["src/http/sql_body.cc"],
}


def tool(name):
    """LLVM's program, which Debian installs under its version."""
    return shutil.which(f"{name}-19") or shutil.which(name) or sys.exit(f"fuzz_coverage: no {name}-19: run make setup")


def covered(name):
    """{file: (lines, of them reached)} of one target's decoder."""
    target = BIN / f"fuzz_{name}"
    found = {path for pattern in DECODERS[name] for path in ROOT.glob(pattern)}
    files = sorted(path for path in found if not path.stem.endswith("_test"))
    corpora = [path for path in (ROOT / "tests/fuzz/corpus" / name, ROOT / "build/fuzz" / name / "corpus") if path.is_dir()]
    raw, data = OUT / f"{name}.profraw", OUT / f"{name}.profdata"
    run = [str(target), "-runs=0", "-rss_limit_mb=4096", *map(str, corpora)]
    subprocess.run(run, check=True, capture_output=True, cwd=OUT, env={**os.environ, "LLVM_PROFILE_FILE": str(raw)})
    subprocess.run([tool("llvm-profdata"), "merge", "-o", str(data), str(raw)], check=True)
    export = [tool("llvm-cov"), "export", "-summary-only", f"-instr-profile={data}", str(target), *map(str, files)]
    report = json.loads(subprocess.run(export, check=True, capture_output=True, text=True).stdout)
    lines = {}
    for file in report["data"][0]["files"]:
        summary = file["summary"]["lines"]
        lines[str(pathlib.Path(file["filename"]).relative_to(ROOT))] = (summary["count"], summary["covered"])
    missing = [str(path.relative_to(ROOT)) for path in files if str(path.relative_to(ROOT)) not in lines]
    if missing or not lines:
        sys.exit(f"fuzz_coverage: {name} does not contain {', '.join(missing) or DECODERS[name]}")
    return lines


def percent(reached, count):
    return 100.0 * reached / count if count else 100.0


def main(names):
    unknown = [name for name in names if name not in DECODERS]
    if unknown:
        sys.exit(f"fuzz_coverage: no target {', '.join(unknown)}; there are {', '.join(DECODERS)}")
    left_out = {path.name.removeprefix("fuzz_") for path in BIN.glob("fuzz_*")} - set(DECODERS)
    if left_out:
        sys.exit(f"fuzz_coverage: name the decoder of {', '.join(sorted(left_out))} in DECODERS")
    OUT.mkdir(parents=True, exist_ok=True)
    is_enough = True
    for name in names or DECODERS:
        lines = covered(name)
        total = percent(sum(reached for _, reached in lines.values()), sum(count for count, _ in lines.values()))
        is_enough &= total >= FLOOR
        print(f"{name}: {total:.1f} %{'' if total >= FLOOR else f', must be {FLOOR:.0f} %'}")
        for path, (count, reached) in lines.items():
            print(f"  {percent(reached, count):5.1f} % of {count:4} lines  {path}")
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
