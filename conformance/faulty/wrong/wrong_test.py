#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""The suite's own test: every wrong kernel must be killed by the profile core, by at least two kinds of check.

wrong_test.py SEGUE_CONFORM FOLDER_OF_THE_PLUGIN [--profile P] runs `segue-conform run` on device wrong and prints, for each row
and kind of check, how many cases killed it and the first of them.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

KINDS = ("value", "state", "guard", "poison", "identity", "status")
WANTED_KINDS = 2
ROWS_AT_LEAST = 60                          # a run in which rows got lost proves nothing
LOWERED = "lowered"                         # a composite made of this plugin's rows: whichever flaws they have


def judge(program, plugins, profile, results):
    """Runs the suite; the plugin folder alone, so that nothing else can answer."""
    command = [program, "run", "--profile", profile, "--device", "wrong", "--json", results, "--retries", "0"]
    done = subprocess.run(command, env={**os.environ, "SEGUE_PLUGIN_PATH": plugins}, capture_output=True, text=True, check=False)
    if done.returncode != 1:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}, wanted 1 (failed cases)\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.rstrip().rsplit("\n", 1)[-1]


def matrix_of(results):
    """{row: {kind: [descriptors]}} and {row: {status: count}}, from the lines that are results."""
    kills, statuses = {}, {}
    with open(results, encoding="utf-8") as lines:
        for line in lines:
            result = json.loads(line)
            if "descriptor" not in result or not result.get("row"):
                continue
            row = result["row"]
            if row == LOWERED:
                continue
            kills.setdefault(row, {kind: [] for kind in KINDS})
            tally = statuses.setdefault(row, {})
            tally[result["status"]] = tally.get(result["status"], 0) + 1
            for kind in result.get("checks") or ():
                if kind not in KINDS:
                    sys.exit(f"{result['descriptor']}: kind of check {kind}, wanted one of {', '.join(KINDS)}")
                kills[row][kind].append(result["descriptor"])
    return kills, statuses


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("plugins")
    options.add_argument("--profile", default="core")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = os.path.join(folder, "wrong.jsonl")
        last_line = judge(args.program, args.plugins, args.profile, results)
        kills, statuses = matrix_of(results)
    print(f"{'row':40}" + "".join(f"{kind:>10}" for kind in KINDS) + "  of cases  kinds")
    survivors = []
    for row, kinds in sorted(kills.items()):
        hit = [kind for kind in KINDS if kinds[kind]]
        cases = sum(statuses[row].values())
        print(f"{row:40}" + "".join(f"{len(kinds[kind]) or '.':>10}" for kind in KINDS) + f"{cases:>10}{len(hit):>7}")
        if len(hit) < WANTED_KINDS:
            survivors.append(f"{row}: killed by {', '.join(hit) or 'nothing'}; {statuses[row]}")
    print("\nfirst case of each kind")
    for row, kinds in sorted(kills.items()):
        for kind in KINDS:
            if kinds[kind]:
                print(f"{row:40}{kind:>10}  {kinds[kind][0]}")
    print(f"\n{last_line}")
    print(f"{len(kills) - len(survivors)} of {len(kills)} wrong rows killed by at least {WANTED_KINDS} kinds of check")
    if len(kills) < ROWS_AT_LEAST:
        survivors.append(f"{len(kills)} rows have results, wanted at least {ROWS_AT_LEAST}")
    for words in survivors:
        print("FAILED " + words)
    return 1 if survivors else 0


sys.exit(main())
