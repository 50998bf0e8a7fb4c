#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Engines are captured, their calls replayed: replay_command_test.py SEGUE WRONG PROGRAM MODEL [PROGRAM MODEL...]: on the reference and
the cpu, with all that can be refused (WRONG: folder of wrong kernels); SEGUE --on DEVICE PROGRAM MODEL...: captured on the cpu and
replayed on that device, captured there and replayed on the reference."""
import json
import os
import re
import subprocess
import sys
import tempfile

segue = sys.argv[1]
failed = []
NAME = re.compile(r"[0-9]{6}-[a-z0-9_]+\.segue")
LAST = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")
WORDS = {"llada": ["--steps", "4", "--block", "8", "--length", "8"]}  # of other engines: a few tokens of text


def expect(what, good, done=None):
    if good:
        return
    failed.append(what)
    print(f"FAIL  {what}")
    if done:
        print(f"exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-1500:]}")


def run(words, code, **settings):
    environment = {**os.environ, **settings}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=570, check=False)
    expect(f"{' '.join(words)[:200]}: wanted exit {code}", done.returncode == code, done)
    return done


def replay(*words, code=0, **settings):
    return run([segue, "replay", *words], code, **settings)


def engine(program, model, device, **settings):
    words = WORDS.get(os.path.basename(program), ["-n", "2", "--greedy"])
    return run([program, model, "--device", device, "--prompt-file", f"{model}/prompt.txt", *words], 0, **settings)


def capture(folder, program, model, device, calls="12"):
    """The files of an engine's calls, and what it wrote."""
    done = engine(program, model, device, SEGUE_CAPTURE=folder, SEGUE_CAPTURE_CALLS=calls)
    names = sorted(os.listdir(folder))
    expect(f"{program} on {device}: files with proper names, no others: {names}", names and all(NAME.fullmatch(n) for n in names))
    return [f"{folder}/{n}" for n in names], done.stdout


def judged(files, devices, counts, **settings):
    """All of them pass, by words and by JSON, and most answers are not bit by bit the reference's."""
    with tempfile.NamedTemporaryFile() as to:
        done = replay(*files, "--on", devices, "--json", to.name, **settings)
        lines = [json.loads(line) for line in open(to.name, encoding="utf-8")]
    last = LAST.fullmatch(done.stdout.splitlines()[-1])
    records, summary = lines[:-1], lines[-1]["summary"]
    pairs = {(r["file"], r["device"]) for r in records}
    expect("a line for each file and device", last and len(pairs) == len(files) * len(devices.split(",")), done)
    expect("all pass", last and int(last[1]) == len(pairs) and last[2] == last[3] == "0", done)
    expect("the summary says the same", summary == {"passed": len(pairs), "failed": 0, "skipped": 0, "refused": 0}, done)
    expect("margins", all(0 <= r["margin"] <= 1 and r["status"] in ("PASS", "PASS_MARGIN") for r in records), done)
    expect("values and guards were looked at", all({"value", "guard"} <= set(r["ran"]) for r in records), done)
    if counts:
        expect("not vacuous", sum(r["margin"] > 0 for r in records) > len(records) / 3, done)
    return records


def engines(words):
    return list(zip(words[::2], words[1::2]))


def over_device(device, words):
    for program, model in engines(words):
        with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
            files, text = capture(here, program, model, "cpu")
            records = judged(files, device, True)
            others, same = capture(there, program, model, device)
            judged(others, "reference", False)
            expect(f"{device}: as many calls, the same text", len(others) == len(files) and text == same)
            print(f"{os.path.basename(program)}: {len(files)} calls on {device}, at most {max(r['margin'] for r in records):.3f} of what is allowed")


def on_the_cpu(words):
    for program, model in engines(words):
        with tempfile.TemporaryDirectory() as folder:
            files, text = capture(folder, program, model, "cpu")
            expect(f"{program} writes what it always writes", text == engine(program, model, "cpu").stdout)
            records = judged(files, "reference,cpu", False)
            primitives = sorted({r["primitive"] for r in records})
            expect(f"{program}: several primitives, states among them: {primitives}", len(primitives) > 1)
            print(f"{os.path.basename(program)}: {len(files)} calls of {', '.join(primitives)}")


