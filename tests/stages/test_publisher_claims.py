"""What signed files say of the stages that made them."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ninefold import Pipeline, PipelineConfig, PipelineContext
from ninefold.core.function_stage import stage
from ninefold.engines.faults import fake_hash
from ninefold.files.embed import read_infotext
from ninefold.files.jxl import jxl_installed
from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.files.signing.sign import FileSigner
from ninefold.files.store import read_image, write_image
from ninefold.slots import IMAGE, OUTPUTS
from ninefold.testing import fake_engines
from tests.certificates import actions, active_manifest, assertion, thumbnail, validation
from tests.files.claims import UNTRUSTED, claim, image_file

from ..support import files_in, picture, pixels_of, run
from .signing import FULL, MEDIA_TYPES, done, manifest_of, only, published


def test_each_stage_is_an_action_in_every_format(tmp_path: Path) -> None:
    formats = f"publisher.formats=[{', '.join(MEDIA_TYPES)}]"
    context = published(tmp_path, FULL.with_settings([formats]))
    *pictures, thumbnail = context[OUTPUTS]
    assert [output.format for output in pictures] == list(MEDIA_TYPES)
    for output in pictures:
        data = output.path.read_bytes()
        assert validation(data, output.media_type) == ("Valid", UNTRUSTED)
        manifest = active_manifest(data, output.media_type)
        assert manifest["title"] == output.path.name
        converted = [("c2pa.converted", "publisher")] if output.format != "png" else []
        assert done(manifest) == [
            ("c2pa.created", "text_to_image"),
            ("c2pa.edited", "refiner"),
            ("c2pa.edited", "detailer"),
            ("c2pa.resized", "upscaler"),
            ("c2pa.edited", "restorer"),
            ("c2pa.color_adjustments", "finisher"),
            ("c2pa.watermarked.bound", "publisher"),
            *converted,
        ]
        for action in actions(manifest)[: -1 - len(converted)]:
            name = action["parameters"]["io.ninefold.stage"]
            assert action["when"] == context.metadata[name]["finished_at"]
            assert action["softwareAgent"]["name"] == "ninefold"
            assert action["softwareAgent"]["version"]
    with pytest.raises(Exception, match="ManifestNotFound"):
        active_manifest(thumbnail.path.read_bytes(), "image/webp")
    signed = context.metadata["publisher"]["signed"]
    assert signed["files"] == [output.name for output in pictures]
    assert signed["self_made"] is True


def test_what_an_action_says_is_what_its_stage_did(tmp_path: Path) -> None:
    context = published(tmp_path, prompt="a house <lora:sketch:0.5>")
    manifest = manifest_of(context)
    created, refined, detailed, resized, restored, *_ = actions(manifest)
    assert created["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert created["parameters"]["seed"] == 7
    assert created["parameters"]["size"] == "128x128"
    assert refined["parameters"]["refinement_level"] == 2
    assert resized["parameters"]["upscale_factor"] == 2.0
    assert resized["parameters"]["upscaled_size"] == "256x256"
    models = {item["label"]: item for item in manifest["ingredients"]}

    def used(action: dict[str, Any]) -> list[tuple[str, str, str]]:
        urls = [link["url"].rpartition("/")[2] for link in action["parameters"]["ingredients"]]
        found = [models[label] for label in urls]
        return [
            (item["title"], item["metadata"]["io.ninefold.hash"], item["relationship"])
            for item in found
        ]

    poster, sketch = ("poster", fake_hash(0), "inputTo"), ("sketch", fake_hash(0), "inputTo")
    assert used(created) == used(refined) == used(restored) == [poster, sketch]
    assert used(detailed) == [poster, ("detector", fake_hash(1), "inputTo"), sketch]
    assert used(resized) == [("2x", fake_hash(12), "inputTo")]
    assert len(models) == 4
    output = context[OUTPUTS][0]
    with Image.open(BytesIO(thumbnail(output.path.read_bytes(), output.media_type))) as image:
        assert (image.format, image.size) == ("JPEG", (256, 256))


def test_repeated_idle_skipped_and_foreign_stages(tmp_path: Path) -> None:
    @stage(requires=[IMAGE], provides=[IMAGE])
    def sepia(context: PipelineContext) -> None:
        """Something of a plugin's."""
        pixels = read_image(context, context[IMAGE])
        context[IMAGE] = write_image(context, "sepia", "sepia.png", pixels[::-1].copy())

    config = PipelineConfig.parse(
        only(
            "prompt",
            "text_to_image",
            {"stage": "refiner", "params": {"refinement_level": 0}},
            "detailer",
            "detailer",
            {"stage": "upscaler", "on_error": "skip"},
            "finisher",
            {"stage": "finisher", "params": {"grain": 0.1}},
        )
    )
    engines = fake_engines(fail_on="upscale")
    steps = config.build(engines).steps
    pipeline = Pipeline([*steps[:-1], sepia(), steps[-1]])
    context = PipelineContext(tmp_path, prompt="a house", seed=7)
    run(pipeline.execute(context))
    context.raise_for_error()
    assert done(manifest_of(context)) == [
        ("c2pa.created", "text_to_image"),
        ("c2pa.edited", "detailer"),
        ("c2pa.edited", "detailer_2"),
        ("c2pa.enhanced", "finisher_2"),
        ("c2pa.edited", "sepia"),
    ]


