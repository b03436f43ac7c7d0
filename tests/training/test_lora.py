"""The LoRA's recipe: what it changes, and that diffusers reads what it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from training import lora, text_encoder
from training.text_to_image import Poster

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def poster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Poster:
    monkeypatch.setattr(lora, "RUNS", tmp_path)
    monkeypatch.setattr(text_encoder, "CHECKPOINT", tmp_path / "none.pt")
    torch.manual_seed(0)
    return Poster(torch.device("cpu"))


def guess(unet: Any) -> torch.Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        latents, text = torch.randn(1, 12, 16, 16), torch.randn(1, 8, 128)
        out: torch.Tensor = unet(latents, torch.tensor([500]), text, return_dict=False)[0]
    return out


def test_only_the_adapter_learns_and_it_begins_without_effect(poster: Poster) -> None:
    before = guess(poster.unet)
    lora.add_adapter(poster)
    learning = [name for name, weight in poster.unet.named_parameters() if weight.requires_grad]
    assert learning
    assert all("lora_" in name for name in learning)
    assert {f".{target}." in "".join(learning) for target in ("to_q", "conv1")} == {True}
    assert torch.equal(before, guess(poster.unet))


def test_what_is_written_is_small_and_diffusers_reads_it_back(poster: Poster) -> None:
    plain = guess(poster.unet)
    lora.add_adapter(poster)
    for name, weight in poster.unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    path = lora.write(poster, "some-style")
    assert path.stat().st_size < 2 << 20
    assert all(name.startswith("unet.") for name in load_file(path))
    wanted = guess(poster.unet)
    poster.unet.delete_adapters("default")
    assert torch.allclose(guess(poster.unet), plain, atol=1e-6)
    poster.unet.load_lora_adapter(str(path), prefix="unet")
    assert torch.allclose(guess(poster.unet), wanted, atol=0.02)
    assert not torch.allclose(wanted, plain, atol=0.1)
