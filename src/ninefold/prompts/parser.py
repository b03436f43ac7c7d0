"""Prompts as trees: one pass from left to right, in time proportional to the text's length."""

from __future__ import annotations

import re
from functools import lru_cache

from ninefold.core.errors import InputError
from ninefold.prompts.errors import syntax_error
from ninefold.prompts.open_constructs import OpenConstruct
from ninefold.prompts.patterns import (
    AFTER_ARGUMENTS,
    ARGUMENT,
    COUNT,
    IN_TAG,
    JSON,
    NAME,
    NOT_IN_NAMES,
    SIMPLE,
    SYNTAX,
    TOKEN,
    VARIABLE,
    WEIGHT,
    WITHOUT_NAMES,
    is_escape,
)
from ninefold.prompts.texts import merge_texts, without_leading_blanks, without_trailing_blanks
from ninefold.prompts.tree import (
    Assignment,
    LoraTag,
    Node,
    Nodes,
    Option,
    Text,
    Variable,
    Variants,
    Wildcard,
)

#: Deepest nesting of braces, tags and wildcards that is read.
MAX_NESTING = 50
#: Largest weight of a choice.
MAX_CHOICE_WEIGHT = 1e6
_MAX_DIGITS = 6

_TAG_REMEDY = "A tag is written <lora:name:0.8>, with its > at the end."
_ARGUMENTS_REMEDY = "A wildcard's arguments are written __name(x=red, y={1::a, b})__."


@lru_cache(maxsize=64)  # several stages read the same prompt
def parse_prompt_tree(text: str, where: str = "prompt") -> Nodes:
    """The nodes of a prompt; raises `InputError` that names `where` and the character.

    Text without syntax is one `Text` that holds it to the letter.
    """
    if not SYNTAX.search(text):
        return (Text(text, 0, len(text)),) if text else ()
    return _Parser(text, where).parse()


