"""Textual inversions are found by name, read in every layout, and refused for another family."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError, ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.embeddings import EmbeddingCache, PromptPair, find_inversions
from ninefold.engines.embeddings.clip import chunk_count, chunked_arguments
from ninefold.engines.embeddings.inversion import find_spans, inversion_files, read_vectors
from ninefold.engines.families import family_of_class
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

from .conftest import text

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]


def info(pipeline: str = "StableDiffusionPipeline") -> ModelInfo:
    return ModelInfo("it", "", (512, 512), 8, 1024, 1, 1.0, "", family=family_of_class(pipeline))


def vectors(count: int, width: int, seed: int = 0) -> Any:
    import torch

    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def save(path: Path, **tensors: Any) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a bad house", ["bad"]),
        ("a BAD house, embedding:bad.", ["bad", "bad"]),
        ("embedding:bad.safetensors (embedding:more/new-1)", ["bad", "more/new-1"]),
        ("new-1, bad-one, badly, un-bad, new-12", ["more/new-1", "bad-one"]),
        ("embedding:nope", [""]),
        ("my embedding: a house", []),
        ("", []),
    ],
)
def test_names_are_words_of_a_prompt(prompt: str, found: list[str]) -> None:
    at_hand = ["bad", "bad-one", "more/new-1"]
    assert [span.name for span in find_spans(prompt, at_hand)] == found


def test_a_name_that_is_there_more_than_once_needs_its_folder() -> None:
    with pytest.raises(InputError, match="'bad' is there more than once: a/bad, b/bad"):
        list(find_spans("a bad house", ["a/bad", "b/bad"]))
    (span,) = find_spans("an a/bad house", ["a/bad", "b/bad"])
    assert span.name == "a/bad"


def test_files_are_called_by_their_path_without_suffix(tmp_path: Path) -> None:
    for name in ("bad.safetensors", "more/new.pt", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert sorted(inversion_files(tmp_path)) == ["bad", "more/new"]
    assert inversion_files(tmp_path / "nowhere") == {}


def test_every_layout_is_read(tmp_path: Path) -> None:
    import torch

    own = vectors(2, 768)
    torch.save({"string_to_param": {"*": own}, "name": "own"}, tmp_path / "own.pt")
    torch.save({"<own>": own[0]}, tmp_path / "token.bin")
    for path in (save(tmp_path / "a.safetensors", emb_params=own), tmp_path / "own.pt"):
        (found,) = read_vectors(path)
        assert torch.equal(found, own)
    (one,) = read_vectors(tmp_path / "token.bin")
    assert torch.equal(one, own[:1])
    both = read_vectors(save(tmp_path / "xl.safetensors", clip_l=own, clip_g=vectors(2, 1280)))
    assert [tuple(found.shape) for found in both] == [(2, 768), (2, 1280)]


class Mischief:
    """Would run code when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("unpickled",))


def test_other_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    torch.save({"string_to_param": Mischief()}, tmp_path / "evil.pt")
    with pytest.raises(ModelError, match=r"evil.pt cannot be read: .*convert it to \.safetensors"):
        read_vectors(tmp_path / "evil.pt")
    assert "unpickled" not in capsys.readouterr().out
    cut = save(tmp_path / "cut.safetensors", emb_params=vectors(2, 768))
    cut.write_bytes(cut.read_bytes()[:-8])
    with pytest.raises(ModelError, match=r"cut\.safetensors cannot be read"):
        read_vectors(cut)
    with pytest.raises(ModelError, match=r"other\.safetensors is no embedding"):
        read_vectors(save(tmp_path / "other.safetensors", a=vectors(2, 3), b=vectors(2, 3)))


def test_what_a_prompt_names_is_found_with_its_hash(tmp_path: Path) -> None:
    path = save(tmp_path / "bad.safetensors", emb_params=vectors(1, 768))
    at_hand = inversion_files(tmp_path)
    found, warnings = find_inversions(["a (house:1.2)", "bad, (Bad:1.3)"], at_hand, info())
    assert [(item.name, item.hash) for item in found] == [
        ("bad", hashlib.sha256(path.read_bytes()).hexdigest())
    ]
    assert warnings == ()
    with pytest.raises(InputError, match=r"no embedding is called 'bat'\. Did you mean 'bad'"):
        find_inversions(["embedding:bat"], at_hand, info())


def test_one_for_another_family_is_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path / "one.safetensors", emb_params=vectors(1, 768))
    save(tmp_path / "xl.safetensors", clip_l=vectors(1, 768), clip_g=vectors(1, 1280))
    at_hand = inversion_files(tmp_path)
    xl = info("StableDiffusionXLPipeline")
    assert len(find_inversions(["one"], at_hand, info())[0]) == 1
    assert len(find_inversions(["xl"], at_hand, xl)[0]) == 1
    with pytest.raises(ModelError, match=r"'one' is for Stable Diffusion 1, and it is of .* SDXL"):
        find_inversions(["one"], at_hand, xl)
    with pytest.raises(ModelError, match="'xl' is for SDXL"):
        find_inversions(["a xl house"], at_hand, info())


