#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Correct kernels must pass: no false alarm in a whole profile.

right_test.py SEGUE_CONFORM FOLDER_OF_THE_PLUGIN [--profile P] runs `segue-conform run` on device right, wants exit code 0, every row and
no failure, and prints the largest |error| / sigma of each row and class.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROWS = 15                                   # fourteen kernels, and composites lowered to them
SKIPPED = {"UNSUPPORTED", "SKIP_RESOURCE"}
PASSED = {"PASS", "PASS_MARGIN"}


def judge(program, plugins, profile, results):
    command = [program, "run", "--profile", profile, "--device", "right", "--json", results, "--retries", "0", "--no-variants"]
    done = subprocess.run(command, env={**os.environ, "SEGUE_PLUGIN_PATH": plugins}, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode, done.stdout


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("plugins")
    options.add_argument("--profile", default="core")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "right.jsonl")
        code, said = judge(args.program, args.plugins, args.profile, path)
        with open(path, encoding="utf-8") as lines:
            results = [r for r in map(json.loads, lines) if "descriptor" in r]
    rows, classes, alarms = {}, {}, []
    for r in results:
        if r["status"] not in PASSED | SKIPPED:
            alarms.append(f"{r['status']} {r['descriptor']} row {r.get('row')}: {r.get('check')} {r.get('operand')} {r.get('why')}")
        if r["status"] in PASSED:
            row = rows.setdefault(r["row"], [0, 0.0, 0.0])
            row[0] += 1
            row[1] = max(row[1], r.get("sigmas") or 0.0)
            row[2] = max(row[2], r.get("margin") or 0.0)
            classes[r["class"]] = max(classes.get(r["class"], 0.0), r.get("sigmas") or 0.0)
    print(f"{'row':36}{'passed':>8}{'|error|/sigma':>16}{'margin':>9}")
    for name, (count, sigmas, margin) in sorted(rows.items()):
        print(f"{name:36}{count:>8}{sigmas:>16.2f}{margin:>9.2f}")
    for name, sigmas in sorted(classes.items()):
        print(f"class {name}: largest |error|/sigma {sigmas:.2f}")
    print(said.rstrip().rsplit("\n", 1)[-1])
    if len(rows) != ROWS:
        alarms.append(f"{len(rows)} rows passed something, wanted {ROWS}")
    if code and not alarms:
        alarms.append(f"segue-conform answered {code}, wanted 0:\n{said[-2000:]}")
    for words in alarms[:40]:
        print("FAILED " + words)
    return 1 if alarms else 0


sys.exit(main())
