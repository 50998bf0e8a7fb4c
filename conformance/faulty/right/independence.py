#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Proves that correct kernels are independent: of the reference, and of each other.

independence.py --reference OBJECT... --kernels OBJECT... looks at object files. Each kernel's may call libc, libm and the kit only and
defines nothing but rows, so that no two can share a function; and no function's machine code may be a copy of another object's, the reference's
included (addresses left out; short functions look alike and do not count).
"""
import argparse
import re
import subprocess
import sys

LIBRARIES = re.compile(r"mem(cpy|set|move)|segue_kit_\w+|(expf|exp2f|logf|log1pf|tanhf|sqrtf|fmaf|ldexpf?|scalbnf?|frexpf?|floorf?|truncf?|rintf?|ilogbf|fabsf?|fmaxf)"
                       r"|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan)_\w+|__memcpy_chk")
ROWS = re.compile(r"segue_row_\w+")
OF_COMPILER = re.compile(r"_sub_[ID]_\w+|_GLOBAL__\w+|[at]san\.module_\w+")     # constructors that sanitizers add
ALIKE = 16                                  # instructions; shorter functions are equal by chance


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(path):
    """(names that others can see, names wanted from others)"""
    seen, wanted = [], []
    for line in output_of("nm", path).splitlines():
        kind, name = line.split()[-2:]
        if kind == "U":
            wanted.append(name)
        elif kind.isupper():
            seen.append(name)
    return seen, wanted


def functions(path):
    """{name: code} without addresses, one string a function."""
    found, name = {}, None
    for line in output_of("objdump", "-d", "-r", "--no-show-raw-insn", path).splitlines():
        head = re.match(r"[0-9a-f]+ <(\S+)>:$", line)
        if head:
            name = head.group(1)
            found[name] = []
        elif name and re.match(r"\s+[0-9a-f]+:\s", line) and "R_" not in line:
            code = re.sub(r"<[^>]*>|\s*#.*", "", line.split(":", 1)[1])
            found[name].append(re.sub(r"\b[0-9a-f]{1,16}\b\s*$|(0x)?[0-9a-f]+\(%rip\)", "", code).strip())
    # Padding between functions belongs to none.
    return {n: "\n".join(c for c in code if not re.match(r"(cs )?(data16 )?(nop|xchg +%ax,%ax)|int3", c)) for n, code in found.items()}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--reference", nargs="+", required=True)
    options.add_argument("--kernels", nargs="+", required=True)
    args = options.parse_args()
    args.reference, args.kernels = (";".join(paths).split(";") for paths in (args.reference, args.kernels))     # CMake's lists
    wrong, owner, looked_at = [], {}, 0
    for path in args.kernels:
        seen, wanted = symbols(path)
        wrong += [f"{path}: wants {name}, wanted libc, libm and the kit only" for name in wanted if not LIBRARIES.fullmatch(name)]
        wrong += [f"{path}: offers {name}, wanted rows only" for name in seen if not ROWS.fullmatch(name)]
        if not any(ROWS.fullmatch(name) for name in seen):
            wrong.append(f"{path}: has no row")
    for path in args.reference + args.kernels:
        for name, code in functions(path).items():
            if OF_COMPILER.match(name) or code.count("\n") < ALIKE:
                continue
            looked_at += 1
            if owner.setdefault(code, (path, name))[0] != path and path in args.kernels:
                wrong.append(f"{path}: {name} is the code of {owner[code][1]} in {owner[code][0]}")
    for words in wrong:
        print(words)
    print(f"{len(args.kernels)} objects of kernels, {len(args.reference)} of the reference: {looked_at} functions of more than {ALIKE} "
          f"instructions, {len(wrong)} shared or foreign")
    if not looked_at:
        print("no function found: is objdump's output another one?")
    return 1 if wrong or not looked_at else 0


sys.exit(main())
