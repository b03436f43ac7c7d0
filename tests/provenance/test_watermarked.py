"""Files by the engines that ship, watermark included: what changes leave of their marks."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from ninefold import PipelineConfig, PipelineContext, ProvenanceReport
from ninefold.core.values import Json
from ninefold.engines.defaults import default_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.files.embed import read_record
from ninefold.provenance.verification import verifier_for
from ninefold.reproduction.finding import find_record
from ninefold.settings import JobSettings
from ninefold.slots import OUTPUTS
from tests.support import run

#: Of the preset's stages, those that are cheap by the built-in models.
SMALL: dict[str, Json] = {
    "prompt": {},
    "text_to_image": {"width": 256, "height": 256, "steps": 2},
    "upscaler": {"upscaler": "lanczos", "upscale_factor": 2.0},
    "finisher": {},
    "publisher": {"formats": ["png", "jpeg"]},
}


class Published:
    """One image, signed and marked, and one that is marked alone."""

    def __init__(self, folder: Path) -> None:
        self.engines: EngineSet = replace(default_engines(), marks=folder / "marks")
        self.settings = JobSettings(marks=folder / "marks")
        document = PipelineConfig.preset("full").document()
        document["stages"] = [
            {**stage, "params": {**stage.get("params", {}), **SMALL[stage["stage"]]}}
            for stage in document["stages"]
            if stage["stage"] in SMALL
        ]
        self.signed, self.identifier = self._publish(document, folder / "signed")
        document["stages"] = [
            {"stage": "prompt"},
            {"stage": "text_to_image", "params": {**SMALL["text_to_image"], "height": 320}},
            {"stage": "publisher", "params": {"watermark": True}},
        ]
        self.unsigned, self.unsigned_identifier = self._publish(document, folder / "unsigned")

    def _publish(self, document: Json, folder: Path) -> tuple[Path, str]:
        context = PipelineContext(folder, prompt="a red house", seed=7)
        run(PipelineConfig.parse(document).build(self.engines).execute(context))
        context.raise_for_error()
        png = next(output for output in context[OUTPUTS] if output.format == "png")
        return png.path, context.metadata["publisher"]["identifier"]

    def report(self, data: bytes) -> ProvenanceReport:
        return verifier_for(self.settings, self.engines).verify(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return Published(tmp_path_factory.mktemp("published"))


def saved(image: Image.Image, form: str = "PNG", **options: int) -> bytes:
    target = BytesIO()
    image.convert("RGB").save(target, form, **options)
    return target.getvalue()


def test_file_and_signature_name_the_watermark(made: Published) -> None:
    report = made.report(made.signed.read_bytes())
    assert report.verdict == "intact"
    assert (report.watermark.payload, report.watermark.manifest) == (made.identifier, "same")
    assert report.c2pa.actions[-1].action == "c2pa.watermarked.bound"
    jpeg = made.report(made.signed.with_suffix(".jpg").read_bytes())
    assert (jpeg.verdict, jpeg.watermark.manifest) == ("intact", "same")


@pytest.mark.parametrize("change", ["stripped", "JPEG 75", "half size", "cropped", "mirrored"])
def test_what_lost_its_signature_is_known_by_its_watermark(made: Published, change: str) -> None:
    with Image.open(made.signed) as image:
        width, height = image.size
        data = {
            "stripped": lambda: saved(image),
            "JPEG 75": lambda: saved(image, "JPEG", quality=75),
            "half size": lambda: saved(image.resize((width // 2, height // 2))),
            "cropped": lambda: saved(
                image.crop((width // 8, height // 8, width * 7 // 8, height * 7 // 8))
            ),
            "mirrored": lambda: saved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        }[change]()
    report = made.report(data)
    assert (report.verdict, report.c2pa.present) == ("altered", False)
    assert (report.watermark.payload, report.watermark.manifest) == (made.identifier, "stored")
    assert report.watermark.stored is not None
    assert made.signed.name in {Path(name).name for name in report.watermark.stored.outputs}


def test_a_file_that_was_never_signed_is_in_the_store(made: Published) -> None:
    whole = made.unsigned.read_bytes()
    assert made.report(whole).verdict == "intact"  # byte for byte what was published
    with Image.open(made.unsigned) as image:
        stripped = saved(image)
    report = made.report(stripped)
    assert (report.verdict, report.watermark.payload) == ("altered", made.unsigned_identifier)
    assert report.watermark.stored is not None
    assert read_record(stripped) is None
    verifier = verifier_for(made.settings, made.engines)
    found = find_record(stripped, made.engines, verifier.store)
    assert found.identifier == made.unsigned_identifier
    assert found.inputs["prompt"] == "a red house"


def test_without_a_mark_nothing_can_be_proved(made: Published) -> None:
    report = made.report(saved(Image.new("RGB", (512, 512), "grey")))
    assert (report.verdict, report.watermark.found) == ("unproven", False)