class _Parser:
    def __init__(self, source: str, where: str) -> None:
        self._source, self._where = source, where
        self._at = 0
        self._open: list[OpenConstruct] = [OpenConstruct("root")]

    def parse(self) -> Nodes:
        while match := TOKEN.match(self._source, self._at):
            self._read(match[0])
        self._end()
        return merge_texts(self._open[0].nodes)

    # -- tokens ----------------------------------------------------------------------------------

    def _read(self, token: str) -> None:
        """Take the next token; moves on past it."""
        at, top = self._at, self._open[-1]
        self._at += len(token)
        match token:
            case "{":
                self._open_brace(at)
            case "}":
                self._close_brace(at)
            case "|":
                self._next_option(at)
            case "${":
                self._open_variable(at)
            case "__":
                self._underscores(at)
            case "(" | ")" | "," if top.kind in ("name", "argument"):
                self._in_arguments(token, at)
            case ">" if top.kind == "tag":
                self._close_tag()
            case _ if token[0] == "<" and len(token) > 1:
                self._open_tag(at)
            case _:
                self._plain(token, at)

    def _plain(self, token: str, at: int) -> None:
        top = self._open[-1]
        if top.kind == "name" and (bad := NOT_IN_NAMES.search(token)):
            if bad.start():
                self._text(token[: bad.start()], at)
            self._abandon()
            token, at = token[bad.start() :], at + bad.start()
        elif top.kind == "tag" and token == "<":
            raise self._error(top.at, _TAG_REMEDY)
        end = at + len(token)
        if is_escape(token):
            token = token[1:] if top.kind != "tag" else token
        self._text(token, at, end)

    def _text(self, text: str, at: int, end: int | None = None) -> None:
        self._open[-1].nodes.append(Text(text, at, at + len(text) if end is None else end))

    # -- braces ----------------------------------------------------------------------------------

    def _open_brace(self, at: int) -> None:
        frame = OpenConstruct("brace", at, json=JSON.match(self._source, at) is not None)
        self._push(frame)
        if frame.json:
            return
        if (count := COUNT.match(self._source, self._at)) and any(
            count.group("least", "to", "most")
        ):
            self._at = count.end()
            self._count(frame, count)
            self._check_sign(count["sign"], at)
        self._option_weight(frame)

    def _count(self, frame: OpenConstruct, count: re.Match[str]) -> None:
        least, most = count["least"], count["most"]
        if max(len(least or ""), len(most or "")) > _MAX_DIGITS:
            raise self._error(frame.at, f"A count has at most {_MAX_DIGITS} digits.")
        frame.variants, frame.bare = True, False
        frame.least = int(least) if least else 1
        frame.most = int(most) if most else (None if count["to"] else frame.least)
        if frame.most is not None:
            frame.least, frame.most = sorted((frame.least, frame.most))
        if count["separator"] is not None:
            frame.separator = count["separator"]

    def _option_weight(self, frame: OpenConstruct) -> None:
        """Read the weight at the start of an option, if there is one."""
        frame.weight, frame.option_at = 1.0, self._at
        if not (match := WEIGHT.match(self._source, self._at)):
            return
        if match["sign"]:
            if frame.variants:  # only before the first option, where no count has read it
                return
            self._check_sign(match["sign"], frame.at)
        weight = float(match["weight"])
        if not 0 <= weight <= MAX_CHOICE_WEIGHT:
            raise self._error(
                match.start("weight"),
                f"The weight of a choice is 0 to {MAX_CHOICE_WEIGHT:,.0f}, as in {{3::a|b}}.",
            )
        frame.weight, frame.variants, frame.bare = weight, True, False
        self._at = match.end()

    def _next_option(self, at: int) -> None:
        while (top := self._open[-1]).kind in ("name", "argument"):
            self._abandon()
        if top.kind == "brace" and not top.json:
            self._finish_option(top, at)
            top.variants = True
            self._option_weight(top)
        elif top.kind == "variable":
            raise self._error(at, "Choices in a variable are written ${x={a|b}}, \\| is text.")
        elif top.kind == "tag":
            raise self._error(top.at, _TAG_REMEDY)
        else:
            self._text("|", at)

    def _finish_option(self, frame: OpenConstruct, end: int) -> None:
        nodes = without_leading_blanks(merge_texts(frame.nodes))
        first = nodes[0] if nodes else None
        if not frame.options and isinstance(first, Text) and self._signed(frame, first):
            signed = Text(first.text[1:], first.at + 1, first.end)
            nodes = without_leading_blanks((signed, *nodes[1:]))
        frame.options.append(Option(nodes, frame.weight, frame.option_at, end))
        frame.nodes = []

    def _signed(self, frame: OpenConstruct, first: Text) -> bool:
        """Whether the first option starts with a sampler's sign, as in `{~a|b}`."""
        if not frame.bare or first.text[0] not in "~!@":
            return False
        self._check_sign(first.text[0], frame.at)
        return True

    def _check_sign(self, sign: str, at: int) -> None:
        if sign == "@":
            raise self._error(
                at,
                "Cyclical choices ({@a|b}, __@name__) need an order of images, and there is none. "
                "Leave the @ out, or give it a weight, as in {1::@a|b}, where it is text.",
            )

    def _close_brace(self, at: int) -> None:
        while (top := self._open[-1]).kind in ("name", "argument"):
            self._abandon()
        if top.kind == "tag":
            raise self._error(top.at, _TAG_REMEDY)
        if top.kind == "root":
            self._text("}", at)
        elif top.kind == "variable":
            self._close_variable()
        elif not top.variants:
            self._abandon()
            self._text("}", at)
        else:
            self._finish_option(top, at)
            options = tuple(top.options)
            self._pop(Variants(options, top.least, top.most, top.separator, top.at, self._at))

    # -- variables -------------------------------------------------------------------------------

    def _open_variable(self, at: int) -> None:
        match = VARIABLE.match(self._source, at)
        if match is None:
            raise self._error(
                at,
                "Variables are written ${name=value}, ${name} or ${name:default}; \\$ is text.",
            )
        sign, now = match["sign"], match["now"]
        self._at = match.end() if sign != ":" else match.end("sign")
        self._push(
            OpenConstruct(
                "variable", at, name=match["name"], sign=sign, immediate=bool(now) and "=" in sign
            )
        )

    def _close_variable(self) -> None:
        top = self._open[-1]
        value = without_leading_blanks(merge_texts(top.nodes))
        if "=" in top.sign:
            keep = top.sign == "?="
            node: Node = Assignment(top.name, value, top.immediate, keep, top.at, self._at)
        else:
            node = Variable(top.name, value if top.sign else None, top.at, self._at)
        self._pop(node)

    # -- wildcards -------------------------------------------------------------------------------

    def _underscores(self, at: int) -> None:
        top = self._open[-1]
        if top.kind == "tag":
            last = top.nodes[-1] if top.nodes else None
            begins = last is None or (isinstance(last, Text) and last.text.rstrip().endswith(":"))
            if begins and (whole := IN_TAG.match(self._source, at)):
                self._at = whole.end()
                name = Text(whole["name"], at + 2, at + 2 + len(whole["name"]))
                top.nodes.append(Wildcard((name,), at=at, end=self._at))
            else:
                self._text("__", at)
            return
        if top.kind == "name":
            if self._close_wildcard(top):
                return
            self._abandon()
        after = self._source[self._at : self._at + 1]
        if after and not after.isspace() and after not in "_()|}<>":
            self._push(OpenConstruct("name", at))
        else:  # of three underscores the first is text: the other two may begin a name
            self._text("_", at)
            self._at = at + 1
            if after != "_":
                self._text("_", at + 1)
                self._at = at + 2

    def _close_wildcard(self, frame: OpenConstruct) -> bool:
        """Make a wildcard of what was read since the last `__`; False where that is text."""
        name = merge_texts(frame.nodes)
        flat = "".join(node.text if isinstance(node, Text) else "x" for node in name)
        if not NAME.fullmatch(flat):
            return False
        if not SIMPLE.fullmatch(flat) and self._in_a_word(frame.at, self._at):
            return False
        first = name[0]
        sign = first.text[0] if isinstance(first, Text) and first.text[0] in "~!@" else ""
        if sign and isinstance(first, Text):
            self._check_sign(sign, frame.at)
            rest = (Text(first.text[1:], first.at + 1, first.end),) if first.text[1:] else ()
            name = (*rest, *name[1:])
            if not name:
                return False
        self._pop(Wildcard(name, tuple(frame.arguments), sign == "!", frame.at, self._at))
        return True

    def _in_a_word(self, start: int, end: int) -> bool:
        around = (self._source[start - 1 : start], self._source[end : end + 1])
        return any(letter.isalnum() or letter == "_" for letter in around)

    def _in_arguments(self, token: str, at: int) -> None:
        top = self._open[-1]
        if top.kind == "name":
            if token == "(" and top.nodes and (first := ARGUMENT.match(self._source, self._at)):
                self._argument(first)
            elif token == "(" and top.nodes and WITHOUT_NAMES.match(self._source, at):
                raise self._error(at, _ARGUMENTS_REMEDY)
            elif token == ",":
                self._text(token, at)
            else:
                self._abandon()
                self._at = at  # for what lies below
            return
        top.brackets += {"(": 1, ")": -1, ",": 0}[token]
        if top.brackets > 0 or (token == ")" and top.brackets == 0):
            self._text(token, at)
        elif token == ",":
            self._next_argument(at)
        else:
            self._end_arguments(at)

    def _argument(self, match: re.Match[str]) -> None:
        self._push(OpenConstruct("argument", match.start(), name=match["name"]))
        self._at = match.end()

    def _next_argument(self, at: int) -> None:
        if not (match := ARGUMENT.match(self._source, self._at)):
            raise self._error(at, _ARGUMENTS_REMEDY)
        self._finish_argument()
        self._argument(match)

    def _finish_argument(self) -> None:
        done = self._open.pop()
        value = without_trailing_blanks(merge_texts(done.nodes))
        self._open[-1].arguments.append((done.name, value))

    def _end_arguments(self, at: int) -> None:
        after = AFTER_ARGUMENTS.match(self._source, self._at)
        if after is None:
            raise self._error(at, "A wildcard with arguments ends with __, as in __name(x=red)__.")
        self._finish_argument()
        self._at = after.end()
        if not self._close_wildcard(self._open[-1]):
            raise self._error(self._open[-1].at, "This is no name of a wildcard.")

    # -- LoRA tags -------------------------------------------------------------------------------

    def _open_tag(self, at: int) -> None:
        while self._open[-1].kind == "name":
            self._abandon()
        if self._open[-1].kind == "tag":
            raise self._error(self._open[-1].at, _TAG_REMEDY)
        self._push(OpenConstruct("tag", at))

    def _close_tag(self) -> None:
        top = self._open[-1]
        self._pop(LoraTag(merge_texts(top.nodes), top.at, self._at))

    # -- frames ----------------------------------------------------------------------------------

    def _push(self, frame: OpenConstruct) -> None:
        if len(self._open) > MAX_NESTING:
            raise self._error(frame.at, f"Braces nest at most {MAX_NESTING} deep; \\{{ is text.")
        self._open.append(frame)

    def _pop(self, node: Node) -> None:
        self._open.pop()
        self._open[-1].nodes.append(node)

    def _abandon(self) -> None:
        """Take the innermost frame for text."""
        top = self._open.pop()
        below = self._open[-1]
        if top.kind == "argument":
            raise self._error(below.at, _ARGUMENTS_REMEDY)
        opening = {"brace": "{", "name": "__"}[top.kind]
        below.nodes.append(Text(opening, top.at, top.at + len(opening)))
        below.nodes.extend(top.nodes)

    def _end(self) -> None:
        """Close what is open at the end: text where it can be, else an error."""
        while (top := self._open[-1]).kind != "root":
            if top.kind == "brace" and top.variants:
                raise self._error(
                    top.at, "Variants are written {a|b}, with every brace closed; \\{ is text."
                )
            if top.kind == "variable":
                raise self._error(top.at, "Variables are written ${name}, with every brace closed.")
            if top.kind == "tag":
                raise self._error(top.at, _TAG_REMEDY)
            self._abandon()

    def _error(self, at: int, message: str) -> InputError:
        return syntax_error(self._where, self._source, at, message)


def try_parse(text: str) -> Nodes | None:
    """The tree of a prompt, or None where it cannot be read."""
    try:
        return parse_prompt_tree(text)
    except InputError:
        return None
