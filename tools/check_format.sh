#!/usr/bin/env bash
# Checks that every C++ file is laid out as .clang-format says.
# usage: tools/check_format.sh [--fix]      (--fix: rewrites the files that are not)
set -euo pipefail
cd "$(dirname "$0")/.."
format=${CLANG_FORMAT:-clang-format-19}
mapfile -d '' -t listed < <(git ls-files -z --cached --others --exclude-standard -- '*.cc' '*.h' | sort -z)
files=()
for file in "${listed[@]}"; do
  if [ -f "$file" ]; then files+=("$file"); fi # deleted, but not yet committed as such
done
if [ ${#files[@]} -eq 0 ]; then
  echo "format: no C++ files"
elif [ "${1:-}" = --fix ]; then
  "$format" -i "${files[@]}"
elif "$format" --dry-run --Werror "${files[@]}"; then
  echo "format: ${#files[@]} files, 0 problems"
else
  echo "format: run tools/check_format.sh --fix" >&2
  exit 1
fi
