#!/usr/bin/env bash
# Whether readers disturb who writes: p99 of produce at 5,000 records of 1 KiB a second, alone, while
# another topic is read from its first record to its last, out of segment objects that are not in the
# page cache, and while a query over some millions of rows follows the other. Interleaved, the same
# server for all.
# usage: bench/backfill.sh [-- FLAGS OF serve]     e.g. -- --journal-write-method direct
#   REPEATS=5        rounds; each has one run of each kind
#   GIGABYTES=4      of old records
#   SECONDS_EACH=15  of a run
#   OUT=build/bench/backfill.jsonl   one JSON line a run; a summary of medians is printed
# The machine should be idle otherwise. The reader's program has nice 19, so that on few cores it is the
# server's work that is seen and not the reader's. Every process it starts it ends by pid.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" = -- ] && shift
repeats=${REPEATS:-5}
gigabytes=${GIGABYTES:-4}
seconds=${SECONDS_EACH:-15}
out=${OUT:-build/bench/backfill.jsonl}
. bench/common.sh
mkdir -p "$(dirname "$out")"
: >"$out"
journal_files() { find "$work/data/journal" -name '0*.log' | wc -l; }
is_freed() { [ "$(journal_files)" -le 2 ]; }
# What is read again comes from the disk.
forget() { find "$work/data/segments" -name '*.seg' -exec dd of={} oflag=nocache conv=notrunc,fdatasync count=0 status=none \; ; }
# Each line of its output is a query that was answered.
query() { while true; do "$bin" sql 'SELECT host, avg(usage), max(load) FROM old.m0 GROUP BY host ORDER BY 2' --json | wc -c >>"$work/queries"; done; }
read_old() { while true; do "$bin" bench consume -t old --json >>"$work/consume.jsonl"; forget; done; }

start_server --segment-age-ms 1s --log-level silent "$@"
wait_for "the server" 60 "$bin" topic list
"$bin" topic create old --partitions 4 -c retention.ms=-1 >/dev/null
"$bin" bench produce -t old -n $((gigabytes * 1000000)) -s 1024 --json >/dev/null
wait_for "old records in objects" 300 is_freed
"$bin" bench ingest -d old -s 2 -w 0 --json >/dev/null
"$bin" table flush old.m0 >/dev/null
for ((round = 0; round <= repeats; ++round)); do # round 0 warms up and is not counted
  for kind in alone backfill queries; do
    : >"$work/queries"
    : >"$work/consume.jsonl"
    if [ $kind = backfill ]; then
      forget
      nice -n 19 bash -c "$(declare -f read_old forget); work='$work' bin='$bin' read_old" &
      reader=$!
      pids+=("$reader")
    elif [ $kind = queries ]; then
      nice -n 19 bash -c "$(declare -f query); work='$work' bin='$bin' query" &
      reader=$!
      pids+=("$reader")
    fi
    sync
    line=$("$bin" bench produce -t live -r 5000 -n $((5000 * seconds)) -s 1024 --server-pid $server --json)
    consumed=
    if [ $kind != alone ]; then
      pkill -P "$reader" || true
      kill "$reader" 2>/dev/null || true
      wait "$reader" 2>/dev/null || true
      pids=("$server")
      consumed=$(tail -1 "$work/consume.jsonl")
    fi
    [ $round = 0 ] || printf '{"kind": "%s", "round": %d, "produce": %s, "consume": %s, "queries": %d}\n' $kind $round "$line" "${consumed:-null}" "$(wc -l <"$work/queries")" >>"$out"
  done
  echo "round $round of $repeats done"
done
cat "$work/log" >&2

python3 - "$out" <<'EOF'
import json, statistics, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
def span(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})" if values else "-"
print(f"{'':10} {'p50 ms':>20} {'p99 ms':>22} {'max ms':>24} {'old records MB/s':>22} {'queries a run':>18}")
for kind in ("alone", "backfill", "queries"):
    mine = [row for row in rows if row["kind"] == kind]
    produce = [row["produce"] for row in mine]
    print(f"{kind:10} {span([p['p50_ms'] for p in produce], 2):>20} {span([p['p99_ms'] for p in produce], 2):>22} {span([p['max_ms'] for p in produce]):>24} "
          f"{span([row['consume']['megabytes_per_second'] for row in mine if row['consume']], 0):>22} {span([row['queries'] for row in mine if row['queries']], 0):>18}")
EOF
