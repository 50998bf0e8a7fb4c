#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Prints, for every plugin of a folder, what it exports and which libraries it is linked to.

Fails when a plugin exports anything but its one entry, or is linked to a library that is not on every machine it is installed
on: drivers and vendors' libraries are opened at run time, so that a plugin loads without them and says what is missing. Only
what --wanted names must be there.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

ENTRY = re.compile(r"segue_plugin_entry_\d+")
EVERYWHERE = re.compile(r"(libc|libm|libdl|libpthread|libgcc_s|ld-linux[\w-]*|libsodium)\.so(\.\d+)*")


def lines_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def look(path):
    """([exported], [linked], [what is wrong])"""
    exported = [line.split()[-1] for line in lines_of("nm", "-D", "--defined-only", path)]
    linked = re.findall(r"\(NEEDED\).*\[(.*)\]", "\n".join(lines_of("readelf", "-d", path)))
    wrong = []
    if len(exported) != 1 or not ENTRY.fullmatch(exported[0]):
        wrong.append(f"exports {', '.join(exported) or 'nothing'}, wanted one segue_plugin_entry_N alone")
    wrong += [f"is linked to {name}, wanted it opened at run time" for name in linked if not EVERYWHERE.fullmatch(name)]
    return exported, linked, wrong


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("--wanted", nargs="*", default=[], metavar="ID")
    options = options.parse_args()
    failures = [f"no segue_{name}.so in {options.folder}: build it" for name in options.wanted
                if not os.path.exists(os.path.join(options.folder, f"segue_{name}.so"))]
    print(f"{'plugin':<20} {'exports':<24} linked to")
    for path in sorted(glob.glob(os.path.join(options.folder, "*.so"))):
        name = os.path.basename(path)
        exported, linked, wrong = look(path)
        print(f"{name:<20} {' '.join(exported)[:60]:<24} {' '.join(linked)}")
        failures += [f"{name} {what}" for what in wrong]
    for failure in failures:
        print(f"plugin_symbols: {failure}", file=sys.stderr)
    return 1 if failures else 0


sys.exit(main())
