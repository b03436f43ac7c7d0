"""Prompts of other tools as ours: what they mean there in our syntax, and all else as plain text.

What a tool writes into a file is what it painted, its choices made: braces, `__names__` and the
like are letters there, and are escaped here. Weights are converted where another tool writes them
in another way. Sources: `comfy/sd1_clip.py` of ComfyUI, the syntax of damian0815/compel, NovelAI's
documentation of strengthening and weakening.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ninefold.core.errors import InputError
from ninefold.prompts.loras import LORA_TAG, parse_lora
from ninefold.prompts.resolved import resolve
from ninefold.prompts.weights import MAX_WEIGHT
from ninefold.prompts.writing import escape

#: How a tool's prompts are read: `a1111` weighs by brackets as ours do, `comfyui` and `swarmui` by
#: round ones alone, `compel` (InvokeAI) by signs after them, `novelai` by braces.
Dialect = Literal["a1111", "comfyui", "swarmui", "compel", "novelai", "ninefold"]

#: Tags of A1111 and SwarmUI that stand for something else than their letters.
_OTHER_TAG = re.compile(
    r"<\s*(?:hypernet|random|wildcard|wc|alternate|alt|fromto|repeat|preset|p|segment|object|region|"
    r"clear|setvar|setmacro|var|macro|trigger|break|param|comment|video|extend|base|refiner|edit)"
    r"(?:\[[^\[\]<>]*\])?\s*(?::[^<>]*)?>",
    re.IGNORECASE,
)
_EMBED_TAG = re.compile(r"<\s*embed(?:ding)?\s*:([^<>]*)>", re.IGNORECASE)
_EMBEDDING = re.compile(r"(?<![\w.])embedding:([\w./\\-]*\w)", re.IGNORECASE)
_TRIGGER = re.compile(r"<([\w][\w .-]*)>")
_BRACKETS = re.compile(r"[\[\]]")
_MARKS = re.compile(r"[()\[\]\\]")
_NOVELAI = re.compile(r"(-?\d+(?:\.\d+)?)?::|[{}\[\]]|\\.|[^{}\[\]:\d\\-]+|.", re.DOTALL)
_COMPEL_WORD = re.compile(r"([^\s,()+-][^\s,()]*?)([+]+|-+)(?=[\s,.;)]|$)")
_COMPEL_RUN = re.compile(r"[^\s,()\\]+")
_COMPEL_WEIGHT = re.compile(r"(\++|-+)(?![\w+-])|(\d+(?:\.\d+)?|\.\d+)(?![\w.])")
_COMPEL_CALL = re.compile(r"\.(?:swap|blend|and)\s*\([^()]*\)")
_NOVELAI_STEP = 1.05
_MOST_NESTED = 100


@dataclass(frozen=True)
class Converted:
    """A prompt of ours, and what of the other one it does not hold."""

    text: str
    left_out: tuple[str, ...] = ()
    #: Embeddings that it names by the other tool's own syntax.
    embeddings: tuple[str, ...] = ()


def convert(text: str, dialect: Dialect) -> Converted:
    """`text` as a prompt of ours that is painted as the other tool read it.

    LoRA tags stay where the tool knows them. Resolving the result never fails, but for one that is
    longer than prompts may be.
    """
    left_out: list[str] = []
    embeddings: list[str] = []

    def named(match: re.Match[str]) -> str:
        embeddings.append(match[1].strip())
        return match[1].strip()

    def without(match: re.Match[str]) -> str:
        left_out.append(f"{match[0]} in the prompt")
        return ""

    match dialect:
        case "novelai":
            text = _from_fragments(_novelai(text, left_out))
        case "compel":
            text = _TRIGGER.sub(named, text)
            text = _from_fragments(_compel(text, left_out))
        case "comfyui" | "swarmui":
            text = _EMBEDDING.sub(named, _EMBED_TAG.sub(named, text))
            if dialect == "comfyui":  # where a node may have read it, or not
                text = LORA_TAG.sub(without, text)
            text = _OTHER_TAG.sub(without, text)
            text = _around_tags(text, left_out, _bracketed)
        case _:
            text = _around_tags(_OTHER_TAG.sub(without, text), left_out, escape)
    return Converted(_safe(text), tuple(dict.fromkeys(left_out)), tuple(dict.fromkeys(embeddings)))


def _safe(text: str) -> str:
    """The text where it can be resolved; else with everything in it as letters, tags too."""
    try:
        resolve(text, seed=0)
    except InputError:
        return re.sub(r"(?<!\\)([{}|_$<])", r"\\\1", text)
    return text


def _around_tags(text: str, left_out: list[str], escaped: Callable[[str], str]) -> str:
    """The text with everything as letters but LoRA tags, which stay as they are."""
    parts: list[str] = []
    end = 0
    for match in LORA_TAG.finditer(text):
        parts.append(escaped(text[end : match.start()]))
        end = match.end()
        tag = f"<lora:{match[1].strip()}>"
        try:
            parse_lora(match[1])
            resolve(f"{tag}a", seed=0)
        except InputError:
            left_out.append(f"{match[0]} in the prompt")
        else:
            parts.append(tag)
    parts.append(escaped(text[end:]))
    return "".join(parts)


def _bracketed(text: str) -> str:
    """Letters of a tool in which square brackets are some."""
    return escape(_BRACKETS.sub(_marked, text))


def _marked(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


_Fragment = tuple[str, float]


def _from_fragments(fragments: Sequence[_Fragment]) -> str:
    """Pieces with weights in our syntax, their letters escaped; blanks stand outside brackets."""
    found: list[str] = []
    for text, weight in _joined(fragments):
        letters = escape(_MARKS.sub(_marked, text))
        inner = letters.strip()
        if abs(weight - 1) < 1e-6 or not inner:
            found.append(letters)
            continue
        before, _, after = letters.partition(inner)
        found.append(f"{before}({inner}:{round(weight, 4):g}){after}")
    return "".join(found)


def _joined(fragments: Sequence[_Fragment]) -> Iterator[_Fragment]:
    """Neighbours of one weight together."""
    text, weight = "", 1.0
    for part, own in fragments:
        if own != weight and text:
            yield text, weight
            text = ""
        text, weight = text + part, own
    if text:
        yield text, weight


def _novelai(text: str, left_out: list[str]) -> list[_Fragment]:
    """`{a}` is 1.05 times as strong, `[a]` as much weaker, `1.5::a::` 1.5 times as strong."""
    found: list[_Fragment] = []
    factors: list[tuple[str, float]] = []
    numbered = 1.0
    for match in _NOVELAI.finditer(text):
        token = match[0]
        if token in ("{", "["):
            factors.append((token, _NOVELAI_STEP if token == "{" else 1 / _NOVELAI_STEP))
            factors = factors[-_MOST_NESTED:]
        elif token in ("}", "]"):
            if factors and factors[-1][0] == ("{" if token == "}" else "["):
                factors.pop()
        elif token.endswith("::"):
            numbered = float(match[1]) if match[1] else 1.0
            if not 0 <= numbered <= MAX_WEIGHT:
                left_out.append(f"weight {match[1]} in the prompt, which goes from 0 to 10 here")
                numbered = min(max(numbered, 0.0), MAX_WEIGHT)
        else:
            weight = numbered
            for _, factor in factors:
                weight *= factor
            found.append((token, min(weight, MAX_WEIGHT)))
    return found


def _compel(text: str, left_out: list[str]) -> list[_Fragment]:
    """`(a b)1.3`, `(a b)++` and `word-`: a sign is 1.1 or 0.9 times as strong."""
    found: list[_Fragment] = []
    calls = _COMPEL_CALL.findall(text)
    left_out += [f"{call} in the prompt" for call in calls]
    text = _COMPEL_CALL.sub("", text)
    weights = _weights_of_groups(text)
    factors = [1.0]
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text):
            found.append((text[at + 1], factors[-1]))
            at += 2
        elif letter == "(" and at in weights:
            factors.append(min(max(factors[-1] * weights[at][0], 0.0), MAX_WEIGHT))
            at += 1
        elif letter == ")" and at in weights:
            if len(factors) > 1:
                factors.pop()
            at = round(weights[at][1])
        elif word := _COMPEL_WORD.match(text, at):
            found.append((word[1], min(factors[-1] * _of_signs(word[2]), MAX_WEIGHT)))
            at = word.end()
        else:
            run = _COMPEL_RUN.match(text, at)
            piece = letter if run is None else run[0]
            found.append((piece, factors[-1]))
            at += len(piece)
    return found


def _weights_of_groups(text: str) -> dict[int, tuple[float, float]]:
    """For each bracket of a pair its weight, and where the text goes on after it."""
    found: dict[int, tuple[float, float]] = {}
    opened: list[int] = []
    for match in re.finditer(r"\\.|[()]", text, re.DOTALL):
        at = match.start()
        if match[0] == "(":
            opened.append(at)
        elif match[0] == ")" and opened:
            weight, end = 1.0, at + 1
            if (given := _COMPEL_WEIGHT.match(text, at + 1)) is not None:
                weight = _of_signs(given[1]) if given[1] else float(given[2])
                end = given.end()
            start = opened.pop()
            found[start] = weight, start + 1
            found[at] = weight, end
    return found


def _of_signs(signs: str) -> float:
    factor = (1.1 if signs[0] == "+" else 0.9) ** min(len(signs), _MOST_NESTED)
    return float(min(factor, MAX_WEIGHT))
