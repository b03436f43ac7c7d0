"""Texts in sequences of nodes: joined, and without blanks at either end."""

from __future__ import annotations

from collections.abc import Iterable

from ninefold.prompts.tree import Node, Nodes, Text


def merge_texts(nodes: Iterable[Node]) -> Nodes:
    """The nodes, with neighbouring texts joined."""
    joined: list[Node] = []
    texts: list[Text] = []

    def flush() -> None:
        if texts:
            whole = "".join(text.text for text in texts)
            joined.append(Text(whole, texts[0].at, texts[-1].end))
            texts.clear()

    for node in nodes:
        if isinstance(node, Text):
            texts.append(node)
        else:
            flush()
            joined.append(node)
    flush()
    return tuple(joined)


def without_leading_blanks(nodes: Nodes) -> Nodes:
    """The nodes, with no blanks at the start of their text."""
    if nodes and isinstance(first := nodes[0], Text):
        text = first.text.lstrip()
        moved = first.at + len(first.text) - len(text)
        return ((Text(text, moved, first.end),) if text else ()) + nodes[1:]
    return nodes


def without_trailing_blanks(nodes: Nodes) -> Nodes:
    """The nodes, with no blanks at the end of their text."""
    if nodes and isinstance(last := nodes[-1], Text):
        text = last.text.rstrip()
        end = last.end - (len(last.text) - len(text))
        return nodes[:-1] + ((Text(text, last.at, end),) if text else ())
    return nodes
