"""Where the parser says that everything stands."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.prompts import Wildcards, parse_prompt_tree
from ninefold.prompts.parser import try_parse
from ninefold.prompts.spans import PromptSpans, Span, prompt_spans, utf16_offsets
from ninefold.prompts.tree import Text, Variants, walk

WILDCARDS = Wildcards({"colour": ["red", "blue"], "loop": ["__loop__"]})


def read(text: str, *, negative: bool = False) -> PromptSpans:
    return prompt_spans(text, WILDCARDS, negative=negative)


def shown(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in read(text).spans]


def test_every_construct_stands_where_it_was_written() -> None:
    text = r"a {3::red|dark (x:1.2)} __colour__ ${x=3}${x} <lora:ink:0.8> BREAK \{a\} [b]"
    assert shown(text) == [
        ("variants", "{3::red|dark (x:1.2)}"),
        ("option", "3::red"),
        ("option", "dark (x:1.2)"),
        ("weight", "(x:1.2)"),
        ("wildcard", "__colour__"),
        ("assignment", "${x=3}"),
        ("variable", "${x}"),
        ("lora", "<lora:ink:0.8>"),
        ("chunk", "BREAK"),
        ("escape", r"\{"),
        ("escape", r"\}"),
        ("weight", "[b]"),
    ]
    by_kind = {span.kind: span for span in read(text).spans}
    assert (by_kind["lora"].name, by_kind["lora"].weight) == ("ink", 0.8)
    assert (by_kind["wildcard"].name, by_kind["wildcard"].choices) == ("colour", 2)
    assert by_kind["variants"].choices == 2
    assert by_kind["weight"].weight == pytest.approx(1 / 1.1)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (
            "({red|blue} house:1.3)",
            [("weight", "({red|blue} house:1.3)"), ("variants", "{red|blue}")],
        ),
        ("{2$$ and $$a|b}", [("variants", "{2$$ and $$a|b}"), ("option", "a"), ("option", "b")]),
        ("__colour(x={a|b})__", [("wildcard", "__colour(x={a|b})__"), ("variants", "{a|b}")]),
        ("<lora:{ink|oil}:0.5>", [("lora", "<lora:{ink|oil}:0.5>"), ("variants", "{ink|oil}")]),
        ("(open", [("weight", "(open")]),
        ("{~a|b}", [("variants", "{~a|b}"), ("option", "~a"), ("option", "b")]),
        ("{(a|b)}", [("variants", "{(a|b)}"), ("option", "(a"), ("option", "b)")]),
        (r"\(a\)", [("escape", r"\("), ("escape", r"\)")]),
    ],
)
def test_spans_lie_inside_each_other(text: str, inside: list[tuple[str, str]]) -> None:
    found = shown(text)
    assert [item for item in found if item in inside] == inside


def test_text_that_cannot_be_read_has_the_spans_before_it() -> None:
    found = read("a {b|c} {d|e")
    assert [span.kind for span in found.spans] == ["variants", "option", "option"]
    [problem] = found.problems
    assert (problem.start, problem.end) == (8, 9)
    assert "every brace closed" in problem.message


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("x __nope__", (2, 10), "__nope__ is unknown"),
        ("x {a|${y}} z", (5, 9), "variable y is not defined"),
        ("a __loop__", (2, 10), "stands for itself"),
        ("a <lora:x:y>", (2, 12), "expected a weight"),
        ("a <wildcard:b> c", (2, 14), "SwarmUI"),
    ],
)
def test_problems_are_in_place(text: str, place: tuple[int, int], says: str) -> None:
    [problem] = read(text).problems
    assert (problem.start, problem.end) == place
    assert says in problem.message


def test_every_unknown_wildcard_is_reported_and_tags_of_negative_prompts_are() -> None:
    found = read("__nope__ __never__")
    assert [problem.start for problem in found.problems] == [0, 9]
    [problem] = read("a <lora:ink>", negative=True).problems
    assert problem.start == 2
    assert "cannot act in it alone" in problem.message


def test_other_tools_syntax_is_shown_where_it_is_painted() -> None:
    text = "a [b:c:0.5] {d} {e|[f|g]}"
    assert [(text[note.start : note.end]) for note in read(text).warnings] == ["[b:c:0.5]", "{d}"]
    assert read(r"a \{d}").warnings == ()


_SYNTAX = st.lists(
    st.sampled_from(
        [*"{}|()[]<>,:=a ", "__", "${", "\\", "<lora:", "colour", "2$$", "3::", "BREAK", "é", "😀"]
    ),
    max_size=24,
).map("".join)


@given(_SYNTAX)
def test_whatever_the_text_spans_lie_in_it_and_nest(text: str) -> None:
    found = read(text)
    for span in found.spans:
        assert 0 <= span.start < span.end <= len(text) or span.kind == "option"
    constructs = [
        span for span in found.spans if span.kind not in ("weight", "other_syntax", "chunk")
    ]
    inside: list[Span] = []
    for span in constructs:
        while inside and inside[-1].end <= span.start:
            inside.pop()
        assert not inside or span.end <= inside[-1].end
        inside.append(span)


@given(_SYNTAX)
def test_nodes_say_where_they_stand(text: str) -> None:
    """What a construct was read from reads as that construct, and plain text is to the letter."""
    for node in walk(try_parse(text) or ()):
        source = text[node.at : node.end]
        if isinstance(node, Variants):
            again = parse_prompt_tree(source)
            assert again == (node,)
        elif isinstance(node, Text) and "\\" not in source:
            assert node.text == source


def test_reading_takes_bounded_time() -> None:
    began = time.monotonic()
    for text in ("__nope__ " * 400, "{a|" * 49 + "}" * 49, "(" * 4000, "{" * 4000, "[a|" * 1300):
        read(text)
    assert time.monotonic() - began < 60


def test_utf16_counts_as_javascript_does() -> None:
    text = "é😀{a|b}"
    units = utf16_offsets(text)
    assert list(units) == [len(text[:at].encode("utf-16-le")) // 2 for at in range(len(text) + 1)]
    assert list(utf16_offsets("abc")) == [0, 1, 2, 3]
