"""Which files hold the weights of a component: in which precision, in how many shards.

diffusion_pytorch_model.safetensors                        one file
diffusion_pytorch_model.fp16.safetensors                   the same in another precision
model.fp16-00001-of-00002.safetensors                      one of two shards
model.safetensors.index.fp16.json                          which tensor is in which of them
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from ninefold.core.errors import ModelError

_WEIGHTS = re.compile(
    r"(?P<stem>diffusion_pytorch_model|pytorch_model|model)"
    r"(?:\.(?P<variant>[A-Za-z]\w*))?"
    r"(?:-(?P<shard>\d{5})-of-(?P<count>\d{5}))?"
    r"(?:\.(?P<legacy>[A-Za-z]\w*))?"
    r"\.(?P<format>safetensors|bin)"
)
_INDEX = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)(?:\.(?P<before>\w+))??"
    r"\.(?P<format>safetensors|bin)\.index(?:\.(?P<variant>\w+))?\.json"
)

#: The number format that a variant's name stands for.
_NAMED = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp8": "float8_e4m3fn"}

#: What stands in for a format that is not there, the best first.
_INSTEAD = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class WeightFiles:
    """Files that hold one component whole, in one precision."""

    variant: str | None
    #: `safetensors` or `bin`.
    format: str
    names: tuple[str, ...]
    #: The index of shards.
    index: str | None = None

    @property
    def named_precision(self) -> str:
        """The number format as the file names tell it: float32 where they tell none."""
        return _NAMED.get(self.variant or "fp32", "")


def weight_files(names: Iterable[str], where: str) -> tuple[WeightFiles, ...]:
    """Every set of weights among the files of a component's folder.

    Raises `ModelError` for one with some of its shards, or without their index.
    """
    names = frozenset(names)
    singles: dict[tuple[str, str | None], str] = {}
    shards: dict[tuple[str, str | None], dict[int, str]] = {}
    counts: dict[tuple[str, str | None], int] = {}
    for name in sorted(names):
        if (found := _WEIGHTS.fullmatch(name)) is None:
            continue
        key = found["format"], found["variant"] or found["legacy"]
        if found["shard"] is None:
            singles[key] = name
        else:
            shards.setdefault(key, {})[int(found["shard"])] = name
            counts[key] = int(found["count"])
    # Where there are both, diffusers reads the shards of its own networks, transformers one file.
    for key in shards.keys() & singles.keys():
        by_diffusers = singles[key].startswith("diffusion_pytorch_model")
        del (singles if by_diffusers else shards)[key]
    sets = [WeightFiles(variant, kind, (name,)) for (kind, variant), name in singles.items()]
    for key in shards:
        kind, variant = key
        missing = [number for number in range(1, counts[key] + 1) if number not in shards[key]]
        if missing:
            raise ModelError(
                f"{where}: shard {', '.join(map(str, missing))} of {counts[key]} is missing. "
                "Download the model again."
            )
        index = next((name for name in sorted(names) if _indexes(name, kind, variant)), None)
        if index is None:
            raise ModelError(
                f"{where}: the index of its {counts[key]} shards (*.{kind}.index.json) is missing. "
                "Download the model again."
            )
        ordered = tuple(shards[key][number] for number in sorted(shards[key]))
        sets.append(WeightFiles(variant, kind, ordered, index))
    return tuple(sorted(sets, key=lambda item: (item.variant or "", item.format)))


def pick(
    sets: Sequence[WeightFiles],
    wanted: Callable[[], str],
    precision_of: Callable[[WeightFiles], str] = lambda item: item.named_precision,
    variant: str | None = None,
) -> WeightFiles | None:
    """The set that suits a number format best; None where there is none at all.

    A `variant` that is asked for is taken wherever it is there. Of the others, safetensors come
    before pickled files, and files in the wanted format before float32, from which it is rounded.
    `wanted` is asked for only where there is a choice.
    """
    asked = [item for item in sets if item.variant == variant] if variant else []
    left: Collection[WeightFiles] = asked or sets
    left = [item for item in left if item.format == "safetensors"] or left
    # Such as `non_ema`, which is another training state rather than another precision.
    left = [item for item in left if item.named_precision] or left
    if len(left) < 2:
        return next(iter(left), None)
    best = wanted()

    def rank(item: WeightFiles) -> tuple[bool, int, bool]:
        precision = precision_of(item)
        known = _INSTEAD.index(precision) if precision in _INSTEAD else len(_INSTEAD)
        return precision != best, known, item.variant is not None

    return min(left, key=rank)


def _indexes(name: str, kind: str, variant: str | None) -> bool:
    found = _INDEX.fullmatch(name)
    return (
        found is not None
        and found["format"] == kind
        and (found["variant"] or found["before"]) == variant
    )
