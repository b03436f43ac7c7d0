"""Detectors in folders of transformers: by boxes, by words, and by masks.

DETR, RT-DETR, YOLOS and their like find labels; OWL-ViT, OWLv2, Grounding DINO and CLIPSeg what
words say; MaskFormer and Mask2Former instances, SegFormer and its like all that is of a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ninefold.core.errors import InputError, ModelError
from ninefold.core.paths import expand_home
from ninefold.core.timing import current_clock
from ninefold.engines.configs import read_json
from ninefold.engines.detection import DETECTION, Detection
from ninefold.engines.hashing import check_unchanged, weights_hash
from ninefold.engines.letterbox import suppressed
from ninefold.engines.load_errors import unreadable
from ninefold.engines.loading import LOADING
from ninefold.engines.local_models.places import is_file, is_folder
from ninefold.engines.residency import ModelKey
from ninefold.engines.resources import EngineResources
from ninefold.imaging.types import Pixels

#: Boxes found by one word that share more of their union than this are one thing.
_IOU = 0.5
#: From which a pixel is of what words say.
_HALF = 0.5


@dataclass(frozen=True)
class _Task:
    """What a class of networks gives, and how it is read."""

    #: The class of transformers that loads it, and that of what prepares its input.
    network: str
    processor: str
    find: Callable[[_Opened, Any, float, Sequence[str]], Iterator[Detection]]
    by_words: bool = False


@dataclass(frozen=True)
class _Opened:
    """A loaded network, with what prepares its input."""

    network: Any
    processor: Any

    def run(self, **inputs: Any) -> tuple[Any, Any]:
        """The prepared input, and the output."""
        import torch

        prepared = self.processor(**inputs, return_tensors="pt").to(self.network.device)
        with torch.inference_mode():
            return prepared, self.network(**prepared)


class TransformersDetectionEngine:
    """Fulfils `DetectionEngine`. Deterministic on a CPU, and safe to call from any thread."""

    name = "transformers_detection"
    kind = DETECTION

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is opened until it is asked for."""
        self._resources = resources

    def models(self) -> tuple[str, ...]:
        """Those of the user's folders."""
        found = self._resources.local_models.paths(DETECTION.model).items()
        return tuple(name for name, path in found if is_folder(path))

    def accepts(self, model: str) -> bool:
        """Whether it is a folder with a network's config."""
        return is_file(self._path(model) / "config.json")

    def check(self, model: str) -> None:
        """Raise `ModelError` for a folder that holds no detector, or one that cannot be loaded."""
        with self._use(model):
            pass

    def hash(self, model: str) -> str:
        """The SHA-256 over the weights in hex; raises `ModelError`."""
        folder = self._path(model)
        return weights_hash(_weights(folder), folder)

    def labels(self, model: str) -> tuple[str, ...]:
        """What the detector can find, by its config; empty for one that finds by words."""
        config = _config(self._path(model))
        return () if _task(self._path(model)).by_words else _labels(config)

    def detect(
        self, model: str, image: Pixels, confidence: float, words: Sequence[str] = ()
    ) -> Sequence[Detection]:
        """Everything found with at least `confidence`, best first; raises `InputError` where a
        detector that finds by words is given none, or `ModelError`."""
        from PIL import Image

        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(f"image: expected height x width x 3, got {image.shape}.")
        folder = self._path(model)
        task = _task(folder)
        if task.by_words and not words:
            raise InputError(f"{folder.name} finds what words say: name what to find.")
        with self._use(model) as opened:
            try:
                found = list(task.find(opened, Image.fromarray(image), confidence, words))
            except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise ModelError(f"{folder.name} failed on an image: {error}.") from error
        height, width = image.shape[:2]
        inside = (_clipped(item, width, height) for item in found)
        solid = [item for item in inside if item.right > item.left and item.bottom > item.top]
        return tuple(sorted(solid, key=lambda item: -item.score))

    @contextmanager
    def _use(self, model: str) -> Iterator[_Opened]:
        folder, device = self._path(model), self._resources.device.name
        _task(folder)
        digest = self.hash(model)
        key = ModelKey(DETECTION.model, folder.name, (str(folder), digest), device)
        with current_clock.get().loading():
            load = partial(_load, folder, device, digest)
            used = self._resources.residency.use(key, load, _size)
        with used as opened:
            yield opened

    def _path(self, model: str) -> Path:
        found = self._resources.local_models.find(DETECTION.model, model)
        return expand_home(model) if found is None else found.place.path


