#!/bin/bash
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# Installs the build into a folder of its own, builds first_hour.c and first_hour.cpp against that through pkg-config and
# through the CMake package, and runs each on every device named.
# usage: consumer_test.sh SOURCE_DIR BUILD_DIR "COMPILER FLAGS" DEVICE...
set -eu
source=$1 build=$2 flags=$3
shift 3
examples=$source/tools/examples
prefix=$build/test/installed
work=$build/test/consumer
rm -rf "$prefix" "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$prefix" >"$work/install.log"

command -v pkg-config >/dev/null || { echo "skipped: no pkg-config"; exit 77; }
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name segue.pc)")
export PKG_CONFIG_PATH
plugins=$(pkg-config --variable=plugindir segue)
libs=$(pkg-config --variable=libdir segue)
fail() { echo "FAIL: $*"; exit 1; }
[ "$(realpath "$plugins/../../..")" = "$(realpath "$prefix")" ] ||
  fail "segue.pc: plugindir is $plugins, wanted a folder below $prefix"

warnings="-Wall -Wextra -Wpedantic -Werror"
found=$(pkg-config --cflags --libs segue)
# shellcheck disable=SC2086
{
  ${CC:-cc} -std=c11 $warnings $flags "$examples/first_hour.c" $found -o "$work/pkg_c11"
  ${CXX:-c++} -std=c++17 $warnings $flags "$examples/first_hour.cpp" $found -o "$work/pkg_cpp17"
}
cmake -S "$source/api/test/consumer" -B "$work/cmake" -DEXAMPLES="$examples" \
  -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" >"$work/configure.log"
cmake --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }

export LD_LIBRARY_PATH=$libs SEGUE_PLUGIN_PATH=$plugins
for device in "$@"; do
  for program in "$work/pkg_c11" "$work/pkg_cpp17" "$work/cmake/first_hour_c" "$work/cmake/first_hour_cpp"; do
    "$program" "$device" || fail "$program $device"
    echo "ok: $(basename "$program") on $device"
  done
done
if "$work/pkg_c11" nonsense 2>"$work/nonsense.log"; then fail "opened a device named nonsense"; fi
grep -q nonsense "$work/nonsense.log" || fail "the refusal does not name the device: $(cat "$work/nonsense.log")"
