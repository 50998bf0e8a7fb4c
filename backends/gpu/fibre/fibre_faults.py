#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Breaks the shared kernels one way at a time: checked fibres must name each fault with its file and line.

fibre_faults.py SEGUE_CONFORM FOLDER_OF_THE_PLUGIN FIBRE_TEST [WORD]. Barriers and the places where a kernel counts on GROUP are found
in the texts, so that a new kernel is covered once it has a line in RUNS; POINTS are faults of one line each. Only labels with WORD.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.dirname(HERE)
# What runs a kernel: cases with more than one group, more items than lanes of 32, tiles that begin anew; or fibre_test's word.
RUNS = {
    "selective_scan.k.h": "selective_scan/fwd.D.z.h_in.h_out/f32/B2.T40.D70.N16/btd/benign",
    "causal_conv1d.k.h": "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T130.D70.W4/btd/benign",
    "tensor_copy.k.h": "copy",
    "fibre_rows.k.h": "rows",
    "words.h": "rows",
}
WIDE = {"words.h", "fibre_rows.k.h"}        # without a tile that items past the 32nd would fill, too
RACE, BLANK, PAST, INDEX = "race: ", "nobody of the group wrote", "past the last of argument", "index outside the array"
POINTS = [      # label, file, text, its replacement, what must be said, where if not on that line
    ("uninitialised LOCAL", "selective_scan.k.h", "tile_delta[t * CHANNELS + lane] = step;",
     "if (t) tile_delta[t * CHANNELS + lane] = step;", BLANK, "step = tile_delta["),
    ("race on LOCAL", "selective_scan.k.h", "tile_delta[t * CHANNELS + lane] = step;", "tile_delta[0] = step;", RACE, None),
    ("LOCAL past its end", "selective_scan.k.h", "* CHANNELS + lane] = sum;", "* CHANNELS + lane + TILE * GROUP] = sum;", INDEX, None),
    ("GLOBAL read past its end", "selective_scan.k.h", "LOAD(u, AT3(a.u, q.batch, from + t, d))", "LOAD(u, AT3(a.u, q.batch, from + t + 1, d))",
     PAST, None),
    ("GLOBAL write past its end", "selective_scan.k.h", "STORE(y, AT3(a.y, q.batch, from + t, d)", "STORE(y, AT3(a.y, q.batch, from + t + 1, d)",
     PAST, None),
    ("GLOBAL byte of two items", "selective_scan.k.h", "STORE(y, AT3(a.y, q.batch, from + t, d)", "STORE(y, AT3(a.y, q.batch, from + t, left)",
     RACE, None),
    ("LOCAL past its end, by pointer", "selective_scan.k.h", "i < tokens * N;", "i < tokens * N + 1;", "past the end of an array", "tile[i] ="),
    ("barrier not for all", "selective_scan.k.h", "BARRIER();", "if (mine) BARRIER();", "not all items reach", None),
    ("private past its end", "selective_scan.k.h", "x[i] = FMA(", "x[i + 1] = FMA(", INDEX, None),
    ("GLOBAL read past its end", "causal_conv1d.k.h", "r.q.first + t, r.d));", "r.q.first + t + 1, r.d));", PAST, None),
    ("GLOBAL write past its end", "causal_conv1d.k.h", "STORE(y, AT3(a.y, r.q.batch, row,", "STORE(y, AT3(a.y, r.q.batch, row + 1,", PAST, None),
    ("GLOBAL byte of two items", "causal_conv1d.k.h", "STORE(y, AT3(a.y, r.q.batch, row, r.d)", "STORE(y, AT3(a.y, r.q.batch, row, 0)", RACE, None),
    ("private past its end", "causal_conv1d.k.h", "past[w] = past[w + 1];", "past[w] = past[w + 2];", INDEX, None),
    ("GLOBAL write past its end", "tensor_copy.k.h", "STORE_F32((GLOBAL float *)to, t, x)", "STORE_F32((GLOBAL float *)to, t + 1, x)", PAST, None),
    ("uninitialised LOCAL", "fibre_rows.k.h", "seen[k] = 0;", ";", BLANK, "if (k == winner"),
    ("uninitialised LOCAL, atomic", "fibre_rows.k.h", "winner = a.columns;", ";", BLANK, "ATOMIC_MIN("),
    ("LOCAL race, same value", "fibre_rows.k.h", "if (LOCAL_ID == 0) scratch[0]", "scratch[0]", RACE, None),
    ("GLOBAL race by plain +=", "fibre_rows.k.h", "ATOMIC_ADD(&count[KEYS - 1 - k], seen[KEYS - 1 - k])", "count[0] += 1", RACE, None),
    ("GLOBAL race, same value", "fibre_rows.k.h", "if (LOCAL_ID == 0) best[row]", "best[row]", RACE, None),
    ("no barrier for 32 lanes", "words.h", "+= scratch[LOCAL_ID + n];\n        BARRIER();", "+= scratch[LOCAL_ID + n];\n        if (n > 32) BARRIER();", RACE, None),
]
FINDING = r"[\w.]+:\d+(?: \(in [\w.]+:\d+\))?: \w+: .*?(?:\(item \d+ of group [\d,]+\)|\(group [\d,]+\))"