def _load(folder: Path, device: str, digest: str) -> _Opened:
    import torch
    import transformers as untyped

    transformers: Any = untyped
    task = _task(folder)
    # Code in the folder is never run; where that is left open, transformers asks on the terminal.
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with LOADING:
        try:
            processor = getattr(transformers, task.processor).from_pretrained(folder, **options)
            # What the processor makes of images is of this type, whatever the weights are.
            options["dtype"] = torch.float32
            network = getattr(transformers, task.network).from_pretrained(folder, **options)
        except Exception as error:  # transformers' many errors mean that the folder cannot be read
            raise unreadable(folder.name, error) from error
        check_unchanged(folder.name, digest, weights_hash(_weights(folder), folder))
        return _Opened(network.eval().to(device), processor)


def _size(opened: _Opened) -> int:
    return sum(tensor.nbytes for tensor in opened.network.state_dict().values())


def _config(folder: Path) -> Mapping[str, Any]:
    return read_json(folder / "config.json")


def _task(folder: Path) -> _Task:
    """What a folder's network does, by its class; raises `ModelError` where it detects nothing."""
    names = _config(folder).get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    for ending, task in _TASKS.items():
        if isinstance(name, str) and name.endswith(ending):
            return task
    raise ModelError(
        f"{folder.name}: expected a detector of transformers, with an architecture that ends in "
        f"{', '.join(_TASKS)}, got {name or 'none'}. Choose another folder."
    )


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    named = config.get("id2label")
    if isinstance(named, dict) and named:
        return tuple(str(named[key]) for key in sorted(named, key=int))
    return tuple(f"LABEL_{number}" for number in range(int(config.get("num_labels", 2))))


def _weights(folder: Path) -> tuple[Path, ...]:
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not files:
        raise ModelError(f"{folder.name}: the folder holds no weights. Download the model again.")
    return tuple(files)


def _boxes(opened: _Opened, image: Any, confidence: float, _: Sequence[str]) -> Iterator[Detection]:
    _, outputs = opened.run(images=image)
    sizes = [(image.height, image.width)]
    found = opened.processor.post_process_object_detection(
        outputs, threshold=confidence, target_sizes=sizes
    )[0]
    names = opened.network.config.id2label
    for score, label, box in zip(found["scores"], found["labels"], found["boxes"], strict=True):
        left, top, right, bottom = map(float, box)
        yield Detection(names[int(label)], float(score), left, top, right, bottom)


def _by_words(
    opened: _Opened, image: Any, confidence: float, words: Sequence[str]
) -> Iterator[Detection]:
    asked = [word.lower() for word in words]
    prepared, outputs = opened.run(images=image, text=[asked])
    sizes = [(image.height, image.width)]
    options: dict[str, Any] = {"threshold": confidence, "target_sizes": sizes}
    if "input_ids" in prepared and "GroundingDino" in type(opened.network).__name__:
        options |= {"input_ids": prepared["input_ids"], "text_threshold": confidence}
    found = opened.processor.post_process_grounded_object_detection(
        outputs, text_labels=[asked], **options
    )[0]
    rows = [
        (_word(text, words), float(score), [float(side) for side in box])
        for score, text, box in zip(
            found["scores"], found["text_labels"], found["boxes"], strict=True
        )
    ]
    rows.sort(key=lambda row: -row[1])
    corners = np.array([box for _, _, box in rows], np.float32).reshape(-1, 4)
    classes = np.array([words.index(word) for word, _, _ in rows], np.int64)
    for index in suppressed(corners, classes, _IOU):
        word, score, (left, top, right, bottom) = rows[index]
        yield Detection(word, score, left, top, right, bottom)


