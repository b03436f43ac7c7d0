"""Trees as prompts again: what is written parses to the same tree."""

from __future__ import annotations

import re

from ninefold.prompts.parser import try_parse
from ninefold.prompts.tree import (
    Assignment,
    LoraTag,
    Node,
    Nodes,
    Text,
    Variable,
    Variants,
    Wildcard,
)

#: A mark to be escaped, with the backslashes before it; or those before one that needs no escape.
_MARK = r"(?P<run>\\*)(?P<mark>{})|(?P<alone>\\+)(?=[{{}}|$_#<])"
_ENDS = r"\$(?=\{|\Z)|<(?=[ \t]*(?:lora|lyco)|\Z)"
_ALL = re.compile(_MARK.format(r"[{}|_]|" + _ENDS), re.IGNORECASE)
#: The same of marks that begin a construct, which is enough where none is open.
_OPENING = re.compile(_MARK.format(r"\{|_(?=_)|" + _ENDS), re.IGNORECASE)
#: What would be read as the head of an option.
_HEAD = re.compile(r"[~!@]|[+-]?[\d.]+\s*::|[\d-]+\s*\$\$")


def escape(text: str) -> str:
    """A prompt that is resolved to `text`, whatever `text` holds; the same where it can be.

    To the letter, but for a lone backslash before a brace: it comes out doubled, which the text
    encoder reads as one.
    """
    plain = (Text(text),) if text else ()
    shorter = (text, _OPENING.sub(_marked, text))
    return next((found for found in shorter if try_parse(found) == plain), _escaped(text))


def _escaped(text: str) -> str:
    return _ALL.sub(_marked, text)


def _marked(match: re.Match[str]) -> str:
    """A backslash before the mark; one more before it where those there would pair with it."""
    run, mark = match["run"] or match["alone"] or "", match["mark"]
    even = run + "\\" * (len(run) % 2)
    return even if mark is None else f"{even}\\{mark}"


def written(nodes: Nodes) -> str:
    """The nodes as a prompt."""
    return "".join(map(_written, nodes))


def _written(node: Node) -> str:
    match node:
        case Text(text=text):
            return _escaped(text)
        case Variants():
            return _variants(node)
        case Wildcard(name=name, arguments=arguments, listed=listed):
            inside = ", ".join(f"{key}={_argument(value)}" for key, value in arguments)
            sign = "!" if listed else ""
            return f"__{sign}{_name(name)}{f'({inside})' if arguments else ''}__"
        case Assignment(name=name, value=value, immediate=immediate, keep=keep):
            return f"${{{name}{'?' if keep else ''}={'!' if immediate else ''}{written(value)}}}"
        case Variable(name=name, default=default):
            return f"${{{name}{'' if default is None else f':{written(default)}'}}}"
        case LoraTag(content=content):
            return f"<lora:{_name(content)}>"


def _variants(node: Variants) -> str:
    head = ""
    if node.counted:
        most = "" if node.most is None else str(node.most)
        bounds = most if node.least == node.most else f"{node.least}-{most}"
        head = f"{bounds}$${node.separator}$$"
    options = []
    for option in node.options:
        text = written(option.nodes)
        alone = len(node.options) == 1 and not node.counted
        if option.weight != 1 or alone or _HEAD.match(text):
            weight = f"{option.weight:.12f}".rstrip("0").rstrip(".")
            text = f"{weight or '0'}::{text}"
        options.append(text)
    return f"{{{head}{'|'.join(options)}}}"


def _argument(value: Nodes) -> str:
    text = written(value)
    return f"{{1::{text}}}" if re.search(r"[,()]", text) else text


def _name(nodes: Nodes) -> str:
    """Text as it is, for escapes are not read there."""
    return "".join(node.text if isinstance(node, Text) else _written(node) for node in nodes)
