"""Diffusers still has what is used of it beside its public names, as it was read."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import ninefold.engines
from ninefold.engines.diffusers_internals import (
    NAMES,
    READ_IN,
    component_class,
    knows_class,
    part_names,
)

HOME = "src/ninefold/engines/diffusers_internals.py"


def library() -> Any:
    import diffusers

    return diffusers


def moved(what: str) -> str:
    return (
        f"diffusers {library().__version__} has moved {what}, which {HOME} uses as read in "
        f"{READ_IN}. Read it anew there, and mend that file alone."
    )


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in NAMES.items() for name in names]
)
def test_every_name_is_there(owner: str, name: str) -> None:
    found = getattr(library(), owner, None)
    assert found is not None, moved(owner)
    assert hasattr(found, name), moved(f"{owner}.{name}")


def test_they_are_what_they_were() -> None:
    parts, options = part_names(library().StableDiffusionPipeline)
    assert {"unet", "vae", "text_encoder", "scheduler"} <= parts, moved("_get_signature_keys")
    assert "requires_safety_checker" in options, moved("_get_signature_keys")
    assert "transformer" in part_names(library().FluxPipeline)[0], moved("_get_signature_keys")
    device = inspect.getattr_static(library().DiffusionPipeline, "_execution_device")
    assert isinstance(device, property), moved("_execution_device")
    for name in ("FluxPipeline", "QwenImagePipeline"):
        unpack = inspect.signature(getattr(library(), name)._unpack_latents)
        expected = ["latents", "height", "width", "vae_scale_factor"]
        assert list(unpack.parameters) == expected, moved(f"{name}._unpack_latents")
    for name in ("StableDiffusionPipeline", "FluxPipeline"):
        tensors = getattr(library(), name)._callback_tensor_inputs
        assert "latents" in tensors, moved(f"{name}._callback_tensor_inputs")


def test_conversions_of_single_files_are_where_they_were() -> None:
    from diffusers.loaders import single_file_utils

    for name in ("clip_model_from_ldm", "t5_model_from_checkpoint"):
        read = getattr(single_file_utils, f"create_diffusers_{name}", None)
        assert read is not None, moved(f"create_diffusers_{name}")
        taken = {"cls", "checkpoint", "subfolder", "config", "torch_dtype", "local_files_only"}
        assert taken <= inspect.signature(read).parameters.keys(), moved(f"create_diffusers_{name}")
    from diffusers.quantizers.gguf.utils import SUPPORTED_GGUF_QUANT_TYPES, GGUFParameter

    assert SUPPORTED_GGUF_QUANT_TYPES, moved("SUPPORTED_GGUF_QUANT_TYPES")
    assert "quant_type" in inspect.signature(GGUFParameter.__new__).parameters, moved(
        "GGUFParameter"
    )


def test_classes_are_found_by_name_without_importing_them() -> None:
    assert knows_class("FluxPipeline")
    assert not knows_class("HologramPipeline")
    assert component_class("diffusers", "AutoencoderKL").__name__ == "AutoencoderKL"
    name = "StableDiffusionSafetyChecker"  # beside a pipeline, and not public
    assert component_class("stable_diffusion", name).__name__ == name


def test_no_other_module_uses_them() -> None:
    names = {name for names in NAMES.values() for name in names}
    folder = Path(ninefold.engines.__file__).parent
    for path in folder.glob("*.py"):
        if path.name != Path(HOME).name:
            used = names & set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
            assert not used, f"{path.name} uses {used}"
    # And nothing else of the same sort: what stands before these is not our own.
    private = re.compile(r"\b(?:pipe|pipeline_class|base|scheduler|vae|unet|model)\._[a-z]\w*")
    for path in folder.glob("*.py"):
        if path.name != Path(HOME).name:
            assert not private.findall(path.read_text(encoding="utf-8")), path.name
