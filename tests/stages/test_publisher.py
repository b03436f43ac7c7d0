from __future__ import annotations

import hashlib
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from ninefold import ConfigError, InputError, Pipeline, PipelineContext, __version__
from ninefold.config import PipelineConfig
from ninefold.files.embed import read_infotext, read_parameters
from ninefold.files.identifier import identify
from ninefold.files.manifest import read_manifest
from ninefold.slots import FINISHED_PATH, OUTPUTS
from ninefold.stages import PublisherStage
from ninefold.testing import fake_engines

from ..support import box_mask, files_in, picture, pixels_of, run
from .contract import StageContract

ALL = ["png", "jpeg", "webp", "avif", "jxl"]


class TestPublisherContract(StageContract):
    stage_type = PublisherStage
    params: ClassVar[dict[str, Any]] = {"formats": ["png", "jpeg", "webp"], "thumbnail": 16}
    reports = 3

    def inputs(self) -> dict[str, Any]:
        return {"image": picture(64, 48)}


def published(folder: Path, *, image: Any = None, **params: Any) -> PipelineContext:
    image = picture(64, 48) if image is None else image
    context = PipelineContext(folder, job_id="job", seed=7, prompt="a house", image=image)
    params = {"name": "{job_id}"} | params
    return run(PublisherStage(engines=fake_engines(), **params).execute(context))


def full_run(folder: Path, config: dict[str, Any] | None = None, **data: Any) -> PipelineContext:
    """A run of all nine stages, or of `config`, on fake engines."""
    data = {"prompt": "a {red|red} house, (sea:1.2) <lora:sketch:0.5>", "seed": 7} | data
    data = {key: value for key, value in data.items() if value is not None}
    context = PipelineContext(folder, job_id="job", **data)
    made = PipelineConfig.parse(config) if config else PipelineConfig.preset("full")
    run(made.build(fake_engines()).execute(context))
    context.raise_for_error()
    return context


# -- files ----------------------------------------------------------------------------------------


def test_every_format_decodes_to_the_right_size(tmp_path: Path) -> None:
    context = published(tmp_path, formats=ALL)
    outputs = context[OUTPUTS]
    assert [output.format for output in outputs] == ALL
    assert [output.name for output in outputs] == [
        "outputs/job.png", "outputs/job.jpg", "outputs/job.webp", "outputs/job.avif",
        "outputs/job.jxl",
    ]  # fmt: skip
    source = picture(64, 48).astype(int)
    for output in outputs:
        assert output.path == tmp_path / output.name
        assert (output.width, output.height) == (64, 48)
        assert output.media_type == f"image/{output.format}"
        assert hashlib.sha256(output.path.read_bytes()).hexdigest() == output.sha256
        with Image.open(output.path) as image:
            assert (image.format, image.size) == (output.format.upper(), (64, 48))
        error = np.abs(pixels_of(output.path) - source).mean()
        assert error == 0 if output.format == "png" else error < 8
    assert [artifact.name for artifact in context.artifacts] == [
        *(output.name for output in outputs),
        "outputs/manifest.json",
    ]
    assert context.metadata["publisher"]["outputs"] == [output.name for output in outputs]


def test_a_format_named_twice_is_written_once(tmp_path: Path) -> None:
    assert len(published(tmp_path, formats=["png", "png"])[OUTPUTS]) == 1


def test_quality_and_lossless(tmp_path: Path) -> None:
    sizes = [
        len(published(tmp_path, formats=["jpeg"], quality=q)[OUTPUTS][0].path.read_bytes())
        for q in (10, 60, 100)
    ]
    assert sizes == sorted(sizes)
    context = published(tmp_path, formats=ALL, lossless=True)
    for output in context[OUTPUTS]:
        same = np.array_equal(pixels_of(output.path), picture(64, 48))
        assert same == (output.format in {"png", "webp", "jxl"})