def _word(found: str | None, words: Sequence[str]) -> str:
    """The word that was asked for, of which a model says a part or more."""
    text = (found or "").lower()
    for word in words:
        if word.lower() == text:
            return word
    for word in words:
        if text and (text in word.lower() or word.lower() in text):
            return word
    return words[0]


def _instances(
    opened: _Opened, image: Any, confidence: float, _: Sequence[str]
) -> Iterator[Detection]:
    _, outputs = opened.run(images=image)
    found = opened.processor.post_process_instance_segmentation(
        outputs, threshold=confidence, target_sizes=[(image.height, image.width)]
    )[0]
    segments = np.asarray(found["segmentation"])
    names = opened.network.config.id2label
    for item in found["segments_info"]:
        covered = segments == item["id"]
        yield from _of_mask(names[item["label_id"]], float(item["score"]), covered)


def _semantic(
    opened: _Opened, image: Any, confidence: float, _: Sequence[str]
) -> Iterator[Detection]:
    import torch

    _, outputs = opened.run(images=image)
    logits = torch.nn.functional.interpolate(
        outputs.logits.float(), (image.height, image.width), mode="bilinear"
    )
    parts = logits[0].softmax(0).cpu().numpy()
    best, names = parts.argmax(axis=0), opened.network.config.id2label
    for number in np.unique(best):
        covered = best == number
        score = float(parts[number][covered].mean())
        if score >= confidence:
            yield from _of_mask(names[int(number)], score, covered)


def _masks_by_words(
    opened: _Opened, image: Any, confidence: float, words: Sequence[str]
) -> Iterator[Detection]:
    import torch

    count = len(words)
    _, outputs = opened.run(images=[image] * count, text=list(words), padding=True)
    logits = outputs.logits.reshape(count, 1, *outputs.logits.shape[-2:]).float()
    large = torch.nn.functional.interpolate(logits, (image.height, image.width), mode="bilinear")
    for word, part in zip(words, large[:, 0].sigmoid().cpu().numpy(), strict=True):
        if float(part.max()) >= confidence:
            yield from _of_mask(word, float(part.max()), part >= min(_HALF, confidence))


def _of_mask(label: str, score: float, covered: Any) -> Iterator[Detection]:
    """The detection that a mask stands for, with the box around it; none for an empty one."""
    down, across = np.nonzero(covered)
    if down.size:
        left, top = float(across.min()), float(down.min())
        right, bottom = float(across.max()) + 1, float(down.max()) + 1
        yield Detection(label, score, left, top, right, bottom, mask=np.asarray(covered, np.bool_))


def _clipped(item: Detection, width: int, height: int) -> Detection:
    left, right = max(0.0, item.left), min(float(width), item.right)
    top, bottom = max(0.0, item.top), min(float(height), item.bottom)
    return Detection(
        item.label, item.score, left, top, right, bottom, mask=item.mask, keypoints=item.keypoints
    )


_WORDS = _Task("AutoModelForZeroShotObjectDetection", "AutoProcessor", _by_words, by_words=True)
_INSTANCES = _Task("AutoModelForUniversalSegmentation", "AutoImageProcessor", _instances)
_MASKED = _Task("MaskFormerForInstanceSegmentation", "AutoImageProcessor", _instances)
#: By how an architecture's name ends, the longer first.
_TASKS: Mapping[str, _Task] = {
    "OwlViTForObjectDetection": _WORDS,
    "Owlv2ForObjectDetection": _WORDS,
    "GroundingDinoForObjectDetection": _WORDS,
    "CLIPSegForImageSegmentation": _Task(
        "CLIPSegForImageSegmentation", "AutoProcessor", _masks_by_words, by_words=True
    ),
    "ForObjectDetection": _Task("AutoModelForObjectDetection", "AutoImageProcessor", _boxes),
    "Mask2FormerForUniversalSegmentation": _INSTANCES,
    "MaskFormerForInstanceSegmentation": _MASKED,
    "ForSemanticSegmentation": _Task(
        "AutoModelForSemanticSegmentation", "AutoImageProcessor", _semantic
    ),
}
