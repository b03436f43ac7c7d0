"""Published files carry their identifier in their pixels where that is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import InputError, PipelineConfig, PipelineContext
from ninefold.engines.resources import EngineResources
from ninefold.engines.watermark import (
    BUILTIN,
    WATERMARK,
    FakeWatermark,
    FoundWatermark,
    SpreadSpectrumEngine,
    find_any,
)
from ninefold.files.manifest_store import ManifestStore
from ninefold.imaging.types import Pixels
from ninefold.provenance.verification import verifier_for
from ninefold.settings import JobSettings
from ninefold.slots import OUTPUTS
from ninefold.stages import PublisherStage
from ninefold.testing import fake_engines
from tests.certificates import active_manifest, assertion

from ..support import picture, pixels_of, run

REAL = SpreadSpectrumEngine(EngineResources())
ENGINES = fake_engines().with_engines(WATERMARK, REAL)


def published(folder: Path, engines: Any = ENGINES, **params: Any) -> PipelineContext:
    image = params.pop("image", picture(320, 256))
    context = PipelineContext(folder, job_id="job", seed=7, prompt="a house", image=image)
    params = {"name": "{job_id}", "watermark": True} | params
    run(PublisherStage(engines=engines, **params).execute(context))
    return context


def test_files_carry_the_identifier_of_the_unmarked_image(tmp_path: Path) -> None:
    context = published(tmp_path, formats=["png", "jpeg", "webp", "avif"])
    entry = context.metadata["publisher"]
    for output in context[OUTPUTS]:
        found = REAL.find(BUILTIN, pixels_of(output.path))
        assert found is not None
        assert found.identifier.hex() == entry["identifier"]
    described = entry["watermark"]
    assert (described["algorithm"], described["strength"]) == ("io.ninefold.watermark.1", 1.0)
    assert entry["watermark_psnr"] >= 40
    assert described["hash"] == REAL.hash(BUILTIN)


def test_a_signed_file_names_the_watermark_as_its_engine_does(tmp_path: Path) -> None:
    class Other(FakeWatermark):
        def algorithm(self, model: str) -> str:
            return "com.example.watermark"

    context = published(tmp_path, ENGINES.with_engines(WATERMARK, Other()), sign=True)
    (output,) = context[OUTPUTS]
    manifest = active_manifest(output.path.read_bytes(), output.media_type)
    binding = assertion(manifest, "c2pa.soft-binding")
    assert binding["alg"] == "com.example.watermark"
    assert binding["blocks"][0]["value"] == context.metadata["publisher"]["identifier"]


class Corner(FakeWatermark):
    """Another method, of a plugin: it writes into the last rows."""

    names = ("corner",)

    def algorithm(self, model: str) -> str:
        return "com.example.corner"

    def embed(self, model: str, pixels: Pixels, identifier: bytes, strength: float) -> Pixels:
        return super().embed(model, pixels[::-1], identifier, strength)[::-1]

    def find(self, model: str, pixels: Pixels) -> FoundWatermark | None:
        return super().find(model, pixels[::-1])


class TestAnotherWatermark:
    engines = ENGINES.with_engines(WATERMARK, REAL, Corner())

    def test_it_is_chosen_by_its_name(self, tmp_path: Path) -> None:
        context = published(tmp_path, self.engines, watermark_model="corner")
        entry, pixels = context.metadata["publisher"], pixels_of(context[OUTPUTS][0].path)
        described = entry["watermark"]
        assert (described["model"], described["algorithm"]) == ("corner", "com.example.corner")
        assert REAL.find(BUILTIN, pixels) is None
        found = self.engines[WATERMARK].find("corner", pixels)
        assert found is not None
        assert found.identifier.hex() == entry["identifier"]

    def test_both_are_found_whichever_it_was(self, tmp_path: Path) -> None:
        verifier = verifier_for(JobSettings(marks=tmp_path / "marks"), self.engines)
        for model in (None, "corner"):
            context = published(tmp_path / str(model), self.engines, watermark_model=model)
            report = verifier.verify(context[OUTPUTS][0].path)
            assert report.watermark.payload == context.metadata["publisher"]["identifier"]

    def test_a_small_picture_is_looked_through_by_those_that_can(self) -> None:
        small = picture(40, 40)  # the built-in one refuses it
        marked = Corner().embed("corner", small, b"12345678", 1.0)
        found = find_any(self.engines[WATERMARK], marked)
        assert found is not None
        assert found.identifier == b"12345678"
        assert find_any(self.engines[WATERMARK], small) is None
        with pytest.raises(InputError, match="64x64 pixels, got 40x40"):
            find_any(REAL, small)

    def test_one_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        document = {"stages": [{"stage": "publisher", "params": {"watermark_model": "seal"}}]}
        pipeline = PipelineConfig.parse(document).build(self.engines)
        context = PipelineContext(tmp_path, prompt="a house", image=picture(320, 256))
        (problem,) = pipeline.problems(context)
        assert "seal" in problem
        assert "corner" in problem


def test_the_same_job_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [published(tmp_path / name)[OUTPUTS][0].path.read_bytes() for name in "ab"]
    assert files[0] == files[1]


def test_a_stronger_one_changes_more(tmp_path: Path) -> None:
    contexts = [
        published(tmp_path / str(strength), watermark_strength=strength) for strength in (0.5, 2)
    ]
    weak, strong = (context.metadata["publisher"] for context in contexts)
    assert weak["watermark_psnr"] > strong["watermark_psnr"]
    assert weak["identifier"] != strong["identifier"]


def test_without_it_no_pixel_changes(tmp_path: Path) -> None:
    context = published(tmp_path, watermark=False)
    assert np.array_equal(pixels_of(context[OUTPUTS][0].path), picture(320, 256))
    assert "watermark" not in context.metadata["publisher"]


def test_colours_of_transparent_pixels_stay(tmp_path: Path) -> None:
    alpha = np.full((256, 320), 255, np.uint8)
    alpha[:, :160] = 0
    layers = np.dstack([picture(320, 256), alpha])
    plain = published(tmp_path / "plain", image=layers, watermark=False)
    context = published(tmp_path / "marked", image=layers)
    before, after = (pixels_of(made[OUTPUTS][0].path) for made in (plain, context))
    assert np.array_equal(before[:, :160], after[:, :160])
    assert not np.array_equal(before[:, 160:], after[:, 160:])
    found = REAL.find(BUILTIN, after)
    assert found is not None
    assert found.identifier.hex() == context.metadata["publisher"]["identifier"]


def test_the_manifest_is_found_by_the_identifier(tmp_path: Path) -> None:
    engines = replace(ENGINES, marks=tmp_path / "data")
    context = published(tmp_path / "job", engines)
    identifier = context.metadata["publisher"]["identifier"]
    kept = ManifestStore(tmp_path / "data" / "manifests").find(bytes.fromhex(identifier))
    assert kept is not None


def test_too_small_an_image_is_refused_before_anything_is_painted(tmp_path: Path) -> None:
    stage = PublisherStage(watermark=True, engines=ENGINES)
    context = PipelineContext(tmp_path)
    assert stage.output_size(context, (512, 256)) == (512, 256)
    with pytest.raises(InputError, match=r"publisher\.watermark: .* 256x256 .* got 255x512"):
        stage.output_size(context, (255, 512))
    with pytest.raises(InputError, match=r"Or set publisher\.watermark to false\."):
        stage.output_size(context, (2048, 400))
    assert PublisherStage(engines=ENGINES).output_size(context, (9, 9)) == (9, 9)


def test_too_small_an_image_whose_size_nobody_knew_is_published_without(tmp_path: Path) -> None:
    context = published(tmp_path, image=picture(64, 48))
    entry = context.metadata["publisher"]
    assert "no watermark: expected an image of at least 256x256" in entry["warnings"][0]
    assert "watermark" not in entry
    assert np.array_equal(pixels_of(context[OUTPUTS][0].path), picture(64, 48))


@pytest.mark.parametrize("strength", [0, 0.2, 2.5])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="watermark_strength"):
        PublisherStage(watermark=True, watermark_strength=strength)


def test_the_full_preset_marks_and_signs_say_so(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, prompt="a red house", seed=7)
    run(PipelineConfig.preset("full").build(fake_engines()).execute(context))
    context.raise_for_error()
    entry = context.metadata["publisher"]
    assert entry["watermark"]["strength"] == 1.0
    png = next(output for output in context[OUTPUTS] if output.format == "png")
    found = fake_engines()[WATERMARK].find(BUILTIN, pixels_of(png.path))
    assert found is not None
    assert found.identifier.hex() == entry["identifier"]
    manifest = next(item.path for item in context.artifacts if item.name.endswith("manifest.json"))
    assert json.loads(manifest.read_text())["identifier"] == entry["identifier"]