@pytest.mark.parametrize(("side", "size"), [(16, (16, 12)), (48, (48, 36)), (2048, (64, 48))])
def test_a_thumbnail_is_small_and_says_nothing(
    tmp_path: Path, side: int, size: tuple[int, int]
) -> None:
    context = full_run(
        tmp_path,
        {"stages": [{"stage": "publisher", "params": {"thumbnail": side, "name": "{job_id}"}}]},
        image=picture(64, 48),
    )
    picture_file, thumbnail = context[OUTPUTS]
    assert picture_file.name == "outputs/job.png"
    assert thumbnail.name == "outputs/job_thumbnail.webp"
    assert (thumbnail.width, thumbnail.height) == size
    assert pixels_of(thumbnail.path).shape[1::-1] == size
    assert read_parameters(thumbnail.path.read_bytes()) is None


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{job_id}", "job.png"),
        ("{seed}_{width}x{height}", "7_64x48.png"),
        ("{prompt}-{index:03}", "a-house-005.png"),
        ("final", "final.png"),
        ("{model}", "none.png"),
        ("..{job_id}", "job.png"),
        ("con", "_con.png"),
        ("{{x}}", "{x}.png"),
    ],
)
def test_the_name_template(tmp_path: Path, template: str, name: str) -> None:
    (output,) = published(tmp_path, name=template, index=5)[OUTPUTS]
    assert output.name == f"outputs/{name}"
    assert output.path.parent == tmp_path / "outputs"


def test_the_date_in_a_name(tmp_path: Path) -> None:
    (output,) = published(tmp_path, name="{date}")[OUTPUTS]
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d\.png", output.name)


@pytest.mark.parametrize("template", ["../{job_id}", "a/b", "{nothing}", "{seed", "{prompt:x}"])
def test_a_template_that_cannot_be_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match=r"publisher\.name: file name template"):
        PublisherStage(name=template)


def test_an_image_too_large_for_a_format_is_the_callers_to_mend(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, image=np.zeros((2, 16_384, 3), np.uint8))
    with pytest.raises(InputError, match=r"publisher\.formats: webp: expected at most 16,383"):
        run(PublisherStage(formats=["webp"], engines=fake_engines()).execute(context))


