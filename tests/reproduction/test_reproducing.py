"""Images made again from their files, on fake engines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, ModelError, StageError
from ninefold.engines.diffusion import DIFFUSION
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.files.decode import decode
from ninefold.files.embed import EmbeddedMetadata, read_record
from ninefold.files.encode import encode
from ninefold.reproduction.report import ReproductionVerdict
from ninefold.reproduction.reproducing import reproduce
from ninefold.slots import OUTPUTS
from ninefold.testing import fake_engines

from ..support import box_mask, picture, run
from .making import OWN, OtherDiffusion, made, with_record

pytestmark = pytest.mark.usefixtures("elsewhere")

IDENTICAL = ReproductionVerdict.IDENTICAL
FORMATS = ["png", "jpeg", "webp", "avif"]


def test_every_format_is_made_again(tmp_path: Path, engines: EngineSet) -> None:
    for path in made(tmp_path / "job", engines, formats=FORMATS, sign=True):
        report = reproduce(path, engines=engines)
        assert (report.verdict, report.same_final_pixels) == (IDENTICAL, True)
        assert (report.first_difference, report.differences, report.psnr) == (None, (), None)


def test_the_new_files_are_the_same_to_the_byte(tmp_path: Path, engines: EngineSet) -> None:
    first, *_ = made(tmp_path / "job", engines, f"detailer.prompt={OWN}")
    report = reproduce(first, engines=engines, out=tmp_path / "again")
    kept = {Path(path).suffix: Path(path) for path in report.outputs}
    assert kept[".png"].read_bytes() == first.read_bytes()
    assert reproduce(kept[".png"], engines=engines).verdict is IDENTICAL


@pytest.mark.parametrize("seed", [7, None])
def test_wildcards_that_changed_or_went_are_not_needed(
    tmp_path: Path, engines: EngineSet, seed: int | None
) -> None:
    data: dict[str, Any] = {} if seed is None else {"seed": seed}
    settings = [f"detailer.prompt={OWN}", "detailer.confidence=0", "restorer.prompt=__place__"]
    settings += ['detailer.class_prompts={"person": "{old|young} __style__"}']
    first, *_ = made(tmp_path / "job", engines, *settings, **data)
    assert engines.wildcards is not None
    (engines.wildcards / "place.txt").write_text("desert\n")
    (engines.wildcards / "style.txt").unlink()
    report = reproduce(first, engines=engines)
    assert report.verdict is IDENTICAL
    assert report.differences == ()


def test_a_seed_that_was_drawn_is_known(tmp_path: Path, engines: EngineSet) -> None:
    config = PipelineConfig.parse({"stages": [{"stage": "text_to_image"}, {"stage": "publisher"}]})
    context = PipelineContext(tmp_path / "job", prompt="a house")
    run(config.build(engines).execute(context))
    assert reproduce(context[OUTPUTS][0].path, engines=engines).verdict is IDENTICAL


def test_what_the_inspector_sent_back_is_sent_back_again(
    tmp_path: Path, engines: EngineSet
) -> None:
    least = {"min_sharpness": 0, "min_contrast": 4}
    stages: list[dict[str, Any]] = [
        {"stage": "text_to_image", "params": {"on_black": "warn"}},
        {"stage": "inspector", "params": {"on_fail": "retry", "max_retries": 9, **least}},
        {"stage": "publisher"},
    ]
    engines = engines.with_engines(DIFFUSION, FakeDiffusion(black_seeds=frozenset({7, 8})))
    context = PipelineContext(tmp_path / "job", prompt="a house", seed=7)
    run(PipelineConfig.parse({"stages": stages}).build(engines).execute(context))
    context.raise_for_error()
    assert len(context.metadata["inspector"]["attempts"]) == 3
    report = reproduce(context[OUTPUTS][0].path, engines=engines)
    assert (report.verdict, report.differences) == (IDENTICAL, ())


# -- inputs ---------------------------------------------------------------------------------------


def inputs(folder: Path) -> dict[str, Any]:
    """A photo, a mask, a LUT and a logo, in a folder of their own."""
    folder.mkdir()
    for name, pixels in (
        ("photo.png", picture(128, 128)),
        ("mask.png", box_mask(128, 128, (30, 30, 90, 90))),
        ("logo.png", picture(16, 16)),
    ):
        Image.fromarray(pixels).save(folder / name)
    Image.fromarray(picture(128, 128)).save(folder / "photo.jpg", quality=100)
    (folder / "look.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 0.9 1\n")
    return {"image": folder / "photo.jpg", "mask": folder / "mask.png"}


def edited(tmp_path: Path, engines: EngineSet) -> Path:
    """A photo that was changed, alone in a folder."""
    given = inputs(tmp_path / "given")
    lut, logo = tmp_path / "given" / "look.cube", tmp_path / "given" / "logo.png"
    settings = (f"finisher.lut={lut}", f"finisher.overlay={logo}")
    path = made(tmp_path / "job", engines, *settings, **given)[0]
    moved = tmp_path / "moved"
    moved.mkdir()
    return path.rename(moved / path.name)


def test_missing_inputs_are_named_before_anything_runs(tmp_path: Path, engines: EngineSet) -> None:
    path = edited(tmp_path, engines)
    with pytest.raises(InputError) as error:
        reproduce(path, engines=engines, out=tmp_path / "again")
    for name in ("image", "mask", "finisher.lut", "finisher.overlay"):
        assert f"{name}: expected the file of SHA-256" in str(error.value)
        assert f"--input {name}=FILE" in str(error.value)
    assert not list((tmp_path / "again").glob("*"))


def test_inputs_are_given_or_found_by_their_hashes(tmp_path: Path, engines: EngineSet) -> None:
    path = edited(tmp_path, engines)
    given = tmp_path / "given"
    files = {
        "image": given / "photo.jpg",
        "mask": given / "mask.png",
        "finisher.lut": given / "look.cube",
        "finisher.overlay": given / "logo.png",
    }
    report = reproduce(path, engines=engines, inputs=files)
    assert (report.verdict, report.differences) == (IDENTICAL, ())
    # The job's own folder holds what it took over, and a data folder is looked through.
    jobs = tmp_path / "data" / "jobs"
    jobs.mkdir(parents=True)
    (tmp_path / "job").rename(jobs / "some-job")
    some = {name: files[name] for name in ("finisher.lut", "finisher.overlay")}
    assert reproduce(path, engines=engines, inputs=some).verdict is IDENTICAL


def test_another_input_is_refused_unless_anyway(tmp_path: Path, engines: EngineSet) -> None:
    path = edited(tmp_path, engines)
    given = tmp_path / "given"
    other = given / "other.png"
    Image.fromarray(picture(128, 128, seed=3)).save(other)
    files = {
        "image": other,
        "mask": given / "mask.png",
        "finisher.lut": given / "look.cube",
        "finisher.overlay": given / "logo.png",
    }
    with pytest.raises(InputError, match=r"image: was .*, now .*--anyway"):
        reproduce(path, engines=engines, inputs=files)
    report = reproduce(path, engines=engines, inputs=files, anyway=True)
    assert report.verdict is not IDENTICAL
    assert report.first_difference == "text_to_image"
    assert report.differences[0].kind == "input"
    assert any(reason.startswith("image: was") for reason in report.reasons)


@pytest.mark.parametrize("name", ["imaeg", "seed", "finisher.lutt"])
def test_an_input_that_nothing_takes_is_named(
    tmp_path: Path, engines: EngineSet, name: str
) -> None:
    path = made(tmp_path / "job", engines)[0]
    with pytest.raises(InputError, match=f"--input {name}: the image was made without one"):
        reproduce(path, engines=engines, inputs={name: path})


# -- what is otherwise ----------------------------------------------------------------------------


@dataclass(frozen=True)
class OtherLora(FakeDiffusion):
    """Another LoRA under the same name."""

    def lora_hash(self, model: str, lora: str) -> str:
        return "0123456789ab"


def test_a_changed_model_stops_it_and_is_named(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    for other, name in ((OtherDiffusion(), "model poster"), (OtherLora(), "LoRA sketch")):
        changed = engines.with_engines(DIFFUSION, other)
        with pytest.raises(ModelError, match=f"{name}: was fa4e.*, now 0123456789"):
            reproduce(path, engines=changed)
        report = reproduce(path, engines=changed, anyway=True)
        assert {item.kind for item in report.differences} >= {"model"}
        assert any(name == item.name for item in report.differences)


def test_records_that_hold_the_first_digits_of_hashes_still_hold(
    tmp_path: Path, engines: EngineSet
) -> None:
    path = made(tmp_path / "job", engines)[0]
    record = read_record(path.read_bytes())
    assert record is not None
    short, count = re.subn(r'"(fa4e\d{6})\d{54}"', r'"\1"', json.dumps(record.stages))
    assert count > 5
    old = with_record(path, stages=json.loads(short))
    report = reproduce(old, engines=engines)
    assert (report.verdict, report.differences) == (IDENTICAL, ())
    other = with_record(path, stages=json.loads(short.replace('"fa4e000000"', '"fa4e00000"')))
    with pytest.raises(ModelError, match="was fa4e00000, now fa4e000000"):  # nine digits are few
        reproduce(other, engines=engines)


def test_a_missing_model_is_named(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    without = engines.with_engines(DIFFUSION, FakeDiffusion(known_loras=()))
    with pytest.raises(ModelError, match="LoRA sketch: was fa4e000000, now not"):
        reproduce(path, engines=without)


def test_other_versions_are_named_and_the_run_goes_on(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    record = read_record(path.read_bytes())
    assert record is not None
    environment = record.environment.model_dump()
    environment["versions"] |= {"ninefold": "0.0.9", "torch": "1.0"}
    changed = with_record(path, environment=environment | {"python": "CPython 3.1"})
    report = reproduce(changed, engines=engines)
    assert report.verdict is IDENTICAL
    named = {item.name: item.was for item in report.differences}
    assert named == {"ninefold": "0.0.9", "torch": "1.0", "python": "CPython 3.1"}


def test_a_device_that_differs_is_named(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    record = read_record(path.read_bytes())
    assert record is not None
    stages = {name: dict(entry) for name, entry in record.stages.items()}
    stages["text_to_image"] |= {"device": "cuda", "runtime": {"device_name": "H100"}}
    report = reproduce(with_record(path, stages=stages), engines=engines)
    kinds = {(item.kind, item.name) for item in report.differences}
    assert ("device", "text_to_image.device") in kinds
    assert ("device", "text_to_image.runtime.device_name") in kinds


def test_a_file_that_was_changed_since_is_told(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    record = read_record(path.read_bytes())
    pixels = decode(path)
    pixels[0, 0] ^= 1
    path.write_bytes(encode(pixels, "png", metadata=EmbeddedMetadata(record=record)))
    report = reproduce(path, engines=engines)
    assert report.verdict is ReproductionVerdict.PERCEPTUALLY_EQUAL
    assert report.same_final_pixels is True
    assert "the file itself was changed since" in report.reasons[0]
    path.write_bytes(encode(255 - pixels, "png", metadata=EmbeddedMetadata(record=record)))
    report = reproduce(path, engines=engines)
    assert report.verdict is ReproductionVerdict.DIFFERENT
    assert 0 < (report.psnr or 0) < 20


def test_another_seed_in_the_record_makes_another_image(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    record = read_record(path.read_bytes())
    assert record is not None
    stages = {name: dict(entry) for name, entry in record.stages.items()}
    stages["prompt"]["seed"] = 8
    report = reproduce(with_record(path, stages=stages), engines=engines)
    assert (report.verdict, report.same_final_pixels) == (ReproductionVerdict.DIFFERENT, False)
    assert report.first_difference == "text_to_image"
    assert report.reasons[0].endswith("is text_to_image.")


# -- how it ends ----------------------------------------------------------------------------------


def test_a_stage_that_fails_says_so(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    with pytest.raises((ModelError, StageError)):
        reproduce(path, engines=fake_engines(fail_on="upscale", wildcards=engines.wildcards))


def test_the_report_is_json(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    document = json.loads(reproduce(path, engines=engines).model_dump_json())
    assert document["verdict"] == "identical"
    assert np.isnan(document["psnr"] or np.nan)
