"""Published files that are signed: what they say of the stages, and what stops them."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold import Pipeline, PipelineConfig, PipelineContext, SigningError
from ninefold.core.atomic import write_atomic
from ninefold.core.function_stage import stage
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.core.values import Output
from ninefold.engines.engine_set import EngineSet
from ninefold.files.embed import read_infotext
from ninefold.files.jxl import jxl_installed
from ninefold.files.manifest_store import ManifestStore
from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.files.signing.sign import FileSigner
from ninefold.files.store import read_image, write_image
from ninefold.slots import IMAGE, OUTPUTS
from ninefold.stages import PublisherStage
from ninefold.testing import fake_engines
from tests.certificates import (
    actions,
    active_manifest,
    assertion,
    issue,
    thumbnail,
    validation,
)
from tests.files.test_signing import UNTRUSTED, claim, image_file

from ..support import box_mask, files_in, picture, pixels_of, run

MEDIA_TYPES = {kind: f"image/{kind}" for kind in ("png", "jpeg", "webp", "avif", "jxl")}
FULL = PipelineConfig.preset("full")


def published(
    folder: Path,
    config: PipelineConfig | dict[str, Any] = FULL,
    engines: EngineSet | None = None,
    **data: Any,
) -> PipelineContext:
    config = config if isinstance(config, PipelineConfig) else PipelineConfig.parse(config)
    data = {"prompt": "a red house", "seed": 7} | data
    context = PipelineContext(
        folder, job_id="job", **{k: v for k, v in data.items() if v is not None}
    )
    run(config.build(engines or fake_engines()).execute(context))
    context.raise_for_error()
    return context


def only(*stages: Any, **params: Any) -> dict[str, Any]:
    """A config of `stages` and a publisher that signs."""
    steps = [item if isinstance(item, dict) else {"stage": item} for item in stages]
    params = {"sign": True, "name": "{job_id}"} | params
    return {"stages": [*steps, {"stage": "publisher", "params": params}]}


def manifest_of(context: PipelineContext, number: int = 0) -> dict[str, Any]:
    output = context[OUTPUTS][number]
    return active_manifest(output.path.read_bytes(), output.media_type)


def pairs(first: PipelineContext, second: PipelineContext) -> list[tuple[Output, Output]]:
    ours: tuple[Output, ...] = first[OUTPUTS]
    theirs: tuple[Output, ...] = second[OUTPUTS]
    return list(zip(ours, theirs, strict=True))


def done(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    return [(a["action"], a["parameters"]["io.ninefold.stage"]) for a in actions(manifest)]


def with_settings(engines: EngineSet, **environ: str) -> EngineSet:
    return replace(engines, signing=read_settings(SigningSettings, environ))


# -- what files say -------------------------------------------------------------------------------


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

    poster, sketch = ("poster", "fa4e000000", "inputTo"), ("sketch", "fa4e00000000", "inputTo")
    assert used(created) == used(refined) == used(restored) == [poster, sketch]
    assert used(detailed) == [poster, ("detector", "fa4e000001", "inputTo"), sketch]
    assert used(resized) == [("2x", "fa4e000012", "inputTo")]
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


def test_no_path_and_no_key_is_in_any_file(tmp_path: Path) -> None:
    folder = tmp_path / "home-of-a-user"
    issued = issue()
    engines = with_settings(fake_engines(), **issued.write(folder / "keys"))
    mask = box_mask(128, 128, (30, 30, 90, 90))
    prompt = f"a house, {folder}/photo.png"
    context = published(folder / "job", FULL, engines, prompt=prompt, mask=mask)
    secret = (folder / "keys" / "key.pem").read_text().splitlines()[1]
    for name in files_in(context.workdir):
        data = (context.workdir / name).read_bytes()
        for text in (str(tmp_path), "home-of-a-user", secret, "PRIVATE KEY"):
            assert text.encode() not in data, f"{text} in {name}"
    assert secret not in context.to_json().replace("\\n", "")
    for output in context[OUTPUTS][:4]:
        state = validation(output.path.read_bytes(), output.media_type, issued.anchor)
        assert state == ("Trusted", [])


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


# -- reproducible, cached, kept -------------------------------------------------------------------


def test_pixels_and_identifier_are_the_same_each_time(tmp_path: Path) -> None:
    one, two = (published(tmp_path / name) for name in ("one", "two"))
    for first, second in pairs(one, two):
        assert np.array_equal(pixels_of(first.path), pixels_of(second.path))
    assert one.metadata["publisher"]["identifier"] == two.metadata["publisher"]["identifier"]
    other = published(tmp_path / "other", seed=8)
    assert other.metadata["publisher"]["identifier"] != one.metadata["publisher"]["identifier"]


def test_signing_changes_nothing_but_the_signature(tmp_path: Path) -> None:
    # The watermark carries what the record says, and that holds the config.
    unmarked = FULL.with_settings(["publisher.watermark=false"])
    signed = published(tmp_path / "signed", unmarked)
    plain = published(tmp_path / "plain", unmarked.with_settings(["publisher.sign=false"]))
    for first, second in pairs(signed, plain):
        assert np.array_equal(pixels_of(first.path), pixels_of(second.path))
    assert "signed" not in plain.metadata["publisher"]


def test_another_certificate_is_another_fingerprint(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path / "job", image=picture(64, 48))

    def fingerprint(engines: EngineSet, **params: Any) -> Any:
        return PublisherStage(engines=engines, **params).fingerprint(context)

    plain = fake_engines()
    keys = [with_settings(plain, **issue().write(tmp_path / name)) for name in "ab"]
    first, second = (fingerprint(engines, sign=True) for engines in keys)
    assert first != second
    assert first == fingerprint(keys[0], sign=True)
    assert fingerprint(keys[0]) == fingerprint(keys[1])


def test_manifests_are_kept_by_identifier(tmp_path: Path) -> None:
    engines = replace(fake_engines(), marks=tmp_path / "data")
    context = published(tmp_path / "job", FULL, engines)
    identifier = bytes.fromhex(context.metadata["publisher"]["identifier"])
    store = ManifestStore(tmp_path / "data" / "manifests")
    assert list(store.identifiers()) == [identifier]
    found = store.find(identifier)
    assert found is not None
    assert found.record == (tmp_path / "job" / "outputs" / "manifest.json").read_bytes()
    assert set(found.c2pa) == {output.path.name for output in context[OUTPUTS][:4]}
    png = context[OUTPUTS][0]
    assert found.c2pa[png.path.name] in png.path.read_bytes()
    assert (tmp_path / "data" / "signing" / "self-made.pem").exists()


def test_a_store_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifests").write_text("in the way")
    engines = replace(fake_engines(), marks=tmp_path / "data")
    context = published(tmp_path / "job", only("prompt", "text_to_image"), engines)
    (warning,) = context.metadata["publisher"]["warnings"]
    assert "manifest could not be kept" in warning
    assert validation(context[OUTPUTS][0].path.read_bytes(), "image/png")[0] == "Valid"


# -- what stops it --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"days": (-9, -1)}, {"purpose": None}])
def test_a_certificate_that_cannot_sign_is_found_before_anything_is_painted(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    engines = with_settings(fake_engines(), **issue(**options).write(tmp_path / "keys"))
    context = PipelineContext(tmp_path / "job", prompt="a house", seed=7)
    pipeline = FULL.build(engines)
    (problem,) = pipeline.problems(context)
    assert problem.startswith("publisher.sign: the certificate")
    run(pipeline.execute(context))
    assert context.error is not None
    assert context.error.user_error
    assert not [name for name in files_in(tmp_path / "job") if name.startswith("outputs/")]


def test_a_command_that_fails_leaves_the_stages_files(tmp_path: Path) -> None:
    files = issue().write(tmp_path / "keys")
    files["NINEFOLD_SIGN_COMMAND"] = "false"
    del files["NINEFOLD_SIGN_KEY"]
    context = PipelineContext(tmp_path / "job", prompt="a house", seed=7)
    run(FULL.build(with_settings(fake_engines(), **files)).execute(context))
    assert context.error is not None
    assert "NINEFOLD_SIGN_COMMAND: expected a signature" in context.error.message
    assert "generated_finished.png" in files_in(tmp_path / "job")
    assert not [name for name in files_in(tmp_path / "job") if name.startswith("outputs/")]


def test_a_file_that_cannot_be_signed_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = FileSigner.sign

    def but_webp(self: FileSigner, data: bytes, claim: Any) -> Any:
        if claim.media_type == "image/webp":
            raise SigningError("the time stamp authority gave none. Try again.")
        return sign(self, data, claim)

    monkeypatch.setattr(FileSigner, "sign", but_webp)
    context = published(tmp_path)
    formats = [output.format for output in context[OUTPUTS]]
    assert formats == ["png", "jpeg", "avif", "webp"]  # the last is the thumbnail
    (warning,) = context.metadata["publisher"]["warnings"]
    assert warning == (
        "outputs/poster-7.webp was left out: the time stamp authority gave none. Try again."
    )


def test_a_format_without_a_place_for_it_is_written_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileSigner, "can_sign", lambda self, media_type: media_type != "image/webp")
    config = only("prompt", "text_to_image", formats=["png", "webp"])
    context = published(tmp_path, config)
    assert len(context[OUTPUTS]) == 2
    (warning,) = context.metadata["publisher"]["warnings"]
    assert warning == "outputs/job.webp is not signed: webp has no place for that."
    assert context.metadata["publisher"]["signed"]["files"] == ["outputs/job.png"]


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, count = write_atomic, iter(range(100))

    def full(path: Path, data: bytes) -> None:
        if path.parent.name == "outputs" and next(count) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr("ninefold.files.store.write_atomic", full)
    context = PipelineContext(tmp_path, prompt="a house", seed=7)
    run(FULL.build(fake_engines()).execute(context))
    assert context.error is not None
    assert "No space left" in context.error.message
    outputs = [name for name in files_in(tmp_path) if name.startswith("outputs/")]
    assert outputs == ["outputs/poster-7.png"]
    assert validation((tmp_path / outputs[0]).read_bytes(), "image/png") == ("Valid", UNTRUSTED)
