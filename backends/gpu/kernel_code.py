# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels compiled for GPUs without a GPU: what embed_code.py puts into plugins and compile_table.py tabulates.

NVRTC (of a CUDA toolkit, or of PyPI's nvidia-cuda-nvrtc in the folder of test tools) for NVIDIA's, clang 19 for AMD's. The
texts are put together as for a device: dialect.h, words.h, <kernel>.args.h, <kernel>.k.h; the keys stand in gpu/keys.txt. Those
of kernels that one backend alone has (<kernel>.cu, .hip, behind its fast.h) stand in <backend>/keys.txt. What is compiled stays in a folder, named by the digest of all that
it depends on, so that nothing is compiled twice.
"""
import ctypes
import ctypes.util
import dataclasses
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BACKENDS = os.path.dirname(HERE)
TOOLS = os.environ.get("SEGUE_TEST_TOOLS") or os.path.expanduser("~/.cache/segue-tools")
DTYPES = ("f32", "f16", "bf16")
KERNELS = (".k.h", ".cu", ".hip")       # how their files end
MOST_KEYS = 24          # a kernel and target: what plugins may carry compiled


class Wrong(Exception):
    """What was wanted, what was given, what to do."""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, data):
    """Whole or not at all: two builds, or a table beside a build, may write one file. The same bytes keep their time."""
    data = data.encode() if isinstance(data, str) else data
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
        file.write(data)
    os.replace(file.name, path)


# ---- keys --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Key:
    folder: str             # "gpu", or the one backend that has the kernel
    kernel: str
    given: tuple            # ((NAME, value), ...) in the order of keys.txt
    embedded: bool = True   # False: for the table alone
    may_spill: bool = False

    def defines(self):
        """[" -DGROUP=128", " -DACT_F32=1", ...] in the order of make_options() in program.c; embed_code_test.c compares."""
        rank = {"GROUP": 0, "ACT": 1, "STATE": 2}
        ordered = sorted(self.given, key=lambda pair: rank.get(pair[0], 3))
        return [f"-D{name}_{value.upper()}=1" if name in ("ACT", "STATE") else f"-D{name}={value}" for name, value in ordered]

    def options(self):
        return "".join(" " + define for define in self.defines())

    def label(self):
        return " ".join([self.kernel, *(f"{name}={value}" for name, value in self.given)])


MARKS = {"may spill": "may_spill", "table only": "embedded"}


def keys_of(backends, folder):
    """The keys of <folder>/keys.txt, with any and act replaced; none where there is no such file."""
    path, found = os.path.join(backends, folder, "keys.txt"), {}
    for number, line in enumerate(read(path).splitlines() if os.path.exists(path) else (), 1):
        words, marks = line.split("#")[0].strip(), {}
        while any(words.endswith(mark) for mark in MARKS):
            mark = next(mark for mark in MARKS if words.endswith(mark))
            words, marks[MARKS[mark]] = words.removesuffix(mark).strip(), mark != "table only"
        words = words.split()
        if not words:
            continue
        if any(not re.fullmatch(r"[A-Z_]+=\w+", word) for word in words[1:]):
            raise Wrong(f"{path}:{number}: wanted a kernel and NAME=value, given: {line}")
        given = dict(word.split("=") for word in words[1:])
        for act in DTYPES if given.get("ACT") == "any" else (given.get("ACT"),):
            values = {**given, **({"ACT": act} if act else {})}
            if values.get("STATE") == "act":
                values["STATE"] = act
            key = Key(folder, words[0], tuple(values.items()), **marks)
            found.setdefault((key.kernel, key.given), key)
    return list(found.values())


def kernels_of(backends, folder):
    """{name: path}"""
    paths = [path for end in KERNELS for path in sorted(glob.glob(os.path.join(backends, folder, "*" + end)))]
    return {os.path.basename(path).split(".")[0]: path for path in paths}


def check_keys(found, backends, folder):
    kernels = kernels_of(backends, folder)
    for kernel in kernels:
        count = sum(key.kernel == kernel for key in found)
        if not 1 <= count <= MOST_KEYS:
            raise Wrong(f"{folder}/keys.txt has {count} keys of {kernel}, wanted 1 to {MOST_KEYS}")
    for key in found:
        if key.kernel not in kernels:
            raise Wrong(f"{folder}/keys.txt names {key.kernel}, wanted one of the kernels of {folder}: {' '.join(kernels)}")


def keys(backends, dialect):
    """All keys that a target of a dialect is compiled for: of the shared kernels, then of its backend's own ("gpu": none)."""
    return [key for folder in dict.fromkeys(("gpu", dialect)) for key in keys_of(backends, folder)]


def source(backends, dialect, key):
    kernel = kernels_of(backends, key.folder)[key.kernel]
    parts = [os.path.join(backends, dialect, "dialect.h"), os.path.join(backends, "gpu", "words.h"),
             os.path.join(backends, key.folder, "fast.h"), os.path.join(backends, key.folder, key.kernel + ".args.h"), kernel]
    return "".join(f'#line 1 "{os.path.basename(part)}"\n{read(part)}\n' for part in parts if os.path.exists(part))


# ---- compilers ---------------------------------------------------------------------------------------------


def complaints_of(said, otherwise):
    """The lines of a compiler that tell what is wrong, without the notes around them."""
    lines = [line.strip() for line in said.splitlines() if re.search(r"\b(warning|error|fatal)\b", line)]
    return "\n    ".join(["", *lines[:12]]) if lines else said.strip() or otherwise


def numbers(said, failed, forms):
    """{what: how much} by the forms, of which the compiler must have said each; Wrong also for a warning."""
    found = {what: re.search(form, said) for what, form in forms.items()}
    if failed or not all(found.values()) or re.search(r"\bwarning\b", said):
        raise Wrong(complaints_of(said, f"error {failed} without words"))
    return {what: int(match.group(1)) for what, match in found.items()}


class Nvrtc:
    dialect = "cuda"
    flags = ["--fmad=false", "--ptxas-options=-v", "-default-device"]
    missing = "no NVRTC: wanted a CUDA toolkit (CUDA_HOME), or nvidia-cuda-nvrtc in the folder of test tools (tools/setup)"

    def __init__(self, path):
        try:
            self.path, self.lib = path, ctypes.CDLL(path)
        except OSError as error:
            raise Wrong(f"NVRTC does not load ({error}): wanted a library that does, in SEGUE_NVRTC or the toolkit") from error
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.lib.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.name = f"NVRTC {major.value}.{minor.value}"

    @classmethod
    def find(cls, tools):
        if os.environ.get("SEGUE_NVRTC"):
            return cls(os.environ["SEGUE_NVRTC"])
        home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
        places = [os.path.join(home, "lib64"), os.path.join(home, "lib"), os.path.join(tools, "lib")]
        places += glob.glob(os.path.join(tools, "lib", "python3*", "site-packages", "nvidia", "*", "lib"))
        found = [path for place in places for path in sorted(glob.glob(os.path.join(place, "libnvrtc.so*")))]
        path = found[0] if found else ctypes.util.find_library("nvrtc")
        return cls(path) if path else None

    def identity(self):
        return " ".join([self.name, *self.flags])

    def targets(self, wanted):
        count = ctypes.c_int()
        self.lib.nvrtcGetNumSupportedArchs(ctypes.byref(count))
        known = (ctypes.c_int * count.value)()
        self.lib.nvrtcGetSupportedArchs(known)
        return [target for target in wanted if int(re.sub(r"\D", "", target)) in list(known)]

    def _log(self, program):
        size = ctypes.c_size_t()
        self.lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value + 1)
        self.lib.nvrtcGetProgramLog(program, log)
        return log.value.decode(errors="replace")

    def _code(self, program):
        size = ctypes.c_size_t()
        self.lib.nvrtcGetCUBINSize(program, ctypes.byref(size))
        code = ctypes.create_string_buffer(size.value)
        self.lib.nvrtcGetCUBIN(program, code)
        return code.raw

    def compile(self, target, text, options, name):
        program = ctypes.c_void_p()
        options = [f"--gpu-architecture={target}", *self.flags, *options]
        pointers = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = self.lib.nvrtcCreateProgram(ctypes.byref(program), text.encode(), (name + ".k.h").encode(), 0, None, None)
        failed = failed or self.lib.nvrtcCompileProgram(program, len(options), pointers)
        said, code = self._log(program), b"" if failed else self._code(program)
        self.lib.nvrtcDestroyProgram(ctypes.byref(program))
        facts = numbers(said, failed, {"registers": r"Used (\d+) registers", "spilled": r"(\d+) bytes spill stores"})
        local = re.search(r"(\d+) bytes smem", said)            # not said where there is none
        return code, {**facts, "scalars": 0, "local": int(local.group(1)) if local else 0}


