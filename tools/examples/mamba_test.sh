#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# mamba_test.sh PROGRAM MODEL DEVICE...: a model's text and likelihood on each device against its authors' answers,
# then what the program says of wrong files and wrong use.
. "$(dirname "$0")/testing.sh"

close() { # name got want: within 1e-5 relative
    if awk -v a="$2" -v b="$3" 'BEGIN { d = (a - b) / b; exit !(a != "" && d < 1e-5 && d > -1e-5) }'; then
        printf 'ok    %s: %s nats per byte, %s expected\n' "$1" "$2" "$3"
    else
        complain "$1: $2 nats per byte, $3 expected"
    fi
}

nll=$(sed -n 's/.*"nll_per_token": \([0-9.]*\).*/\1/p' "$model/expected.json")
for device in "$@"; do
    "$program" "$model" --device "$device" --prompt-file "$model/prompt.txt" -n 200 --greedy --timing \
        >"$work/greedy" 2>"$work/timing" || complain "$device greedy: $(cat "$work/timing")"
    same "$device greedy" "$work/greedy" "$model/greedy.txt"
    printf '      %s\n' "$(tail -n 1 "$work/timing")"
    "$program" "$model" --device "$device" --prompt-file "$model/prompt.txt" -n 200 --uniforms "$model/uniforms.txt" \
        --temperature 0.8 >"$work/sampled" || complain "$device sampled"
    same "$device sampled" "$work/sampled" "$model/sampled.txt"
    close "$device likelihood" "$("$program" "$model" --device "$device" --nll "$model/excerpt.txt")" "$nll"
done

prompt=(--prompt-file "$model/prompt.txt" -n 1)
refuses 2 'wanted either --prompt-file or --nll' "$model"
refuses 2 'wanted --greedy, --uniforms or --nll' "$model" "${prompt[@]}" --greedy --uniforms "$model/uniforms.txt"
refuses 2 'wanted 1 to 1000000' "$model" --prompt-file "$model/prompt.txt" -n 0
refuses 3 'nosuch' "$model" --device nosuch "${prompt[@]}"
refuses 4 'config.json' "$work/absent" "${prompt[@]}"
refuses 4 'absent' "$model" --prompt-file "$work/absent"
broken && sed -i 's/"silu"/"gelu"/' "$work/model/config.json"
refuses 4 'hidden_act: wanted "silu", found "gelu"' "$work/model" "${prompt[@]}"
broken && sed -i 's/"state_size": [0-9]*/"state_size": 8/' "$work/model/config.json"
refuses 4 'wanted shape .* found' "$work/model" "${prompt[@]}"
broken && truncate -s -70000 "$work/model/model.safetensors"
refuses 4 'bytes of data' "$work/model" "${prompt[@]}"
broken && truncate -s 100 "$work/model/model.safetensors"
refuses 4 'end in the header' "$work/model" "${prompt[@]}"
broken && sed -i 's/mixer.D"/mixer.E"/' "$work/model/model.safetensors"
refuses 4 'mixer.D is missing' "$work/model" "${prompt[@]}"
printf '0.5\n' >"$work/few"
refuses 4 'no. 2 is none' "$model" --prompt-file "$model/prompt.txt" -n 3 --uniforms "$work/few"
printf '\377' >"$work/byte"
refuses 4 'wanted 0 to 127, found 255' "$model" --prompt-file "$work/byte"
exit $failed
