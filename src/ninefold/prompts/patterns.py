"""How the parts of a prompt are written, as patterns for the parser."""

from __future__ import annotations

import re

#: What is read at a time.
TOKEN = re.compile(
    r"\\[\\()\[\]{}|$_#<]|\$\{|__|<[ \t]*(?:lora|lyco)[ \t]*:|[{}|_,()<>]|[^\\${}|_,()<>]+|.",
    re.DOTALL | re.IGNORECASE,
)
#: `{"name": ...`: JSON and the like, in which `|` is text.
JSON = re.compile(r"""\{\s*(?:"[^"{}|]*"|'[^'{}|]*')\s*:(?!:)""")
#: A sampler's sign and the count at the start of `{2$$ and $$a|b}`.
COUNT = re.compile(
    r"\s*+(?P<sign>[~!@]?)\s*+(?P<least>\d++)?(?P<to>-)?(?P<most>\d++)?\s*+\$\$"
    r"(?:(?P<separator>[^${}]*)\$\$)?"
)
WEIGHT = re.compile(r"\s*+(?P<sign>[~!@]?)\s*+(?P<weight>[+-]?(?:\d++(?:\.\d*+)?|\.\d++))\s*+::")
VARIABLE = re.compile(r"\$\{\s*(?P<name>[^\W\d][\w-]*)\s*(?P<sign>\?=|=|:|(?=\}))(?P<now>!?)")
ARGUMENT = re.compile(r"\s*(?P<name>[^\W\d][\w-]*)\s*=\s*")
WITHOUT_NAMES = re.compile(r"\([^()_{}]*\)\s*__")
#: A wildcard that takes up a whole field of a LoRA tag.
IN_TAG = re.compile(r"__(?P<name>[^\s_:<>{}|]+(?:_[^\s_:<>{}|]+)*)__(?=\s*[:>])")
NAME = re.compile(r"[~!@]?[^\s_](?:.*[^\s_])?")
#: Names of wildcards that are also read in the middle of a word.
SIMPLE = re.compile(r"[\w./\\*?!&'+@~\[\]-]+")
NOT_IN_NAMES = re.compile(r"[\n\r<>#;\"]")
AFTER_ARGUMENTS = re.compile(r"\s*__")
#: What text without syntax does not hold.
SYNTAX = re.compile(r"[{}\\]|__|<[ \t]*(?:lora|lyco)[ \t]*:", re.IGNORECASE)


def is_escape(token: str) -> bool:
    """Whether a token is a backslash that goes, before a sign that is text by it."""
    return len(token) > 1 and token[0] == "\\" and token[1] in "{}|$_#<"
