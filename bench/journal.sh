#!/usr/bin/env bash
# What the journal's settings are worth: the same load with each run size, and with each way of writing,
# by turns, a new data directory each time.
# usage: bench/journal.sh [-- FLAGS OF serve]...     each FLAGS is one more kind, e.g. -- '--journal-file-bytes 64MiB'
#   REPEATS=5     rounds; each runs every kind once
#   RECORDS=1200000   of 1 KiB, two clients, as fast as they go; then 10 s of 5,000 a second, linger 0
#   OUT=build/bench/journal.jsonl   one JSON line a run; a summary of medians is printed
# The machine should be idle otherwise. Every process it starts it ends by pid.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" = -- ] && shift
kinds=('--journal-run-bytes 256KiB' '--journal-run-bytes 1MiB' '--journal-run-bytes 4MiB' '--journal-run-bytes 16MiB'
  '--journal-write-method direct' '--journal-write-method page_cache' "$@")
repeats=${REPEATS:-5}
records=${RECORDS:-1200000}
out=${OUT:-build/bench/journal.jsonl}
. bench/common.sh
mkdir -p "$(dirname "$out")"
: >"$out"

for ((round = 0; round <= repeats; ++round)); do # round 0 warms up and is not counted
  for kind in "${kinds[@]}"; do
    rm -rf "$work/data"
    read -r -a flags <<<"$kind"
    start_server --log-level silent "${flags[@]}"
    wait_for "the server" 60 "$bin" topic list
    "$bin" bench produce -t warm -n 100000 -s 1024 --json >/dev/null
    sync
    load=$("$bin" bench produce -t load -n "$records" -s 1024 -c 2 --server-pid "$server" --json)
    paced=$("$bin" bench produce -t paced -r 5000 -n 50000 -s 1024 --linger-ms 0 --server-pid "$server" --json)
    kill "$server"
    wait "$server" 2>/dev/null || true
    pids=()
    [ $round = 0 ] || printf '{"kind": "%s", "round": %d, "load": %s, "paced": %s}\n' "$kind" $round "$load" "$paced" >>"$out"
  done
  echo "round $round of $repeats done"
done

python3 - "$out" <<'EOF'
import json, statistics, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
def span(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
print(f"{'':36} {'MB/s':>20} {'CPU-s per GB':>18} {'p99 ms':>20} {'RSS MB':>16} {'p99 at 5,000/s':>18}")
for kind in dict.fromkeys(row["kind"] for row in rows):
    load = [row["load"] for row in rows if row["kind"] == kind]
    paced = [row["paced"] for row in rows if row["kind"] == kind]
    print(f"{kind:36} {span([x['megabytes_per_second'] for x in load], 0):>20} "
          f"{span([x['server_cpu_seconds'] / (x['records'] * 1024 / 1e9) for x in load], 2):>18} {span([x['p99_ms'] for x in load]):>20} "
          f"{span([x['server_rss_mb'] for x in load], 0):>16} {span([x['p99_ms'] for x in paced]):>18}")
EOF
