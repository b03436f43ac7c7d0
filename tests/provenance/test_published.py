"""What `verify` says of files that ninefold published, and of what became of them."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ninefold import PipelineConfig, PipelineContext, ProvenanceReport
from ninefold.core.values import Output
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.watermark import BUILTIN, WATERMARK
from ninefold.files.decode import decode
from ninefold.files.encode import encode
from ninefold.files.formats import ImageFormat
from ninefold.files.jxl import jxl_installed
from ninefold.provenance.verification import verifier_for
from ninefold.settings import JobSettings
from ninefold.slots import OUTPUTS
from ninefold.testing import fake_engines
from tests.support import run

FORMATS = ["png", "jpeg", "webp", "avif", *(["jxl"] if jxl_installed() else [])]


@pytest.fixture
def engines(tmp_path: Path) -> EngineSet:
    """Fake engines, which keep keys and manifests in a folder."""
    return replace(fake_engines(), marks=tmp_path / "data")


def published(engines: EngineSet, folder: Path, **params: Any) -> list[Output]:
    """The final files of the preset `full`, one a format."""
    document = PipelineConfig.preset("full").document()
    document["stages"][-1].setdefault("params", {}).update(params)
    context = PipelineContext(folder, prompt="a secret garden", seed=7)
    run(PipelineConfig.parse(document).build(engines).execute(context))
    context.raise_for_error()
    return [output for output in context[OUTPUTS] if "_thumbnail" not in output.name]


def report_on(engines: EngineSet, source: bytes | Path, trusted: bool = True) -> ProvenanceReport:
    """By the settings of the machine that published it."""
    assert engines.marks is not None
    root = engines.marks / "signing" / "self-made-root.pem"
    settings = JobSettings(marks=engines.marks, trust_anchors=root if trusted else None)
    return verifier_for(settings, engines).verify(source)


def test_every_format_is_intact(engines: EngineSet, tmp_path: Path) -> None:
    """By ninefold's own certificate, trusted once its root is named; each stage is an action."""
    outputs = published(engines, tmp_path / "job", formats=FORMATS)
    assert len(outputs) == len(FORMATS)
    for output in outputs:
        report = report_on(engines, output.path)
        assert (report.verdict, report.c2pa.valid, report.c2pa.trusted) == ("intact", True, True)
        stages = [action.stage for action in report.c2pa.actions]
        assert stages[:2] == ["text_to_image", "refiner"]
        assert {"upscaler", "restorer", "finisher"} <= set(stages)
        assert report.c2pa.actions[0].ingredients
        assert "diffusion" in {item.kind for item in report.c2pa.ingredients}
        assert report_on(engines, output.path, trusted=False).verdict == "intact"
        changed = bytearray(output.path.read_bytes())
        changed[-100] ^= 1
        assert report_on(engines, bytes(changed)).verdict == "altered"


def test_no_prompt_at_level_minimal(engines: EngineSet, tmp_path: Path) -> None:
    """Signed all the same, and the report has nothing that the file has not."""
    output, *_ = published(engines, tmp_path / "job", metadata="minimal")
    report = report_on(engines, output.path)
    assert report.verdict == "intact"
    assert "secret" not in report.model_dump_json()


def test_saved_anew_without_a_watermark(engines: EngineSet, tmp_path: Path) -> None:
    """Nothing is left that could prove anything."""
    output, *_ = published(engines, tmp_path / "job")
    target = BytesIO()
    with Image.open(output.path) as image:
        image.convert("RGB").save(target, "JPEG")
    assert report_on(engines, target.getvalue()).verdict == "unproven"


def test_stripped_with_a_watermark(engines: EngineSet, tmp_path: Path) -> None:
    """The manifest store knows what it was."""
    output, *_ = published(engines, tmp_path / "job")
    manifest = json.loads((output.path.parent / "manifest.json").read_text())
    identifier = bytes.fromhex(manifest["identifier"])
    pixels = engines[WATERMARK].embed(BUILTIN, decode(output.path), identifier, 1.0)
    report = report_on(engines, encode(pixels, ImageFormat.PNG))
    assert (report.verdict, report.watermark.manifest) == ("altered", "stored")
    assert report.watermark.payload == manifest["identifier"]
    assert report.watermark.stored is not None
    assert report.watermark.stored.stages[1] == "text_to_image"
    assert output.name in report.watermark.stored.outputs
    assert "secret" not in report.model_dump_json()
