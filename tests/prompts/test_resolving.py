from __future__ import annotations

from itertools import pairwise

import pytest

from ninefold import InputError, Lora
from ninefold.prompts import Wildcards, escape, parse_prompt_tree, possible_loras, resolve
from ninefold.prompts.loras import tag_content
from ninefold.prompts.tree import Text

WILDCARDS = Wildcards(
    {
        "colour": ["red", "blue"],
        "blank": [""],
        "maybe": ["", "red"],
        "none": ["", ""],
        "hash": ["#c"],
        "weighted": ["3::red", "0::never", "5::"],
        "thing": ["a ${x} house"],
        "nest/deep": ["__colour__ tent"],
        "my place.v1": ["by the sea"],
    }
)


def reached(prompt: str, wildcards: Wildcards = WILDCARDS, seeds: int = 40) -> set[str]:
    """Every text that some of the seeds gives."""
    return {resolve(prompt, seed=seed, wildcards=wildcards).text for seed in range(seeds)}


@pytest.mark.parametrize(
    "prompt",
    [
        "a red house #1 by the sea",
        "red #ff0000, 100% of $5, 5$ and $$",
        "  a  red\n\thouse ,",
        "file__name and other__name",
        "a ___ b ____ c __ d",
        "snake_case __ dunder",
        "} | { :-{ a }",
        "{red} {{red}} {{{red}}}",
        "{}",
        "std::vector {a::b}",
        '{"subject": "red | blue", "colours": ["#ff0000", "a::b"], "n": {"x": "3::4 | y"}}',
        '{\n  "subject": "red house",\n  "at": "10:30|11:00"\n}',
        "{'a': 'b|c'}",
        "time 10:30 (red:1.2) [blue] BREAK <b> a < b > c",
        r"a \(small\) house \\ \x",
        "https://example.org/a_b//c",
        "^_^ >_< o_o (x)_(x) @_@",
        "café \u2028 日本 \U0001f3e0",
    ],
)
def test_text_without_syntax_stays_to_the_letter(prompt: str) -> None:
    assert resolve(prompt, seed=1).text == prompt
    assert parse_prompt_tree(prompt) == (Text(prompt),)


