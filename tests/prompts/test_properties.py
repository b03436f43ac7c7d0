"""Any text: it ends soon, fails only as an input error, and what is no syntax is left alone."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ninefold import InputError
from ninefold.prompts import Wildcards, escape, list_variants, parse_prompt_tree, resolve
from ninefold.prompts.texts import merge_texts
from ninefold.prompts.weights import parse_prompt, plain_text
from ninefold.prompts.writing import written

#: Longest that one prompt may take, in seconds: a hang, on a machine however slow.
PATIENCE = 20.0
WILDCARDS = Wildcards(
    {"a": ["red", "{x|y}"], "b": ["", "3::__a__"], "c": ["__c__"], "a b.c": ["${x:q} <lora:l:1>"]}
)

_PARTS = st.sampled_from(
    [
        *"{}|$_#:\\<>()[],!~@%*?=.-019ab \n\"'",
        "{", "}", "|", "__", "$$", "::", "${", "2$$", "1-2$$", "3::", "__a__", "__b__", "__c__",
        "__a b.c__", "__*__", "__a(x=", "${x=", "${x}", "${x:", "${x=!", "<lora:", "<lora:a:0.5>",
        "{a|b}", "BREAK", "\\{", "\\", "(a:1.2)", '{"a":', "[a:b:0.5]", "AND", "{{", "}}",
    ]
)  # fmt: skip
prompts = st.one_of(
    st.lists(_PARTS, max_size=40).map("".join),
    st.builds(
        lambda part, count: part * count,
        st.lists(_PARTS, max_size=5).map("".join),
        st.integers(1, 400),
    ),
    st.lists(_PARTS, max_size=2000).map(lambda parts: "".join(parts)[:4000]),
    st.text(max_size=200),
)
_SETTINGS = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.large_base_example,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


@_SETTINGS
@given(prompts, st.integers(0, 2**63 - 1))
def test_resolving_ends_and_fails_only_as_an_input_error(prompt: str, seed: int) -> None:
    started = time.perf_counter()
    try:
        found = resolve(prompt, seed=seed, wildcards=WILDCARDS)
    except InputError:
        pass
    else:
        assert found == resolve(prompt, seed=seed, wildcards=WILDCARDS)
        assert parse_prompt(found.text)
    assert time.perf_counter() - started < PATIENCE


@_SETTINGS
@given(prompts)
def test_listing_ends_and_keeps_its_limit(prompt: str) -> None:
    started = time.perf_counter()
    try:
        found = list_variants(prompt, 50, WILDCARDS)
    except InputError:
        pass
    else:
        assert 1 <= len(found) <= 50
        assert len(set(found)) == len(found)
    assert time.perf_counter() - started < PATIENCE


@_SETTINGS
@given(st.text(st.characters(exclude_characters="{}\\<_"), max_size=4000))
def test_text_without_syntax_stays_to_the_letter(text: str) -> None:
    try:
        assert resolve(text, seed=1).text == text
    except InputError:  # syntax of others that is refused, in `<`, `%{`
        assert "$" in text or "%" in text


@_SETTINGS
@given(st.text(max_size=300))
def test_escaped_text_comes_back(text: str) -> None:
    assume("\\" not in text)
    nodes = parse_prompt_tree(escape(text))
    assert "".join(node.text for node in nodes) == text  # type: ignore[union-attr]


@_SETTINGS
@given(prompts)
def test_a_tree_that_is_written_parses_to_the_same(prompt: str) -> None:
    assume("\\" not in prompt)
    try:
        nodes = parse_prompt_tree(prompt)
    except InputError:
        return
    again = parse_prompt_tree(written(nodes))
    assert written(again) == written(merge_texts(nodes))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "{a|b}",
                "{a|{b|c}}",
                "{2$$x|y}",
                "_",
                "{_|\\{}",
                " ",
                "t",
                "{|a}",
                "${v={q|r}}",
                "${v:d}",
            ]
        ),
        max_size=4,
    ).map("".join)
)
def test_every_listed_variant_can_be_reached(prompt: str) -> None:
    listed = {resolve(text, seed=1).text for text in list_variants(prompt, 1000)}
    reached = {resolve(prompt, seed=seed).text for seed in range(60)}
    assert reached <= listed
    if len(listed) <= 4:
        reached |= {resolve(prompt, seed=seed).text for seed in range(60, 400)}
        assert reached == listed


@_SETTINGS
@given(prompts)
def test_plain_text_of_anything(prompt: str) -> None:
    started = time.perf_counter()
    assert isinstance(plain_text(prompt), str)
    assert time.perf_counter() - started < PATIENCE
