# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""The part of check_names that reads C: what headers and sources declare, what library code calls, how rows are named."""
import re

import citems
import ctokens
import tree

LIBRARY = ("api/", "plugins/", "backends/", "reference/")
IN_LIBSEGUE = ("api/core/", "plugins/loader/", "plugins/kit/", "reference/")        # one name space: libsegue.so, libsegue-kit.a
OTHER_PREFIX = {"api/core/os_posix.c": "os_"}
ROW_NAME = 56

SILENT = "a segue_status with words in diag"
BANNED = {                                  # function: what library code does instead
    **dict.fromkeys("abort exit _exit _Exit quick_exit assert".split(), SILENT),
    **dict.fromkeys("printf fprintf vprintf vfprintf puts fputs putchar fputc putc perror".split(), "diag, or the host's log"),
    **dict.fromkeys("gets sprintf vsprintf strcpy strcat".split(), "snprintf with the target's size"),
    **dict.fromkeys("rand srand".split(), "a seeded counter-based generator"),
    **dict.fromkeys("setenv putenv unsetenv system".split(), "nothing: the process is the caller's"),
    "getenv": "secure_getenv, by os_environment() in core and loader", "alloca": "workspace, or a fixed size",
    "strtok": "a scan without hidden state", "atoi": "strtol with its end checked",
}


def public_names(files, path, tokens, items):
    """Everything that a public header gives a name to begins with segue_, macros and enumerators with SEGUE_."""
    for token in tokens:
        macro = re.match(r"#\s*define\s+(\w+)", token.text) if token.kind == "directive" else None
        if macro and not re.fullmatch(r"SEGUE_[A-Z0-9_]+", macro.group(1)):
            files.wrong(path, token.line, f"public macro {macro.group(1)}, wanted SEGUE_ and upper case")
    plain = [t for t in tokens if t.kind not in ("comment", "directive")]
    for before, word, name, after in zip([None] + plain, plain, plain[1:], plain[2:]):
        defined = after.text in "{;" or before and before.text == "typedef"
        if word.text in citems.TYPES and name.kind == "word" and defined and not name.text.startswith("segue_"):
            files.wrong(path, name.line, f"public {word.text} {name.text}, wanted segue_ in front")
    for item in items:
        if item.kind == "enumerator" and not re.fullmatch(r"SEGUE_[A-Z0-9_]+", item.name):
            files.wrong(path, item.head[0].line, f"public enumerator {item.name}, wanted SEGUE_ and upper case")
        tag = item.head[0].text in citems.TYPES and item.name == item.head[1].text     # told above
        if item.kind != "enumerator" and not (item.inside_type or tag or re.match("segue_|SEGUE_|_Static_assert|$", item.name)):
            files.wrong(path, item.line, f"public {item.kind} {item.name}, wanted segue_ in front")


def prefixes(files, path, items):
    """File-local names have no prefix; what another file of libsegue can call has it."""
    for item in items:
        if item.kind != "function" or item.inside_type:
            continue
        if any(t.text == "static" for t in item.head):
            if item.name.startswith("segue_"):
                files.wrong(path, item.line, f"static function {item.name}, wanted no prefix on a file's own names")
        elif path.endswith(".c") and path.startswith(IN_LIBSEGUE) and not tree.is_test(path):
            prefix = OTHER_PREFIX.get(path, "segue_")
            if not item.name.startswith((prefix, "SEGUE_")):
                files.wrong(path, item.line, f"function {item.name} is seen by other files, wanted {prefix} in front, or static")


def banned(files, path, tokens, items):
    """Library code answers with a status: it never prints, aborts, or touches what belongs to the process."""
    program = any(item.kind == "function" and item.name == "main" for item in items)
    if program or not path.startswith(LIBRARY) or tree.is_test(path):
        return
    plain = list(ctokens.code(tokens))
    for before, word, after in zip([None] + plain, plain, plain[1:]):
        if word.text in BANNED and after.text == "(" and not (before and before.text in (".", "->")):
            files.wrong(path, word.line, f"library code calls {word.text}(), wanted {BANNED[word.text]}")


def rows_in(group):
    """(line, {field: value tokens}) of each initialiser of a segue_row in a { } group."""
    fields, key = {}, None
    for i, token in enumerate(group.inner):
        if token.text == "." and i + 2 < len(group.inner) and group.inner[i + 2].text == "=":
            key = group.inner[i + 1].text
            fields[key] = []
        elif token.text == ",":
            key = None
        elif key and token.text not in ("=", key):
            fields[key].append(token)
        elif not key and token.text == "{":
            yield from rows_in(token)
    if fields or not any(t.text == "{" for t in group.inner):
        yield group.line, fields


def row_definition(item):
    """The { } of a definition of one or more segue_row; None if the item is something else."""
    words = [t.text for t in item.head]
    at = words.index("segue_row") if item.kind == "declaration" and "segue_row" in words else -1
    if at < 0 or "=" not in words or words[at + 1] in ("*", "const") or item.head[-1].text != "{":
        return None
    return item.head[-1]


def rows(files, path, items, primitives):
    """A row's name begins with its primitive's, and the row stands last, under the kernel that it describes."""
    seen = None
    for item in items:
        group = row_definition(item)
        if group is None:
            defines = item.kind == "function" or item.kind == "declaration" and any(t.text == "=" for t in item.head)
            if seen and defines and not item.inside_type:
                files.wrong(path, item.line, f"{item.name} is defined after the row {seen}, wanted the row as the last definition")
            continue
        seen = item.name
        for line, fields in rows_in(group):
            name = "".join(t.text.strip('"') if t.kind == "string" else "?" for t in fields.get("name", []))
            primitive = "".join(t.text for t in fields.get("primitive", [])).replace("SEGUE_", "").lower()
            if not name or "?" in name:
                files.wrong(path, line, f"the row {item.name} has no plain name, wanted .name = \"...\", which grep finds")
            elif len(name) > ROW_NAME:
                files.wrong(path, line, f"row name {name} has {len(name)} characters, wanted at most {ROW_NAME}")
            if name and primitive in primitives and name != primitive and not name.startswith(primitive + "_"):
                files.wrong(path, line, f"row name {name}, wanted it to begin with its primitive's, {primitive}")


def check(files, path, primitives):
    """All of the above for one file; returns how many things were looked at."""
    tokens = ctokens.lex(files.text(path))
    items = citems.items(tokens)
    if tree.is_public(path):
        public_names(files, path, tokens, items)
    else:
        prefixes(files, path, items)
    banned(files, path, tokens, items)
    if path.startswith(LIBRARY) and not tree.is_test(path):
        rows(files, path, items, primitives)
    return len(items), sum(row_definition(item) is not None for item in items)
