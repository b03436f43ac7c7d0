"""LoRAs by name: found inside known folders only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ninefold.core.errors import InputError
from ninefold.core.paths import files_below
from ninefold.core.problems import suggest
from ninefold.core.values import Lora
from ninefold.engines import builtin
from ninefold.engines.generation_record import UsedLora
from ninefold.engines.hashing import lora_hash
from ninefold.engines.loras.blocks import block_weights
from ninefold.prompts.loras import MAX_LORA_WEIGHT


@dataclass(frozen=True)
class LoraFile:
    """A LoRA that was asked for, and the file behind it."""

    name: str
    weight: float
    path: Path
    #: Of its part in the text encoder; None where that is as strong as the rest.
    text_encoder_weight: float | None
    #: What names it, in hex (`lora_hash`).
    hash: str
    #: Strengths by block, one for all or one for each; empty where there are none.
    blocks: tuple[float, ...] = ()

    def record(self) -> UsedLora:
        """What the metadata says of it."""
        return UsedLora(self.name, self.weight, self.hash, self.text_encoder_weight, self.blocks)


def lora_files(folder: Path, builtin_root: Path = builtin.ROOT) -> dict[str, Path]:
    """LoRAs at hand by name: the file's path in its folder, without `.safetensors`.

    A built-in one is left out where a file of the user's is called the same, in whatever subfolder.
    """
    shipped, own = _files(builtin_root / "loras"), _files(folder)
    stems = {path.stem for path in own.values()}
    shipped = {name: path for name, path in shipped.items() if path.stem not in stems}
    return dict(sorted((shipped | own).items()))


def _files(root: Path) -> dict[str, Path]:
    paths = files_below(root, {".safetensors"})
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in paths}


def known_lora(name: str, at_hand: Collection[str]) -> str:
    """Which LoRA `name` stands for: one of that path, or else the only one of that file name.

    Raises `InputError` that names those at hand, or all that it may stand for.
    """
    if name in at_hand:
        return name
    same = sorted(known for known in at_hand if known.rpartition("/")[2] == name)
    if len(same) > 1:
        raise InputError(
            f"LoRA {name!r} is there more than once: {', '.join(same)}. Name it with its folder."
        )
    if not same:
        known = suggest(name, at_hand) or " There is none at hand; NINEFOLD_LORAS is their folder."
        raise InputError(f"no LoRA is called {name!r}.{known}")
    return same[0]


def find_loras(
    wanted: Sequence[Lora], at_hand: dict[str, Path], builtin_root: Path = builtin.ROOT
) -> tuple[LoraFile, ...]:
    """The files of the LoRAs asked for; raises `InputError` as `known_lora` does.

    Names are looked up in `at_hand` and never become part of a path. A built-in LoRA that is not
    what shipped raises `ModelError`.
    """
    paths = [at_hand[known_lora(lora.name, at_hand)] for lora in wanted]
    strong = [lora.name for lora in wanted if not abs(lora.weight) <= MAX_LORA_WEIGHT]
    if strong:
        raise InputError(
            f"LoRA weight out of range for {', '.join(strong)}: expected {-MAX_LORA_WEIGHT:g} to "
            f"{MAX_LORA_WEIGHT:g}; 1 is as trained."
        )
    for path in paths:
        builtin.verify(path, builtin_root)
    return tuple(
        LoraFile(
            lora.name,
            lora.weight,
            path,
            lora.text_encoder_weight,
            lora_hash(path),
            block_weights(lora.blocks, f"LoRA {lora.name}") if lora.blocks else (),
        )
        for lora, path in zip(wanted, paths, strict=True)
    )
