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
LIQUID = ("ode_cell/fwd.elapsed.h_in.h_out.h.gleak.vleak.cm.sigma.mu.w.E.A.sensory_sigma.sensory_mu.sensory_w.sensory_E.unfolds=2/f32/"
          "B3.T3.D35.F3.N40/btd/benign")
CLOSED = ("ode_cell/fwd.elapsed.h_in.h_out.backbone_w.backbone_b.deep_w.deep_b.mask.ff1_w.ff1_b.ff2_w.ff2_b.time_a_w.time_a_b.time_b_w."
          "time_b_b.cell=cfc.time_sign=1.head_act=head_tanh/f32/B3.T3.D35.F3.N40.E36.L1/btd/benign")
# What runs a kernel: cases with more than one group, more items than lanes of 32, tiles that begin anew; or fibre_test's word.
RUNS = {
    "selective_scan.k.h": "selective_scan/fwd.D.z.h_in.h_out/f32/B2.T40.D70.N16/btd/benign",
    "causal_conv1d.k.h": "causal_conv1d/fwd.bias.h_in.h_out/f32/B2.T130.D70.W4/btd/benign",
    "gated_norm.k.h": "gated_norm/fwd.z.weight.kind=LAYER/f32/B2.T40.H2.D64/btd/benign",
    "l2_norm.k.h": "l2_norm/fwd/f32/B2.T40.H2.K64/btd/benign",
    "gated_recurrence.k.h": "gated_recurrence/fwd.q.k.v.g.D.z.slot.S_in.n_in.S_out.n_out.y.norm=add_eps.eps=0.001/f32/B4.T20.K64.H2.V40.P9/btd/"
                            "benign.slot-padding",
    "feature_map.k.h": ("feature_map/fwd.W.map=hedgehog_a/f32/B2.T40.H2.K70.M70/btd/benign",
                        "feature_map/fwd.W.map=favor_plus.shift_mode=global/f32/B2.T40.H2.K70.M70/btd/benign"),
    "feature_map_plain.k.h": "feature_map/fwd.map=cosrew.length=64/f32/B2.T40.H2.K70/btd/benign",
    "gate_prep.k.h": "gate_prep/fwd.bias.A.delta.g/f32/B2.T40.H2.K70/btd/benign",
    "lsh_buckets.k.h": "lsh_buckets/fwd.x.R.R_2.bucket.inverse/f32/B2.T130.H2.K20.R2.F40.G3/btd/benign",
    # Two tokens first: with many, wrong slots meet in GLOBAL before the race in LOCAL is seen.
    "lsh_buckets_sort.k.h": ("lsh_buckets/fwd.bucket_in.inverse.bucket_stride=24/f32/B2.T2.H1.R1/btd/benign",
                             "lsh_buckets/fwd.bucket_in.inverse.bucket_stride=24/f32/B2.T130.H2.R2/btd/benign"),
    "rotary.k.h": "rotary/fwd.pos.rotary_dim=64/f32/B2.T40.H3.D70/btd/benign",
    "attention_merge.k.h": "attention_merge/fwd.log_weight.lse_out/f32/R3.B2.T40.H3.V70/btd/benign",
    "attention.k.h": "attention/fwd.keep.slopes.sink.lse.key_norm=unit/f32/B1.N20.H4.K33.M130.J2.V33/btd/benign",
    "attention_parts.k.h": "attention/fwd.lse/f32/B2.N2.H2.K16.M1030.V70/btd/benign",
    "ode_cell.k.h": (LIQUID, CLOSED, f"{LIQUID}.slot-padding".replace("elapsed.", "slot.").replace("/btd", ".P7/btd")),
    "ode_cell_ltc_pack.k.h": LIQUID,
    "ode_cell_cfc_pack.k.h": CLOSED,
    "row_sample.k.h": ("row_sample/fwd.temperature.top_p.top_k.banned.seed.conf.lse.noise=philox.confidence=negent/f32/B2.V130.T3.Z7/btd/benign",
                       "row_sample/fwd.temperature.seed.conf.lse.logp.noise=philox.confidence=negent/bf16/B1.V8300.T2/btd/benign"),
    "unmask_select.k.h": "unmask_select/fwd.conf.k.tau.carry.n_changed.n_left.changed.carry_out.mask_id=5.rule=budget/f32/B3.T200.C70/btd/ties",
    "tensor_copy.k.h": "copy",
    "fibre_rows.k.h": "rows",
    "words.h": ("rows", "gated_norm/fwd.z.weight.kind=LAYER/f32/B2.T40.H2.D64/btd/benign"),     # the first that finds something
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
    ("GLOBAL read past its end", "gated_norm.k.h", "LOAD(z, z0 + d *", "LOAD(z, z0 + (d + 1) *", PAST, None),
    ("GLOBAL byte of two items", "gated_norm.k.h", "STORE(y, AT4(a.y, b, t, h, d), v)", "STORE(y, AT4(a.y, b, t, h, 0), v)", RACE, None),
    ("GLOBAL write past its end", "l2_norm.k.h", "STORE(y, AT4(a.y, b, t, h, k)", "STORE(y, AT4(a.y, b, t, h, k + 1)", PAST, None),
    ("uninitialised LOCAL", "attention.k.h", "shrink[r] = natural_exp(", "if (r) shrink[r] = natural_exp(", BLANK, "*= shrink[r]"),
    ("GLOBAL read past its end", "attention.k.h", "LOAD(v, from + c *", "LOAD(v, from + a.v.stride[1] + c *", PAST, None),
    ("GLOBAL byte of two items", "attention.k.h", "AT4(a.y, b, to, row->head, column), a", "AT4(a.y, b, to, row->head, 0), a", RACE,
     "finish(a, rows + r, top"),
    ("GLOBAL write past its end", "attention_parts.k.h", "AT4(a.y, b, to, h, column), a", "AT4(a.y, b, to + a.rows_y * 2, h, column), a",
     "in GLOBAL memory", None),
    ("uninitialised LOCAL", "gated_recurrence.k.h", "tile.g[step] = decay;", "if (step) tile.g[step] = decay;", BLANK, "decay *= tile.g[step]"),
    ("LOCAL past its end", "gated_recurrence.k.h", "* COLUMNS + p.lane + w * LANES] = decay * sum[w];",
     "* COLUMNS + p.lane + w * LANES + TILE * SLICES * COLUMNS] = decay * sum[w];", "", None),
    ("GLOBAL read past its end", "gated_recurrence.k.h", "AT2(a.D, p.head, column)", "AT2(a.D, p.head + 1, column)", "of argument", "if (a.y.present) finish("),
    ("GLOBAL write past its end", "gated_recurrence.k.h", "AT4(a.y, s.batch, token, y_head, column), a.y.dtype, sum)",
     "AT4(a.y, s.batch, token + a.tokens * 4, y_head, column), a.y.dtype, sum)", "of argument",
     "if (a.y.present) finish("),
    ("GLOBAL byte of two items", "gated_recurrence.k.h", "store_state(part, S_out, AT4(a.S_out, s.write, p.head, p.row,",
     "store_state(part, S_out, AT4(a.S_out, s.write, p.head, 0,", RACE, None),
    ("private past its end", "gated_recurrence.k.h", "x[r][w] *= decay;", "x[r + 1][w] *= decay;", "past the end of an array", None),
    ("GLOBAL read past its end", "lsh_buckets.k.h", "LOAD(x, AT4(a.x, b, first + t, h, k0 + k))", "LOAD(x, AT4(a.x, b, first + t + 1, h, k0 + k))",
     PAST, None),
    ("GLOBAL write past its end", "lsh_buckets.k.h", "buckets[to + t] =", "buckets[to + t + 1000000] =", "outside every argument", None),
    ("GLOBAL byte of two items", "lsh_buckets_sort.k.h", "perm[AT4(a.perm, b, h, r, slot)]", "perm[AT4(a.perm, b, h, r, 0)]", RACE, None),
    ("GLOBAL write past its end", "lsh_buckets_sort.k.h", "inverse[AT4(a.inverse, b, h, r, t)]", "inverse[AT4(a.inverse, b, h, r, t + 1)]", PAST, None),
    ("GLOBAL write past its end", "rotary.k.h", "STORE_ANY(y, AT4(a.y, b, t, h, other), type", "STORE_ANY(y, AT4(a.y, b, t, h, other + 70), type", PAST, None),
    ("GLOBAL byte of two items", "rotary.k.h", "STORE_ANY(y, AT4(a.y, b, t, h, first), type", "STORE_ANY(y, AT4(a.y, b, t, h, 0), type", RACE, None),
    ("GLOBAL read past its end", "attention_merge.k.h", "AT4(a.o, b, t, h, k)", "AT4(a.o, b, t, h, k + 70)", PAST, None),
    ("GLOBAL byte of two items", "attention_merge.k.h", "STORE_ANY(y, AT4(a.y, b, t, h, k)", "STORE_ANY(y, AT4(a.y, b, t, h, 0)", RACE, None),
    ("uninitialised LOCAL", "ode_cell.k.h", "time[r] = a.elapsed.present", "if (r) time[r] = a.elapsed.present", BLANK, "state[at] = relaxed("),
    ("GLOBAL read past its end", "ode_cell.k.h", "AT3(a.x, batch[r], begin[r] + step, k)", "AT3(a.x, batch[r], begin[r] + step, k + 1)", PAST, None),
    ("GLOBAL byte of two items", "ode_cell.k.h", "AT2(a.h_out, to[r], k)", "AT2(a.h_out, to[r], 0)", RACE, None),
    ("GLOBAL write past its end", "ode_cell.k.h", "AT3(a.h, batch[r], t, k), a.h.dtype, value", "AT3(a.h, batch[r] + 9, t, k), a.h.dtype, value", PAST,
     None),
    ("LOCAL past its end", "ode_cell.k.h", "part[ALL + (s.slice", "part[2 * ALL + (s.slice", "", None),
    ("workspace read past its end", "ode_cell.k.h", "maps[n + k])", "maps[n + k + 99999])", PAST, None),
    ("GLOBAL read past its end", "ode_cell_ltc_pack.k.h", "AT2(Es, j, i)", "AT2(Es, j, i + 1)", PAST, "pack(work + a.to + at"),
    ("GLOBAL byte of two items", "ode_cell_ltc_pack.k.h", "to[3 * plane] = reversal", "to[3 * plane + i % 2] = reversal", RACE, None),
    ("GLOBAL read past its end", "ode_cell_cfc_pack.k.h", "AT2(masks, out, in)", "AT2(masks, out, in + 1)", PAST, "pack(to, pitch, n"),
    ("GLOBAL byte of two items", "ode_cell_cfc_pack.k.h", "to[in * pitch + out] = x", "to[in * pitch + out / 2] = x", RACE, None),
    ("uninitialised LOCAL", "row_sample.k.h", "part[LOCAL_ID] = p;", "if (LOCAL_ID) part[LOCAL_ID] = p;", BLANK, "if (LOCAL_ID < n) part[LOCAL_ID] ="),
    ("GLOBAL read past its end", "row_sample.k.h", "LOAD(from, i / 2 * APART + i % 2)", "LOAD(from, i / 2 * APART + i % 2 + 4096)", "of argument", None),
    ("GLOBAL byte of two items", "row_sample.k.h", "if (LOCAL_ID || position >= a.positions) return;", "if (position >= a.positions) return;", RACE,
     "tok[AT2(a.tok, b, t)] ="),
    ("GLOBAL write past its end", "row_sample.k.h", "STORE_ANY(lse, AT2(a.lse, b, t)", "STORE_ANY(lse, AT2(a.lse, b, t + a.tokens * 2)", PAST, None),
    ("GLOBAL byte of two items", "unmask_select.k.h", "changed[AT2(a.changed, b, first_change)] = t;", "changed[AT2(a.changed, b, 0)] = t;", RACE, None),
    ("GLOBAL write past its end", "unmask_select.k.h", "i < a.places; i += GROUP) changed", "i < a.places * 8; i += GROUP) changed", "of argument", None),
    ("GLOBAL write past its end", "tensor_copy.k.h", "STORE_F32((GLOBAL float *)to, t, x)", "STORE_F32((GLOBAL float *)to, t + 1, x)", PAST, None),
    ("uninitialised LOCAL", "fibre_rows.k.h", "seen[k] = 0;", ";", BLANK, "if (k == winner"),
    ("uninitialised LOCAL, atomic", "fibre_rows.k.h", "winner = a.columns;", ";", BLANK, "ATOMIC_MIN("),
    ("LOCAL race, same value", "fibre_rows.k.h", "if (LOCAL_ID == 0) scratch[0]", "scratch[0]", RACE, None),
    ("GLOBAL race by plain +=", "fibre_rows.k.h", "ATOMIC_ADD(&count[KEYS - 1 - k], seen[KEYS - 1 - k])", "count[0] += 1", RACE, None),
    ("GLOBAL race, same value", "fibre_rows.k.h", "if (LOCAL_ID == 0) best[row]", "best[row]", RACE, None),
    ("no barrier for 32 lanes", "words.h", "+= scratch[LOCAL_ID + n];\n        BARRIER();", "+= scratch[LOCAL_ID + n];\n        if (n > 32) BARRIER();", RACE, None),
]
HARMLESS = [    # label, file, text, its replacement, the case that must not notice
    ("quotients a unit lower here than elsewhere, as OpenCL allows", "row_sample.k.h", "l[i] = divided(r, l[i]);",
     "l[i] = divided(r, l[i]) * 0.99999994f;", "row_sample/fwd.temperature.top_k/f32/B3.T5.V257/btd/ties"),
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
        if re.search(r"< (TOKENS|QUERIES|ROWS); \w+ $", plain[:m.start()]):   # tiles of at most 32 rows: nothing for a 33rd item
            continue
        line = line_at(text, m.start())
        yield f"32 lanes in line {line}", name, text[:m.start()] + m.group(1) + "32" + text[m.end():], line, "lanes"


def changed(label, name, old, new):
    """(text, where it differs)"""
    text = text_of(name)
    at = text.find(old)
    if at < 0:
        sys.exit(f"{name} no longer says {old!r}: give {label!r} another place")
    return text[:at] + new + text[at + len(old):], at


def points():
    for label, name, old, new, words, elsewhere in POINTS:
        text, at = changed(label, name, old, new)
        line = line_at(text, text.index(elsewhere)) if elsewhere else line_at(text, at)
        yield label, name, text, line, words


def said_about(paths, fault):
    """What checked fibres say of a mutated text."""
    conform, plugins, test = paths
    _, name, text, place, words = fault
    check = "2" if words in ("barrier", "lanes") else "1"       # races need no optimisation, which takes most of the time
    runs = (place,) if words == "harmless" else RUNS[name] if isinstance(RUNS[name], tuple) else (RUNS[name],)
    with tempfile.TemporaryDirectory(prefix="segue-fault-") as folder:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
        env = {**os.environ, "SEGUE_PLUGIN_PATH": plugins, "SEGUE_FIBRE_KERNELS": folder, "SEGUE_CACHE_DIR": "", "SEGUE_FIBRE_CHECK": check,
               "SEGUE_FIBRE_SEED": "1", "SEGUE_FIBRE_GROUP": "64"}
        for run in runs:
            command = [conform, "run", run, "--device", "fibre:0", "--retries", "0", "--no-variants", "--jobs", "1"] if "/" in run else [test, run]
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False, errors="replace")
            if done.returncode:
                break
    return done.returncode, done.stdout + done.stderr


