"""Textual inversions: embeddings with names, which a prompt uses by naming them.

As in AUTOMATIC1111's webui a name is that of the file, wherever it stands in the prompt as a word,
in whatever case; ComfyUI's `embedding:name` means the same, and must be at hand.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ninefold.core.errors import InputError, ModelError
from ninefold.core.paths import ending, files_below
from ninefold.core.problems import suggest
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.hashing import file_sha256
from ninefold.engines.prompts import plain_text

_SUFFIXES = (".safetensors", ".pt", ".bin")
_EXPLICIT = "embedding:"
#: Widths of the text encoders that vectors are for, and the family that has such.
_BASES = {
    frozenset({768}): "Stable Diffusion 1",
    frozenset({1024}): "Stable Diffusion 2",
    frozenset({768, 1280}): "SDXL",
    frozenset({1280}): "SDXL",
}


@dataclass(frozen=True)
class Inversion:
    """A textual inversion that a prompt names, and its file."""

    name: str
    path: Path
    #: The file's SHA-256, in hex.
    hash: str


@dataclass(frozen=True)
class PromptPair:
    """A prompt and its negative prompt, and the inversions that they name."""

    prompt: str
    negative_prompt: str
    inversions: tuple[Inversion, ...] = ()


@dataclass(frozen=True)
class Span:
    """Where a prompt names an inversion; `name` as it is at hand, "" for one that is not."""

    start: int
    end: int
    name: str
    written: str


def inversion_files(folder: Path) -> dict[str, Path]:
    """Inversions at hand by name: the path in the folder without its suffix."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in reversed(files_below(folder, _SUFFIXES))
    }


def find_spans(text: str, at_hand: Collection[str]) -> Iterator[Span]:
    """Where `text` names inversions, from left to right."""
    known: dict[str, list[str]] = {}
    for name in at_hand:
        for called in {name, name.rpartition("/")[2]}:
            known.setdefault(called.lower(), []).append(name)
    for match in _pattern(tuple(sorted(known))).finditer(text):
        written = match["name"] or match["other"]
        names = known.get(written.lower(), [])
        if len(names) > 1 and written not in names:
            raise InputError(
                f"embedding {written!r} is there more than once: {', '.join(sorted(names))}. Name "
                "it with its folder."
            )
        found = (written if written in names else names[0]) if names else ""
        yield Span(match.start(), match.end(), found, written)


@lru_cache(maxsize=16)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    known = "|".join(map(re.escape, longest_first)) or r"(?!)"
    suffix = rf"(?:{'|'.join(map(re.escape, _SUFFIXES))})?"
    return re.compile(
        rf"(?<![\w/-])(?:{_EXPLICIT})?(?P<name>{known}){suffix}(?![\w/-])"
        rf"|(?<!\w){_EXPLICIT}(?P<other>[\w./\\-]*[\w-])",
        re.I,
    )


def find_inversions(
    prompts: Sequence[str], at_hand: Mapping[str, Path], info: ModelInfo
) -> tuple[tuple[Inversion, ...], tuple[str, ...]]:
    """The inversions that prompts name, each once, and warnings about those that do not act.

    Raises `InputError` for `embedding:name` that is not at hand or that the model cannot take, and
    `ModelError` for a file that is damaged or made for another family.
    """
    found: dict[str, Inversion] = {}
    warnings: list[str] = []
    for prompt in prompts:
        text = plain_text(prompt)
        for span in find_spans(text, at_hand):
            is_explicit = text[span.start : span.end].lower().startswith(_EXPLICIT)
            if not span.name:
                known = suggest(span.written, at_hand) or " There is none at hand."
                raise InputError(
                    f"no embedding is called {span.written!r}.{known} NINEFOLD_EMBEDDINGS is their "
                    "folder."
                )
            if info.family.prompt_tokens is not None:
                reason = f"{info.name} is of the family {info.family.name}, which takes none"
                if is_explicit:
                    raise InputError(f"embedding {span.name}: {reason}. Leave it out.")
                warnings.append(
                    f"{span.written!r} is painted as a word: there is an embedding of that name, "
                    f"but {reason}."
                )
                continue
            path = at_hand[span.name]
            check_base(span.name, path, info)
            found[span.name] = Inversion(span.name, path, file_sha256(path))
    return tuple(found.values()), tuple(dict.fromkeys(warnings))


def inversion_base(widths: Collection[int]) -> str:
    """The family that vectors of these widths are for; empty where there is none such."""
    return _BASES.get(frozenset(widths), "")


def check_base(name: str, path: Path, info: ModelInfo) -> None:
    """Raise `ModelError` for an inversion of another family than the model's."""
    widths = frozenset(vectors.shape[1] for vectors in read_vectors(path))
    base, bases = inversion_base(widths), info.family.adapter_bases
    if base and base not in bases and set(bases) & set(_BASES.values()):
        raise ModelError(
            f"embedding {name!r} is for {base}, and {info.name} is of the family "
            f"{info.family.name}. Use one for {' or '.join(bases)}, or another model."
        )


def read_vectors(path: Path) -> tuple[Any, ...]:
    """Vectors of a file, tokens x width, one tensor for each text encoder.

    Raises `ModelError` for a file that is none, or that needs more unpickling than of tensors.
    """
    stat = path.stat()
    return _read_vectors(path, (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=64)
def _read_vectors(path: Path, _state: tuple[int, int]) -> tuple[Any, ...]:
    import torch

    try:
        if ending(path) == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's and zip's many types
        hint = (
            "Download it again."
            if ending(path) == ".safetensors"
            else "What needs more than tensors could run any code: convert it to .safetensors."
        )
        raise ModelError(
            f"embedding {path.name} cannot be read: {str(error).splitlines()[0][:150]}. {hint}"
        ) from error
    found = list(_tensors(content))
    if not found:
        raise ModelError(
            f"{path.name} is no embedding: expected emb_params, string_to_param, clip_l and clip_g "
            "or one token with its vectors."
        )
    return tuple(
        vectors.detach()[None] if vectors.dim() == 1 else vectors.detach() for vectors in found
    )


def _tensors(content: Any) -> Iterator[Any]:
    import torch

    if not isinstance(content, Mapping):
        return
    if "string_to_param" in content:
        yield from (value for value in dict(content["string_to_param"]).values())
        return
    named = [content[name] for name in ("emb_params", "clip_l", "clip_g") if name in content]
    tensors = [value for value in content.values() if isinstance(value, torch.Tensor)]
    # diffusers writes the token itself as the only key.
    found = named or (tensors if len(content) == 1 else [])
    yield from (value for value in found if value.dim() in (1, 2) and value.is_floating_point())
