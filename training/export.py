"""Writes the built-in models' folder from the last checkpoints; files appear whole or not at all.

Run `python -m training.export` for everything, or name parts, such as `poster` and `matting`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import diffusers
import torch

from training import autoencoder
from training.captions import WORDS
from training.common import RUNS, load
from training.models import build_scheduler
from training.text_to_image import CHECKPOINT, Poster

BUILTIN = Path(__file__).parent.parent / "src" / "ninefold" / "builtin"
VERSION = "3"
EXAMPLES = (
    "a red house in the mountains at sunset",
    "a white sailboat on the sea at dawn",
    "a blue tent in the forest at night under the stars",
    "a yellow hot air balloon on the left, in the desert at dawn",
    "a green cactus in the desert by day",
    "a red lighthouse by the sea at night",
    "an orange cat in a field, cloudy sky",
    "a person in a purple coat in the city in the rain",
    "a pink tree on the right, in a snowy field",
    "a white windmill on green hills in the morning",
    "a blue car in the city at night",
    "portrait of a person in a red hat",
    "a purple castle in the mountains in the fog",
    "close-up of a yellow flower",
    "a red bird over the forest at sunset",
    "flat poster illustration of a small brown house by the sea in the snow",
    "two red boats on a calm sea",
    "three green trees in a field at sunset",
)
HINT = (
    "knows flat poster scenes: a house, castle, lighthouse, windmill, tent, tree, cactus, flower, "
    "person, cat, bird, car, sailboat or balloon in ten colours, one of them on the left, in the "
    "center or on the right, or two or three, in mountains, sea, desert, field, forest or city, at "
    "dawn, by day, at sunset or at night, in clear, cloudy, rainy, snowy or foggy weather"
)
GUIDANCE = 4.0
#: Without it guidance 8 burns the colours; at 4 the distance to renders is the same with it.
GUIDANCE_RESCALE = 0.7
KINDS = {
    "poster": "text_to_image",
    "detector": "detector",
    "upscaler-2x": "upscaler",
    "upscaler-4x": "upscaler",
    "matting": "matting",
    "night-neon": "lora",
}
PATHS = {
    "poster": "poster",
    "detector": "detector/detector.onnx",
    "upscaler-2x": "upscaler/x2.onnx",
    "upscaler-4x": "upscaler/x4.onnx",
    "matting": "matting/matting.onnx",
    "night-neon": "loras/night-neon.safetensors",
}


def sidecar() -> dict[str, Any]:
    """What ninefold may know about the poster model beyond its weights."""
    return {
        "native_size": [256, 256],
        "size_multiple": 32,
        "words": list(WORDS),
        "examples": list(EXAMPLES),
        "default": {
            "steps": 20,
            "guidance_scale": GUIDANCE,
            "guidance_rescale": GUIDANCE_RESCALE,
        },
        "hint": HINT,
    }


def export_poster() -> None:
    """The averaged weights as an ordinary half-precision diffusers folder."""
    state = load(CHECKPOINT, False, torch.device("cpu"))
    if state is None:
        return  # what ships stays
    poster = Poster(torch.device("cpu"))
    poster.load_state_dict(state["average"])
    pipeline_class: Any = diffusers.StableDiffusionPipeline
    pipeline = pipeline_class(
        vae=autoencoder.trained(torch.device("cpu")),
        text_encoder=poster.text_encoder,
        tokenizer=poster.tokenizer,
        unet=poster.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(dtype=torch.float16)
    BUILTIN.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=RUNS))
    pipeline.save_pretrained(temporary / "poster", safe_serialization=True)
    tidy(temporary / "poster")
    (temporary / "poster" / "ninefold.json").write_text(json.dumps(sidecar(), indent=1) + "\n")
    replace(temporary / "poster", BUILTIN / "poster")
    shutil.rmtree(temporary)


def tidy(folder: Path) -> None:
    """Drop a config key that the autoencoder derives itself; make weights readable."""
    config = folder / "vae" / "config.json"
    values = json.loads(config.read_text())
    values.pop("block_out_channels", None)
    config.write_text(json.dumps(values, indent=2) + "\n")
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)


def replace(source: Path, target: Path) -> None:
    """Put a finished file or folder in place of the old one."""
    old = target.with_name(target.name + ".old")
    if target.is_dir():
        target.rename(old)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def copy_file(name: str) -> None:
    """Copy what a training script wrote under runs/ into place."""
    source = RUNS / Path(PATHS[name]).name
    if source.exists():
        temporary = source.with_suffix(".copy")
        shutil.copyfile(source, temporary)
        replace(temporary, BUILTIN / PATHS[name])


def write_index() -> None:
    """List every weight file with its hash and size."""
    index: dict[str, Any] = {}
    for name, path in PATHS.items():
        place = BUILTIN / path
        if not place.exists():
            continue
        weights = sorted(place.rglob("*.safetensors")) if place.is_dir() else [place]
        base = place if place.is_dir() else place.parent
        index[name] = {
            "kind": KINDS[name],
            "path": path,
            "version": VERSION,
            "license": "Apache-2.0",
            "made_by": "training/README.md",
            "sha256": {
                str(file.relative_to(base)): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in weights
            },
            "bytes": {str(file.relative_to(base)): file.stat().st_size for file in weights},
        }
    temporary = BUILTIN / "models.json.part"
    temporary.write_text(json.dumps(index, indent=1) + "\n")
    temporary.replace(BUILTIN / "models.json")


def main() -> None:
    """Export what is named, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts", nargs="*", default=["poster", "detector", "upscaler", "matting", "lora"]
    )
    parts = parser.parse_args().parts
    if "poster" in parts:
        export_poster()
    if "detector" in parts:
        copy_file("detector")
    if "upscaler" in parts:
        copy_file("upscaler-2x")
        copy_file("upscaler-4x")
    if "matting" in parts:
        copy_file("matting")
    if "lora" in parts:
        copy_file("night-neon")
    write_index()
    total = sum(file.stat().st_size for file in BUILTIN.rglob("*") if file.is_file())
    print(f"{BUILTIN.name}: {total / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