def text_of(name):
    for folder in (HERE, SHARED):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                return f.read()
    sys.exit(f"{name}: no such text")


def line_at(text, position):
    return text.count("\n", 0, position) + 1


def found(name):
    """Faults that the text itself offers: (label, file, mutated text, line, what is said or None = any race or blank)."""
    text, plain = text_of(name), re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text_of(name), flags=re.S)
    barriers = list(re.finditer(r"\bBARRIER\(\);", plain))
    for m in barriers:
        line = line_at(text, m.start())
        yield f"no barrier in line {line}", name, text[:m.start()] + ";" + text[m.end():], line, "barrier"
    if name in WIDE:
        return
    for m in re.finditer(r"(\+= |\* )GROUP\b(?=\) | \+ LOCAL_ID)", plain):
        line = line_at(text, m.start())
        yield f"32 lanes in line {line}", name, text[:m.start()] + m.group(1) + "32" + text[m.end():], line, "lanes"


def points():
    for label, name, old, new, words, elsewhere in POINTS:
        text = text_of(name)
        at = text.find(old)
        if at < 0:
            sys.exit(f"{name} no longer says {old!r}: give {label!r} of POINTS another place")
        text = text[:at] + new + text[at + len(old):]
        line = line_at(text, text.index(elsewhere)) if elsewhere else line_at(text, at)
        yield label, name, text, line, words


def said_about(paths, fault):
    """What checked fibres say of a mutated text."""
    conform, plugins, test = paths
    _, name, text, _, _ = fault
    run = RUNS[name]
    with tempfile.TemporaryDirectory(prefix="segue-fault-") as folder:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
        env = {**os.environ, "SEGUE_PLUGIN_PATH": plugins, "SEGUE_FIBRE_KERNELS": folder, "SEGUE_CACHE_DIR": "", "SEGUE_FIBRE_CHECK": "1",
               "SEGUE_FIBRE_SEED": "1", "SEGUE_FIBRE_GROUP": "64"}
        command = [conform, "run", run, "--device", "fibre:0", "--retries", "0", "--no-variants", "--jobs", "1"] if "/" in run else [test, run]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False, errors="replace")
    return done.returncode, done.stdout + done.stderr


def verdict(fault, code, said):
    """None, or why the fault does not count as named."""
    _, name, _, line, words = fault
    finding = re.search(FINDING, said)
    if code == 0:
        return "nobody noticed"
    if not finding:
        return "no finding: " + said.strip()[-300:]
    rest = finding.group(0)
    lines = [int(n) for n in re.findall(r"\b" + re.escape(name) + r":(\d+)", rest)]
    if not lines:
        return f"no line of {name} named: {rest}"
    at = lines[0]
    if words == "barrier":      # what it kept apart: a read behind it of what nobody wrote, or two accesses, one in front of it
        if BLANK in rest:
            return None if at > line else f"a blank read in line {at}, before the barrier of line {line}: {rest}"
        return None if RACE in rest and min(lines) < line else f"not around line {line}: {rest}"
    if words == "lanes":
        return None if RACE in rest or BLANK in rest or PAST in rest or INDEX in rest else "other words: " + rest
    if words not in rest:
        return f"wanted {words!r}: {rest}"
    return None if line in lines else f"wanted line {line}: {rest}"


def main():
    paths, word = sys.argv[1:4], sys.argv[4] if len(sys.argv) > 4 else ""
    kernels = sorted(os.path.basename(f) for folder in (SHARED, HERE) for f in glob.glob(os.path.join(folder, "*.k.h")))
    unknown = set(kernels) - set(RUNS)
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: no line in RUNS says what runs it")
    whole = [("nothing changed", name, text_of(name), 0, "") for name in RUNS]
    faults = [f for name in RUNS for f in found(name)] + list(points())
    faults = [f for f in faults if word in f[0] or word in f[1]]
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for fault, (code, said) in zip(whole, pool.map(lambda f: said_about(paths, f), whole)):
            if code:
                sys.exit(f"{fault[1]} fails as it is:\n{said[-2000:]}")
        for fault, (code, said) in zip(faults, pool.map(lambda f: said_about(paths, f), faults)):
            why = verdict(fault, code, said)
            missed += why is not None
            print(f"{'MISSED' if why else 'named '} {fault[1]:20} {fault[0]:28} {why or re.search(FINDING, said).group(0)}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} faults named")
    return 1 if missed or not faults else 0


sys.exit(main())
