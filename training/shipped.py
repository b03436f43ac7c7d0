"""The weights that ship, as a start for training where there is no checkpoint.

Tokens are matched by their text, since a new word in the captions moves all others.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import CLIPTokenizer

FOLDER = Path(__file__).parent.parent / "src" / "ninefold" / "builtin" / "poster"
TOKENS = "embeddings.token_embedding.weight"

Weights = dict[str, torch.Tensor]


def autoencoder() -> Weights:
    """The autoencoder's weights."""
    return _read("vae/diffusion_pytorch_model.safetensors")


def unet() -> Weights:
    """The UNet's weights."""
    return _read("unet/diffusion_pytorch_model.safetensors")


def text_encoder(tokenizer: CLIPTokenizer, start: Weights) -> Weights:
    """The text encoder's weights for a tokenizer; words that it lacks keep those of `start`."""
    weights = _read("text_encoder/model.safetensors")
    theirs = json.loads((FOLDER / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    known, tokens = weights[TOKENS], start[TOKENS].clone()
    for token, place in tokenizer.get_vocab().items():
        if token in theirs:
            tokens[place] = known[theirs[token]]
    return {**weights, TOKENS: tokens}


def _read(path: str) -> Weights:
    return {name: value.float() for name, value in load_file(FOLDER / path).items()}
