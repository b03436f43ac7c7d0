from __future__ import annotations

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.weight_files import WeightFiles, pick, weight_files

NET = "diffusion_pytorch_model"
BOTH = [f"{NET}.safetensors", f"{NET}.fp16.safetensors", f"{NET}.non_ema.safetensors", f"{NET}.bin"]
FP16 = [f"model.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
FULL = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
SHARDED = [*FP16, "model.safetensors.index.fp16.json", *FULL, "model.safetensors.index.json"]


def chosen(names: list[str], wanted: str, variant: str | None = None) -> WeightFiles | None:
    return pick(weight_files(names, "unet"), lambda: wanted, variant=variant)


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (BOTH, "float32", (BOTH[0],)),
        (BOTH, "float16", (BOTH[1],)),
        (BOTH, "bfloat16", (BOTH[0],)),  # rounded from float32 rather than from float16
        (BOTH[2:], "float32", (BOTH[2],)),
        (BOTH[3:], "float32", (BOTH[3],)),
        (SHARDED, "float32", tuple(FULL)),
        (SHARDED, "float16", tuple(FP16)),
        ([f"{NET}.bf16.safetensors", f"{NET}.fp16.safetensors"], "float32", None),
    ],
)
def test_the_precision_that_suits_is_taken(
    names: list[str], wanted: str, expected: tuple[str, ...] | None
) -> None:
    found = chosen(names, wanted)
    assert found is not None
    assert found.names == (expected or (f"{NET}.bf16.safetensors",))


def test_a_variant_that_is_asked_for_is_taken_where_it_is() -> None:
    asked = chosen(BOTH, "float32", "fp16")
    assert asked is not None
    assert asked.names == (BOTH[1],)
    other = chosen(BOTH[:1], "float32", "fp16")
    assert other is not None
    assert other.names == (BOTH[0],)
    training = chosen(BOTH, "float32", "non_ema")
    assert training is not None
    assert training.names == (BOTH[2],)


def test_shards_named_in_the_old_way_are_known() -> None:
    names = [f"model-0000{n}-of-00002.fp16.safetensors" for n in (1, 2)]
    (found,) = weight_files([*names, "model.fp16.safetensors.index.json"], "text_encoder")
    assert (found.variant, found.names) == ("fp16", tuple(names))


def test_of_shards_and_one_file_those_are_taken_that_the_library_reads() -> None:
    (of_transformers,) = weight_files(
        [*FULL, "model.safetensors.index.json", "model.safetensors"], ""
    )
    assert of_transformers.names == ("model.safetensors",)
    shards = [name.replace("model", NET, 1) for name in FULL]
    index = f"{NET}.safetensors.index.json"
    (of_diffusers,) = weight_files([*shards, index, f"{NET}.safetensors"], "")
    assert of_diffusers.names == tuple(shards)


def test_what_is_missing_of_shards_is_reported() -> None:
    with pytest.raises(ModelError, match=r"unet: shard 2 of 2 is missing.*again"):
        weight_files([FULL[0], "model.safetensors.index.json"], "unet")
    with pytest.raises(ModelError, match=r"unet: the index of its 2 shards.*is missing"):
        weight_files(FULL, "unet")


def test_other_files_are_no_weights() -> None:
    assert (
        weight_files(["config.json", "flax_model.msgpack", "openvino.bin", "a.safetensors"], "")
        == ()
    )
    assert pick((), lambda: "float32") is None
