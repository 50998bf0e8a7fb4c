#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles every shared kernel for every GPU that we name, without a GPU, and prints kernel x target: registers, and bytes spilled.

NVRTC (of a CUDA toolkit, or of PyPI's nvidia-cuda-nvrtc in the folder of test tools) for NVIDIA's, clang 19 for AMD's. The
texts are put together as for a device: dialect.h, words.h, <kernel>.args.h, <kernel>.k.h; the keys stand in keys.txt. Fails when
a compiler is missing, a kernel has no key, a compilation fails or warns, or registers spill where keys.txt does not allow it.
A cell: registers an item, then +bytes that it spills, then on AMD ~scalar registers that are kept in lanes of vector registers.
"""
import argparse
import concurrent.futures
import ctypes
import ctypes.util
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NVIDIA = ("sm_80", "sm_90a", "sm_100")
AMD = ("gfx90a", "gfx942", "gfx1030", "gfx1100", "gfx1201")
DTYPES = ("f32", "f16", "bf16")
MOST_KEYS = 24          # a kernel and target: what plugins may carry compiled


class Wrong(Exception):
    """What was wanted, what was given, what to do."""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# ---- keys --------------------------------------------------------------------------------------------------


def keys(path):
    """[(kernel, {define: value}, may spill)] of keys.txt, with any and act replaced."""
    found = []
    for number, line in enumerate(read(path).splitlines(), 1):
        words, may = line.split("#")[0].removesuffix("may spill").split(), line.endswith("may spill")
        if not words:
            continue
        if any(not re.fullmatch(r"[A-Z]+=\w+", word) for word in words[1:]):
            raise Wrong(f"{path}:{number}: wanted a kernel and NAME=value, given: {line}")
        given = dict(word.split("=") for word in words[1:])
        for act in DTYPES if given.get("ACT") == "any" else (given.get("ACT"),):
            key = dict(given, ACT=act) if act else dict(given)
            if key.get("STATE") == "act":
                key["STATE"] = act
            if (words[0], key, may) not in found and (words[0], key, not may) not in found:
                found.append((words[0], key, may))
    return found


def check_keys(found, kernels):
    for kernel in kernels:
        count = sum(name == kernel for name, _, _ in found)
        if not 1 <= count <= MOST_KEYS:
            raise Wrong(f"keys.txt has {count} keys of {kernel}, wanted 1 to {MOST_KEYS}")
    for name, _, _ in found:
        if name not in kernels:
            raise Wrong(f"keys.txt names {name}, wanted one of the kernels: {' '.join(kernels)}")


def defines(key):
    """As a device's options have them: -DACT_F32=1, -DN=16."""
    return [f"-D{name}_{value.upper()}=1" if name in ("ACT", "STATE") else f"-D{name}={value}" for name, value in key.items()]


def source(folder, dialect, kernel):
    args = os.path.join(folder, "gpu", kernel + ".args.h")
    parts = [os.path.join(folder, dialect, "dialect.h"), os.path.join(folder, "gpu", "words.h"), args,
             os.path.join(folder, "gpu", kernel + ".k.h")]
    return "".join(f'#line 1 "{os.path.basename(part)}"\n{read(part)}\n' for part in parts if part != args or os.path.exists(args))


# ---- compilers: (registers, bytes spilled, scalars kept in vector registers) of one kernel, or Wrong ---------


def nvrtc_library(tools):
    """The path, or name, of libnvrtc."""
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    places = [os.path.join(home, "lib64"), os.path.join(home, "lib"), os.path.join(tools, "lib")]
    places += glob.glob(os.path.join(tools, "lib", "python3*", "site-packages", "nvidia", "*", "lib"))
    for place in places:
        for path in sorted(glob.glob(os.path.join(place, "libnvrtc.so*"))):
            return path
    return ctypes.util.find_library("nvrtc")


def complaints_of(said, otherwise):
    """The lines of a compiler that tell what is wrong, without the notes around them."""
    lines = [line.strip() for line in said.splitlines() if re.search(r"\b(warning|error|fatal)\b", line)]
    return "\n    ".join(["", *lines[:12]]) if lines else said.strip() or otherwise


def nvrtc(library, target, text, options, name):
    lib = ctypes.CDLL(library)
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    options = [f"--gpu-architecture={target}", "--fmad=false", "--ptxas-options=-v", "-default-device", *options]
    pointers = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = lib.nvrtcCreateProgram(ctypes.byref(program), text.encode(), (name + ".k.h").encode(), 0, None, None)
    failed = failed or lib.nvrtcCompileProgram(program, len(options), pointers)
    lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value + 1)
    lib.nvrtcGetProgramLog(program, log)
    said = log.value.decode(errors="replace")
    lib.nvrtcDestroyProgram(ctypes.byref(program))
    used, spilled = re.search(r"Used (\d+) registers", said), re.search(r"(\d+) bytes spill stores", said)
    if failed or not used or not spilled or re.search(r"\bwarning\b", said):
        raise Wrong(complaints_of(said, f"error {failed} without words"))
    return int(used.group(1)), int(spilled.group(1)), 0


