#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# plugin_new_test.sh BUILD MODEL: a vendor's first hour. Installs the build, has the installed command write a plugin, builds
# that out of the tree against the installed Segue, and lets the model speak on its device.
set -eu
build=$1 model=$2
work=$build/test/vendor
mamba=$build/bin/mamba
rm -rf "$work"
mkdir -p "$work"
cd "$work"

cmake --install "$build" --prefix "$work/prefix" >install.log
segue=$(find "$work/prefix" -path '*/bin/segue')
"$segue" plugin new acme
cmake -S acme -B acme/build -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_FLAGS='-Wall -Wextra -Wpedantic -Werror' >configure.log
cmake --build acme/build >build.log || { cat build.log; exit 1; }
test "$(nm -D --defined-only acme/build/segue_acme.so | wc -l)" -eq 1 || { echo "FAIL: wanted one exported symbol"; exit 1; }

expect() { # pattern command...
    local pattern=$1 said
    shift
    said=$("$@" 2>&1) || { printf 'FAIL: %s: %s\n' "$*" "$said"; exit 1; }
    grep -qE -- "$pattern" <<<"$said" || { printf 'FAIL: %s: wanted %s in:\n%s\n' "$*" "$pattern" "$said"; exit 1; }
    grep -E -- "$pattern" <<<"$said"
}

export SEGUE_PLUGIN_PATH=$work/acme/build
expect '^acme: good' "$segue" plugin probe acme/build/segue_acme.so
expect '^acme:0 .* ready' "$segue" devices
expect '^selective_scan_acme +chosen' "$segue" explain selective_scan/fwd/f32/B1.T8.D4.N2 --device acme:0
expect 'chosen +delegated to the reference' "$segue" explain causal_conv1d/fwd/f32/B1.T8.D4.W4 --device acme:0
"$build/bin/first_hour_c" acme:0
if [ -x "$mamba" ]; then
    "$mamba" "$model" --device acme:0 --prompt-file "$model/prompt.txt" -n 200 | cmp - "$model/greedy.txt"
    echo "the model's text on acme:0 is its authors'"
fi
