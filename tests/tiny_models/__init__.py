"""Diffusers folders of random weights, one for each family of models, in the layouts that ship.

    folder = tiny_model("flux", tmp_path / "flux")

saves a pipeline of the family's real classes as `save_pretrained` lays it out: a few hundred
kilobytes, some
tenths of a second. The same name gives the same weights in every process. `NAMES`
lists them; a new one is a function in a module beside this one, under `@tiny("name")`, that
returns the pipeline (see `registry.py`).

The pictures are noise, but no weight is left at 0 or 1, as fresh layers often start: prompts,
guidance, steps and strength all show in the pixels. Tokenizers know single characters.
"""

from __future__ import annotations

from tests.tiny_models import (
    flux,
    further,
    kandinsky,
    others,
    qwen,
    stable_diffusion,
    transformers,
)
from tests.tiny_models.registry import NAMES, build_tiny, tiny_model

__all__ = [
    "NAMES",
    "build_tiny",
    "flux",
    "further",
    "kandinsky",
    "others",
    "qwen",
    "stable_diffusion",
    "tiny_model",
    "transformers",
]
