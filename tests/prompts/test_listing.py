from __future__ import annotations

import math

import pytest

from ninefold import InputError
from ninefold.prompts import (
    TooManyVariantsError,
    Wildcards,
    count_variants,
    list_variants,
    resolve,
)

WILDCARDS = Wildcards({"place": ["sea", "hill"], "thing": ["${x} tent"], "one": ["3::a", "0::b"]})


@pytest.mark.parametrize(
    ("prompt", "listed"),
    [
        ("a house", ["a house"]),
        ("a {red|blue} {house|tree}", ["a red house", "a red tree", "a blue house", "a blue tree"]),
        ("{a|b|a}", ["a", "b"]),
        ("{a|{a|b}}", ["a", "b"]),
        ("{0::a|b}", ["b"]),
        ("{2$$a|b|c}", ["a,b", "a,c", "b,a", "b,c", "c,a", "c,b"]),
        ("{2$$a|a}", ["a,a"]),
        ("{2$$a|a|b}", ["a,a", "a,b", "b,a"]),
        ("{0-1$$a|b} c", ["c", "a c", "b c"]),
        ("a {red|blue} house __place__", ["a red house __place__", "a blue house __place__"]),
        ("a {__place__|red} house", ["a __place__ house", "a red house"]),
        ("{a|b} {2$$__place__}", ["a {2$$,$$__place__}", "b {2$$,$$__place__}"]),
        ("at __!place__", ["at sea", "at hill"]),
        ("__!one__", ["a"]),
        ("{2$$__!place__}", ["sea,hill", "hill,sea"]),
        ("${x={a|b}}${x} ${x}", ["a a", "a b", "b a", "b b"]),
        ("${x=!{a|b}}${x} ${x}", ["a a", "b b"]),
        ("${x=!{a|b}}__thing__", ["${x=a}__thing__", "${x=b}__thing__"]),
        ("<lora:{a|b}:1> x", ["<lora:a:1> x", "<lora:b:1> x"]),
        (r"\{a\|b\} {c|d}", [r"\{a\|b\} c", r"\{a\|b\} d"]),
        (r"\{red\} {c|d}", ["{red} c", "{red} d"]),
        ('{"a": "x|y"} {c|d}', ['{"a": "x|y"} c', '{"a": "x|y"} d']),
        ("{2$$|$$a|b}", ["a|b", "b|a"]),
    ],
)
def test_variants_are_listed_in_order_each_once(prompt: str, listed: list[str]) -> None:
    assert list_variants(prompt, 100, WILDCARDS) == listed
    assert len(listed) <= count_variants(prompt, WILDCARDS)


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("{13$$a|b|c|d|e|f|g|h|i|j|k|l|l}", math.factorial(13) // 2),
        ("{a|b}" * 7, 128),
        ("{a|b|c|d|e|f|g|h|i|j}" * 100, 10**100),
        ("{1-3$$a|b|c}", 3 + 6 + 6),
        ("{2$${a|b}|{c|d}|e}", 2 * (4 + 2 + 2)),
        ("${x={a|b}}" + "${x}" * 10, 1024),
        ("${x=!{a|b}}" + "${x}" * 10, 2),
        ("__!place__ __!place__ __place__", 4),
    ],
)
def test_variants_are_counted_without_going_through_them(prompt: str, count: int) -> None:
    assert count_variants(prompt, WILDCARDS) == count


def test_too_many_are_refused_with_their_number() -> None:
    with pytest.raises(TooManyVariantsError, match="at most 100 variants, got 128") as caught:
        list_variants("{a|b}" * 7, 100)
    assert caught.value.count == 128
    with pytest.raises(TooManyVariantsError, match=r"got about 10\^100"):
        list_variants("{a|b|c|d|e|f|g|h|i|j}" * 100, 100)
    with pytest.raises(TooManyVariantsError, match="got 3,113,510,400"):
        list_variants("{13$$a|b|c|d|e|f|g|h|i|j|k|l|l}", 10_000)
    with pytest.raises(TooManyVariantsError):
        list_variants("{900$$" + "|".join(str(i % 7) for i in range(1000)) + "}", 100)


def test_prompts_that_come_out_alike_count_once() -> None:
    found = list_variants("{a|aa}" * 10, 100)
    assert found == ["a" * length for length in range(10, 21)]


@pytest.mark.parametrize(
    "prompt", ["a {__nope__|red}", "{a|b", "${x}{a|b}", "{a|b} __!nope__", "{0::a|0::b}"]
)
def test_what_cannot_be_resolved_is_not_listed(prompt: str) -> None:
    with pytest.raises(InputError):
        list_variants(prompt, 100, WILDCARDS)


@pytest.mark.parametrize(
    "prompt",
    [
        r"{a\{|b\|} {_|x}{_|y}__ {$|z}{1::\{c\}}",
        "{_|a}{_|b}c__ {d|e}",
        "{<|a}lora:x:1> {b|c}",
        r"{\\|a}{\{|b} {c|d}",
    ],
)
def test_what_is_listed_is_resolved_to_one_that_can_be_reached(prompt: str) -> None:
    listed = {resolve(text, seed=1).text for text in list_variants(prompt, 100)}
    reached = {resolve(prompt, seed=seed).text for seed in range(300)}
    assert listed == reached


def test_counting_ends_however_often_a_large_wildcard_is_named() -> None:
    known = Wildcards({"many": tuple(f"{number} {{a|b}}" for number in range(3000))})
    often = "__!many__\n" * 400
    assert count_variants(often, known) == 6000**400
    with pytest.raises(TooManyVariantsError):
        list_variants(often, 100, known)
    with pytest.raises(InputError, match="steps to count its variants"):
        count_variants("${x=a}__!many__" * 250, known)


def test_rows_of_a_large_wildcard_are_counted() -> None:
    alike = tuple(f"{number}::a" for number in range(1, 3000))
    known = Wildcards({"many": tuple(map(str, range(3000))), "alike": (*alike, "b", "c", "d")})
    most = 3000 * 2999 * 2998 * 2997
    assert count_variants("{4$$__!many__}", known) == most
    assert count_variants("{3-4$$__!many__}", known) == most + 3000 * 2999 * 2998
    with pytest.raises(TooManyVariantsError, match=f"got {most:,}"):
        list_variants("{4$$__!many__}", 100, known)
    # Up to three others at four places.
    few = 1 + 4 * 3 + 12 * 3 + 24
    assert count_variants("{4$$__!alike__}", known) == few
    assert len(list_variants("{4$$__!alike__}", 100, known)) == few


_TEN = "${a={0|1|2|3|4|5|6|7|8|9}}"


@pytest.mark.parametrize(
    "prompt",
    [
        "{3000$$__!many__}" * 400,
        "{2-$$__!many__}",
        # Each of these variables has a hundred times the digits of the one before.
        _TEN
        + "".join(f"${{{name}={f'${{{old}}}' * 100}}}" for old, name in ("ab", "bc", "cd"))
        + "${d}",
        _TEN + f"${{b={'${a}' * 100}}}{{90$${'|'.join(f'{i}${{b}}${{b}}' for i in range(100))}}}",
    ],
)
def test_counting_ends_where_there_are_more_than_could_be_written(prompt: str) -> None:
    known = Wildcards({"many": tuple(map(str, range(3000)))})
    assert count_variants(prompt, known) == 10**2000
    with pytest.raises(TooManyVariantsError, match=r"got about 10\^2000"):
        list_variants(prompt, 100, known)