@pytest.mark.parametrize(
    ("prompt", "possible"),
    [
        ("a red house #1 {by|by} the sea", {"a red house #1 by the sea"}),
        ("red #ff0000 house, {by|by} the sea", {"red #ff0000 house, by the sea"}),
        ('a shirt: {"#sea"|"#sun"}', {'a shirt: "#sea"', 'a shirt: "#sun"'}),
        (r"a \{red\} house", {"a {red} house"}),
        (r"{a\|b|c\}}", {"a|b", "c}"}),
        (r"\__colour\__ \${x} \#1 \<lora:a:1>", {"__colour__ ${x} #1 <lora:a:1>"}),
        (r"\(a\) {\[b\]|\[b\]}", {r"\(a\) \[b\]"}),
        (r"\\{a|a}", {r"\\a"}),
        ("{3::red|0::blue}", {"red"}),
        ("{1::red}", {"red"}),
        ("{red::x|red::x}", {"red::x"}),
        ("{2$$a|b}", {"a,b", "b,a"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{-2$$a|b}", {"a", "b", "a,b", "b,a"}),
        ("{2-$$a|b}", {"a,b", "b,a"}),
        ("{1-2$$ $$a|b}", {"a", "b", "a b", "b a"}),
        ("{2-1$$a|b}", {"a", "b", "a,b", "b,a"}),
        ("{0$$a|b} house", {"house"}),
        ("{9$$a|b}", {"a,b", "b,a"}),
        ("{2$$a|a}", {"a,a"}),
        ("{2$$, $$|red}", {"red"}),
        ("{2$$__colour__}", {"red,blue", "blue,red"}),
        ("{2$$ | $$a|b}", {"a | b", "b | a"}),
        ("{~a|b}", {"a", "b"}),
        ("{!a|b}", {"a", "b"}),
        ("{1::@a|1::@b}", {"@a", "@b"}),
        ("{{a|b}|{c|{d}}}", {"a", "b", "c", "{d}"}),
        (
            '{"subject": "{red|blue} house"}',
            {f'{{"subject": "{c} house"}}' for c in ("red", "blue")},
        ),
        ("{{red|red}}", {"{red}"}),
        ("a {|red} house, {|}, by the sea", {"a house, by the sea", "a red house, by the sea"}),
    ],
)
def test_variants(prompt: str, possible: set[str]) -> None:
    assert reached(prompt) == possible


@pytest.mark.parametrize(
    ("prompt", "possible"),
    [
        ("a __colour__ house", {"a red house", "a blue house"}),
        ("a __col*__ house", {"a red house", "a blue house"}),
        ("__deep__", {"red tent", "blue tent"}),
        ("__nest/*__", {"red tent", "blue tent"}),
        (r"__nest\deep__", {"red tent", "blue tent"}),
        ("__colour____colour__", {a + b for a in ("red", "blue") for b in ("red", "blue")}),
        ("house __my place.v1__.", {"house by the sea."}),
        ("a red house __blank__", {"a red house"}),
        ("{__blank__|__blank__} house", {"house"}),
        ("{2$$__blank__|x}", {"x"}),
        ("${v=!__blank__}${v} house", {"house"}),
        ("a __none__ house", {"a house"}),
        ("a __maybe__ house", {"a house", "a red house"}),
        ("__hash__", {"#c"}),
        ("a __weighted__ house", {"a red house", "a house"}),
        ("__thing(x=red)__", {"a red house"}),
        ("__thing(x={red|blue}, y=1)__", {"a red house", "a blue house"}),
        ("__thing(x=__colour__)__", {"a red house", "a blue house"}),
        ("__thing(x=(red:1.2))__", {"a (red:1.2) house"}),
        ("__thing(x={1::red, blue})__", {"a red, blue house"}),
        ("${x=red}__thing__", {"a red house"}),
        ("${x=red}__thing(x=very ${x})__", {"a very red house"}),
        ("__${n}__${n=colour}", set()),
        ("${n=colour}__${n}__", {"red", "blue"}),
        ("__{colour|colour}__", {"red", "blue"}),
        ("___colour___", {"_red_", "_blue_"}),
    ],
)
def test_wildcards(prompt: str, possible: set[str]) -> None:
    if not possible:
        with pytest.raises(InputError, match="variable n is not defined"):
            reached(prompt)
    else:
        assert reached(prompt) == possible


@pytest.mark.parametrize(
    ("prompt", "possible"),
    [
        ("${x=red} a ${x} ${x} house", {"a red red house"}),
        ("${x={a|b}}${x}${x}", {"aa", "ab", "ba", "bb"}),
        ("${x=!{a|b}}${x}${x}", {"aa", "bb"}),
        ("${x:red} house", {"red house"}),
        ("${x=blue}${x:red} house", {"blue house"}),
        ("${x=blue}${x?=red}${x}", {"blue"}),
        ("${x=a}${x}${x=b}${x}", {"ab"}),
        ("${y=${x}}${x=red}${y}", {"red"}),
        ("{${x=a}${x}|${x=b}${x}}", {"a", "b"}),
        ("${x=!${x:a}b}${x}", {"ab"}),
    ],
)
def test_variables(prompt: str, possible: set[str]) -> None:
    assert reached(prompt) == possible


@pytest.mark.parametrize(
    ("tag", "lora"),
    [
        ("<lora:sketch>", Lora("sketch")),
        ("<lora:sketch:0.8>", Lora("sketch", 0.8)),
        ("<lora:sketch:-1>", Lora("sketch", -1.0)),
        ("<lora: my sketch v1.0 : 0.8 >", Lora("my sketch v1.0", 0.8)),
        ("<lora:Night__Neon__v2:0.8>", Lora("Night__Neon__v2", 0.8)),
        ("<LORA:sketch:.5>", Lora("sketch", 0.5)),
        ("<lyco:sketch:1>", Lora("sketch")),
        ("<lora:sketch:0.8:0.6>", Lora("sketch", 0.6, 0.8)),
        ("<lora:sketch:0.8:0.8>", Lora("sketch", 0.8)),
        ("<lora:sketch:te=0.5:unet=0.8>", Lora("sketch", 0.8, 0.5)),
        ("<lora:sketch:unet=0.8>", Lora("sketch", 0.8, 1.0)),
        ("<lora:sketch:te=0.5>", Lora("sketch", 0.5)),
        ("<lora:styles/sketch.safetensors:1>", Lora("styles/sketch")),
        (r"<lora:styles\sketch:1>", Lora("styles/sketch")),
        ("<lora:{sketch|sketch}:{0.5|0.5}>", Lora("sketch", 0.5)),
        ("${n=sketch}<lora:${n}:0.5>", Lora("sketch", 0.5)),
    ],
)
def test_lora_tags_in_every_form(tag: str, lora: Lora) -> None:
    found = resolve(f"a {tag} house", seed=1, wildcards=WILDCARDS)
    assert (found.text, found.loras, found.warnings) == ("a house", (lora,), ())


def test_a_wildcard_may_take_up_a_field_of_a_tag() -> None:
    names = {
        resolve("<lora:__colour__:1> a", seed=s, wildcards=WILDCARDS).loras[0].name
        for s in range(20)
    }
    assert names == {"red", "blue"}


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("<lora:a>, a house", "a house"),
        ("a house, <lora:a>", "a house"),
        ("a, <lora:a>, b", "a, b"),
        ("a <lora:a> b  c", "a b  c"),
        ("a\n<lora:a>\nb", "a\nb"),
        ("a<lora:a>b", "ab"),
        ("a, <lora:a>\nb", "a,\nb"),
    ],
)
def test_a_tag_leaves_no_blanks_or_commas_and_the_rest_stays(prompt: str, text: str) -> None:
    assert resolve(prompt, seed=1).text == text


