"""Images that come out black: numbers that overflowed, and models' own safety checkers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ninefold.engines.embeddings import Inversion
from ninefold.engines.embeddings.inversion import read_vectors
from ninefold.engines.loras import LoraFile
from ninefold.engines.wrapped_methods import wrapped_method


@contextmanager
def watched_decoding(pipe: Any) -> Iterator[list[Sequence[bool]]]:
    """Gather, while the block runs, whether each decoded image has finite values alone.

    One entry for each time that the pipeline turns tensors into images. A pipeline without an
    image processor is not watched.
    """
    seen: list[Sequence[bool]] = []
    processor: Any = getattr(pipe, "image_processor", None)
    if not hasattr(processor, "postprocess"):
        yield seen
        return

    def watching(postprocess: Callable[..., Any], image: Any, *args: Any, **options: Any) -> Any:
        if hasattr(image, "isfinite"):
            seen.append(image.isfinite().flatten(1).all(1).tolist())
        return postprocess(image, *args, **options)

    with (
        wrapped_method(processor, "postprocess", watching),
        np.errstate(invalid="ignore"),  # of what is no number, black is made
    ):
        yield seen


def damaged_weight(pipe: Any) -> str | None:
    """The first weight of a pipeline with a value that is no number; None where there is none."""
    for name, network in pipe.components.items():
        if not hasattr(network, "named_parameters"):
            continue
        for weight, values in network.named_parameters():
            if not _are_numbers((values,)):
                return f"{name}.{weight}"
    return None


def damaged_addition(loras: Iterable[LoraFile], inversions: Iterable[Inversion]) -> str | None:
    """The first LoRA or embedding with a value that is no number, as messages call it."""
    from safetensors.torch import load_file

    for lora in loras:
        if not _are_numbers(load_file(lora.path).values()):
            return f"LoRA {lora.name!r}"
    for inversion in inversions:
        if not _are_numbers(read_vectors(inversion.path)):
            return f"embedding {inversion.name!r}"
    return None


def _are_numbers(tensors: Iterable[Any]) -> bool:
    """Whether every value is one; in float32, as torch has no such test for float8."""
    return all(
        not values.is_floating_point() or bool(values.float().isfinite().all())
        for values in tensors
    )


def defect_of(
    model: str,
    dtype: str,
    index: int,
    refused: Sequence[Any],
    finite: Sequence[Sequence[bool]],
    damaged: Callable[[], str | None] = lambda: None,
    added: Callable[[], str | None] = lambda: None,
) -> str | None:
    """Why image `index` of a call is black, and what to do; None where it is not.

    `damaged` names a weight that is no number, and `added` a LoRA or embedding that holds one; they
    are asked only where the image is none.
    """
    if any(index < len(found) and not found[index] for found in finite):
        if (name := added()) is not None:
            return (
                f"{name} is damaged: it holds values that are no numbers (NaN or infinite), so all "
                "images with it are black. Get the file again, or leave it out."
            )
        if (weight := damaged()) is not None:
            return (
                f"{model} is damaged: its weight {weight} holds values that are no numbers (NaN or "
                "infinite), so all its images are black. Get the file again, or use another "
                "version of the model."
            )
        other = "bfloat16 or float32" if dtype == "float16" else "float32"
        remedy = "" if dtype == "float32" else f"Set NINEFOLD_DTYPE to {other}. Else lower"
        return (
            f"{model} gave values that are no numbers (NaN or infinite) in {dtype}, which come out "
            f"black. {remedy or 'Lower'} the guidance scale or the LoRAs' weights, or change the "
            "seed."
        )
    if index < len(refused) and bool(refused[index]):
        return (
            f"{model}'s own safety checker refused the image and made it black. Change the prompt "
            "or the seed, or choose a model without a checker."
        )
    return None
