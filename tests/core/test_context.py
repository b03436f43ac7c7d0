from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ninefold import (
    IMAGE,
    MASK,
    PROMPT,
    SEED,
    Artifact,
    ConfigError,
    ContractError,
    InputError,
    Lora,
    PipelineContext,
    StageError,
    StageInputError,
    StorageError,
)
from ninefold.core.errors import UnknownSlotError
from ninefold.core.values import Failure
from ninefold.files.store import read_alpha, read_image, read_mask
from ninefold.slots import (
    LORAS,
    MAX_PROMPT,
    MAX_SEED,
    next_seed,
)

from ..support import files_in, picture, pixels_of
from .toys import SHARE

# -- data -----------------------------------------------------------------------------------------


def test_set_and_get_by_name_and_by_slot(context: PipelineContext) -> None:
    context.set("prompt", "a blue boat")
    assert context.get("prompt") == context.get(PROMPT) == context[PROMPT] == "a blue boat"
    context[SEED] = 3
    assert context["seed"] == context.data["seed"] == 3
    assert SEED in context
    assert "seed" in context
    assert "model" not in context


def test_the_default_is_none_or_what_is_given(context: PipelineContext) -> None:
    assert context.get("model") is None
    assert context.get("model", "poster") == "poster"
    assert context.get("seed", 1) == 7


def test_an_unknown_name_is_an_error_that_names_the_nearest(context: PipelineContext) -> None:
    for refused in (lambda: context.get("promt"), lambda: context.set("promt", "x")):
        with pytest.raises(UnknownSlotError, match=r"no slot is called 'promt'.*'prompt'"):
            refused()
    with pytest.raises(KeyError):
        context["promt"]
    with pytest.raises(ContractError):
        PipelineContext(promt="a red house")
    assert context.get("promt", None) is None  # the caller says what to do without it


def test_a_missing_slot_by_index_names_its_remedy(context: PipelineContext) -> None:
    with pytest.raises(StageInputError, match=r"no 'image' in the context.*text_to_image"):
        context[IMAGE]