def test_families_without_say_so(tmp_path: Path) -> None:
    save(tmp_path / "bad.safetensors", emb_params=vectors(1, 768))
    at_hand, flux = inversion_files(tmp_path), info("FluxPipeline")
    assert find_inversions(["a bad house"], at_hand, flux) == (
        (),
        (
            "'bad' is painted as a word: there is an embedding of that name, but it is of the "
            "family FLUX.1, which takes none.",
        ),
    )
    with pytest.raises(InputError, match=r"embedding bad: .*takes none"):
        find_inversions(["embedding:bad"], at_hand, flux)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_they_are_what_diffusers_makes_of_them(
    tiny_models: Callable[[str], Path], family: str, tmp_path: Path
) -> None:
    import torch
    from diffusers import DiffusionPipeline

    pipeline: Any = DiffusionPipeline
    by_hand = pipeline.from_pretrained(str(tiny_models(family)))
    pipe = pipeline.from_pretrained(str(tiny_models(family)))
    own = vectors(2, 16)
    path = save(tmp_path / "ohwx.safetensors", emb_params=own)
    at_hand = inversion_files(tmp_path)
    for end in ("", "_2") if family == "sdxl" else ("",):
        by_hand.load_textual_inversion(
            {"ohwx": own},
            token="ohwx",
            text_encoder=getattr(by_hand, f"text_encoder{end}"),
            tokenizer=getattr(by_hand, f"tokenizer{end}"),
        )
    with torch.no_grad():
        expected = by_hand.encode_prompt(
            "a ohwx house",
            device="cpu",
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
    inversions, _ = find_inversions(["a ohwx house"], at_hand, info())
    pair = PromptPair("a ohwx house", "", inversions)
    arguments = chunked_arguments(pipe, pair, EmbeddingCache(), ())
    assert arguments is not None
    assert torch.allclose(arguments["prompt_embeds"], expected[0], atol=1e-5)
    if family == "sdxl":
        assert torch.allclose(arguments["pooled_prompt_embeds"], expected[2], atol=1e-5)
    assert not pipe.text_encoder.get_input_embeddings()._forward_hooks
    # Its tokens stay together: eight more than a chunk holds begin the next one.
    many = save(path, emb_params=vectors(8, 16))
    inversions, _ = find_inversions(["ohwx"], {"ohwx": many}, info())
    assert chunk_count(pipe, PromptPair("a " * 70 + "ohwx", "", inversions)) == 2
    assert chunk_count(pipe, PromptPair("a " * 67 + "ohwx", "", inversions)) == 1


def test_an_encoder_without_vectors_is_refused(
    tiny_models: Callable[[str], Path], tmp_path: Path
) -> None:
    from diffusers import DiffusionPipeline

    pipeline: Any = DiffusionPipeline
    pipe = pipeline.from_pretrained(str(tiny_models("sd15")))
    save(tmp_path / "ohwx.safetensors", emb_params=vectors(2, 32))
    inversions, _ = find_inversions(["ohwx"], inversion_files(tmp_path), info())
    with pytest.raises(
        ModelError, match=r"'ohwx' does not fit this model: .* width 16 .*got 2 x 32"
    ):
        chunked_arguments(pipe, PromptPair("ohwx", "", inversions), EmbeddingCache(), ())


def test_the_engine_uses_them_and_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "ohwx.safetensors", emb_params=vectors(2, 16))
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu", embeddings=tmp_path)))
    model, quiet = str(tiny_folder), SilentProgress()
    assert engine.embeddings() == ("ohwx",)
    (digest,) = engine.embedding_hashes(model, "a ohwx house")

    def run(prompt: str, negative: str = "") -> Any:
        return engine.run(text(model=model, prompt=prompt, negative_prompt=negative), quiet)

    used = run("a ohwx house")
    assert [(item.name, item.hash) for item in used.record.embeddings] == [("ohwx", digest)]
    assert type(used.record).from_json(used.record.to_json()) == used.record
    images = [used, run("a house"), run("a (ohwx:1.3) house"), run("a house", "ohwx")]
    assert len({np.asarray(item.image).tobytes() for item in images}) == 4
    save(path, emb_params=vectors(2, 16, seed=1))  # another file of that name
    assert run("a ohwx house").image.tobytes() != used.image.tobytes()
    shutil.rmtree(tmp_path)
    assert engine.embeddings() == ()