def refused(program, model, wrong):
    with tempfile.TemporaryDirectory() as folder:
        files, text = capture(folder, program, model, "cpu", "2+4")
        whole = open(files[0], "rb").read()
        broken = f"{folder}/broken"
        for what, content in (("cut", whole[:1000]), ("cut or too long", whole + bytes(8)), ("cut", b""), ("begin", b"x" * 4096),
                              ("has changed", whole[:-500] + bytes([whole[-500] ^ 1]) + whole[-499:])):
            with open(broken, "wb") as to:
                to.write(content)
            done = replay(broken, "--on", "reference", code=4)
            expect(f"refused: {what}", "refused: " in done.stderr and what in done.stderr, done)
        done = replay(broken, files[0], "--on", "reference", code=4)
        expect("the others are judged", "1 passed, 0 failed, 0 skipped" in done.stdout and "broken: refused" in done.stderr, done)
        os.unlink(broken)
        done = replay(broken, code=4)
        expect("one that is not there", "cannot be read: No such file" in done.stderr, done)
        done = replay(files[0], "--on", "reference,toaster:7", code=3)
        expect("no device: says which", "toaster:7" in done.stderr, done)
        for words in ((), ("--on", "reference"), (files[0], "--frobnicate"), (files[0], "--seconds", "0")):
            done = replay(*words, code=2)
            expect(f"{words}: words on stderr only", done.stderr and not done.stdout, done)
        expect("--help", "--on A,B,C" in replay("--help").stdout)
        done = replay(files[0], "-q", "--on", "reference")
        expect("-q: the last line only", done.stdout == "1 passed, 0 failed, 0 skipped\n" and not done.stderr, done)
        reader, writer = os.pipe()
        os.close(reader)
        report = f"{folder}/report"
        done = subprocess.run([segue, "replay", files[0], "--on", "reference", "--json", report], stdout=writer, stderr=subprocess.DEVNULL, check=False)
        os.close(writer)
        told = open(report, encoding="utf-8").read() if os.path.exists(report) else ""
        expect("whoever read the output is gone: the report is written, and 4", done.returncode == 4 and '\n{"summary":{"passed":1,' in told)
        done = replay(files[0], "--on", "reference", "--row", "nosuch", code=1)
        expect("no such row", "UNSUPPORTED" in done.stdout and "0 passed, 0 failed, 1 skipped" in done.stdout, done)
        scans = [f for f in files if "selective_scan" in f]
        for row, words in (("scaled", "times its bound"), ("input_modified", "nobody may write")):
            done = replay(*scans, "--on", "wrong", "--row", f"selective_scan_{row}", code=1, SEGUE_PLUGIN_PATH=wrong)
            expect(f"a wrong kernel is red: {row}", done.stdout.count("FAIL  ") == len(scans) and words in done.stdout, done)
        report = f"{folder}/report"
        done = replay(*scans, "--on", "wrong,toaster:7,reference", "--row", "selective_scan_scaled", "--json", report, code=1, SEGUE_PLUGIN_PATH=wrong)
        last, lines = LAST.fullmatch((done.stdout.splitlines() or [""])[-1]), [json.loads(line) for line in open(report, encoding="utf-8")]
        expect("what failed counts for more than a device that cannot be opened", last and last[2] == str(len(scans)) and "toaster:7" in done.stderr, done)
        expect("the devices behind that are judged", {r.get("device") for r in lines[:-1]} == {"wrong:0", "reference"} and last and last[3] == last[2], done)
        expect("a summary all the same", lines and lines[-1].get("summary", {}).get("failed") == len(scans), done)
        os.unlink(report)
        with open(broken, "w", encoding="utf-8"):
            pass
        for nowhere in (broken, f"{broken}/below"):
            done = engine(program, model, "cpu", SEGUE_CAPTURE=nowhere)
            expect("an engine that cannot be captured goes on", done.stdout == text, done)


def main():
    if sys.argv[2] == "--on":
        over_device(sys.argv[3], sys.argv[4:])
    else:
        on_the_cpu(sys.argv[3:])
        refused(sys.argv[3], sys.argv[4], sys.argv[2])
    return 1 if failed else 0


sys.exit(main())
