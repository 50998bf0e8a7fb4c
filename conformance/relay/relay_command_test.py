#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""The command itself: relay_command_test.py SEGUE FOLDER_OF_WRONG_KERNELS: on the reference and the cpu; SEGUE --devices A,B,C: a relay over these, all must be right; SEGUE --stand-in A,B,C: the same, and
none of it counts."""
import json
import os
import signal
import subprocess
import sys
import tempfile

FIELDS = ["call", "step", "from", "to", "bytes", "tokens", "y", "state", "ok", "why"]
STEPS = ["prefill", "continue", "fork", "rewind", "resume"]
segue = sys.argv[1]
failed = []


def expect(what, good, done):
    if not good:
        failed.append(what)
        print(f"FAIL  {what}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-1500:]}")


def relay(*words, code=0, plugins=None, seconds=170, **settings):
    environment = {**os.environ, **({"SEGUE_PLUGIN_PATH": plugins} if plugins else {}), **settings}
    done = subprocess.run([segue, "relay", *words], env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    expect(f"{' '.join(words)}: wanted exit {code}", done.returncode == code, done)
    return done


def objects(done):
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [o for o in lines if "step" in o], [o for o in lines if "declined" in o], lines[-1].get("summary", {})


def over(devices, stand_in, seconds):
    """Every call goes round all devices that take it, each of which begins once."""
    done = relay("--json", "--device", devices, seconds=seconds)
    lines, declined, summary = objects(done)
    calls = relay("--list").stdout.split()
    names = devices.split(",")
    expect("each call is there", len(calls) >= 8 and len({o["call"] for o in lines}) == len(calls), done)
    expect("one object a line", all(list(o) == FIELDS for o in lines), done)
    for call in {o["call"] for o in lines}:
        own = [o for o in lines if o["call"] == call]
        ring = [n for n in names if not any(d["call"] == call and d["declined"] == n for d in declined)]
        expect(f"{call}: five lines for each of {ring}", len(own) == 5 * len(ring) and [o["step"] for o in own] == STEPS * len(ring), done)
        for i, name in enumerate(ring):
            ways = [(o["from"], o["to"]) for o in own[5 * i:5 * i + 5]]
            second, third = ring[(i + 1) % len(ring)], ring[(i + 2) % len(ring)]
            expect(f"{call}: the way from {name}", ways == [(name, name), (name, second), (second, second), (second, second), (second, third)], done)
    expect("all are right", all(o["ok"] and 0 <= o["y"] <= 1 and 0 <= o["state"] <= 1 and not o["why"] for o in lines), done)
    expect("not vacuous", sum(o["y"] > 0 for o in lines) > len(lines) / 2, done)
    counted = sum(o["step"] != "prefill" for o in lines)
    if stand_in:
        expect("nothing on a stand-in counts", summary["stand_ins"] > 0 and summary["right"] + summary["stand_ins"] == counted, done)
    else:
        expect("the summary counts", summary["right"] == counted and summary["stand_ins"] == 0 and summary["declined"] == len(declined), done)
    expect("nothing is wrong", summary["wrong"] == 0 and summary["recurrences"] >= 7, done)
    print(f"{summary['right']} hand-overs right, {summary['stand_ins']} on a stand-in, {len(declined)} declined")


def files_of_states():
    """They lie in TMPDIR, however long its name is, and go with the command, also where that is interrupted."""
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, "a-name-of-more-than-forty-characters-of-its-own")
        done = relay("--device", "reference", "causal_conv1d", code=1, TMPDIR=folder)
        expect("no folder: says so", f"TMPDIR: no file for a state can be made in {folder}" in done.stdout, done)
        os.mkdir(folder)
        relay("--device", "reference", "causal_conv1d", TMPDIR=folder)
        expect("nothing is left", not os.listdir(folder), done)
        said = os.path.join(top, "said")
        with open(said, "w", encoding="utf-8") as words:
            running = subprocess.Popen([segue, "relay", "--json", "--device", "reference,cpu"], env={**os.environ, "TMPDIR": folder}, text=True,
                                       stdout=subprocess.PIPE, stderr=words)
        first = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        with open(said, encoding="utf-8") as words:
            done = subprocess.CompletedProcess(running.args, running.wait(timeout=120), first + rest, words.read())
        expect("interrupted: exit 1, with words and a summary", done.returncode == 1 and "interrupted by SIGINT" in done.stderr and "summary" in done.stdout, done)
        expect("interrupted: not all of it", 5 <= len(objects(done)[0]) < 10 * len(relay("--list").stdout.split()), done)
        expect("interrupted: nothing is left", not os.listdir(folder), done)


def main():
    if sys.argv[2] in ("--devices", "--stand-in"):
        over(sys.argv[3], sys.argv[2] == "--stand-in", 880)
        return 1 if failed else 0
    over("reference,cpu", False, 170)
    files_of_states()
    done = relay("--device", "reference", "causal_conv1d")
    expect("a transcript", "reference" in done.stdout and done.stdout.count("  ok\n") == 4 and "1 recurrences, 4 hand-overs right, 0 wrong" in done.stdout, done)
    done = relay("-q", "--device", "reference", "causal_conv1d")
    expect("-q: the last line only", len(done.stdout.splitlines()) == 1 and not done.stderr, done)
    for words in (("l2_norm",), ("nothing",), ("--frobnicate",)):
        done = relay(*words, code=2)
        expect(f"{words}: words on stderr only", done.stderr and not done.stdout, done)
    expect("a primitive without state: says which have one", "has no state" in relay("l2_norm", code=2).stderr, done)
    done = relay("--help")
    expect("--help", "--device A,B,C" in done.stdout, done)
    done = relay("--device", "reference,toaster:7", code=3)
    expect("no device: says which", "toaster:7" in done.stderr and not done.stdout, done)
    # Wrong kernels: whichever it chooses, it is seen.
    done = relay("--device", "reference,wrong", "selective_scan", "causal_conv1d", code=1, plugins=sys.argv[2])
    expect("a wrong hand-over is red, and says what", "WRONG: " in done.stdout and " is wrong" in done.stdout, done)
    # What drivers do beside their work.
    drivers = os.path.join(os.path.dirname(sys.argv[2]), "driver")
    done = relay("--json", "--device", "reference,moody", "selective_scan", plugins=drivers, SEGUE_MOODY="chatter")
    expect("a driver's words go to stderr", objects(done)[2]["wrong"] == 0 and "a word of mine (open)" in done.stderr and "good-bye" in done.stderr, done)
    done = relay("--json", "causal_conv1d", plugins=drivers, SEGUE_MOODY="daemon")
    expect("what is said of no answer is no device", objects(done)[2]["right"] > 0, done)
    return 1 if failed else 0


sys.exit(main())
