"""The weights that ship as a start for training."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="training scripts need the extra `training`")

from training import shipped
from training.captions import WORDS
from training.models import build_text_encoder, build_unet
from training.vocabulary import build_tokenizer


def test_the_networks_take_what_ships() -> None:
    build_unet().load_state_dict(shipped.unet())
    tokenizer = build_tokenizer()
    model = build_text_encoder(tokenizer)
    model.load_state_dict(shipped.text_encoder(tokenizer, model.state_dict()))


def test_a_word_keeps_its_meaning_whatever_its_place_among_the_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = build_text_encoder(build_tokenizer())
    before = shipped.text_encoder(build_tokenizer(), model.state_dict())[shipped.TOKENS]
    known = build_tokenizer().get_vocab()
    words = [word for word in ("aardvark", *WORDS) if word != "red"] + ["red"]
    monkeypatch.setattr("training.vocabulary.WORDS", tuple(words))
    other = build_tokenizer()
    model = build_text_encoder(other)
    start = model.state_dict()
    after = shipped.text_encoder(other, start)[shipped.TOKENS]
    moved = other.get_vocab()
    assert moved["house</w>"] != known["house</w>"]
    assert torch.equal(after[moved["house</w>"]], before[known["house</w>"]])
    new = moved["aardvark</w>"]
    assert torch.equal(after[new], start[shipped.TOKENS][new])