@pytest.mark.parametrize(
    ("key", "value", "reported"),
    [
        ("prompt", 3, "prompt: .*string.*3"),
        ("prompt", "x" * (MAX_PROMPT + 1), "prompt: .*at most 20000 characters"),
        ("seed", "7", "seed: .*integer.*'7'"),
        ("seed", 1.0, "seed: .*integer"),
        ("seed", -1, "seed: .*greater than or equal to 0.*-1"),
        ("seed", MAX_SEED, "seed: .*less than"),
        ("loras", 5, "loras: .*tuple.*5"),
        ("image", 5, "source: expected a path, a Pillow image or an array, got int"),
        ("mask", None, "mask: expected a path, a Pillow image or an array, got NoneType"),
        ("image", np.zeros((4, 4, 5), np.uint8), r"source: expected uint8, .* got uint8 \(4, 4, 5"),
        ("image", np.zeros((4, 4, 3), np.float32), "source: expected uint8, .* got float32"),
        ("image", np.zeros((0, 4, 3), np.uint8), "source: expected uint8"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    context: PipelineContext, key: str, value: Any, reported: str
) -> None:
    before = dict(context.data)
    with pytest.raises(InputError, match=reported):
        context.set(key, value)
    assert context.data == before


def test_values_are_coerced_to_the_declared_type(context: PipelineContext) -> None:
    context.set("loras", [{"name": "sketch", "weight": 0.5}, Lora("ink")])
    assert context[LORAS] == (Lora("sketch", 0.5), Lora("ink", 1.0))
    context.set(SHARE, 1)
    assert isinstance(context[SHARE], float)
    with pytest.raises(InputError, match=r"toy_share: .*less than or equal to 1.*2"):
        context.set(SHARE, 2)


def test_data_is_read_only(context: PipelineContext) -> None:
    with pytest.raises(TypeError):
        context.data["seed"] = 8  # type: ignore[index]


def test_a_misspelt_attribute_is_an_error(context: PipelineContext) -> None:
    with pytest.raises(AttributeError):
        context.eror = "x"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        context.prompt = "x"  # type: ignore[attr-defined]


@given(st.integers(0, MAX_SEED - 1), st.integers(0, 1000))
def test_the_next_seed_is_a_seed(seed: int, steps: int) -> None:
    SEED.adapter.validate_python(next_seed(seed, steps))
    assert next_seed(seed, 0) == seed


# -- images that a caller gives -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "str", "pillow", "array", "grey"])
def test_an_image_may_be_a_path_a_pillow_image_or_an_array(
    context: PipelineContext, tmp_path: Path, kind: str
) -> None:
    pixels = picture(20, 10)
    if kind == "grey":
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    given = {
        "path": tmp_path / "in.png",
        "str": str(tmp_path / "in.png"),
        "pillow": Image.fromarray(pixels),
        "array": pixels,
        "grey": pixels[..., 0],
    }
    context.set("image", given[kind])
    record = context[IMAGE]
    assert (record.size, record.mode, record.made_by) == ((20, 10), "RGB", "input")
    assert record.path == context.workdir / "source.png"
    assert np.array_equal(read_image(context, record), pixels)
    assert np.array_equal(pixels_of(record.path), pixels)


def test_what_is_transparent_stays_so_in_an_image_and_is_black_in_a_mask(
    context: PipelineContext, tmp_path: Path
) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4] = (255, 255, 255, 255)
    rgba[4:] = (10, 20, 30, 0)
    rgba[3, 0, 3] = 100
    Image.fromarray(rgba).save(tmp_path / "in.png")
    for source in (tmp_path / "in.png", Image.fromarray(rgba), rgba):
        context.set("image", source)
        record = context[IMAGE]
        assert record.mode == "RGBA"
        alpha = read_alpha(context, record)
        assert alpha is not None
        assert np.array_equal(alpha, rgba[..., 3])
        # What is hidden takes on the colours beside it: it shows in no edge and in no file.
        assert (read_image(context, record) == 255).all()
        with Image.open(record.path) as image:
            assert image.mode == "RGBA"
            assert np.array_equal(np.array(image)[..., 3], rgba[..., 3])
        context.pixels.clear()
        again = read_alpha(context, record)
        assert again is not None
        assert np.array_equal(again, alpha)
        context.set("mask", source)
        mask = read_mask(context, context[MASK])
        assert (mask[:3] == 1).all()
        assert (mask[4:] == 0).all()


def test_a_coloured_mask_counts_by_its_brightness(context: PipelineContext) -> None:
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255
    context.set("mask", green)
    assert read_mask(context, context[MASK]) == pytest.approx(0.7152, abs=1 / 255)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_a_corrupt_image_is_refused_and_leaves_nothing(
    context: PipelineContext, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "in.png").write_bytes(content)
    for key in ("image", "mask"):
        with pytest.raises(InputError, match=r"in\.png: .*expected"):
            context.set(key, tmp_path / "in.png")
        with pytest.raises(InputError, match=r"none\.png"):
            context.set(key, tmp_path / "none.png")
        with pytest.raises(InputError, match="folder"):
            context.set(key, tmp_path)
        assert key not in context
    assert not context.workdir.exists()


def test_a_folder_that_cannot_be_written_is_reported_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    context = PipelineContext(tmp_path / "file" / "job")
    with pytest.raises(StorageError, match=r"cannot write 'source.png'.*choose another folder"):
        context.set("image", picture(4, 4))


# -- files, metadata, failure ---------------------------------------------------------------------


def _artifact(context: PipelineContext, name: str, stage: str = "add") -> Artifact:
    return Artifact(name, context.workdir / name, stage, "image/png", "0" * 64)


def test_artifacts_keep_their_order_and_replace_by_name(context: PipelineContext) -> None:
    for name in ("a.png", "b.png", "a.png"):
        context.add_artifact(_artifact(context, name))
    assert [artifact.name for artifact in context.artifacts] == ["b.png", "a.png"]


def test_metadata_adds_up_by_stage(context: PipelineContext) -> None:
    context.add_metadata("refiner", strength=0.2)
    context.add_metadata("refiner", steps=4)
    context.warn("refiner", "one")
    context.warn("refiner", "two")
    assert context.metadata == {
        "refiner": {"strength": 0.2, "steps": 4, "warnings": ["one", "two"]}
    }


def test_set_error_from_an_exception_raises_it_again(context: PipelineContext) -> None:
    context.raise_for_error()
    error = StageInputError("refiner", "image", "Give an image.")
    context.set_error(error)
    assert context.error == Failure(str(error), "refiner", "StageInputError", user_error=True)
    assert str(context.error) == "refiner: no 'image' in the context. Give an image."
    with pytest.raises(StageInputError) as raised:
        context.raise_for_error()
    assert raised.value is error
    context.clear_error()
    context.raise_for_error()
    assert context.error is None


def test_set_error_from_a_text_raises_a_stage_error(context: PipelineContext) -> None:
    context.set_error("too bad", "refiner")
    with pytest.raises(StageError, match=r"^refiner: too bad$"):
        context.raise_for_error()
    context.set_error(RuntimeError())
    assert context.error is not None
    assert context.error.message == "RuntimeError"
    assert not context.error.user_error


def test_an_error_that_was_saved_is_raised_once_named(context: PipelineContext) -> None:
    context.set_error(StageInputError("refiner", "image", "Give an image."))
    again = PipelineContext.from_json(context.to_json())
    assert again.error == context.error
    with pytest.raises(StageError, match=r"^refiner: no 'image' in the context"):
        again.raise_for_error()


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "", "."])
def test_files_stay_inside_the_working_folder(context: PipelineContext, name: str) -> None:
    with pytest.raises(ContractError, match="inside the working folder"):
        context.file(name)


def test_file_makes_its_folder(context: PipelineContext) -> None:
    assert context.file("regions/1.png") == context.workdir / "regions" / "1.png"
    assert (context.workdir / "regions").is_dir()


# -- job id and working folder --------------------------------------------------------------------


@pytest.mark.parametrize("job_id", ["j1", "A", "2025-11-23_a.b", "x" * 64])
def test_job_ids_that_are_taken(job_id: str) -> None:
    context = PipelineContext(job_id=job_id)
    assert context.job_id == context["job_id"] == job_id


@pytest.mark.parametrize("job_id", ["", ".", "..", "../x", "a/b", "-x", "a b", "x" * 65, 5, "ä"])
def test_job_ids_that_are_refused(job_id: Any) -> None:
    with pytest.raises(ConfigError, match="job_id: expected 1 to 64 letters"):
        PipelineContext(job_id=job_id)


def test_a_job_id_is_made_where_none_is_given() -> None:
    first, second = PipelineContext(), PipelineContext()
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", first.job_id)
    assert first.job_id != second.job_id


def test_the_job_id_is_fixed_for_good(context: PipelineContext) -> None:
    context.set("job_id", "job")
    with pytest.raises(InputError, match="job_id: expected 'job'"):
        context.set("job_id", "other")
    assert context["job_id"] == "job"


def test_the_working_folder_is_below_the_current_one_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    context = PipelineContext(job_id="j1")
    assert context.workdir == tmp_path / "ninefold-out" / "j1"
    assert files_in(tmp_path) == set()
    assert PipelineContext("out").workdir == tmp_path / "out"