class Clang:
    dialect = "rocm"
    flags = ["-x", "hip", "--cuda-device-only", "--no-gpu-bundle-output", "-nogpuinc", "-nogpulib", "-O3", "-Wall", "-Wextra",
             "-Rpass-analysis=kernel-resource-usage"]
    rdna = ["-mcumode"]     # as hipRTC: where a group may have both halves of a WGP, each BARRIER() empties their caches
    missing = "no clang-19 with lld: wanted Debian's packages clang-19 and lld-19 (tools/setup)"

    def __init__(self, path):
        self.path = path
        self.name = self._run(["--version"]).stdout.splitlines()[0]

    @classmethod
    def find(cls, _tools):
        path = shutil.which(os.environ.get("SEGUE_CLANG") or "clang-19")
        return cls(path) if path and (shutil.which("ld.lld-19") or shutil.which("ld.lld")) else None

    def _run(self, options):
        return subprocess.run([self.path, *options], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)

    def identity(self):
        return " ".join([self.name, *self.flags, *self.rdna])

    def _of(self, target):
        """gfx1030:wave64 = the same kernel with waves twice as long as that GPU has by itself."""
        arch, _, wave = target.partition(":")
        own = (self.rdna if arch.startswith("gfx1") else []) + (["-mwavefrontsize64"] if wave else [])
        return [*self.flags, *own, f"--offload-arch={arch}"]

    def targets(self, wanted):
        return [target for target in wanted if not self._run([*self._of(target), "-fsyntax-only", os.devnull]).returncode]

    def compile(self, target, text, options, name):
        with tempfile.TemporaryDirectory() as folder:
            path, out = os.path.join(folder, name + ".hip"), os.path.join(folder, "object")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            result = self._run([*self._of(target), *options, path, "-o", out])
            facts = numbers(result.stderr, result.returncode, {
                "registers": r" VGPRs: (\d+)", "spilled": r"ScratchSize \[bytes/lane\]: (\d+)",
                "scalars": r"SGPRs Spill: (\d+)", "local": r"LDS Size \[bytes/block\]: (\d+)"})
            with open(out, "rb") as file:
                code = file.read()
        accumulators = re.search(r" AGPRs: (\d+)", result.stderr)   # the other half of the same file; used as room to spill
        facts["registers"] += int(accumulators.group(1)) if accumulators else 0
        return code, facts