def test_a_source_is_opened_and_its_manifest_kept(tmp_path: Path) -> None:
    photo = FileSigner(SelfMadeKey(None)).sign(image_file("jpeg", picture(128, 128)), claim("jpeg"))
    source = tmp_path / "holiday.jpg"
    source.write_bytes(photo.data)
    context = published(tmp_path / "job", image=source)
    data = context[OUTPUTS][0].path.read_bytes()
    assert validation(data, "image/png") == ("Valid", UNTRUSTED)
    manifest = active_manifest(data, "image/png")
    opened, edited, *_ = actions(manifest)
    assert (opened["action"], edited["action"]) == ("c2pa.opened", "c2pa.edited")
    assert edited["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    (parent,) = [item for item in manifest["ingredients"] if item["relationship"] == "parentOf"]
    assert parent["active_manifest"] == active_manifest(photo.data, "image/jpeg")["label"]
    assert parent["title"] == "source image"
    assert b"holiday" not in data
    assert (context.workdir / "source_original.jpg").read_bytes() == photo.data


def test_a_source_whose_manifest_is_broken_is_signed_without_it(tmp_path: Path) -> None:
    photo = FileSigner(SelfMadeKey(None)).sign(image_file("png", picture(64, 48)), claim())
    source = tmp_path / "broken.png"
    source.write_bytes(_with_crc(photo.data.replace(b"jumdc2pa", b"jumdc2pX")))
    context = published(tmp_path / "job", only("upscaler"), image=source, prompt=None, seed=None)
    data = context[OUTPUTS][0].path.read_bytes()
    assert validation(data, "image/png") == ("Valid", UNTRUSTED)
    (warning,) = context.metadata["publisher"]["warnings"]
    assert warning.startswith("source_original.png: its C2PA manifest cannot be read")
    (parent,) = [
        item
        for item in active_manifest(data, "image/png")["ingredients"]
        if item["relationship"] == "parentOf"
    ]
    assert "active_manifest" not in parent


def _with_crc(data: bytes) -> bytes:
    """A PNG file whose chunks have the right checksums."""
    out, place = bytearray(data[:8]), 8
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunk = data[place + 4 : place + 8 + length]
        out += data[place : place + 4] + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        place += 12 + length
    return bytes(out)


@pytest.mark.skipif(not jxl_installed(), reason="the extra jxl is not installed")
def test_jpeg_xl_is_signed_too(tmp_path: Path) -> None:
    context = published(tmp_path, only("prompt", "text_to_image", formats=["jxl"]))
    (output,) = context[OUTPUTS]
    data = output.path.read_bytes()
    assert validation(data, output.media_type) == ("Valid", UNTRUSTED)
    manifest = active_manifest(data, output.media_type)
    assert done(manifest)[-1] == ("c2pa.converted", "publisher")
    assert read_infotext(data) is not None
    assert pixels_of(output.path).shape == (128, 128, 3)


def test_a_source_without_a_manifest_is_an_ingredient_too(tmp_path: Path) -> None:
    context = published(tmp_path, only("upscaler"), image=picture(64, 48), prompt=None, seed=None)
    manifest = manifest_of(context)
    assert done(manifest) == [("c2pa.opened", "input"), ("c2pa.resized", "upscaler")]
    (parent,) = [item for item in manifest["ingredients"] if item["relationship"] == "parentOf"]
    assert "active_manifest" not in parent
    assert files_in(tmp_path) >= {"source.png"}
    assert not (tmp_path / "source_original.png").exists()


def test_the_record_is_there_at_full_alone(tmp_path: Path) -> None:
    prompt = "a very particular lighthouse"
    full = published(tmp_path / "full", only("prompt", "text_to_image"), prompt=prompt)
    record = json.loads(assertion(manifest_of(full), "io.ninefold.record")["json"])
    assert record["stages"]["prompt"]["prompt"] == prompt
    config = only("prompt", "text_to_image", metadata="minimal", formats=["png", "jpeg"])
    minimal = published(tmp_path / "minimal", config, prompt=prompt)
    for output in minimal[OUTPUTS]:
        data = output.path.read_bytes()
        assert validation(data, output.media_type) == ("Valid", UNTRUSTED)
        manifest = active_manifest(data, output.media_type)
        assert not [a for a in manifest["assertions"] if a["label"] == "io.ninefold.record"]
        assert done(manifest)[0] == ("c2pa.created", "text_to_image")
        assert set(actions(manifest)[0]["parameters"]) == {"io.ninefold.stage"}
        assert "ingredients" not in manifest
        assert prompt.encode() not in data
    nothing = published(tmp_path / "none", only("prompt", "text_to_image", metadata="none"))
    assert b"c2pa" not in nothing[OUTPUTS][0].path.read_bytes()
    assert "signed" not in nothing.metadata["publisher"]
    (warning,) = nothing.metadata["publisher"]["warnings"]
    assert "not signed" in warning


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_xmp_and_iptc_of_signed_files(tmp_path: Path) -> None:
    pictures = published(tmp_path)[OUTPUTS][:4]
    words = ["exiftool", "-json", "-G1", "-struct", *(str(item.path) for item in pictures)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    for found in json.loads(done.stdout):
        (kind,) = [v for name, v in found.items() if name.endswith(":DigitalSourceType")]
        assert kind.endswith("/trainedAlgorithmicMedia")
        assert any(v == "ninefold" for name, v in found.items() if "AISystemUsed" in name)
        assert not [name for name in found if "Error" in name or "Warning" in name], found
