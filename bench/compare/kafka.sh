#!/usr/bin/env bash
# Millrace (fsync before every ack) beside Apache Kafka without fsync and with flush.messages=1: the
# same librdkafka program (`millrace bench`) with the same settings against each, interleaved.
# usage: bench/compare/kafka.sh [-- FLAGS OF bench produce]     e.g. -- -n 600000 -s 1024 -c 2
#   REPEATS=5   rounds; each round runs every broker once
#   OUT=build/bench/kafka.jsonl   one JSON line a run; a summary of medians is printed
# Needs Java 17 and Maven; takes Kafka from Maven's repository the first time. The machine should be
# idle otherwise. Every process it starts it ends by pid.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" = -- ] && shift
flags=("$@")
[ ${#flags[@]} -gt 0 ] || flags=(-n 600000 -s 1024 -c 1)
repeats=${REPEATS:-5}
out=${OUT:-build/bench/kafka.jsonl}
jars=${XDG_CACHE_HOME:-$HOME/.cache}/millrace/kafka-4.1.1
. bench/common.sh
command -v java >/dev/null && command -v mvn >/dev/null || { echo "needs java 17 and mvn (apt: openjdk-17-jre-headless maven)" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
: >"$out"

if [ ! -e "$jars/done" ]; then
  echo "fetching Kafka 4.1.1 (about 90 jars) by Maven"
  mvn -q -f bench/compare/kafka-pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars"
  touch "$jars/done"
fi

start_kafka() { # NAME PORT FLUSH_MESSAGES
  local name=$1 port=$2 controller=$(($2 + 1)) dir=$work/$1
  mkdir -p "$dir"
  cat >"$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$dir/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.flush.interval.messages=$3
EOF
  java -cp "$jars/*" kafka.tools.StorageTool format -t "$(java -cp "$jars/*" kafka.tools.StorageTool random-uuid 2>/dev/null)" \
    -c "$dir/server.properties" >"$dir/format.log" 2>&1
  java -Xmx1G -Xms1G -XX:+UseG1GC -cp "$jars/*" kafka.Kafka "$dir/server.properties" >"$dir/kafka.log" 2>&1 &
  pids+=($!)
  pid_of[$name]=$!
  port_of[$name]=$port
  wait_for "$name" 60 "$bin" topic list --kafka "127.0.0.1:$port"
}

declare -A pid_of port_of
start_server --log-level silent
pid_of[millrace]=$server
port_of[millrace]=19192
wait_for millrace 60 "$bin" topic list --kafka 127.0.0.1:19192
start_kafka kafka 19292 9223372036854775807
start_kafka kafka-fsync 19392 1

brokers=(millrace kafka kafka-fsync)
for ((round = 0; round <= repeats; ++round)); do # round 0 warms up and is not counted
  for broker in "${brokers[@]}"; do
    server=127.0.0.1:${port_of[$broker]}
    # Memory before the load is asked of Millrace; 9 (discard) is nobody's, so Kafka's has none.
    export MILLRACE_HTTP=127.0.0.1:9
    [ "$broker" != millrace ] || MILLRACE_HTTP=127.0.0.1:19193
    sync # what the one before left in the page cache is not written at the cost of the next
    line=$("$bin" bench produce --kafka "$server" -t "bench-$round" --server-pid "${pid_of[$broker]}" --json "${flags[@]}")
    read_line=$("$bin" bench consume --kafka "$server" -t "bench-$round" --server-pid "${pid_of[$broker]}" --json)
    "$bin" topic delete "bench-$round" --kafka "$server" >/dev/null
    if [ $round -gt 0 ]; then
      printf '{"broker": "%s", "round": %d, "produce": %s, "consume": %s}\n' "$broker" $round "$line" "$read_line" >>"$out"
    fi
  done
  echo "round $round of $repeats done"
done

python3 - "$out" <<'EOF'
import json, statistics, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
print(f"{'broker':12} {'produce MB/s median (range)':30} {'p99 ms':>8} {'CPU-s/GB':>9} {'consume MB/s (range)':26} {'CPU-s/GB':>9} {'RSS MB':>7}")
for broker in dict.fromkeys(row["broker"] for row in rows):
    mine = [row for row in rows if row["broker"] == broker]
    def values(verb, f):
        return [f(row[verb]) for row in mine]
    def span(v):
        return f"{statistics.median(v):.0f} ({min(v):.0f}-{max(v):.0f})"
    def cpu(verb):
        return statistics.median(values(verb, lambda r: r["server_cpu_seconds"] / (r["megabytes_per_second"] * r["seconds"] / 1000)))
    rate = lambda r: r["megabytes_per_second"]
    print(f"{broker:12} {span(values('produce', rate)):30} {statistics.median(values('produce', lambda r: r['p99_ms'])):8.1f} {cpu('produce'):9.2f} "
          f"{span(values('consume', rate)):26} {cpu('consume'):9.2f} {max(values('consume', lambda r: r['server_rss_mb'])):7.0f}")
EOF
