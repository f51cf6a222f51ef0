#!/usr/bin/env bash
# How long a server takes after kill -9 until it has acknowledged a record: with GIGABYTES of records in
# PARTITIONS partitions, most in segment objects, and then with none, all of it in the journal.
# usage: bench/restart.sh [-- FLAGS OF serve]
#   REPEATS=5        kills of each kind
#   GIGABYTES=11     PARTITIONS=5000
#   OUT=build/bench/restart.jsonl   one JSON line a start; a summary of medians is printed
# The machine should be idle otherwise. What a start reads is in the page cache, as after a crash of the
# server, not of the machine. Every process it starts it ends by pid.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" = -- ] && shift
repeats=${REPEATS:-5}
gigabytes=${GIGABYTES:-11}
partitions=${PARTITIONS:-5000}
out=${OUT:-build/bench/restart.jsonl}
. bench/common.sh
mkdir -p "$(dirname "$out")"
: >"$out"
journal_bytes() { find "$work/data/journal" -name '0*.log' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'; }
object_bytes() { find "$work/data/segments" -name '*.seg' -printf '%s\n' 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'; }
is_cut() { [ "$(journal_bytes)" -le $((1 << 30)) ]; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
takes_a_record() { echo first | "$bin" produce first; }

for kind in objects journal; do
  age=1h
  [ $kind = journal ] || age=1s
  flags=(--segment-age-ms $age --journal-max-bytes 40GiB "$@")
  rm -rf "$work/data"
  start_server "${flags[@]}"
  wait_for "the server" 60 "$bin" topic list
  "$bin" topic create many --partitions "$partitions" -c retention.ms=-1 >/dev/null
  "$bin" topic create first --partitions 1 >/dev/null
  "$bin" bench produce -t many -c 2 -n $((gigabytes * 1000000)) -s 1024 --json >/dev/null
  [ $kind = journal ] || wait_for "records in objects" 300 is_cut
  for ((round = 1; round <= repeats; ++round)); do
    kill -9 "$server"
    wait "$server" 2>/dev/null || true
    begun=$(now_ms)
    start_server "${flags[@]}"
    until takes_a_record >/dev/null 2>&1; do [ $(($(now_ms) - begun)) -lt 60000 ] || exit 1; done
    taken=$(now_ms)
    ready=$(sed -n 's/.* ready in \([0-9.]*\) \(m\?s\): .*/\1 \2/p' "$work/log" | awk '{ print $2 == "s" ? $1 * 1000 : $1 }')
    printf '{"kind": "%s", "round": %d, "first_record_ms": %d, "ready_ms": %s, "journal_bytes": %s, "object_bytes": %s}\n' \
      $kind $round $((taken - begun)) "${ready:-null}" "$(journal_bytes)" "$(object_bytes)" >>"$out"
  done
  kill "$server"
  wait "$server" 2>/dev/null || true
  pids=()
  echo "$kind done"
done

python3 - "$out" <<'EOF'
import json, statistics, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
for kind in dict.fromkeys(row["kind"] for row in rows):
    mine = [row for row in rows if row["kind"] == kind]
    def span(name):
        values = [row[name] for row in mine if row[name] is not None]
        return f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f})" if values else "-"
    last = mine[-1]
    print(f"{kind:8} {last['object_bytes'] / 1e9:.1f} GB in objects, {last['journal_bytes'] / 1e9:.1f} GB of journal: "
          f"ready after {span('ready_ms')} ms, first record acknowledged after {span('first_record_ms')} ms")
EOF
