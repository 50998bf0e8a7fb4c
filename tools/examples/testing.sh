# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# Sourced by <kind>_test.sh PROGRAM MODEL DEVICE...: leaves the devices in $@, the last of them in $device, the outcome in $failed.
set -u
program=$1 model=$2
shift 2
work=$(mktemp -d) || exit 4
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
    printf 'FAIL  %s\n' "$*"
    failed=1
}

same() { # name got want
    if cmp -s "$2" "$3"; then printf 'ok    %s\n' "$1"; else complain "$1: $(cmp "$2" "$3" 2>&1)"; fi
}

refuses() { # code pattern argument...: the exit code and the message
    local code=$1 pattern=$2
    shift 2
    "$program" --device "$device" "$@" >"$work/out" 2>"$work/words"
    local got=$?
    if [ $got -eq "$code" ] && grep -q -- "$pattern" "$work/words" && [ ! -s "$work/out" ]; then
        printf 'ok    %s\n' "$(head -n 1 "$work/words")"
    else
        complain "$(basename "$program") $*: exit $got, wanted $code and '$pattern': $(head -n 1 "$work/words")"
    fi
}

broken() { # a copy of the model to break
    rm -rf "$work/model" && mkdir "$work/model" && cp "$model/config.json" "$model/model.safetensors" "$work/model"
}
