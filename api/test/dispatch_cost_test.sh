#!/bin/bash
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# Instructions of one segue_plan_run around a kernel that does nothing, counted by callgrind.
# usage: dispatch_cost_test.sh PROGRAM
set -eu
command -v valgrind >/dev/null || { echo "skipped: no valgrind"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SEGUE_CPU_ISA=avx2

# Instructions of n calls: valgrind prints "Collected : n".
collected() {
  valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect=segue_plan_run \
    "$1" "$2" "$3" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/log"
}

failures=0
limit() {
  local one two cost
  one=$(collected "$program" "$1" 500)
  two=$(collected "$program" "$1" 1000)
  cost=$(((two - one) / 500)) # what the first call pays once drops out
  echo "$1: $cost instructions a call, limit $2"
  if [ "$cost" -lt 10 ] || [ "$cost" -gt "$2" ]; then failures=$((failures + 1)); fi
}

program=$1
limit checked 900
limit moving 900
limit shorter 4000 # no promise; so that it does not grow unseen
limit trusted 150
limit lowered 2500 # two steps: their ops are made anew in each call
limit lowered-trusted 1800
[ "$failures" -eq 0 ]
