#!/usr/bin/env bash
# Runs one step of the Makefile and says what it is, how it ended and how long it took.
# usage: tools/step.sh TITLE COMMAND [ARGUMENT ...]
set -u
title=$1
shift
printf '\n== %s: %s\n' "$title" "$*"
started=$SECONDS
"$@"
status=$?
took=$((SECONDS - started))
if [ $status -eq 0 ]; then
  printf '== %s: ok, %d s\n' "$title" $took
else
  printf '== %s: FAILED with status %d after %d s: %s\n' "$title" $status $took "$*" >&2
fi
exit $status
