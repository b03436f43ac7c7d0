"""LoRAs: found by name inside known folders only, put on a pipeline for one call."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninefold.core.errors import InputError, ModelError
from ninefold.core.problems import suggest
from ninefold.core.values import Lora
from ninefold.engines import builtin
from ninefold.engines.generation_record import UsedLora
from ninefold.engines.hashing import lora_hash
from ninefold.engines.loading import LOADING, quiet

#: A LoRA beyond this strength is a typing slip.
_MAX_WEIGHT = 10.0


@dataclass(frozen=True)
class LoraFile:
    """A LoRA that was asked for, and the file behind it."""

    name: str
    weight: float
    path: Path
    #: Of its part in the text encoder; None where that is as strong as the rest.
    text_encoder_weight: float | None
    #: First twelve hex digits, as AUTOMATIC1111 writes them.
    hash: str

    def record(self) -> UsedLora:
        """What the metadata says of it."""
        return UsedLora(self.name, self.weight, self.hash, self.text_encoder_weight)


def lora_files(folder: Path, builtin_root: Path = builtin.ROOT) -> dict[str, Path]:
    """LoRAs at hand by name: the file's path in its folder, without `.safetensors`.

    A built-in one is left out where a file of the user's is called the same, in whatever subfolder.
    """
    shipped, own = _files(builtin_root / "loras"), _files(folder)
    stems = {path.stem for path in own.values()}
    shipped = {name: path for name, path in shipped.items() if path.stem not in stems}
    return dict(sorted((shipped | own).items()))


def _files(root: Path) -> dict[str, Path]:
    paths = root.rglob("*.safetensors") if root.is_dir() else ()
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
    strong = [lora.name for lora in wanted if not abs(lora.weight) <= _MAX_WEIGHT]
    if strong:
        raise InputError(
            f"LoRA weight out of range for {', '.join(strong)}: expected {-_MAX_WEIGHT:g} to "
            f"{_MAX_WEIGHT:g}; 1 is as trained."
        )
    twice = {lora.name for lora, path in zip(wanted, paths, strict=True) if paths.count(path) > 1}
    if twice:
        raise InputError(f"LoRA named twice: {', '.join(sorted(twice))}. Name each once.")
    for path in paths:
        builtin.verify(path, builtin_root)
    return tuple(
        LoraFile(lora.name, lora.weight, path, lora.text_encoder_weight, lora_hash(path))
        for lora, path in zip(wanted, paths, strict=True)
    )


@contextmanager
def applied(pipe: Any, loras: Sequence[LoraFile]) -> Iterator[None]:
    """Put LoRAs on the pipeline's networks while the block runs, and take them off after it.

    Raises `ModelError` where a LoRA does not fit the model.
    """
    if not loras:
        yield
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise ModelError(f"{type(pipe).__name__} takes no LoRAs. Leave them out of the prompt.")
    names: list[str] = []
    try:
        for index, lora in enumerate(loras):
            # Adapter names may not hold dots, and a LoRA's own name may.
            name = f"lora{index}"
            with LOADING, quiet():  # diffusers remarks on networks that a LoRA leaves alone
                _load(pipe, lora, name)
            names.append(name)
        pipe.set_adapters(names, _weights(pipe, names, loras))
        yield
    finally:
        pipe.unload_lora_weights()


def _weights(
    pipe: Any, names: Sequence[str], loras: Sequence[LoraFile]
) -> list[float | dict[str, float]]:
    """What `set_adapters` takes: by part of the pipeline where the text encoder's differs."""
    parts = pipe.get_list_adapters()
    weights: list[float | dict[str, float]] = []
    for name, lora in zip(names, loras, strict=True):
        encoder = lora.text_encoder_weight
        if encoder is None:
            weights.append(lora.weight)
            continue
        weights.append(
            {
                part: encoder if part.startswith("text_encoder") else lora.weight
                for part, adapters in parts.items()
                if name in adapters
            }
        )
    return weights


def _load(pipe: Any, lora: LoraFile, adapter: str) -> None:
    try:
        pipe.load_lora_weights(
            str(lora.path.parent),
            weight_name=lora.path.name,
            adapter_name=adapter,
            use_safetensors=True,
            local_files_only=True,
        )
        listed = {name for part in pipe.get_list_adapters().values() for name in part}
    except Exception as error:  # peft and diffusers raise many types for a misfit
        raise ModelError(
            f"LoRA {lora.name!r} does not fit {type(pipe).__name__}: "
            f"{str(error).splitlines()[0][:200] if str(error) else type(error).__name__}. "
            "Use one made for this model."
        ) from error
    if adapter not in listed:
        raise ModelError(
            f"LoRA {lora.name!r} holds no layer of this model. Use one made for this model."
        )
