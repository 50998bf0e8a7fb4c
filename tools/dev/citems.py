# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""What a C, C++ or kernel file defines and declares outside of function bodies.

Brackets become one token of kind "group" with everything in it as `inner`. Where #if has branches that open different
brackets, each branch starts from the state before the #if.
"""
import re
from collections import namedtuple

from ctokens import Token

# kind: function, declaration (of types and variables, too) or enumerator; head: its tokens, without a function's body
Item = namedtuple("Item", "kind name line end head inside_type")
Open = namedtuple("Open", "kind bracket line head")

ATTRIBUTES = {"__attribute__", "__attribute", "__declspec", "alignas", "_Alignas", "__launch_bounds__", "noexcept", "decltype",
              "__asm__", "asm", "requires"}
TYPES = {"struct", "union", "class", "enum"}
CLOSING = {")": "(", "]": "[", "}": "{"}


def declared_name(head):
    """The name that a declaration or definition gives, and whether to a function."""
    words = [t.text for t in head]
    head = head[_after_template(words):]
    for i, token in enumerate(head):        # a constructor's initialisers, a variable's value
        if i and (token.text == ":" and head[i - 1].kind == "group" or token.text == "=" and head[i - 1].text != "operator"):
            head = head[:i]
            break
    for i in range(len(head) - 1, 0, -1):
        token, before = head[i], head[i - 1]
        if token.text != "(" or before.text in ATTRIBUTES:
            continue
        if before.kind in ("punct", "group") and head[max(i - 2, 0)].text == "operator":
            return "operator" + before.text, True
        if before.kind == "word":
            alone = i == 1 and before.text != "main"        # TEST(name) { ... }
            return (f"{before.text}({_text(token)})" if alone else before.text), True
        if before.text == "(" and any(t.text in ("*", "&") for t in before.inner):       # (*name)(...), (*name(...))(...)
            return declared_name(before.inner)
        if before.text == "(" and i >= 2 and head[i - 2].text not in ATTRIBUTES:      # KERNEL(name)(...)
            return f"{head[i - 2].text}({_text(before)})", True
    names = [t.text for t in head if t.kind == "word" and t.text not in ATTRIBUTES | TYPES]
    return (names[-1] if names else ""), False


def _text(group):
    return " ".join(t.text for t in group.inner)


def _after_template(words):
    depth = 0
    for i, word in enumerate(words if words[:1] == ["template"] else []):
        depth += (word == "<") - (word == ">")
        if word == ">" and not depth:
            return i + 1
    return 0


def _kind_of_brace(head):
    words = [t.text for t in head]
    if len(head) == 2 and words[0] == "extern" and head[1].kind == "string" or "namespace" in words[:2]:
        return "scope"
    if "=" in words[_after_template(words):] and "operator" not in words:
        return "value"
    if declared_name(head)[1]:
        initialiser = head[-1].kind == "word" and any(t.text == ":" and head[i - 1].kind == "group" for i, t in enumerate(head) if i)
        return "value" if initialiser else "function"
    return "enum" if "enum" in words else "type" if TYPES & set(words) else "value"


class _Reader:
    def __init__(self):
        self.stack, self.head, self.branches, self.items = [], [], [], []

    def directive(self, text):
        match = re.match(r"#\s*(\w+)\s*(\w*)", text)
        word, condition = match.groups() if match else ("", "")
        if word in ("if", "ifdef", "ifndef"):
            self.branches.append((list(self.stack), list(self.head), word + condition == "if0"))
        elif word in ("else", "elif", "endif") and self.branches:
            stack, head, dead = self.branches[-1]
            if word != "endif" or dead:
                self.stack, self.head = list(stack), list(head)
            self.branches[-1] = (stack, head, False)
            if word == "endif":
                self.branches.pop()

    def emit(self, kind, end, head=None):
        head = self.head if head is None else head
        while len(head) > 2 and head[0].text.isupper() and head[1].text == "(" and head[2].kind == "word" and head[2].line > head[1].end:
            head = head[2:]         # a macro call on lines of its own, without a semicolon
        if head:
            name = head[0].text if kind == "enumerator" else declared_name(head)[0]
            self.items.append(Item(kind, name, head[0].line, end, head, any(o.kind == "type" for o in self.stack)))

    def token(self, token):
        inside = self.stack[-1].kind if self.stack else "scope"
        if token.kind != "punct" or token.text not in "()[]{};,":
            if inside != "function":
                self.head.append(token)
        elif token.text in "([{":
            if inside == "function" and token.text != "{":
                return
            if inside in ("scope", "type") and token.text == "{":
                inside = _kind_of_brace(self.head)
            elif inside in ("scope", "type", "enum"):
                inside = "value"
            self.stack.append(Open(inside, token.text, token.line, self.head))
            self.head = []
        elif token.text in CLOSING:
            self.close(token, inside)
        elif inside in ("scope", "type") and token.text == ";":
            self.emit("declaration", token.end)
            self.head = []
        elif inside == "enum" and token.text == ",":
            self.emit("enumerator", token.end)
            self.head = []
        elif inside != "function":
            self.head.append(token)

    def close(self, token, inside):
        bracket = CLOSING[token.text]
        if inside == "function" and bracket != "{" or bracket not in [o.bracket for o in self.stack]:
            return
        while self.stack[-1].bracket != bracket:
            self.stack.pop()
        if inside == "enum":
            self.emit("enumerator", token.end)
        opened = self.stack.pop()
        outer = self.stack[-1].kind if self.stack else "scope"
        if opened.kind == "function" and outer != "function":
            self.emit("function", token.end, opened.head)
            self.head = []
        else:
            group = Token("group", bracket, opened.line, token.end, self.head)
            self.head = [] if opened.kind == "scope" else opened.head + [group]


def items(tokens):
    """Functions, declarations and enumerators outside of function bodies, in order of their ends."""
    reader = _Reader()
    for token in tokens:
        if token.kind == "directive":
            reader.directive(token.text)
        elif token.kind != "comment":
            reader.token(token)
    return reader.items
