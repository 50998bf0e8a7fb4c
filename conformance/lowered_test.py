#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Each composite agrees with its lowering: within the gauge of its own reference, on KEYS cases of the profile core with other keys.

lowered_test.py SEGUE_CONFORM DEVICE COMPOSITE... runs the row "lowered" of that device and prints, for each composite, how many cases passed, were
declined with words, proved nothing (VACUOUS: drawn by another key, a case may lose what made it telling), and failed. Wanted: KEYS passed,
none failed, and not more than one of PROVING proved nothing.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

KEYS = 200
PROVING = 50
ROUNDS = 4                                  # of cases, some of which a lowering declines


def run(program, device, names):
    """[(descriptor, status, words)] of the row."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lowered.jsonl")
        command = [program, "run", "--device", device, "--row", "lowered", "--json", path, "--retries", "0", "--no-variants"]
        done = subprocess.run(command + names, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            sys.exit(f"{' '.join(command)} ...: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        with open(path, encoding="utf-8") as lines:
            results = [r for r in map(json.loads, lines) if "descriptor" in r]
    return [(r["descriptor"], r["status"], r.get("why") or "") for r in results]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("device")
    options.add_argument("composites", nargs="+")
    args = options.parse_args()
    listed = subprocess.run([args.program, "list", "--profile", "core"], check=True, capture_output=True, text=True).stdout.split()
    failed = []
    print(f"{'composite':28}{'passed':>8}{'declined':>10}{'vacuous':>9}{'failed':>8}")
    for composite in args.composites:
        cases = [name.split("#")[0] for name in listed if name.startswith(composite + "/")]
        passed, declined, vacuous, bad, key = 0, 0, 0, [], 0
        while cases and passed < KEYS and key < ROUNDS * KEYS:
            names = [f"{cases[k % len(cases)]}#{1000 + k}" for k in range(key, key + KEYS)]
            key += KEYS
            for name, status, why in run(args.program, args.device, names):
                passed += status in ("PASS", "PASS_MARGIN")
                declined += status == "UNSUPPORTED"
                vacuous += status == "VACUOUS"
                if status not in ("PASS", "PASS_MARGIN", "UNSUPPORTED", "VACUOUS"):
                    bad.append(f"{status} {name}: {why}")
        print(f"{composite:28}{passed:>8}{declined:>10}{vacuous:>9}{len(bad):>8}")
        failed += bad
        if passed < KEYS:
            failed.append(f"{composite}: {passed} cases passed, wanted {KEYS}")
        if vacuous * PROVING > key:
            failed.append(f"{composite}: {vacuous} of {key} cases proved nothing, wanted one of {PROVING} at most")
    for words in failed[:40]:
        print("FAILED " + words)
    return 1 if failed else 0


sys.exit(main())