@pytest.mark.parametrize(
    "params",
    [
        {"formats": []}, {"formats": ["gif"]}, {"quality": 0}, {"quality": 101},
        {"thumbnail": 4096}, {"metadata": "some"}, {"index": -1},
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused(params: dict[str, Any]) -> None:
    (name,) = params
    with pytest.raises(ConfigError, match=rf"publisher\.{name}.*got"):
        PublisherStage(**params)


def test_a_second_publisher_leaves_the_files_of_the_first(tmp_path: Path) -> None:
    params = {"formats": ["png", "webp"], "thumbnail": 16, "name": "poster"}
    stages = [PublisherStage(engines=fake_engines(), **params) for _ in range(2)]
    context = PipelineContext(tmp_path, image=picture(64, 48))
    run(Pipeline(stages).execute(context))
    context.raise_for_error()
    names = {f"outputs/poster{end}" for end in (".png", ".webp", "_thumbnail.webp")}
    twins = {f"outputs/poster{end}" for end in ("_2.png", "_2.webp", "_thumbnail_2.webp")}
    manifests = {"outputs/manifest.json", "outputs/manifest_2.json"}
    assert files_in(tmp_path) == {"source.png"} | names | twins | manifests
    assert {output.name for output in context[OUTPUTS]} == twins
    assert {item.name for item in context.artifacts if item.stage == "publisher"} == (
        names | {"outputs/manifest.json"}
    )


# -- the manifest ---------------------------------------------------------------------------------


def test_the_manifest_names_every_file_with_its_true_hash(tmp_path: Path) -> None:
    context = full_run(tmp_path, negative_prompt="people")
    manifest = read_manifest((tmp_path / "outputs" / "manifest.json").read_bytes())
    assert manifest.run is not None
    records = [*manifest.artifacts, *manifest.run.outputs]
    for record in records:
        data = (tmp_path / record.name).read_bytes()
        assert record.sha256 == hashlib.sha256(data).hexdigest()
        assert record.bytes == len(data)
    named = {record.name for record in records}
    assert named == files_in(tmp_path) - {"outputs/manifest.json"}
    assert [record.name for record in manifest.run.outputs] == [
        output.name for output in context[OUTPUTS]
    ]
    assert manifest.run.job_id == "job"
    assert manifest.run.started_at <= manifest.run.finished_at
    document = manifest.document()
    assert document["config"]["stages"] == PipelineConfig.preset("full").document()["stages"]
    assert set(document["stages"]) == {step.stage for step in PipelineConfig.preset("full").stages}
    for stage, made in context.metadata.items():
        told = document["stages"][stage] | document["run"]["stages"][stage]
        assert made.items() >= told.items()
        # The publisher's own, which was at work yet.
        assert made.keys() - told.keys() <= {"duration_ms", "finished_at", "identifier"}
        assert "duration_ms" not in document["stages"][stage]
    versions = document["environment"]["versions"]
    assert versions.items() >= {"ninefold": __version__, "ninefold-fake": "1"}.items()
    assert document["inputs"] == {
        "prompt": "a {red|red} house, (sea:1.2) <lora:sketch:0.5>",
        "negative_prompt": "people",
        "seed": 7,
    }
    pixels = pixels_of(context[FINISHED_PATH])
    unnamed = manifest.record.model_copy(update={"identifier": None}).document()
    assert manifest.identifier == identify(pixels, unnamed).hex()
    assert context.metadata["publisher"]["identifier"] == manifest.identifier
    assert document["pixels"] == {
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "mode": "RGB",
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }


def test_the_manifest_can_be_left_out(tmp_path: Path) -> None:
    published(tmp_path, manifest=False)
    assert files_in(tmp_path) == {"source.png", "outputs/job.png"}


def test_no_file_holds_an_absolute_path(tmp_path: Path) -> None:
    """Of the working folder, of what was given, of the user's home, of the interpreter."""
    secret = tmp_path / "home-of-a-user"
    secret.mkdir()
    (secret / "look.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n")
    for name, pixels in (
        ("photo.png", picture(128, 128)),
        ("mask.png", box_mask(128, 128, (30, 30, 90, 90))),
        ("logo.png", picture(16, 16)),
    ):
        Image.fromarray(pixels).save(secret / name)
    config = PipelineConfig.preset("full").with_settings(
        [f"finisher.lut={secret / 'look.cube'}", f"finisher.overlay={secret / 'logo.png'}"]
    )
    context = full_run(
        secret / "job",
        config.document(),
        image=secret / "photo.png",
        mask=secret / "mask.png",
        prompt=f"a house, {secret}/photo.png",
    )
    for name in files_in(context.workdir):
        data = (context.workdir / name).read_bytes()
        if name.endswith(".png"):
            with Image.open(BytesIO(data)) as image:
                data += json.dumps({k: str(v) for k, v in image.info.items()}).encode()
        data += data.replace(b"\0", b"")  # EXIF holds UTF-16
        for path in (str(tmp_path), "home-of-a-user", str(Path.home()) + "/", "/work/"):
            assert path.encode() not in data, f"{path} in {name}"
    manifest = read_manifest((context.workdir / "outputs" / "manifest.json").read_bytes())
    document = manifest.document()
    assert document["stages"]["finisher"]["lut"] == "look.cube"
    assert document["stages"]["text_to_image"]["source"]


# -- transparency ---------------------------------------------------------------------------------


def _transparent(width: int = 64, height: int = 48) -> Any:
    """A picture whose left part is transparent, with a soft edge."""
    alpha = np.linspace(-255, 510, width).clip(0, 255).astype(np.uint8)
    return np.dstack([picture(width, height), np.tile(alpha, (height, 1))])


def _layers_of(path: Path) -> Any:
    with Image.open(path) as image:
        assert image.mode == "RGBA"
        return np.array(image)


def test_alpha_is_in_every_format_that_holds_it(tmp_path: Path) -> None:
    rgba = _transparent()
    context = published(tmp_path, image=rgba, formats=ALL, thumbnail=16)
    files = {output.name: output.path for output in context[OUTPUTS]}
    for name in ("outputs/job.png", "outputs/job.webp", "outputs/job.avif", "outputs/job.jxl"):
        layers = _layers_of(files[name]).astype(int)
        assert np.abs(layers[..., 3] - rgba[..., 3]).max() <= (16 if "avif" in name else 0)
        seen = rgba[..., 3] > 200
        assert np.abs(layers[..., :3] - rgba[..., :3])[seen].mean() < 8
    thumbnail = _layers_of(files["outputs/job_thumbnail.webp"])
    assert thumbnail[0, 0, 3] == 0
    assert thumbnail[0, -1, 3] == 255
    entry = context.metadata["publisher"]
    assert entry["transparent"] == ["png", "webp", "avif", "jxl"]
    assert entry["background"] == "#ffffff"
    assert read_infotext(files["outputs/job.png"].read_bytes()) is None  # nothing was painted


@pytest.mark.parametrize(
    ("params", "colour"), [({}, (255, 255, 255)), ({"background": "navy"}, (0, 0, 128))]
)
def test_jpeg_is_laid_on_a_colour(
    tmp_path: Path, params: dict[str, Any], colour: tuple[int, int, int]
) -> None:
    context = published(tmp_path, image=_transparent(), formats=["jpeg"], quality=95, **params)
    (output,) = context[OUTPUTS]
    pixels = pixels_of(output.path).astype(int)
    assert np.abs(pixels[8:-8, 4] - colour).max() <= 4
    assert np.abs(pixels[8:-8, -4] - picture(64, 48)[8:-8, -4]).mean() < 8
    assert context.metadata["publisher"]["transparent"] == []


def test_every_format_is_laid_on_the_colour_if_asked(tmp_path: Path) -> None:
    params = {"keep_alpha": False, "background": "#0f0", "formats": ["png", "webp"], "thumbnail": 8}
    context = published(tmp_path, image=_transparent(), **params)
    for output in context[OUTPUTS]:
        with Image.open(output.path) as image:
            assert image.mode == "RGB"
    assert pixels_of(context[OUTPUTS][0].path)[5, 0].tolist() == [0, 255, 0]


def test_an_opaque_alpha_changes_no_byte(tmp_path: Path) -> None:
    plain = picture(64, 48)
    opaque = np.dstack([plain, np.full((48, 64), 255, np.uint8)])
    one, two = (
        published(tmp_path / name, image=image, formats=ALL, thumbnail=16)
        for name, image in (("one", plain), ("two", opaque))
    )
    assert [output.sha256 for output in one[OUTPUTS]] == [o.sha256 for o in two[OUTPUTS]]
    assert "background" not in one.metadata["publisher"]


def test_a_colour_that_is_none_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"publisher\.background: expected a colour such as white"
    ):
        PublisherStage(background="sand dune")


def test_alpha_passes_all_nine_stages(tmp_path: Path) -> None:
    rgba = _transparent(256, 256)
    context = full_run(tmp_path, image=rgba)
    layers = _layers_of(context[OUTPUTS][0].path)
    height, width = layers.shape[:2]
    assert (width, height) == context["image"].size
    assert layers[:, : width * 5 // 16, 3].max() == 0
    assert layers[:, width * 11 // 16 :, 3].min() == 255
    assert not [
        text
        for entry in context.metadata.values()
        for text in entry.get("warnings", ())
        if "transparent" in text
    ]


def test_a_format_without_its_library_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    stage = PublisherStage(engines=fake_engines(), formats=["png", "jxl"])
    (problem,) = stage.problems(PipelineContext(tmp_path, image=picture(64, 48)))
    assert "pip install 'ninefold[jxl]', or choose another format" in problem
    assert not list(PublisherStage(engines=fake_engines()).problems(PipelineContext(tmp_path)))
