# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""What the checks share: which files the tree has, and how a check reports.

A check prints each violation as `path:line: what is wrong, what was wanted` and exits 1, or one summary of what it
measured and exits 0. So an editor can jump to the place, and nobody mistakes a check that saw no file for one that passed.
"""
import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))

NOT_OURS = {"tools/dev/fixtures", "conformance/golden"}          # planted violations; other people's answers
HIDDEN_BUT_OURS = {".ci"}
EMITTED = {"api/include/segue/ops.h", "api/docs/abi-0.txt"}      # printed by segue describe, checked by check_emitted
AS_GIVEN = {"tools/examples/first_hour.c"}                       # the design's own example, kept letter for letter

C_FILES = (".c", ".h", ".cpp", ".hpp", ".cu", ".hip", ".cl")
SOURCES = C_FILES + (".def", ".lower", ".py", ".sh", ".cmake", "CMakeLists.txt")


def parser(doc):
    """Options of every check: the tree's root; .tree() of the parsed arguments is the Tree."""
    options = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", nargs="?", default=REPOSITORY, help="tree to check (default: %(default)s)")
    return options


class Tree:
    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.name = os.path.basename(sys.argv[0])
        self.violations = []
        self.texts = {}
        if not os.path.isdir(self.root):
            self.unable(f"{self.root} is no folder, wanted the root of a tree")
        self.all = sorted(self._walk())
        self.known = set(self.all)

    def _walk(self):
        for folder, folders, files in os.walk(self.root):
            here = os.path.relpath(folder, self.root).replace(os.sep, "/")
            at = "" if here == "." else here + "/"
            folders[:] = [f for f in folders if self._is_ours(at, f)]
            yield from (at + f for f in files if os.path.isfile(os.path.join(folder, f)))

    def _is_ours(self, at, folder):
        if folder.startswith(".") and folder not in HIDDEN_BUT_OURS or folder == "__pycache__" or at + folder in NOT_OURS:
            return False
        built = folder.startswith("build") if not at else folder == "build"
        return not built and not os.path.exists(os.path.join(self.root, at, folder, "CMakeCache.txt"))

    def text(self, path):
        if path not in self.texts:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace", newline="") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def files(self, *endings):
        """Paths below the root, with /, that end so."""
        return [path for path in self.all if path.endswith(endings)]

    def scripts(self):
        """Files that begin with #! and have no ending that says what they are."""
        plain = (path for path in self.all if "." not in os.path.basename(path))
        return [path for path in plain if self.begins(path, b"#!")]

    def begins(self, path, magic):
        with open(os.path.join(self.root, path), "rb") as file:
            return file.read(len(magic)) == magic

    def primitives(self):
        """{name: line number} of api/ops/primitives.def."""
        path = "api/ops/primitives.def"
        lines = self.text(path).splitlines() if path in self.known else []
        found = {}
        for number, line in enumerate(lines, 1):
            if line.startswith("PRIMITIVE(") and "," in line:
                found[line.split(",")[1].split(")")[0].strip()] = number
        return found

    def wrong(self, path, line, message):
        self.violations.append((path, line, message))

    def finish(self, *summary):
        for path, line, message in sorted(set(self.violations)):
            print(f"{path}:{line}: {message}")
        if self.violations:
            print(f"{self.name}: {len(set(self.violations))} violations", file=sys.stderr)
            sys.exit(1)
        print(f"{self.name}: " + "\n    ".join(summary))
        sys.exit(0)

    def skip(self, why):
        print(f"{self.name}: skipped: {why}")
        sys.exit(77)

    def unable(self, why):
        print(f"{self.name}: {why}", file=sys.stderr)
        sys.exit(4)


def is_public(path):
    """Headers that users of an installed Segue include."""
    return path.endswith(".h") and path.startswith(("api/include/segue/", "plugins/kit/include/segue/"))


def is_test(path):
    """Unit tests and what only they use."""
    return re.search(r"(^|[/_])test(ing)?[./]", path) is not None


def longest(items, count):
    """The greatest `count` of (number, what), as text."""
    return ", ".join(f"{what} {number}" for number, what in sorted(items, key=lambda i: (-i[0], i[1]))[:count])
