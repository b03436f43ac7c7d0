"""What a C2PA manifest says of a context: an action for each stage, and what it was made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from ninefold.core.context import PipelineContext
from ninefold.core.record import facts
from ninefold.core.timing import FINISHED
from ninefold.core.values import ImageRecord, Json
from ninefold.files.c2pa_reader import read_c2pa
from ninefold.files.embed import MetadataLevel
from ninefold.files.formats import FORMATS, ImageFormat, image_format
from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text
from ninefold.files.signing.claim import HASH_KEY, KIND_KEY, Action, Claim, Ingredient, SoftBinding
from ninefold.files.xmp import DigitalSourceType
from ninefold.imaging.resize import fit_size, resize
from ninefold.imaging.types import Pixels
from ninefold.slots import CONTROL_IMAGES, IMAGE, REFERENCES

#: Stages that leave the image as it is: what they did is in the record.
_SILENT = frozenset({"prompt", "inspector", "publisher"})
#: What stages do, in C2PA's words; any other is `c2pa.edited`.
_ACTIONS = {"text_to_image": "c2pa.created", "upscaler": "c2pa.resized"}
_COLOURS = frozenset(
    {"colour_transfer", "brightness", "gamma", "contrast", "saturation", "lut", "lut_amount"}
)
#: Entries of metadata that name models, each with the one that holds their hashes.
_MODELS = (
    ("model", "model_hash", "diffusion"),
    ("detector", "detector_hash", "detection"),
    ("upscalers", "upscaler_hashes", "upscaling"),
    ("matting", "matting_hash", "matting"),
)
_NAMED_MODELS = (("loras", "LoRA"), ("embeddings", "textual inversion"))
#: Entries that say no more than the action itself, or of what it was made.
_ELSEWHERE = frozenset({"source", "references", "warnings", "outputs"})
_THUMBNAIL, _THUMBNAIL_QUALITY = 256, 80
_SOURCE, _REFERENCE, _CONTROL = "source", "reference", "control"


@dataclass(frozen=True)
class Provenance:
    """What is the same for all files of one publication."""

    actions: tuple[Action, ...]
    ingredients: tuple[Ingredient, ...]
    record: str | None
    watermark: SoftBinding | None
    thumbnail: bytes
    #: When the files are written, ISO 8601.
    when: str
    stage: str

    def claim(self, name: str, form: ImageFormat, parameters: Mapping[str, Any]) -> Claim:
        """Of a file; in any format but that of the files between stages, it was converted."""
        media_type = FORMATS[form].media_type
        actions = self.actions
        if form is not ImageFormat.PNG:
            what = {"format": form.value, **parameters}
            converted = Action("c2pa.converted", self.when, self.stage, parameters=what)
            actions = (*actions, converted)
        return Claim(
            name,
            media_type,
            actions,
            self.ingredients,
            self.record,
            self.watermark,
            self.thumbnail,
        )


def provenance_of(
    context: PipelineContext,
    stage: str,
    pixels: Pixels,
    *,
    kind: DigitalSourceType,
    level: MetadataLevel,
    record: str | None,
    watermark: SoftBinding | None = None,
) -> Provenance:
    """What signed files say of `context`, of whose stages `stage` publishes.

    `pixels` are the final ones, of which a thumbnail is made. At any level but `full`, neither
    parameters nor models nor the `record` are in it. `watermark` is what the pixels carry.
    """
    full = level is MetadataLevel.FULL
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    ingredients = list(_given(context, stage, full))
    actions = list(_opened(context, ingredients))
    entries = facts(context.metadata)
    for name in dict.fromkeys((*context.completed, *entries)):
        entry = entries.get(name, {})
        if name == stage or (action := _action(name, entry, bool(actions))) is None:
            continue
        models = list(_models(entry)) if full else []
        ingredients += [item for item in models if item not in ingredients]
        paints = "model" in entry
        actions.append(
            Action(
                action,
                context.metadata[name].get(FINISHED, now),
                name,
                kind.value if paints or not actions else None,
                _parameters(entry) if full else {},
                (*_used(entry, ingredients), *(item.id for item in models)),
            )
        )
    if watermark is not None:
        actions.append(Action("c2pa.watermarked.bound", now, stage))
    return Provenance(
        tuple(actions),
        tuple(ingredients),
        record if full else None,
        watermark,
        _thumbnail(pixels),
        now,
        stage,
    )


def _opened(context: PipelineContext, ingredients: list[Ingredient]) -> Iterator[Action]:
    for item in ingredients:
        if item.relationship == "parentOf":
            yield Action("c2pa.opened", context.created_at, "input", ingredients=(item.id,))


def _action(name: str, entry: Json, begun: bool) -> str | None:
    """What a stage did; None where it left the image as it was."""
    stage = re.sub(r"_\d+$", "", name)
    if stage in _SILENT or _idle(stage, entry):
        return None
    if not begun:
        return "c2pa.created"
    if stage == "finisher":
        if "overlay" in entry:
            return "c2pa.edited"
        return "c2pa.color_adjustments" if _COLOURS & entry.keys() else "c2pa.enhanced"
    action = _ACTIONS.get(stage, "c2pa.edited")
    return "c2pa.edited" if action == "c2pa.created" else action


def _idle(stage: str, entry: Json) -> bool:
    """Whether a stage was left out after a failure, or had nothing to do."""
    if entry.keys() <= {"warnings"}:
        return bool(entry)
    if stage == "refiner":
        return entry.get("refinement_level") == 0
    if stage == "detailer":
        return entry.get("regions") == []
    if stage == "upscaler":
        return entry.get("original_size") == entry.get("upscaled_size")
    return stage == "finisher" and entry.keys() <= {"size"}


def _given(context: PipelineContext, stage: str, full: bool) -> Iterator[Ingredient]:
    """The images that a caller gave: the one that was opened, and what others were made after."""
    first = next(iter(context.inputs_by_step.values()), context.data)
    source = first.get(IMAGE.name)
    if isinstance(source, ImageRecord) and source.made_by == "input":
        yield Ingredient(_SOURCE, "source image", "parentOf", *_file_of(context, stage, source))
    named = [
        (f"{_REFERENCE}-{number}", f"reference {number}", record)
        for number, record in enumerate(first.get(REFERENCES.name) or (), 1)
    ]
    named += [
        (f"{_CONTROL}-{name}", scrub_text(f"control image {name}"), record)
        for name, record in (first.get(CONTROL_IMAGES.name) or {}).items()
    ]
    for identity, title, record in named:
        if full or record.original:
            yield Ingredient(identity, title, "inputTo", *_file_of(context, stage, record))


def _file_of(context: PipelineContext, stage: str, record: ImageRecord) -> tuple[bytes, str]:
    """An image's file and its media type: as it was given, where that has a manifest.

    Its manifest is foreign: what cannot be read apart from this process is left out, for it might
    end it.
    """
    if (original := record.original) is not None:
        data = original.path.read_bytes()
        reading = read_c2pa(data, image_format(original.media_type))
        if reading.report is not None:
            return data, original.media_type
        context.warn(
            stage,
            f"{original.path.name}: its C2PA manifest cannot be read ({reading.error}), so the "
            "files do not hold it.",
        )
    return record.path.read_bytes(), FORMATS[ImageFormat.PNG].media_type


def _used(entry: Json, ingredients: list[Ingredient]) -> Iterator[str]:
    """Ids of the images that a stage was given beside the one it changed."""
    if "references" in entry:
        yield from (item.id for item in ingredients if item.id.startswith(f"{_REFERENCE}-"))
    if entry.get("control"):
        yield from (item.id for item in ingredients if item.id.startswith(f"{_CONTROL}-"))


def _models(entry: Json) -> Iterator[Ingredient]:
    """The models that a stage ran, each with its hash."""
    for names, hashes, kind in _MODELS:
        found, digests = entry.get(names), entry.get(hashes)
        if found is None:
            continue
        several = isinstance(found, list)
        pairs = zip(found, digests or [], strict=False) if several else [(found, digests)]
        for name, digest in pairs:
            yield _model(str(name), kind, str(digest or ""))
    for names, kind in _NAMED_MODELS:
        for item in entry.get(names) or ():
            yield _model(item["name"], kind, item.get("hash", ""))
    for item in entry.get("control") or ():
        if isinstance(item, dict) and "model" in item:
            yield _model(item["model"], item.get("kind", "control"), item.get("hash", ""))


def _model(name: str, kind: str, digest: str) -> Ingredient:
    name = scrub_text(name)
    known = {KIND_KEY: kind, HASH_KEY: digest}
    return Ingredient(f"model-{kind}-{name}-{digest}", name, "inputTo", model=known)


def _parameters(entry: Json) -> Json:
    """What of a stage's entry is one value, or a size; the rest is in the record."""
    named = {name for names in _MODELS for name in names[:2]} | _ELSEWHERE
    found: Json = {}
    for name, value in entry.items():
        if name in named or is_secret_key(name):
            continue
        shown = scrub_text(name)  # a plugin's names are its own
        if isinstance(value, str):
            found[shown] = scrub_prompt(value) if is_prompt_key(name) else scrub_text(value)
        elif isinstance(value, bool | int | float):
            found[shown] = value
        elif isinstance(value, list) and len(value) == 2 and name.endswith("size"):
            found[shown] = f"{value[0]}x{value[1]}"
    return found


def _thumbnail(pixels: Pixels) -> bytes:
    """A small JPEG file of the image."""
    height, width = pixels.shape[:2]
    side = min(_THUMBNAIL, max(width, height))
    size = fit_size(width, height, side=side, multiple=1)
    # Of a large image a part of the pixels is enough, and all would take most of the time.
    step = max(1, max(width, height) // (4 * _THUMBNAIL))
    small = resize(np.ascontiguousarray(pixels[::step, ::step]), *size)
    out = BytesIO()
    Image.fromarray(small).save(out, "JPEG", quality=_THUMBNAIL_QUALITY)
    return out.getvalue()
