#!/bin/bash
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# The library exports what segue.h declares, at version SEGUE_0, and nothing else; a plugin exports its entry alone.
# usage: symbols_test.sh LIBSEGUE INCLUDE_DIR PLUGIN_DIR
set -eu
shopt -s nullglob
library=$1 headers=$2 plugins=$3
failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
[ "$soname" = libsegue.so.0 ] || fail "SONAME is \"$soname\", wanted libsegue.so.0"

declared=$(sed -n 's/^SEGUE_API .*\b\(segue_[a-z_]*\)(.*/\1/p' "$headers/segue/segue.h" | sort)
exported=$(nm -D --defined-only --with-symbol-versions "$library" | awk '$2 != "A" { print $3 }' | sort)
while read -r symbol; do
  [[ $symbol == segue_*@@SEGUE_0 ]] || fail "exported: $symbol, wanted segue_*@@SEGUE_0 only"
done <<<"$exported"
differ=$(diff <(echo "$declared") <(echo "$exported" | sed 's/@.*//')) || fail "declared (<) and exported (>) differ:"$'\n'"$differ"

known='^(libc|libm|libdl|libpthread|ld-linux-[a-z0-9-]*|lib[a-z]*san)\.so'
needed=$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\].*/\1/p' | grep -Ev "$known" || true)
[ -z "$needed" ] || fail "$library needs $needed, wanted libc, libm and libdl only"

count=0
for plugin in "$plugins"/segue_*.so; do
  symbols=$(nm -D --defined-only "$plugin" | awk '{ print $3 }')
  [ "$symbols" = segue_plugin_entry_0 ] || fail "$plugin exports: $symbols; wanted segue_plugin_entry_0 alone"
  count=$((count + 1))
done
[ "$count" -gt 0 ] || fail "no plugin in $plugins"
echo "$(echo "$exported" | wc -l) symbols of the library, $count plugins, $failures failures"
[ "$failures" -eq 0 ]