def test_loras_that_can_be_chosen() -> None:
    prompt = "<lora:a> {0::<lora:b>|<lora:c:0.5>|{<lora:d>|x}} <lora:{e|f}:1> <lora:{1::g}:1>"
    assert possible_loras(prompt) == ("a", "c", "d")


def test_the_weights_of_a_lora_named_twice_add_up() -> None:
    found = resolve("a <lora:a:0.5> b <lora:a:0.7> <lora:b:te=0.2> <lora:b:te=0.5:unet=1>", seed=1)
    assert found.loras == (Lora("a", 1.2), Lora("b", 1.2, 0.7))
    assert found.warnings == ()


def test_one_with_other_strengths_by_block_acts_beside_it() -> None:
    found = resolve("<lora:a:0.5:lbw=OUTALL> <lora:a:0.5> <lora:a:0.1:lbw=OUTALL>", seed=1)
    assert found.loras == (Lora("a", 0.6, None, "OUTALL"), Lora("a", 0.5))
    (written,) = resolve("<lora:a:0.5:1:lbw=1, 0,0.5>", seed=1).loras
    assert written == Lora("a", 1.0, 0.5, "1,0,0.5")
    assert resolve(f"<lora:{tag_content(written)}>", seed=1).loras == (written,)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a {red|blue", r"prompt: cannot be read at character 3 \('\{red\|blue'\)"),
        ("a {2$$red", "character 3 .*every brace closed"),
        ("a ${x house", "character 3 .*Variables are written"),
        ("a ${x", "character 3 .*Variables are written"),
        ("a ${x=b", "character 3 .*every brace closed"),
        ("a ${x=b|c}", r"character 8 .*\$\{x=\{a\|b\}\}"),
        ("a ${x} house", r"prompt, character 3: variable x is not defined"),
        ("{0::${x}|red|${y}}", "variable y is not defined"),
        ("${x=${x}}${x}", r"\$\{x\} → \$\{x\}"),
        ("${x=${y}}${y=${x}}${x}", "stands for itself"),
        ("a __nope__", "character 3: wildcard __nope__ is unknown. Did you mean 'none'"),
        ("a {red|__nope__}", "wildcard __nope__ is unknown"),
        ("a __no such.name__", "wildcard __no such.name__ is unknown"),
        ("a __no*such__", r"wildcard __no\*such__ is unknown"),
        ("__thing(red)__", r"__name\(x=red"),
        ("__thing(x=red)", "ends with __"),
        ("__thing(x=red", r"__name\(x=red"),
        ("__thing(x=red, blue)__", r"__name\(x=red"),
        ("{-1::a|b}", "character 2 .*weight of a choice is 0 to 1,000,000"),
        (f"{{{'9' * 400}::a|b}}", "weight of a choice"),
        ("{0::a|0::b}", "every choice of .* has the weight 0"),
        (f"{{{'9' * 5000}$$a|b}}", "at most 6 digits"),
        ("{@a|b}", "Cyclical choices"),
        ("__@colour__", "Cyclical choices"),
        ("<lora:sketch", "character 1 .*<lora:name:0.8>"),
        ("{<lora:sketch|b}", "character 2 .*<lora:name:0.8>"),
        ("<lora:a<lora:b:1>:1>", "character 1 .*<lora:name:0.8>"),
        ("<lora:>", "expected a name"),
        ("{a|<lora:x:y>}", "expected a weight from -10 to 10 in <lora:x:...>, got 'y'"),
        ("<lora:x:1:1:1:1>", "at most a weight for the text encoder"),
        ("<lora:x:strong=1>", "at most a weight for the text encoder"),
        ("{" * 60 + "a|b" + "}" * 60, "at most 50 deep"),
        ("{10000$$x|x}" + "{300000$$__colour__}" * 3 + "a __a__", "unknown"),
    ],
)
def test_errors_name_the_place_and_the_remedy(prompt: str, message: str) -> None:
    for seed in range(5):
        with pytest.raises(InputError, match=message):
            resolve(prompt, seed=seed, wildcards=WILDCARDS)