COMPILERS = (Nvrtc, Clang)


# ---- what was compiled -------------------------------------------------------------------------------------


class Store:
    """<folder>/<target>/<kernel>-<digest>.bin with .json, its facts. Without a folder nothing is kept."""

    def __init__(self, folder, backends):
        self.folder, self.backends, self.texts = folder, backends, {}

    def text(self, compiler, key):
        """Read once: a file that is edited meanwhile must not be compiled as one text and kept, or not, as another."""
        name = (compiler.dialect, key.kernel)
        if name not in self.texts:
            self.texts[name] = source(self.backends, compiler.dialect, key)
        return self.texts[name]

    def place(self, compiler, target, key, text):
        digest = hashlib.sha256("\0".join([compiler.identity(), target, key.options(), text]).encode()).hexdigest()[:32]
        return os.path.join(self.folder, target.replace(":", "_"), f"{key.kernel}-{digest}")

    def get(self, compiler, target, key):
        """(path of the code, or None without a folder; facts), compiled now if it is not there; or Wrong."""
        text = self.text(compiler, key)
        place = self.place(compiler, target, key, text) if self.folder else None
        if place and os.path.exists(place + ".json"):
            return place + ".bin", json.loads(read(place + ".json"))
        code, facts = compiler.compile(target, text, key.defines(), key.kernel)
        if place:
            write(place + ".bin", code)
            write(place + ".json", json.dumps(facts))
        return place and place + ".bin", facts

    def forget(self, compiler, target, found):
        """Code of texts that have since changed: only what these keys, all of one kernel, have now stays."""
        keep = {self.place(compiler, target, key, self.text(compiler, key)) for key in found}
        for path in glob.glob(os.path.join(self.folder, target.replace(":", "_"), found[0].kernel + "-*")):
            if os.path.splitext(path)[0] not in keep:
                os.unlink(path)
