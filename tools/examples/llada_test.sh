#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# llada_test.sh PROGRAM MODEL DEVICE...: the model's text on each device, and the positions committed at each step, against its
# authors' answers, then what the program says of wrong files and wrong use.
. "$(dirname "$0")/testing.sh"

field() { # name: an integer of expected.json
    sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$model/expected.json"
}

# [[64], [68], [70, 71]] as lines: 64, 68, 70 71
sed 's/.*"committed_per_step": \[\[\([^"]*\)\]\],.*/\1/; s/\], \[/\n/g; s/,//g; $a\' "$model/expected.json" >"$work/positions"
loop=(--length "$(field gen_length)" --block "$(field block_length)" --steps "$(field steps)")
for device in "$@"; do
    "$program" "$model" --device "$device" --prompt-file "$model/prompt.txt" "${loop[@]}" --positions "$work/got" >"$work/text" ||
        complain "$device"
    same "$device text" "$work/text" "$model/generated.txt"
    same "$device positions of $(wc -l <"$work/positions") steps" "$work/got" "$work/positions"
done

prompt=(--prompt-file "$model/prompt.txt")
refuses 2 'wanted --prompt-file' "$model"
refuses 2 'wanted 1 to 100000' "$model" "${prompt[@]}" --length 0
refuses 2 'wanted a divisor of the length' "$model" "${prompt[@]}" --length 64 --block 24
refuses 2 'wanted the same number for each block' "$model" "${prompt[@]}" --length 64 --block 32 --steps 5
refuses 3 'nosuch' "$model" --device nosuch "${prompt[@]}"
refuses 4 'absent' "$model" --prompt-file "$work/absent"
refuses 4 'cannot be written' "$model" "${prompt[@]}" --positions "$work/absent/positions"
broken && sed -i 's/"bidirectional"/"causal"/' "$work/model/config.json"
refuses 4 'attention: wanted "bidirectional", found "causal"' "$work/model" "${prompt[@]}"
broken && sed -i 's/"mask_token_id": [0-9]*/"mask_token_id": 128/' "$work/model/config.json"
refuses 4 'a mask token below 128' "$work/model" "${prompt[@]}"
broken && sed -i 's/v_proj/w_proj/' "$work/model/model.safetensors"
refuses 4 'v_proj.weight is missing' "$work/model" "${prompt[@]}"
exit $failed
