"""dynamicprompts as an oracle, for prompts that mean the same there and here."""

from __future__ import annotations

import re
from itertools import count

import pytest
from dynamicprompts.generators import CombinatorialPromptGenerator, RandomPromptGenerator
from dynamicprompts.wildcards import WildcardManager
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.prompts import Wildcards, list_variants, resolve

CHOICES = {"colour": ["red", "blue"], "tent": ["a __colour__ tent"], "of": ["a ${x} house"]}
WILDCARDS = Wildcards(CHOICES)
MANAGER = WildcardManager(root_map={"": [CHOICES]})

_words = st.sampled_from(["@", "@ c", "(@:1.2)", "[@]"])


def _numbered(prompt: str) -> str:
    """Each word another one: of rows with equal words, there is none in their list."""
    numbers = count()
    return re.sub("@", lambda _: f"w{next(numbers)}", prompt)


def _variants(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    options = st.lists(inner, min_size=2, max_size=3)
    head = st.sampled_from(["", "", "2$$", "1-2$$", "-2$$", "2$$ and $$"])
    weight = st.sampled_from(["", "", "3::"])
    return st.builds(
        lambda parts, start, heavy: f"{{{start}{heavy}{'|'.join(parts)}}}", options, head, weight
    )


_prompts = st.lists(st.recursive(_words, _variants, max_leaves=4), min_size=1, max_size=3).map(
    lambda parts: _numbered(" ".join(parts))
)


def _reached_here(prompt: str, seeds: int) -> set[str]:
    return {resolve(prompt, seed=seed, wildcards=WILDCARDS).text.strip() for seed in range(seeds)}


def _reached_there(prompt: str, seeds: int) -> set[str]:
    found = set()
    for seed in range(seeds):
        found.update(RandomPromptGenerator(MANAGER, seed=seed).generate(prompt))
    return {text.strip() for text in found}


@settings(max_examples=25, deadline=None)
@given(_prompts)
def test_both_list_the_same(prompt: str) -> None:
    theirs = CombinatorialPromptGenerator(MANAGER).generate(prompt, 301)
    if len(theirs) <= 300:
        assert set(list_variants(prompt, 1000, WILDCARDS)) == set(theirs)


@settings(max_examples=15, deadline=None)
@given(_prompts)
def test_each_reaches_what_the_other_lists(prompt: str) -> None:
    listed = set(list_variants(prompt, 5000, WILDCARDS))
    assert {text.strip() for text in listed} >= _reached_there(prompt, 20)
    assert {text.strip() for text in listed} >= _reached_here(prompt, 20)


@pytest.mark.parametrize(
    "prompt",
    [
        "a {red|green|blue} house",
        "{2$$a|b|c}",
        "{1-2$$ and $$a|b}",
        "a __colour__ house",
        "a __c*__ house",
        "__tent__",
        "{2$$__colour__}",
        "{2$$ or $$__colour__}",
        "${x=red}a ${x} ${x} house",
        "${x={a|b}}${x}${x}",
        "${x=!{a|b}}${x}${x}",
        "${x:red} house",
        "__of(x=red)__",
        "__of(x={a|b})__",
        "{a|{b|__colour__}}",
        "{2$$a|a}",
        "{0-1$$a|b}",
        "__${x:colour}__",
    ],
)
def test_the_same_prompts_can_be_reached(prompt: str) -> None:
    assert _reached_here(prompt, 150) == _reached_there(prompt, 150)
