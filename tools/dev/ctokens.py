# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens of C, C++ and the kernel dialect.

A token is word, number, string, char, punct, comment or directive; a directive is one token with all its continued lines.
"""
import re
from collections import namedtuple

Token = namedtuple("Token", "kind text line end inner", defaults=((),))     # inner: of citems.py's brackets

SPACE = re.compile(r"(?:[ \t\r\f\v]|\\\r?\n)+")
TOKEN = re.compile(r"""
    (?P<comment>/\*.*?(?:\*/|\Z)|//(?:\\\r?\n|[^\n])*)
  | (?P<string>(?:u8|[uUL])?R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
  | (?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
  | (?P<number>\.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*)
  | (?P<word>[A-Za-z_$]\w*)
  | (?P<punct>->|\+\+|--|<<=|>>=|\.\.\.|::|\#\#|[-+*/%&|^=!<>]=|&&|\|\||<<|.)
""", re.X | re.S)
DIRECTIVE = re.compile(r"""\#(?:\\\r?\n|/\*.*?(?:\*/|\Z)|//(?:\\\r?\n|[^\n])*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[^\n])*""", re.X | re.S)


def lex(text, line=1):
    """All tokens; a word of C++ such as `class` is a word like any other."""
    tokens, at, first_on_line = [], 0, True
    while at < len(text):
        if text[at] == "\n":
            at, line, first_on_line = at + 1, line + 1, True
            continue
        match = SPACE.match(text, at)
        if not match:
            match = DIRECTIVE.match(text, at) if first_on_line and text[at] == "#" else TOKEN.match(text, at)
            kind = "directive" if match.re is DIRECTIVE else match.lastgroup
            tokens.append(Token(kind, match.group(), line, line + match.group().count("\n")))
            first_on_line = first_on_line and kind == "comment"
        line += match.group().count("\n")
        at = match.end()
    return tokens


def code(tokens):
    """Tokens without comments, with what stands in directives: macros hold code, too."""
    for token in tokens:
        if token.kind == "directive":
            yield from code(lex(token.text[1:], token.line))
        elif token.kind != "comment":
            yield token


def comments(tokens):
    for token in tokens:
        if token.kind == "comment":
            yield token
        elif token.kind == "directive":
            yield from comments(lex(token.text[1:], token.line))
