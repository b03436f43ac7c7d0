"""Diffusers still has what is used of it beside its public names, as it was read."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import ninefold.engines
from ninefold.engines.diffusers_internals import NAMES, READ_IN, part_names

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
