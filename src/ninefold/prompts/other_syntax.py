"""Syntax of other tools that is not ours, and what becomes of it. One table, shown in the docs.

What would be a lie to leave out is refused; what is only painted as it is written is reported with
a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ninefold.core.errors import InputError

Outcome = Literal["used", "warning", "refused"]


@dataclass(frozen=True)
class OtherSyntax:
    """A way of writing, where it comes from, and what becomes of it here."""

    written: tuple[str, ...]
    tool: str
    outcome: Outcome
    #: What happens, and what to write instead.
    says: str
    pattern: re.Pattern[str] | None = None


def _row(
    written: tuple[str, ...], tool: str, outcome: Outcome, says: str, pattern: str | None = None
) -> OtherSyntax:
    return OtherSyntax(written, tool, outcome, says, re.compile(pattern) if pattern else None)


OTHER_SYNTAX: tuple[OtherSyntax, ...] = (
    _row(("<lyco:name:0.8>",), "A1111's LyCORIS extension", "used", "is a LoRA"),
    _row(
        ("<hypernet:name:1>",),
        "A1111",
        "refused",
        "hypernetworks are not there; use a LoRA",
        r"(?i)<\s*hypernet\s*:[^<>]*>?",
    ),
    _row(
        ("<random:a,b>", "<wildcard:name>", "<segment:face>"),
        "SwarmUI",
        "refused",
        "write {a|b} or __name__; faces are the stage detailer's",
        r"(?i)<\s*(?:random|wildcard|wc|alternate|alt|fromto|repeat|preset|p|embed|embedding|"
        r"segment|object|region|clear|setvar|setmacro|var|macro|trigger|break|param|comment|video|"
        r"extend|base|refiner|edit)(?:\[[^\[\]<>]*\])?\s*(?::[^<>]*)?>",
    ),
    _row(
        ("[a:b:0.5]", "[a:0.5]", "[a::0.5]"),
        "A1111",
        "warning",
        "does not change while the image is made: it is painted as it is written, with less weight",
        r"\[[^\[\]:\"]*(?::[^\[\]:\"]*)?:\s*\d*\.?\d+\s*\]",
    ),
    _row(
        ("[a|b]",),
        "A1111",
        "warning",
        "does not alternate: it is painted as it is written, with less weight; a choice is {a|b}",
        r"\[[^\[\]|\"]*\|[^\[\]\"]*\]",
    ),
    _row(
        ("a AND b",),
        "A1111",
        "warning",
        "prompts are not composed: AND is painted as a word",
        r"(?<!\S)AND(?!\S)",
    ),
    _row(
        ("{{a}}", "{a}"),
        "NovelAI",
        "warning",
        "braces are painted; more weight is (a:1.1), a choice {a|b}",
        r"\{[^{}\"':|]+\}",
    ),
    _row(
        ("1.5::a::",),
        "NovelAI",
        "warning",
        "is painted as it is written; more weight is (a:1.5)",
        r"(?<![\w:])-?\d+(?:\.\d+)?::[^:{}|]+::",
    ),
    _row(
        ("(a)++", "(a)--"),
        "Compel, InvokeAI",
        "warning",
        "the signs are painted; more weight is (a:1.1)",
        r"\)[+-]{1,}(?![\w.])",
    ),
    _row(
        ("--ar 3:2", "--no a"),
        "Midjourney",
        "warning",
        "is painted as it is written; size and negative prompt are parameters",
        r"(?<!\S)--(?:ar|aspect|no|stylize|chaos|seed|quality|niji|style|sref|cref|iw|tile|v)\b"
        r"(?: \S+)?",
    ),
    _row(
        ("%{a...b$$c}",),
        "dynamicprompts",
        "refused",
        "wrapping is not there; write the text around it",
        r"%\{[^{}]*\$\$[^{}]*\}?",
    ),
    _row(
        ("# a", "// a", "/* a */"),
        "dynamicprompts",
        "warning",
        "prompts have no comments: it is painted; files of wildcards have, in lines that start "
        "with #",
        r"(?m)(?:^|(?<=\s))(?:#|//)[ \t][^\n]*|/\*.*?\*/",
    ),
    _row(("{@a|b}", "__@name__"), "dynamicprompts", "refused", "jobs have no order to go through"),
    _row(("{~a|b}", "{!a|b}", "__~name__"), "dynamicprompts", "used", "as without the sign"),
    _row(("__!name__",), "dynamicprompts", "used", "its choices are listed with `variants`, too"),
)


def warnings_for(text: str, source: str, where: str) -> Iterator[str]:
    """A warning for each kind of other tools' syntax in a resolved prompt.

    What begins with a sign that `source` holds after a backslash is meant as text. Raises
    `InputError` for one that is refused.
    """
    for row in OTHER_SYNTAX:
        match = row.pattern.search(text) if row.pattern is not None else None
        if match is None or _meant_as_text(match, source):
            continue
        if row.outcome == "refused":
            raise InputError(_refusal(row, match, where))
        yield _warning(row, match, where)


@dataclass(frozen=True)
class OtherSyntaxSpan:
    """Where another tool's syntax stands: characters `start` to `end`, excluded."""

    start: int
    end: int
    refused: bool
    #: As `warnings_for` says it.
    message: str


def spans_of_other_syntax(text: str, source: str, where: str) -> Iterator[OtherSyntaxSpan]:
    """Every place in `text`, a part of `source`, of what is refused or only painted."""
    for row in OTHER_SYNTAX:
        for match in row.pattern.finditer(text) if row.pattern is not None else ():
            if not _meant_as_text(match, source):
                refused = row.outcome == "refused"
                message = (_refusal if refused else _warning)(row, match, where)
                yield OtherSyntaxSpan(match.start(), match.end(), refused, message)


def _meant_as_text(match: re.Match[str], source: str) -> bool:
    return f"\\{match[0].strip()[0]}" in source


def _refusal(row: OtherSyntax, match: re.Match[str], where: str) -> str:
    return f"{where}: {_shown(match)} is {row.tool}'s syntax: {row.says}."


def _warning(row: OtherSyntax, match: re.Match[str], where: str) -> str:
    return f"{_shown(match)} in {where} is {row.tool}'s syntax: {row.says}."


def _shown(match: re.Match[str]) -> str:
    found = match[0].strip()
    return found if len(found) <= 40 else f"{found[:37]}..."


def table() -> str:
    """The table as Markdown, for the docs."""
    rows = ["| written | known from | here |", "|---|---|---|"]
    for row in OTHER_SYNTAX:
        written = ", ".join(f"`{one.replace('|', chr(92) + '|')}`" for one in row.written)
        says = row.says.replace("|", r"\|")
        rows.append(f"| {written} | {row.tool} | {row.outcome}: {says} |")
    return "\n".join(rows)
