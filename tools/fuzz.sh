#!/usr/bin/env bash
# Runs every fuzz target of the asan tree for a while, from its seeded corpus (tests/fuzz/corpus/NAME).
# What it learns goes to build/fuzz/NAME/corpus; an input that breaks a target stays beside it.
# usage: tools/fuzz.sh [SECONDS] [NAME ...]      (20 seconds each, all targets)
set -euo pipefail
cd "$(dirname "$0")/.."
export seconds=${1:-20}
shift || true
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
targets=()
for target in build/asan/bin/fuzz_*; do
  name=${target#build/asan/bin/fuzz_}
  if [ -x "$target" ] && { [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; }; then targets+=("$name"); fi
done
if [ ${#targets[@]} -eq 0 ]; then
  if [ $# -gt 0 ]; then echo "fuzz: no such target in build/asan/bin: $*" >&2; exit 1; fi
  echo "fuzz: no targets"
  exit 0
fi

# shellcheck disable=SC2016
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "${JOBS:-2}" bash -c '
  out=build/fuzz/$1
  seeds=tests/fuzz/corpus/$1
  mkdir -p "$out/corpus"
  [ -d "$seeds" ] || { echo "fuzz: $1: no corpus, make $seeds"; exit 1; }
  if build/asan/bin/fuzz_$1 -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
      -artifact_prefix="$out/" "$out/corpus" "$seeds" >"$out/log" 2>&1; then
    echo "fuzz: $1: ok, $(awk "/number_of_executed_units/ { print \$2 }" "$out/log") runs in $seconds s"
  else
    tail -n 60 "$out/log"
    echo "fuzz: $1: FAILED; the input and the log are in $out"
    exit 1
  fi' fuzz
