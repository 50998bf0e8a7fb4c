#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# command_test.sh SEGUE PLUGIN HOSTILE: what the command prints and how it ends, for good and bad use. PLUGIN: a good plugin
# file. HOSTILE: the folder of the broken ones.
set -u
segue=$1 plugin=$2 hostile=$3
work=$(mktemp -d) || exit 4
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 4
failed=0

# expect CODE PATTERN COMMAND...: the exit code, and a line of stdout or stderr; both stay in $work/out and $work/err.
expect() {
    local code=$1 pattern=$2
    shift 2
    "$@" </dev/null >"$work/out" 2>"$work/err"
    local got=$?
    if [ $got -ne "$code" ] || ! cat "$work/out" "$work/err" | grep -qE -- "$pattern"; then
        printf 'FAIL  %s: exit %d, wanted %d and a line with %s\n' "$*" $got "$code" "$pattern"
        sed 's/^/      /' "$work/out" "$work/err" | head -n 20
        failed=1
    fi
}

# after WORDS TEST...: something about what the last command left.
after() {
    local words=$1
    shift
    if ! "$@"; then
        printf 'FAIL  %s\n' "$words"
        failed=1
    fi
}

json() {
    python3 -c "import json, sys; d = json.load(open('$work/out')); sys.exit(not ($1))"
}

silent_stdout() { [ ! -s "$work/out" ]; }
silent_stderr() { [ ! -s "$work/err" ]; }
no_escape() { ! grep -q $'\033' "$work/out"; }

expect 0 '^segue [0-9]+\.[0-9]+\.[0-9]+' "$segue" --version
expect 0 '^  devices ' "$segue" --help
expect 2 '^  plugin ' "$segue"
expect 2 'no verb frobnicate' "$segue" frobnicate
after 'usage goes to stderr' silent_stdout
expect 2 'no verb ../segue-devices' "$segue" ../segue-devices
ln -s "$segue" "$work/link"
expect 0 '^reference ' "$work/link" devices

expect 0 '^selective_scan/mamba-130m/prefill$' "$segue" bench --list
expect 0 '^selective_scan/fwd.*h_in.h_out' "$segue" relay --list
expect 0 '^cpu  .* onednn  .*ready' "$segue" devices
after 'no colour where there is no terminal' no_escape
expect 0 '^reference  .* built in  .*never chosen' "$segue" devices
expect 0 $'^cpu\t.*\tonednn\tready' "$segue" devices --plain
expect 0 '^cpu$' "$segue" devices -q
after '-q says nothing else' silent_stderr
expect 0 '"devices"' "$segue" devices --json
after 'cpu in JSON' json "any(x['alias'] == 'cpu' and x['ready'] and x['memory_bytes'] > 0 for x in d['devices'])"
after 'reference in JSON' json "d['devices'][-1]['name'] == 'reference' and d['devices'][-1]['reference']"
expect 2 'takes no argument' "$segue" devices cpu
expect 2 'usage' "$segue" devices --frobnicate

mkdir bad
cp "$plugin" bad/segue_wrong.so
printf 'no plugin' >bad/segue_text.so
expect 0 '^segue_text.so .*rejected \(note\): .*not loaded: .*segue_text.so' env SEGUE_PLUGIN_PATH="$work/bad:${SEGUE_PLUGIN_PATH:-}" "$segue" devices
expect 0 '^cpu ' env SEGUE_PLUGIN_PATH="$work/bad:${SEGUE_PLUGIN_PATH:-}" "$segue" devices

