#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles kernels at build time and writes them as C for a plugin; embed.cmake runs it.

embed_code.py find DIALECT TARGET...                which of the targets the compiler knows, ";"-ended each; then " compiler"
embed_code.py code DIALECT TARGET KERNEL --out F    compiles all embedded keys of one kernel for one target; F lists them
embed_code.py table SYMBOL F... --out C             one C file of all: `const struct native_code SYMBOL[]`, SYMBOL_count
embed_code.py keys --out H                          KEY(kernel, options) of every embedded key, compiled or not
"""
import argparse
import json
import os
import sys
import time

import kernel_code as code


def compiler_of(options):
    kind = next(kind for kind in code.COMPILERS if kind.dialect == options.dialect)
    found = kind.find(options.tools)
    if not found:
        raise code.Wrong(kind.missing)
    return found


def find(options):
    compiler = compiler_of(options)
    print(";".join(compiler.targets(options.names)), compiler.name, sep="\n")


def compile_kernel(options):
    compiler, (target, kernel), start = compiler_of(options), options.names, time.time()
    found = [key for key in code.keys(options.backends, options.dialect) if key.kernel == kernel]
    store, listed = code.Store(options.store, options.backends), []
    for key in found:
        if not key.embedded:
            continue
        try:
            path, _ = store.get(compiler, target, key)
        except code.Wrong as error:
            raise code.Wrong(f"{key.label()} for {target}: {error}") from error
        listed.append({"arch": target, "kernel": kernel, "options": key.options(), "path": path})
    store.forget(compiler, target, found)
    code.write(options.out, json.dumps(listed, indent=1))
    os.utime(options.out, (start, start))     # a text that was edited meanwhile is newer than that: it is compiled again


BYTES = """__asm__(".pushsection .rodata\\n.balign 64\\nsegue_{symbol}_{i}:\\n.incbin \\"{path}\\"\\n.byte 0\\n.popsection");
extern const char segue_{symbol}_{i}[] __attribute__((visibility("hidden")));
"""


def table(options):
    """.incbin instead of arrays: a compiler takes seconds for a megabyte of numbers. The names of the files have digests in
    them, so that this text changes whenever code does."""
    symbol, parts = options.dialect, [entry for path in options.names for entry in json.loads(code.read(path))]
    lines = ['#include "native.h"\n', f"extern const struct native_code {symbol}[];", f"extern const uint32_t {symbol}_count;\n"]
    lines += [BYTES.format(symbol=symbol, i=i, path=part["path"]) for i, part in enumerate(parts)]
    lines.append(f"const struct native_code {symbol}[{max(len(parts), 1)}] = {{")
    lines += ["    {{ \"{arch}\", \"{kernel}\", \"{options}\", segue_{symbol}_{i}, {size} }},".format(
        **part, symbol=symbol, i=i, size=os.path.getsize(part["path"])) for i, part in enumerate(parts)]
    lines += [] if parts else ["    { NULL, NULL, NULL, NULL, 0 },"]
    lines += ["};", f"const uint32_t {symbol}_count = {len(parts)};\n"]
    code.write(options.out, "\n".join(lines))
    os.utime(options.out)


def keys(options):
    found = [key for key in code.keys(options.backends, "gpu") if key.embedded]
    code.write(options.out, "".join(f'KEY({key.kernel}, "{key.options()}")\n' for key in found))
    os.utime(options.out)


def main():
    verbs = {"find": find, "code": compile_kernel, "table": table, "keys": keys}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("dialect", nargs="?", help="cuda or rocm; of table: the symbol")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--backends", default=code.BACKENDS, help="folder with gpu/, cuda/, rocm/ (default: %(default)s)")
    parser.add_argument("--tools", default=code.TOOLS, help="folder of the test tools (default: %(default)s)")
    parser.add_argument("--store", help="folder that keeps what was compiled")
    parser.add_argument("--out", help="the file to write")
    options = parser.parse_args()
    try:
        verbs[options.verb](options)
    except (code.Wrong, OSError) as error:
        print(f"embed_code: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