def clang(compiler, target, text, options, name):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name + ".hip")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        command = [compiler, "-x", "hip", f"--offload-arch={target}", "--cuda-device-only", "--no-gpu-bundle-output", "-nogpuinc",
                   "-nogpulib", "-O3", "-Wall", "-Wextra", "-Rpass-analysis=kernel-resource-usage", *options, path,
                   "-o", os.path.join(folder, "object")]
        result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    said = result.stderr
    forms = (r" VGPRs: (\d+)", r"ScratchSize \[bytes/lane\]: (\d+)", r"SGPRs Spill: (\d+)")
    used, spilled, scalars = (re.search(form, said) for form in forms)
    if result.returncode or not used or not spilled or not scalars or "warning:" in said:
        raise Wrong(complaints_of(said, f"exit {result.returncode} without words"))
    accumulators = re.search(r" AGPRs: (\d+)", said)          # the other half of the same file; used as room to spill
    return int(used.group(1)) + int(accumulators.group(1) if accumulators else 0), int(spilled.group(1)), int(scalars.group(1))


def compilers(options):
    """{target: (function, compiler, dialect)} of all targets; Wrong if one has no compiler."""
    library, program, missing = nvrtc_library(options.tools), shutil.which(options.clang), []
    if not library:
        missing.append(f"no NVRTC: wanted a CUDA toolkit (CUDA_HOME), or nvidia-cuda-nvrtc in {options.tools} (tools/setup, --tools)")
    if not program or not (shutil.which("ld.lld-19") or shutil.which("ld.lld")):
        missing.append(f"no {options.clang} with lld: wanted Debian's packages clang-19 and lld-19 (tools/setup, --clang)")
    if missing:
        raise Wrong("\n".join(missing))
    return {**{t: (nvrtc, library, "cuda") for t in NVIDIA}, **{t: (clang, program, "rocm") for t in AMD}}


def compile_one(job):
    """(cell, complaint)"""
    (compiler, path, dialect), target, folder, (kernel, key, may_spill) = job
    try:
        registers, spilled, scalars = compiler(path, target, source(folder, dialect, kernel), defines(key), kernel)
    except (Wrong, OSError) as error:
        return "FAILED", str(error)
    cell = str(registers) + (f"+{spilled}" if spilled else "") + (f"~{scalars}" if scalars else "")
    return cell, f"{spilled} bytes an item spill from registers, wanted none" if spilled and not may_spill else None


# ---- the table ---------------------------------------------------------------------------------------------


def label(kernel, key):
    return " ".join([kernel, *(f"{name}={value}" for name, value in key.items())])


def print_table(found, targets, cells):
    width = max(len(label(kernel, key)) for kernel, key, _ in found)
    print("registers an item, +bytes, ~scalars spilled".ljust(width), *(t.rjust(8) for t in targets))
    for row, (kernel, key, _) in enumerate(found):
        print(label(kernel, key).ljust(width), *(cells[row, t].rjust(8) for t in targets))


def run(options):
    kernels = sorted(os.path.basename(p).removesuffix(".k.h") for p in glob.glob(os.path.join(options.backends, "gpu", "*.k.h")))
    if not kernels:
        raise Wrong(f"{options.backends}/gpu holds no *.k.h, wanted the folder backends of a tree")
    found = keys(os.path.join(options.backends, "gpu", "keys.txt"))
    check_keys(found, kernels)
    by_target = compilers(options)
    places = [(row, target) for row in range(len(found)) for target in by_target]
    jobs = [(by_target[target], target, options.backends, found[row]) for row, target in places]
    with concurrent.futures.ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = list(pool.map(compile_one, jobs, chunksize=1))
    cells = {place: cell for place, (cell, _) in zip(places, results)}
    print_table(found, by_target, cells)
    complaints = [f"{label(*found[row][:2])} for {target}: {said}" for (row, target), (_, said) in zip(places, results) if said]
    if complaints:
        raise Wrong("\n".join(complaints))
    print(f"{len(kernels)} kernels, {len(found)} keys, {len(by_target)} targets: {len(jobs)} compiled, none failed or warned")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default=os.path.dirname(HERE), help="folder with gpu/, cuda/, rocm/ (default: %(default)s)")
    parser.add_argument("--tools", default=os.environ.get("SEGUE_TEST_TOOLS") or os.path.expanduser("~/.cache/segue-tools"),
                        help="folder of the test tools (default: %(default)s)")
    parser.add_argument("--clang", default="clang-19", help="clang for AMD's GPUs (default: %(default)s)")
    try:
        run(parser.parse_args())
    except Wrong as error:
        print(f"compile_table: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
