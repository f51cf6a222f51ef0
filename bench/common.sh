# What the scripts of this folder share; sourced by them, in the project's folder. Gives: $bin, the
# release binary; $work, a folder that goes with the script; start_server; wait_for. Ends by pid what
# stands in the array `pids`.
bin=$PWD/build/release/bin/millrace
[ -x "$bin" ] || { echo "no $bin: run make build first" >&2; exit 1; }
work=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT

# wait_for WHAT SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { echo "$what: not within its time; see $work" >&2; exit 1; }
    read -r -t 0.2 <> <(:) || true
  done
}

export MILLRACE_KAFKA=127.0.0.1:19192 MILLRACE_HTTP=127.0.0.1:19193
# start_server FLAGS...: on $work/data, its output in $work/log, its pid in $server.
start_server() {
  "$bin" serve --data "$work/data" --kafka $MILLRACE_KAFKA --http $MILLRACE_HTTP "$@" >"$work/log" 2>&1 &
  server=$!
  pids=("$server")
}