def test_a_cycle_of_wildcards_is_reported_whatever_is_chosen() -> None:
    ring = Wildcards({"a": ["x", "__b__"], "b": ["y", "__c*__"], "c": ["__b__"]})
    for seed in range(5):
        with pytest.raises(InputError, match=r"stands for itself: .*__b__ → __c\*__ → __b__"):
            resolve("__a__", seed=seed, wildcards=ring)


def test_a_cycle_through_a_made_up_name_is_reported() -> None:
    ring = Wildcards({"a": ["${n=a}__${n}__"]})
    with pytest.raises(InputError, match="__a__ → __a__"):
        resolve("__a__", seed=1, wildcards=ring)


@pytest.mark.parametrize("much", ["x" * 10, ""])
def test_what_grows_without_end_is_stopped(much: str) -> None:
    names = "abcdefghijklmnop"
    doubled = "".join(f"${{{after}={f'${{{before}}}' * 10}}}" for before, after in pairwise(names))
    with pytest.raises(InputError, match="Shorten it"):
        resolve(f"${{a={much}}}{doubled}${{p}}", seed=1)
    chain = Wildcards({f"w{i}": [f"__w{i + 1}__" * 10 + much] for i in range(20)} | {"w20": [much]})
    with pytest.raises(InputError, match="Shorten it"):
        resolve("__w0__", seed=1, wildcards=chain)


def test_a_deep_chain_is_stopped() -> None:
    chain = Wildcards(
        {f"w{i}": [f"{{__w{i + 1}__|__w{i + 1}__}}"] for i in range(500)} | {"w500": ["x"]}
    )
    with pytest.raises(InputError, match="more than 80 deep"):
        resolve("__w0__", seed=1, wildcards=chain)


def test_choices_come_from_the_seed_and_the_place() -> None:
    prompt = "{a|b|c|d|e|f|g|h}" * 4
    texts = {resolve(prompt, seed=seed).text for seed in range(50)}
    assert len(texts) > 40
    assert resolve(prompt, seed=3).text == resolve(prompt, seed=3).text
    elsewhere = [resolve(prompt, seed=seed, where="detailer.prompt").text for seed in range(5)]
    assert elsewhere != [resolve(prompt, seed=seed).text for seed in range(5)]


def test_weights_count() -> None:
    texts = [resolve("{0.95::red|0.05::blue}", seed=seed).text for seed in range(300)]
    assert 260 < texts.count("red") < 300
    first = [resolve("{2$$8::a|1::b|1::c}", seed=seed).text[0] for seed in range(300)]
    assert 210 < first.count("a") < 270


@pytest.mark.parametrize(
    "text", ["a {b|c}", "__colour__", "<lora:a:1>", "${x}", "{2$$a", "{@a|b}", "x_", "{a}"]
)
def test_escaped_text_is_resolved_to_itself(text: str) -> None:
    assert resolve(escape(text), seed=1).text == text


def test_the_loras_that_the_lines_of_a_wildcard_may_bring() -> None:
    wildcards = Wildcards(
        {"style": ("__ink__", "plain"), "ink": ("<lora:ink:1>", "0::<lora:no:1>")}
    )
    assert possible_loras("<lora:a:1> __style__") == ("a",)
    assert possible_loras("<lora:a:1> __style__", wildcards=wildcards) == ("a", "ink")
