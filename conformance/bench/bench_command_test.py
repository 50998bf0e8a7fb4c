#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""The command itself: bench_command_test.py SEGUE FOLDER_OF_WRONG_KERNELS [all], or SEGUE --device D: one case there. What it prints and how it ends; never how fast. all: every wrong kernel is run,
also those that write where they must not."""
import csv
import io
import json
import os
import signal
import subprocess
import sys

FIELDS = ["case", "primitive", "device", "row", "dtype", "ms_min", "ms_median", "ms_max", "runs", "limit_ms", "limited_by", "share", "threads"]
NAMES = [f"{name}{dtype}" for name in ("selective_scan/mamba-130m/prefill", "selective_scan/mamba-2.8b/prefill", "selective_scan/mamba-130m/decode",
                                       "causal_conv1d/1536", "causal_conv1d/5376-silu", "ssd/mamba2-2.7b/prefill", "ssd/mamba2-2.7b/decode",
                                       "gated_linear_attention/32x64/prefill", "retention/32x64/prefill", "linear_attention/32x64/prefill")
         for dtype in ("", "/bf16")] + [f"attention/32x8x128/{name}" for name in ("causal-2048", "causal-2048/bf16", "window-512", "window-512/bf16", "decode-4096")] + [
             "lsh_attention/8x64/16k-r4", "ode_cell/ltc-64", "ode_cell/cfc-64", "row_sample/256x126464", "row_sample/256x126464/bf16"]
SMALL = "causal_conv1d/1536"
segue, wrong = sys.argv[1:3]
failed = []


def expect(what, good, done):
    if not good:
        failed.append(what)
        print(f"FAIL  {what}: exit {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def bench(*words, code=0, plugins=None, **settings):
    environment = {**os.environ, **({"SEGUE_PLUGIN_PATH": plugins} if plugins else {}), **settings}
    done = subprocess.run([segue, "bench", *words], env=environment, capture_output=True, text=True, timeout=120, check=False)
    expect(f"{' '.join(words)}: wanted exit {code}", done.returncode == code, done)
    return done


def sensible(line, name):
    f = json.loads(line)
    return (list(f) == FIELDS and f["case"] == name and f["primitive"] == name.split("/")[0] and f["runs"] == 3 and f["device"] == "cpu"
            and f["dtype"] == ("bf16" if name.endswith("/bf16") else "f32") and (f["row"].startswith(f["primitive"]) or f["row"] == "lowered") and f["threads"] == 1
            and 0 < f["ms_min"] <= f["ms_median"] <= f["ms_max"] and f["limited_by"] in ("exp+fma", "tiles", "bytes")
            and f["limit_ms"] > 0 and abs(f["share"] * f["ms_median"] / f["limit_ms"] - 1) < 1e-3)


def stopped(form, number, so_far):
    """Sends a signal as soon as a line of stdout (csv) or stderr (md) says that the second case has begun."""
    words = [segue, "bench", form, "--quick", "--threads", "1", *(["-q"] if form == "--csv" else []), "causal_conv1d/*"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        from_it, seen = p.stdout if form == "--csv" else p.stderr, ""
        while not so_far(seen) and (line := from_it.readline()):
            seen += line
        p.send_signal(number)
        out, err = p.communicate(timeout=120)
    return subprocess.CompletedProcess(words, p.returncode, seen + out if form == "--csv" else out, err)


def interrupted():
    """What there is by then is not lost."""
    done = stopped("--csv", signal.SIGKILL, lambda seen: seen.count("\n") == 2)
    rows = list(csv.reader(io.StringIO(done.stdout)))
    expect("csv: rows come as they are measured", done.returncode == -signal.SIGKILL and rows[0] == FIELDS and rows[1][0] == SMALL and len(rows) < 5, done)
    done = stopped("--md", signal.SIGTERM, lambda seen: f": {SMALL}/bf16\n" in seen)
    rows = done.stdout.splitlines()
    expect("md: a table of what there is", done.returncode == 1 and 3 <= len(rows) < 6 and SMALL in rows[2] and "interrupted by SIGTERM" in done.stderr, done)


def drivers(plugins):
    """What a driver prints is no figure."""
    scan = "selective_scan/mamba-130m/decode"
    done = bench("--device", "moody", "--quick", "--json", scan, plugins=plugins, SEGUE_MOODY="chatter")
    lines = done.stdout.splitlines()
    expect("a driver's words go to stderr", len(lines) == 1 and json.loads(lines[0])["case"] == scan and "a word of mine (open)" in done.stderr
           and "good-bye" in done.stderr, done)


def elsewhere(device):
    """No kernel is faster than its bytes: a driver copied an odd number of them a hundred times slower."""
    done = bench("--device", device, "--json", "--quick", SMALL + "/bf16")
    f = json.loads(done.stdout or "{}")
    expect(f"on {device}: bytes, and a share below 1", list(f) == FIELDS and f["limited_by"] == "bytes" and 0 < f["share"] < 1, done)
    return 1 if failed else 0


def main():
    if wrong == "--device":
        return elsewhere(sys.argv[3])
    done = bench("--list")
    expect("--list names the cases", done.stdout.split() == NAMES and not done.stderr, done)
    done = bench("--list", "*/bf16", "causal*")
    expect("--list takes globs", done.stdout.split() == [n for n in NAMES if n.endswith("/bf16") or n.startswith("causal")], done)
    done = bench("--odd", "--list")
    expect("--odd has 64 points", len(set(done.stdout.split())) == 64, done)
    done = bench("--odd", "--list", "gated_recurrence/*K80.V48*")
    expect("--odd takes globs", len(done.stdout.split()) == 6, done)
    for words in (("nothing/like/it",), ("--frobnicate",), ("--threads", "0"), ("--threads", "2x"), ("--odd", "nothing*"), ("--odd", "--json")):
        done = bench(*words, code=2)
        expect(f"{words}: words on stderr only", done.stderr and not done.stdout, done)
    done = bench("--odd", "--device", "toaster:7", "gated_recurrence/*K80.V48*", code=3)
    expect("--odd takes a glob that no usual case matches", "toaster:7" in done.stderr, done)
    done = bench("--help")
    expect("--help", "--threads" in done.stdout, done)
    done = bench("--device", "toaster:7", SMALL, code=3)
    expect("no device: says which", "toaster:7" in done.stderr and not done.stdout, done)

    done = bench("--json", "--quick", "--threads", "1", SMALL, "*130m/decode/bf16")
    lines = done.stdout.splitlines()
    expect("one compact line a case", len(lines) == 2 and sensible(lines[0], NAMES[5]) and sensible(lines[1], SMALL) and ": " not in done.stdout, done)
    done = bench("--csv", "--quick", "--rows", "-q", SMALL)
    rows = list(csv.reader(io.StringIO(done.stdout)))
    expect("--csv --rows", rows[0] == FIELDS and len(rows) >= 2 and all(len(r) == len(FIELDS) and r[0] == SMALL for r in rows[1:]), done)
    expect("-q is quiet", not done.stderr, done)
    done = bench("--quick", SMALL)
    rows = done.stdout.splitlines()
    expect("an aligned table", len(rows) == 3 and len({len(r) for r in rows}) == 1 and rows[0].startswith("| case"), done)

    done = bench("--device", "wrong", "--quick", "--json", "*130m/decode", SMALL, code=1, plugins=wrong)
    expect("a wrong answer has no figure", not done.stdout and done.stderr.count(" is wrong") == 2, done)
    interrupted()
    drivers(os.path.join(os.path.dirname(wrong), "driver"))
    if "all" not in sys.argv[3:]:
        return 1 if failed else 0
    # Of the wrong kernels one leaves everything behind token 128 as it was, one is off in its last element only.
    done = bench("--device", "wrong", "--quick", "--json", "--rows", SMALL, code=1, plugins=wrong)
    rows = {json.loads(line)["row"] for line in done.stdout.splitlines()}
    expect("one wrong row among others", "causal_conv1d_long_skipped" not in rows and "is wrong" in done.stderr, done)
    expect("what is right in this case has one", "causal_conv1d_ring_off_by_one" in rows, done)
    # Right where outputs were 0 or NaN before; with other bytes in them, or in the workspace, not.
    for flaw in ("output_read", "larger_kept", "workspace_read"):
        expect(f"{flaw} has no figure", f"causal_conv1d_{flaw}" not in rows, done)
    # Right at first: A is another one behind each run.
    done = bench("--device", "wrong", "--quick", "--json", "--rows", "*-130m/decode", code=1, plugins=wrong)
    rows = {json.loads(line)["row"] for line in done.stdout.splitlines()}
    expect("right in its first run only", "selective_scan_input_modified" not in rows and "selective_scan_dtype_D" in rows
           and "after the timed runs" in done.stderr, done)
    return 1 if failed else 0


sys.exit(main())