scan=selective_scan/fwd/f32/B1.T2048.D1536.N16
expect 0 '^selective_scan_[a-z0-9_]+ +chosen +f32.* class, .*run-to-run.*workspace [0-9]+, no capture' "$segue" explain $scan
expect 0 'chosen' "$segue" explain causal_conv1d/fwd.h_in.h_out.activation=1/bf16/B2.T64.D8.W4/bdt --device cpu
expect 0 'chosen +f64 class' "$segue" explain $scan/packed --device reference
expect 0 '"verdict": "chosen"' "$segue" explain --json $scan
after 'rows in JSON' json "d['device'] == 'cpu' and d['rows'][0]['workspace_bytes'] >= 0"
expect 0 '^lowered +chosen +f32.* class, .*workspace [0-9]+.*: gate_prep by gate_prep_.*, gated_recurrence by gated_recurrence_' \
  "$segue" explain ssd/fwd.h_in.h_out/bf16-dt.f32/B1.T64.H4.V16.N16
expect 0 'retention_reference +chosen' "$segue" explain retention/fwd.norm=rms/f32/B1.T8.H2.K4.V4 --device reference
expect 0 '"steps": "gated_recurrence by ' "$segue" explain --json gated_linear_attention/fwd.g/f32/B1.T8.H2.K4.V4 --device reference
expect 2 'wanted one descriptor' "$segue" explain
expect 2 'shape: axis N is missing' "$segue" explain selective_scan/fwd/f32/B1.T8.D4
expect 2 'B: .*d % g == 0' "$segue" explain selective_scan/fwd/f32/B1.T8.D4.N2.G3
expect 3 'nosuch' "$segue" explain $scan --device nosuch
after 'errors go to stderr' silent_stdout

# Drivers greet on stdout.
expect 0 '^moody 0: a word of mine \(info\)' env SEGUE_MOODY=chatter SEGUE_PLUGIN_PATH="$hostile/../driver" "$segue" devices --json
after 'a word of a driver is none of ours' json "any(x['name'].startswith('moody') for x in d['devices'])"
expect 0 '^moody 0: good-bye' env SEGUE_MOODY=chatter SEGUE_PLUGIN_PATH="$hostile/../driver" "$segue" explain --json $scan --device moody
after 'nor amid its rows' json "d['rows'][0]['row'] == 'selective_scan_moody'"

expect 0 '^# selective_scan' "$segue" describe selective_scan
expect 2 'no such primitive' "$segue" describe frobnicate

expect 0 "^onednn: good, enumerate" "$segue" plugin probe "$plugin"
expect 0 '"status": "good"' "$segue" plugin probe --json "$plugin"
after 'a device in JSON' json "d['devices'][0]['ready']"
expect 1 'rejected, note, ' "$segue" plugin probe bad/segue_text.so
expect 4 'No such file' "$segue" plugin probe bad/absent.so
probe_hostile() { # ID PATTERN
    expect 1 "$2" "$segue" plugin probe "$hostile/$1/segue_$1.so"
}
probe_hostile crash_in_entry 'entry, crashed: SIGSEGV'
probe_hostile hang_in_enumerate 'enumerate, hung: '
probe_hostile exit_in_enumerate 'enumerate, ended the process'
expect 2 'no such action' "$segue" plugin frob x
expect 2 'usage' "$segue" plugin

expect 0 'wrote ./acme_1; next' "$segue" plugin new acme_1
after 'no mark is left' test -z "$(grep -rl '@NAME@\|@UUID@' acme_1)"
after 'the name is in' grep -q 'SEGUE_KIT_PLUGIN(acme_1,' acme_1/plugin.c
uuid='[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
after 'a uuid of version 4' grep -qE "\"$uuid\"" acme_1/plugin.c
expect 2 'File exists' "$segue" plugin new acme_1
for name in Acme 1acme acme-1 acme/1 '' a234567890123456789012345; do expect 2 'wanted a name' "$segue" plugin new "$name"; done
after 'no folder for a bad name' test ! -e acme-1
expect 0 'wrote' "$segue" plugin new other
after 'each uuid is its own' test "$(grep -ohE "$uuid" acme_1/plugin.c)" != "$(grep -ohE "$uuid" other/plugin.c)"

[ $failed -eq 0 ] && echo "the command behaves"
exit $failed
