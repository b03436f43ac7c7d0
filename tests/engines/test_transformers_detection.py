"""Detectors in transformers' folders, tiny and of random weights, against transformers by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import Pipeline, PipelineContext
from ninefold.core.errors import InputError, ModelError
from ninefold.engines import transformers_detection
from ninefold.engines.defaults import build_engines
from ninefold.engines.detection import DETECTION
from ninefold.engines.loading import LOADING
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.transformers_detection import TransformersDetectionEngine
from ninefold.stages import DetailerStage, InspectorStage
from ninefold.testing import fake_engines
from tests.engines.conftest import RecordingLock, _tokenizer
from tests.support import picture

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SETTINGS = EngineSettings(threads=1, device="cpu")
LABELS = {0: "cat", 1: "dog", 2: "bird"}
IMAGE = np.random.default_rng(4).integers(0, 256, (48, 64, 3), np.uint8)


def engine() -> TransformersDetectionEngine:
    return TransformersDetectionEngine(EngineResources(SETTINGS))


def yolos(folder: Path) -> None:
    import transformers as untyped

    t: Any = untyped
    config = t.YolosConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        image_size=[32, 48], patch_size=16, num_detection_tokens=6, id2label=LABELS,
    )  # fmt: skip
    t.YolosForObjectDetection(config).save_pretrained(folder)
    t.YolosImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 48}).save_pretrained(folder)


def detr(folder: Path) -> None:
    import transformers as untyped

    t: Any = untyped
    backbone = t.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage4"],
    )  # fmt: skip
    config = t.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
        backbone_config=backbone, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=6, id2label=LABELS,
    )  # fmt: skip
    t.DetrForObjectDetection(config).save_pretrained(folder)
    t.DetrImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 64}).save_pretrained(folder)


def segformer(folder: Path) -> None:
    import transformers as untyped

    t: Any = untyped
    config = t.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16, id2label=LABELS,
    )  # fmt: skip
    t.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    t.SegformerImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def _clip_parts() -> tuple[dict[str, Any], dict[str, Any]]:
    text = {
        "vocab_size": 190, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 77, "bos_token_id": 188,
        "eos_token_id": 189, "pad_token_id": 189,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3,
        "num_attention_heads": 2, "image_size": 32, "patch_size": 16,
    }  # fmt: skip
    return text, vision


def owl_vit(folder: Path) -> None:
    import transformers as untyped

    t: Any = untyped
    text, vision = _clip_parts()
    config = t.OwlViTConfig(text_config=text, vision_config=vision, projection_dim=16)
    t.OwlViTForObjectDetection(config).save_pretrained(folder)
    images = t.OwlViTImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False)
    t.OwlViTProcessor(images, _tokenizer()).save_pretrained(folder)


def clip_seg(folder: Path) -> None:
    import transformers as untyped

    t: Any = untyped
    text, vision = _clip_parts()
    config = t.CLIPSegConfig(
        text_config=text, vision_config=vision, projection_dim=16, reduce_dim=8,
        decoder_num_attention_heads=2, decoder_intermediate_size=16, extract_layers=[0, 1, 2],
    )  # fmt: skip
    t.CLIPSegForImageSegmentation(config).save_pretrained(folder)
    images = t.ViTImageProcessorPil(size={"height": 32, "width": 32})
    t.CLIPSegProcessor(images, _tokenizer()).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], None]], Path]:
    made: dict[Any, Path] = {}

    def of(make: Callable[[Path], None]) -> Path:
        import torch

        if make not in made:
            torch.manual_seed(0)
            made[make] = tmp_path_factory.mktemp("detectors") / make.__name__
            make(made[make])
        return made[make]

    return of


@pytest.mark.parametrize("make", [yolos, detr])
def test_boxes_are_those_of_transformers(folder: Any, make: Any) -> None:
    import torch
    import transformers as untyped
    from PIL import Image

    t: Any = untyped
    path = folder(make)
    network = t.AutoModelForObjectDetection.from_pretrained(path).eval()
    processor = t.AutoImageProcessor.from_pretrained(path)
    with torch.inference_mode():
        outputs = network(**processor(images=Image.fromarray(IMAGE), return_tensors="pt"))
    expected = processor.post_process_object_detection(outputs, 0.1, target_sizes=[(48, 64)])[0]
    assert engine().labels(str(path)) == ("cat", "dog", "bird")
    found = engine().detect(str(path), IMAGE, 0.1)
    scores = sorted((float(score) for score in expected["scores"]), reverse=True)
    assert len(found) == len(scores) > 0
    assert [item.score for item in found] == pytest.approx(scores)
    for item in found:
        assert 0 <= item.left < item.right <= 64
        assert 0 <= item.top < item.bottom <= 48
    assert engine().detect(str(path), IMAGE, 1.0) == ()
    assert len(engine().hash(str(path))) == 64


def test_all_that_is_of_a_label_has_a_mask(folder: Any) -> None:
    path = str(folder(segformer))
    found = engine().detect(path, IMAGE, 0.0)
    covered = np.zeros((48, 64), int)
    for item in found:
        assert item.mask is not None
        covered += item.mask
        down, across = np.nonzero(item.mask)
        assert (item.left, item.right) == (across.min(), across.max() + 1)
        assert (item.top, item.bottom) == (down.min(), down.max() + 1)
    assert (covered == 1).all()
    assert {item.label for item in found} <= {"cat", "dog", "bird"}


@pytest.mark.parametrize("make", [owl_vit, clip_seg])
def test_what_words_say_is_found(folder: Any, make: Any) -> None:
    path = str(folder(make))
    assert engine().labels(path) == ()
    found = engine().detect(path, IMAGE, 0.0, ("Red house", "a cat"))
    assert {item.label for item in found} <= {"Red house", "a cat"}
    assert found
    with pytest.raises(InputError, match="finds what words say"):
        engine().detect(path, IMAGE, 0.0)


def test_weights_in_half_precision_meet_pixels_of_the_same_type(
    folder: Any, tmp_path: Path
) -> None:
    import transformers as untyped

    t: Any = untyped
    path = tmp_path / "half"
    shutil.copytree(folder(yolos), path)
    t.YolosForObjectDetection.from_pretrained(path).half().save_pretrained(path)
    assert json.loads((path / "config.json").read_text())["dtype"] == "float16"
    exact = engine().detect(str(folder(yolos)), IMAGE, 0.1)
    found = engine().detect(str(path), IMAGE, 0.1)
    assert [item.score for item in found] == pytest.approx([i.score for i in exact], abs=0.01)


@pytest.mark.parametrize("own_type", ["yolos", "not_of_transformers"])
def test_code_in_a_folder_is_neither_run_nor_asked_about(
    folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_type: str
) -> None:
    path, ran = tmp_path / "own", tmp_path / "ran"
    shutil.copytree(folder(yolos), path)
    (path / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    classes = ("AutoConfig", "AutoModelForObjectDetection", "AutoImageProcessor", "AutoProcessor")
    for name in ("config.json", "preprocessor_config.json"):
        content = json.loads((path / name).read_text())
        content["auto_map"] = dict.fromkeys(classes, "own.Own")
        if own_type != "yolos":
            content |= {"model_type": own_type, "image_processor_type": "OwnImageProcessor"}
        (path / name).write_text(json.dumps(content))

    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", answer)
    if own_type == "yolos":
        assert engine().detect(str(path), IMAGE, 0.1)
    else:
        with pytest.raises(ModelError, match="own cannot be loaded"):
            engine().check(str(path))
    assert not asked
    assert not ran.exists()


def test_nothing_else_is_loaded_meanwhile(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers as untyped

    t: Any = untyped
    lock = RecordingLock()
    assert vars(transformers_detection)["LOADING"] is LOADING
    monkeypatch.setattr(transformers_detection, "LOADING", lock)
    load = t.YolosForObjectDetection.from_pretrained

    def loaded(*args: Any, **options: Any) -> Any:
        assert lock.holders == 1
        return load(*args, **options)

    monkeypatch.setattr(t.AutoModelForObjectDetection, "from_pretrained", loaded)
    engine().check(str(folder(yolos)))
    assert lock.holders == 0


def test_stages_ask_for_words_where_there_are_no_labels(folder: Any, tmp_path: Path) -> None:
    engines, path = fake_engines().with_engines(DETECTION, engine()), str(folder(owl_vit))
    context = PipelineContext(tmp_path, prompt="a", image=picture(64, 64))
    stage = DetailerStage(engines=engines, detector=path)
    (line,) = Pipeline([stage]).problems(context)
    assert "detailer.classes: this detector finds what words say" in line
    asked = DetailerStage(engines=engines, detector=path, classes=("red house",))
    assert Pipeline([asked]).problems(context) == ()
    (line,) = Pipeline([InspectorStage(engines=engines, detector=path)]).problems(context)
    assert "inspector.detector: expected a detector with labels" in line


def test_engines_choose_by_what_the_model_is(folder: Any) -> None:
    engines = build_engines(SETTINGS)
    assert engines.detection.labels(str(folder(yolos))) == ("cat", "dog", "bird")
    assert engines.detection.labels("detector")


def test_what_is_no_detector_is_one_message(folder: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    with pytest.raises(ModelError, match=r"expected a detector of transformers.*got BertModel"):
        engine().check(str(other))
    (other / "config.json").write_text(json.dumps({"architectures": ["YolosForObjectDetection"]}))
    with pytest.raises(ModelError, match="holds no weights"):
        engine().check(str(other))
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in folder(yolos).iterdir():
        content = file.read_bytes()
        (cut / file.name).write_bytes(content[:500] if file.suffix == ".safetensors" else content)
    with pytest.raises(ModelError, match="cut"):
        engine().check(str(cut))
