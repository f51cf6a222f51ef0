#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) over the C++ files that changed lately: those not committed yet, then
# those of the last commits, newest first; a changed header stands for the .cc of its name, and tests
# come after all else. Needs a built dev tree (compile commands, precompiled and generated headers).
# usage: tools/tidy.sh [FILE ...]           (with FILEs: just those)
#   TIDY_COMMITS=20   how many commits back
#   TIDY_MAX=12       at most so many files; those left out are named
#   JOBS=2            run in parallel
set -euo pipefail
cd "$(dirname "$0")/.."
commits=${TIDY_COMMITS:-20}
most=${TIDY_MAX:-12}
jobs=${JOBS:-2}
tree=build/dev
export tidy=${CLANG_TIDY:-clang-tidy-19} tree
[ -f $tree/compile_commands.json ] || { echo "tidy: no $tree/compile_commands.json: build the dev tree first" >&2; exit 1; }

# Changed files, newest first. The log of a shallow or young clone is as long as it is.
changed() {
  git status --porcelain --no-renames --untracked-files=all | cut -c4-
  git log -n "$commits" --no-merges --no-renames --name-only --format=
}

if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(changed | awk '
    /\.(cc|h)$/ {
      sub(/\.h$/, ".cc")
      if (!seen[$0]++) { if (/_(test|bench)\.cc$/) later[++n] = $0; else print }
    }
    END { for (i = 1; i <= n; ++i) print later[i] }')
fi

chosen=() left_out=() not_built=()
for file in "${files[@]}"; do
  [ -f "$file" ] || continue # deleted since, or a header without a .cc
  if ! grep -qF "/$file\"" $tree/compile_commands.json; then
    not_built+=("$file")
  elif [ $# -eq 0 ] && [ ${#chosen[@]} -ge "$most" ]; then
    left_out+=("$file")
  else
    chosen+=("$file")
  fi
done
if [ ${#not_built[@]} -gt 0 ]; then echo "tidy: not part of the dev tree: ${not_built[*]}"; fi
if [ ${#left_out[@]} -gt 0 ]; then echo "tidy: beyond TIDY_MAX=$most, left out: ${left_out[*]}"; fi
if [ ${#chosen[@]} -eq 0 ]; then
  echo "tidy: no changed files"
  exit 0
fi

# shellcheck disable=SC2016  # expanded by the inner shell
if printf '%s\0' "${chosen[@]}" | xargs -0 -n 1 -P "$jobs" bash -c '
    started=$SECONDS
    checks=
    # GoogleTest stops at ASSERT_TRUE(x), which this check does not see.
    case $1 in *_test.cc | tests/*) checks=--checks=-bugprone-unchecked-optional-access ;; esac
    if out=$("$tidy" -p "$tree" --quiet $checks "$1" 2>&1); then verdict=ok; else verdict=PROBLEMS; fi
    if [ $verdict = ok ]; then out=; else out+=$(printf "\n_"); fi
    printf "%stidy: %s: %s, %d s\n" "${out%_}" "$1" "$verdict" "$((SECONDS - started))"
    [ $verdict = ok ]' tidy; then
  echo "tidy: ${#chosen[@]} files, 0 problems"
else
  echo "tidy: problems found (a NOLINT must name its check and say why)" >&2
  exit 1
fi
