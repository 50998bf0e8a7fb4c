#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Prints kernel x target: registers, LOCAL memory and spills of every key on every GPU that we name, without a GPU.

What the build has embedded is read from where it was compiled (--store), the rest is compiled here, and kept there. Fails when
a compiler is missing or does not know a target, a kernel has no key, a compilation fails or warns, or registers spill where
keys.txt does not allow it. A cell: registers an item / bytes of LOCAL a group, then +bytes that an item spills, then on AMD
~scalar registers that are kept in lanes of vector registers. "-": a kernel of another backend. Below: lines of code that all
backends share for each primitive, and those that one backend adds.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import sys

import kernel_code as code

# gfx9 has waves of 64 items, gfx10 and up of 32; one column holds a kernel to both on one GPU.
TARGETS = {"cuda": ("sm_80", "sm_86", "sm_90a", "sm_100", "sm_120"),
           "rocm": ("gfx90a", "gfx942", "gfx1030", "gfx1030:wave64", "gfx1100", "gfx1201")}


def compilers(options):
    """{target: its compiler} of all targets; Wrong if one has none."""
    found, missing = {}, []
    for kind in code.COMPILERS:
        compiler, wanted = kind.find(options.tools), TARGETS[kind.dialect]
        known = compiler.targets(wanted) if compiler else []
        unknown = [target for target in wanted if target not in known]
        if not compiler:
            missing.append(kind.missing)
        elif unknown:
            missing.append(f"{compiler.name} ({compiler.path}) does not know {' '.join(unknown)}: wanted another version")
        found.update({target: kind for target in wanted})
    if missing:
        raise code.Wrong("\n".join(missing))
    return found


loaded = {}         # of this process: compilers are opened once


def compile_one(job):
    """(cell, complaint)"""
    kind, tools, store, target, key = job
    try:
        compiler = loaded.setdefault(kind, None) or kind.find(tools)
        loaded[kind] = compiler
        _, facts = store.get(compiler, target, key)
    except (code.Wrong, OSError) as error:
        return "FAILED", str(error)
    spilled, scalars = facts["spilled"], facts["scalars"]
    cell = f"{facts['registers']}/{facts['local']}" + (f"+{spilled}" if spilled else "") + (f"~{scalars}" if scalars else "")
    wrong = f"{spilled} bytes an item spill from registers, wanted none" if spilled and not key.may_spill else None
    return cell, wrong


def print_table(found, targets, cells):
    width = max(len(key.label()) for key in found)
    widths = [max([len(target), *(len(cells.get((key, target), "-")) for key in found)]) for target in targets]
    print("registers/LOCAL +bytes ~scalars spilled".ljust(width), *(t.rjust(w) for t, w in zip(targets, widths)))
    for key in found:
        print(key.label().ljust(width), *(cells.get((key, t), "-").rjust(w) for t, w in zip(targets, widths)))


def lines(paths):
    """Lines of code: neither blank nor comment."""
    texts = [re.sub(r"/\*.*?\*/|//[^\n]*", "", code.read(path), flags=re.DOTALL) for path in paths]
    return sum(1 for text in texts for line in text.splitlines() if line.strip())


def print_lines(backends):
    def found(folder, *patterns):
        paths = {path for pattern in patterns for path in glob.glob(os.path.join(backends, folder, pattern))}
        return {path for path in paths if not re.search(r"_test\.c$|testing|plan_time", path)}
    kernels, shared = list(code.kernels_of(backends, "gpu")), set()
    rows = []           # what, lines for the device, lines for the host
    for name in kernels:
        text, launcher = found("gpu", name + ".k.h"), found("gpu", *(name + end for end in (".args.h", ".c", ".h")))
        rows.append((f"shared: {name}", text, launcher))
        shared |= text | launcher
    words = found("gpu", "words.h")
    rows.append(("shared: words, programs, cache", words, found("gpu", "*.[ch]") - words - shared))
    rows.append(("cuda and rocm: native", set(), found("gpu/native", "*.[ch]")))
    for name in ("opencl", *TARGETS):
        own, fast = code.kernels_of(backends, name), set()
        if own:
            texts, fast = found(name, "*.cu", "*.hip"), found(name, "fast*.h", *(kernel + "*.[ch]" for kernel in own))
            rows.append((f"{name}: rows of its own, {len(own)}", texts, fast))
        dialect = found(name, "dialect.h")
        rows.append((f"{name}: dialect, adapter", dialect, found(name, "*.[ch]") - dialect - fast))
    print("\n" + "lines of code".ljust(34), "device".rjust(7), "host".rjust(7))
    for what, device, host in rows:
        print(what.ljust(34), f"{lines(device):7}", f"{lines(host):7}")


def run(options):
    if not code.kernels_of(options.backends, "gpu"):
        raise code.Wrong(f"{options.backends}/gpu holds no *.k.h, wanted the folder backends of a tree")
    for folder in ("gpu", *TARGETS):
        code.check_keys(code.keys_of(options.backends, folder), options.backends, folder)
    by_dialect = {dialect: code.keys(options.backends, dialect) for dialect in TARGETS}
    found = list(dict.fromkeys(key for some in by_dialect.values() for key in some))
    by_target = compilers(options)
    store = code.Store(options.store, options.backends)
    jobs = [(kind, options.tools, store, target, key) for target, kind in by_target.items() for key in by_dialect[kind.dialect]]
    jobs.sort(key=lambda job: job[4].embedded)         # what takes longest first: those are not in the store
    with concurrent.futures.ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = list(pool.map(compile_one, jobs, chunksize=1))
    print_table(found, list(by_target), {(job[4], job[3]): cell for job, (cell, _) in zip(jobs, results)})
    complaints = [f"{job[4].label()} for {job[3]}: {said}" for job, (_, said) in zip(jobs, results) if said]
    if complaints:
        raise code.Wrong("\n".join(complaints))
    kernels = len({(key.folder, key.kernel) for key in found})
    print_lines(options.backends)
    print(f"{kernels} kernels, {len(found)} keys, {len(by_target)} targets: {len(jobs)} compiled, none failed or warned")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default=code.BACKENDS, help="folder with gpu/, cuda/, rocm/ (default: %(default)s)")
    parser.add_argument("--tools", default=code.TOOLS, help="folder of the test tools (default: %(default)s)")
    parser.add_argument("--store", help="folder that keeps what was compiled, the build's own")
    try:
        run(parser.parse_args())
    except code.Wrong as error:
        print(f"compile_table: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