def loop_begins(text, line):
    """The line where the block begins that ends behind this one; the line itself where none does."""
    lines = text.split("\n")
    if line >= len(lines) or lines[line].strip() != "}":
        return line
    depth = 1
    for at in range(line - 1, -1, -1):
        depth += lines[at].count("}") - lines[at].count("{")
        if not depth:
            return at + 1
    return line


def verdict(fault, code, said):
    """None, or why the fault does not count as named."""
    _, name, text, line, words = fault
    finding = re.search(FINDING, said)
    if words == "harmless":
        return "noticed: " + said.strip()[-300:] if code else None
    if code == 0:
        return "nobody noticed"
    if not finding:
        return "no finding: " + said.strip()[-300:]
    rest = finding.group(0)
    lines = [int(n) for n in re.findall(r"\b" + re.escape(name) + r":(\d+)", rest)]
    if not lines:
        return f"no line of {name} named: {rest}"
    if words == "barrier":      # what it kept apart: a read behind it of what nobody wrote, or two accesses, one in front of it
        if BLANK in rest:
            behind = max(lines) > line or max(lines) > loop_begins(text, line)       # or in the loop's next round
            return None if behind else f"a blank read in line {max(lines)}, before the barrier of line {line}: {rest}"
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
    faults += [(label, name, changed(label, name, old, new)[0], case, "harmless") for label, name, old, new, case in HARMLESS]
    faults = [f for f in faults if word in f[0] or word in f[1]]
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for fault, (code, said) in zip(whole, pool.map(lambda f: said_about(paths, f), whole)):
            if code:
                sys.exit(f"{fault[1]} fails as it is:\n{said[-2000:]}")
        for fault, (code, said) in zip(faults, pool.map(lambda f: said_about(paths, f), faults)):
            why = verdict(fault, code, said)
            missed += why is not None
            known = why or (re.search(FINDING, said).group(0) if code else "passed, as it must")
            print(f"{'MISSED' if why else 'named '} {fault[1]:20} {fault[0]:28} {known}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} faults named")
    return 1 if missed or not faults else 0


sys.exit(main())
