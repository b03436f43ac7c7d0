"""From what files say to configs: everything is in the config, in a note, or on the list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold import InputError, PipelineConfig
from ninefold.core.model_refs import ModelRef
from ninefold.files.readers import READERS
from ninefold.files.readers.generation import (
    DetailerPass,
    Generation,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedLora,
)
from ninefold.inspection import ModelFinder, config_from_file, inspect_file
from ninefold.inspection.config_builder import ConfigFromFile, build_config
from ninefold.prompts import resolve
from ninefold.testing import fake_engines
from tests.readers.comfyui import basic
from tests.readers.makers import picture, png, saved
from tests.readers.samples import A1111

ENGINES = fake_engines()
ROOT = Path(__file__).resolve().parents[2]


def built(said: Generation, size: tuple[int, int] = (128, 128)) -> ConfigFromFile:
    return build_config(said, size, ModelFinder(ENGINES))


def stage(made: ConfigFromFile, name: str) -> dict[str, Any]:
    """The parameters of a stage of the config."""
    found = made.config.step_named(name)
    assert found is not None
    return dict(found.params)


def test_all_of_a1111_is_taken_over_or_listed() -> None:
    made = inspect_file(png({"parameters": A1111}), ENGINES).made
    assert made is not None
    config = made.config.document()
    assert (config["seed"], config["negative_prompt"]) == (123, "blurry")
    assert config["model"] == "sd_xl_base_1.0"
    first = stage(made, "text_to_image")
    assert first == {
        "steps": 20,
        "guidance_scale": 7.0,
        "scheduler": "dpmpp_2m_karras",
        "width": 512,
        "height": 768,
        "tiling": "both",
        "refiner": "sd_xl_refiner",
        "handover": 0.8,
    }
    assert stage(made, "upscaler") == {"upscale_factor": 1.5}
    restorer = stage(made, "restorer")
    assert (restorer["strength"], restorer["steps"]) == (0.4, 30)  # of which 12 run
    listed = "\n".join(made.not_taken_over)
    for name in (
        "4x-UltraSharp",
        "hand_yolov8n",
        "VAE sdxl",
        "clip skip 2",
        "variation seed 5",
        "ENSD: 31337",
        "--control model=control_canny,image=FILE,strength=0.8",
    ):
        assert name in listed
    notes = "\n".join(made.notes)
    for name in ("model sd_xl_base_1.0 (hash 31e35c80fc)", "LoRA night-neon", "models add FILE"):
        assert name in notes
    again = PipelineConfig.parse(json.loads(json.dumps(config)))
    assert again == made.config


def test_both_scales_of_flux_are_taken_over() -> None:
    made = built(Generation(tool="Forge", guidance_scale=3.5, true_cfg_scale=2.5))
    scales = {"guidance_scale": 3.5, "true_cfg_scale": 2.5}
    assert scales.items() <= stage(made, "text_to_image").items()
    assert "true_cfg_scale" not in "".join(made.not_taken_over)


def test_braces_and_wildcards_of_a_file_are_letters() -> None:
    said = Generation(tool="AUTOMATIC1111", prompt="a {red|blue} __x__ $ {y} # z <lora:sketch:0.5>")
    made = built(said)
    resolved = resolve(made.config.prompt or "", seed=3)
    assert resolved.text == "a {red|blue} __x__ $ {y} # z"
    assert [(lora.name, lora.weight) for lora in resolved.loras] == [("sketch", 0.5)]


@pytest.mark.parametrize(
    ("dialect", "prompt", "ours"),
    [
        ("novelai", "{{a}}, [b] (c) 1.5::d e::", r"(a:1.1025), (b:0.9524) \(c\) (d e:1.5)"),
        ("comfyui", r"(a:1.2) [b] embedding:bad", r"(a:1.2) \[b\] bad"),
        ("compel", 'a++ (b c)1.3 "d" (e)-', 'a++ (b c:1.3) "d" (e:0.9)'),
        ("swarmui", "a <segment:face> b <lora:sketch:1>", "a  b <lora:sketch:1.0>"),
    ],
)
def test_weights_of_other_tools(dialect: Any, prompt: str, ours: str) -> None:
    made = built(Generation(tool="x", dialect=dialect, prompt=prompt))
    found = resolve(made.config.prompt or "", seed=0)
    expected = resolve(ours.replace("a++", "(a:1.21)"), seed=0)
    assert (found.text, found.loras) == (expected.text, expected.loras)


def test_models_are_found_by_hash_before_their_name() -> None:
    digest = ENGINES.diffusion.describe("poster").hash
    finder = ModelFinder(ENGINES)
    found = finder.find("diffusion", "renamed.safetensors", digest)
    assert (found.here, found.found_by) == ("poster", "hash")
    named = finder.find("diffusion", "folder\\Poster.ckpt", "ffffffffff")
    assert (named.here, named.found_by) == ("poster", "name")
    assert "another version" in named.note
    missing = finder.find("diffusion", "sdxl", "0123456789")
    assert (missing.here, missing.title) == (None, "model sdxl (hash 0123456789)")
    assert finder.find("lora", "sketch.safetensors").here == "sketch"
    none_served = ModelFinder(ENGINES, served=lambda ref: ())
    assert none_served.find("diffusion", "poster").here is None
    assert ModelRef("diffusion").kind == "diffusion"


def test_a_model_that_is_missing_stands_for_no_path_and_no_download() -> None:
    for name in ("/etc/passwd", "C:\\models\\evil.ckpt", "owner/name", "../x.safetensors"):
        config = built(Generation(tool="x", model=NamedModel(name))).config
        assert config.model is not None
        assert "/" not in config.model
        assert "\\" not in config.model


def test_values_out_of_range_are_listed_with_their_range() -> None:
    made = built(
        Generation(
            tool="x",
            prompt="a",
            seed=2**64 - 1,
            steps=1000,
            guidance_scale=99.0,
            sampler="Magic",
            width=1,
            height=10**9,
            strength=7.0,
            loras=(UsedLora("sketch", 99.0), UsedLora("a:b>c", 1.0)),
            hires=HiresPass(factor=99.0, upscaler="Latent (nearest)", strength=0.5),
        )
    )
    listed = "\n".join(made.not_taken_over)
    for text in (
        "seed 18446744073709551615: expected 0 to",
        "less than or equal to 200, got 1000",
        "equal to 30",
        "sampler Magic: unknown",
        "equal to 8, got 99",
        "expected a weight from -10 to 10",
        "source image",
    ):
        assert text in listed
    assert made.config.seed is None


@pytest.mark.parametrize("factor", [1e308, 1e200, 2**70, "9e99"])
def test_a_factor_beyond_all_sizes_is_listed(factor: float | str) -> None:
    params = {
        **{"prompt": "a", "model": "poster", "width": 10**24, "height": 64, "steps": 20},
        **{"refinerupscale": factor, "refinercontrolpercentage": 0.5},
    }
    made = inspect_file(png({"parameters": {"sui_image_params": params}}), ENGINES).made
    assert made is not None
    assert any(
        "upscale_factor" in line or line.startswith("refinerupscale: ")
        for line in made.not_taken_over
    )
    assert stage(made, "restorer")["strength"] == 0.5


def test_a_prompt_too_long_to_be_taken_is_listed() -> None:
    made = built(Generation(tool="x", prompt="x" * 20_001, negative_prompt="{" * 15_000))
    assert made.config.prompt is made.config.negative_prompt is None
    assert "it has 20,001 characters, of which at most 20,000" in made.not_taken_over[0]
    assert "once escaped" in made.not_taken_over[1]
    assert built(Generation(tool="x", prompt="x" * 20_000)).config.prompt == "x" * 20_000


def test_a_file_that_says_nothing() -> None:
    data = saved(picture(), "PNG")
    found = inspect_file(data, ENGINES)
    assert (found.generation, found.made, found.document()["config"]) == (None, None, None)
    with pytest.raises(InputError, match="the file says nothing of how it was made"):
        config_from_file(data, ENGINES)


def test_what_cannot_be_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    for content, message in (
        (b"", "got an empty file; export or copy it again"),
        (b"GIF89a", "got GIF; convert it"),
        (saved(picture(), "PNG")[:20], "corrupt or cut short"),
        (saved(picture(), "PNG")[:10], "corrupt or cut short;"),
    ):
        with pytest.raises(InputError, match=message):
            inspect_file(content, ENGINES)
    with pytest.raises(InputError, match=r"none\.png: .*No such file.*check the path"):
        inspect_file(tmp_path / "none.png", ENGINES)
    with pytest.raises(InputError, match="folder or device"):
        inspect_file(tmp_path, ENGINES)


def test_the_record_of_our_own_gives_back_the_config() -> None:
    config = PipelineConfig.preset("full").with_values({"model": "poster", "seed": 5})
    record = {
        "schema": "ninefold.manifest/2",
        "config": config.document(),
        "inputs": {"prompt": "a {red|blue} house", "seed": 5, "image": {"path": "source.png"}},
        "environment": {"versions": {"ninefold": "0.1.0"}},
    }
    found = inspect_file(png({"ninefold": record, "parameters": A1111}), ENGINES)
    assert found.generation is not None
    assert (found.generation.tool, found.generation.seed) == ("ninefold", 123)
    assert found.made is not None
    assert found.made.config == config.with_values({"prompt": "a {red|blue} house"})
    assert found.made.not_taken_over == ("image: pictures are not in the file; give them again",)
    alone = inspect_file(png({"ninefold": record}), ENGINES).generation
    assert alone is not None
    assert (alone.tool, alone.version) == ("ninefold", "0.1.0")
    broken = {**record, "config": {"stages": [{"stage": "of-tomorrow"}]}}
    other = inspect_file(png({"ninefold": broken, "parameters": A1111}), ENGINES).made
    assert other is not None
    assert "its record cannot be used here" in other.notes[0]
    assert other.config.seed == 123


_TEXT = st.text(max_size=60)
_NUMBER = st.none() | st.floats(allow_nan=False, width=32)
_WHOLE = st.none() | st.integers(-(10**24), 10**24)
_NAMED = st.builds(NamedModel, _TEXT, _TEXT)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Generation,
        tool=st.just("x"),
        dialect=st.sampled_from(["a1111", "comfyui", "swarmui", "compel", "novelai"]),
        prompt=st.text(st.sampled_from("ab{}[]()<>:|_$\\+-1.0, lora"), max_size=80) | _TEXT,
        negative_prompt=_TEXT,
        seed=_WHOLE,
        steps=_WHOLE,
        guidance_scale=_NUMBER,
        sampler=_TEXT,
        schedule=_TEXT,
        width=_WHOLE,
        height=_WHOLE,
        strength=_NUMBER,
        model=_NAMED,
        clip_skip=_WHOLE,
        loras=st.lists(st.builds(UsedLora, _TEXT, _NUMBER, _NUMBER), max_size=2).map(tuple),
        refiner=st.none() | st.builds(RefinerPass, _NAMED, _NUMBER),
        hires=st.none()
        | st.builds(
            HiresPass,
            factor=_NUMBER,
            width=_WHOLE,
            height=_WHOLE,
            upscaler=_TEXT,
            strength=_NUMBER,
            steps=_WHOLE,
            sampler=_TEXT,
            model=_TEXT,
            prompt=_TEXT,
        ),
        detailers=st.lists(
            st.builds(
                DetailerPass,
                detector=st.sampled_from(["face_yolo.pt", "detector", "x"]),
                prompt=_TEXT,
                confidence=_NUMBER,
                strength=_NUMBER,
                steps=_WHOLE,
                blur=_NUMBER,
            ),
            max_size=1,
        ).map(tuple),
        other=st.dictionaries(_TEXT, _TEXT, max_size=2),
    )
)
def test_whatever_a_file_says_the_config_validates(said: Generation) -> None:
    made = built(said)
    document = made.config.document()
    assert PipelineConfig.parse(json.loads(json.dumps(document))) == made.config
    for text in (made.config.prompt, made.config.negative_prompt):
        if text:
            resolve(text, seed=1)
    for name, text in said.other.items():
        assert f"{name}: {text}" in made.not_taken_over


def test_graphs_become_configs() -> None:
    config = config_from_file(png({"prompt": basic()}), ENGINES)
    assert (config.prompt, config.negative_prompt) == ("a red house", "fog")
    assert config.model == "base"


def test_names_of_loras_keep_no_nul() -> None:
    params = {"prompt": "a", "loras": "x\0y", "loraweights": "0.5"}
    config = config_from_file(png({"parameters": {"sui_image_params": params}}), ENGINES)
    assert config.prompt == "a <lora:xy:0.5>"
    assert built(Generation(tool="x", prompt="a", loras=(UsedLora("x\0y", 1.0),))).config.prompt


def test_the_page_names_every_reader() -> None:
    page = (ROOT / "docs/howto/read-files.md").read_text(encoding="utf-8")
    for reader in READERS:
        assert f"| {reader.tool} | {reader.reads} |" in page
