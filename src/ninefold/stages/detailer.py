"""The fourth stage: regions painted again at the model's native size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.problems import problems_raised, suggest
from ninefold.core.progress import PartialProgress
from ninefold.core.values import Json, Region
from ninefold.engines.diffusion import Inpaint, ModelInfo
from ninefold.engines.hashing import unchanged
from ninefold.files.store import read_alpha, read_image, read_mask, write_detail, write_image
from ninefold.imaging import masks
from ninefold.imaging.boxes import crop_box
from ninefold.imaging.resize import resize, resize_mask
from ninefold.imaging.types import Pixels
from ninefold.prompts.templates import TemplatePart
from ninefold.slots import (
    DETAIL_PATH,
    IMAGE,
    MASK,
    MAX_PROMPT,
    MAX_SEED,
    PROMPT,
    REGIONS,
    SEED,
    TILING,
    WILDCARDS,
    next_seed,
)
from ninefold.stages.base import CONDITIONING, LOST_TILING, OwnPrompt
from ninefold.stages.prompted import PromptedStage
from ninefold.stages.regions import Found, RegionParams, from_detections, from_mask
from ninefold.stages.sizes import check_mask_shape, size_before


class DetailerParams(RegionParams):
    """Parameters of `detailer`."""

    strength: float = Field(0.4, gt=0, le=1, description="How far a region may change.")
    prompt: str = Field(
        "{prompt}",
        max_length=MAX_PROMPT,
        description="What to paint: {prompt} and {label} are filled in; [SEP] between regions, "
        "[SKIP] leaves one as it is. Choices, wildcards and LoRA tags as in the image's prompt.",
    )
    class_prompts: dict[str, Annotated[str, Field(max_length=MAX_PROMPT)]] = Field(
        default_factory=dict, description="A prompt of its own for a label."
    )
    region_seeds: dict[
        Annotated[int, Field(ge=1, le=1000)], Annotated[int, Field(ge=0, lt=MAX_SEED)]
    ] = Field(
        default_factory=dict,
        description="Regions, by their number from 1, to paint once more with another seed, from "
        "what was there before, after all others: outside of them nothing changes.",
    )


@dataclass(frozen=True)
class _Order:
    """A region to be painted; `again` where it was, by its first seed."""

    index: int
    item: Found
    prompt: OwnPrompt
    seed: int
    again: bool = False


class DetailerStage(PromptedStage[DetailerParams]):
    """Finds regions, or takes a mask, paints each again at native size and blends it back."""

    name = "detailer"
    params_type = DetailerParams
    version = "2"
    task = "inpaint"
    usual_steps = 12.0
    important = ("detector", "strength", "confidence", "top_k", "prompt")
    requires = (IMAGE,)
    accepts = (PROMPT, SEED, MASK, WILDCARDS, TILING, REGIONS, *CONDITIONING)
    provides = (IMAGE, REGIONS, DETAIL_PATH)
    separator = "[SEP]"

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image` and `detail_path`, and add to `regions`."""
        await run_blocking(context, self._run, context)
        return context

    def own_prompts(self) -> Mapping[str, str]:
        """Those of every stage, and those of labels."""
        labels = {_class_prompt(label): text for label, text in self.params.class_prompts.items()}
        return {**super().own_prompts(), **labels}

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the detector knows the classes that it is to find."""
        yield from super().problems(context)
        asked = self.params.classes or self.params.detector is not None
        if asked and MASK not in context and not any(self.unusable_models()):
            yield from problems_raised(f"{self.name}.classes", self._check_classes)

    def output_size(
        self, context: PipelineContext, size: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """The same; raises `InputError` where a mask has another shape."""
        if (size := size_before(context, size)) is not None:
            check_mask_shape(context, size)
        return size

    def _check_classes(self) -> None:
        """Raise `InputError` for a label that the detector does not know."""
        detection = self.engines.detection
        known = detection.labels(self.params.detector or detection.models()[0])
        unknown = [label for label in self.params.classes if label not in known]
        if not known and not self.params.classes:
            raise InputError("this detector finds what words say: name what to find, such as face.")
        if unknown and known:
            raise InputError(
                " ".join(f"{label!r} is unknown.{suggest(label, known)}" for label in unknown)
            )

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """As of every diffusion stage, and the detector's hash."""
        detection = self.engines.detection
        detector = self.params.detector or detection.models()[0]
        return {**(super().fingerprint(context) or {}), "detector": detection.hash(detector)}

    def _run(self, context: PipelineContext) -> None:
        before = context[IMAGE]
        image = read_image(context, before)
        parts = self.noted_prompts(context)
        found = self._find(context, image)
        regions: list[Region] = []
        if found:
            info = self.model_info(context)
            prompts = self._prompts(context, info, parts, [item.label for item in found])
            orders = self._orders(context, found, prompts)
            befores: dict[int, Pixels] = {}
            painted: dict[int, Region] = {}
            for number, order in enumerate(orders):
                progress = PartialProgress(context.progress, number, len(orders))
                before_it = befores.setdefault(order.index, image)
                image, region = self._paint(context, info, image, before_it, order, progress)
                painted[order.index] = region
                if order.index + 1 not in self.params.region_seeds:
                    del befores[order.index]  # a whole image
            regions += painted.values()
        if context.get(TILING) not in (None, "none") and any(
            _touches(region.box, before.size) for region in regions
        ):
            self.warn_once(context, [f"{LOST_TILING} A region reaches one of them."])
        name = self.artifact_name("generated_detailed")
        record = write_image(context, self.name, name, image, read_alpha(context, before))
        context[IMAGE] = record
        # Run again, this stage writes the same files.
        others = (r for r in context.get(REGIONS) or () if r.after.stage != self.name)
        context[REGIONS] = (*others, *regions)
        context[DETAIL_PATH] = record.path
        context.add_metadata(
            self.name,
            regions=[_described(region, record.width * record.height) for region in regions],
            strength=self.params.strength,
            size=list(record.size),
        )

    def _find(self, context: PipelineContext, image: Pixels) -> Sequence[Found]:
        height, width = image.shape[:2]
        given = context.get(MASK)
        if given is not None:
            found = from_mask(self.params, resize_mask(read_mask(context, given), width, height))
            if not found:
                context.warn(
                    self.name,
                    f"mask: nothing of it is left at {width}x{height} after dilate, offset_x and "
                    "offset_y, so nothing was painted.",
                )
            return found
        engine = self.engines.detection
        model = self.params.detector or engine.models()[0]
        with unchanged(model, partial(engine.hash, model)) as digest:
            # A detector without labels finds what words say.
            words = () if engine.labels(model) else (self.params.classes,)
            detections = engine.detect(model, image, self.params.confidence, *words)
        context.add_metadata(self.name, detector=model, detector_hash=digest)
        return from_detections(self.params, detections, width, height)

    def _prompts(
        self,
        context: PipelineContext,
        info: ModelInfo,
        parts: Mapping[str, Sequence[TemplatePart]],
        labels: Sequence[str],
    ) -> Sequence[OwnPrompt | None]:
        """The prompt of each region; None leaves a region as it is."""
        prompts: list[OwnPrompt | None] = []
        for index, label in enumerate(labels):
            name = _class_prompt(label)
            prompt = _part(parts[name if name in parts else "prompt"], index)
            negative = _part(parts["negative_prompt"], index)
            skipped = "[SKIP]" in prompt.marked
            prompts.append(
                None if skipped else self.own_prompt(context, info, prompt, negative, label)
            )
        return prompts

    def _orders(
        self,
        context: PipelineContext,
        found: Sequence[Found],
        prompts: Sequence[OwnPrompt | None],
    ) -> Sequence[_Order]:
        """What to paint, one after the other: every region, then those that are painted anew."""
        first = context.get(SEED) or 0
        orders = [
            _Order(index, item, prompt, next_seed(first, index))
            for index, (item, prompt) in enumerate(zip(found, prompts, strict=True))
            if prompt is not None
        ]
        by_number = {order.index + 1: order for order in orders}
        for number, seed in sorted(self.params.region_seeds.items()):
            if (order := by_number.get(number)) is not None:
                orders.append(replace(order, seed=seed, again=True))
            else:
                context.warn(
                    self.name,
                    f"region_seeds: there is no region {number} to paint anew; it painted "
                    f"{len(by_number)}.",
                )
        return orders

    def _paint(
        self,
        context: PipelineContext,
        info: ModelInfo,
        image: Pixels,
        before_it: Pixels,
        order: _Order,
        progress: PartialProgress,
    ) -> tuple[Pixels, Region]:
        """The image with a region painted as `order` says, from what `before_it` shows there."""
        item, prompt = order.item, order.prompt
        height, width = image.shape[:2]
        native_width, native_height = info.native_size
        padding = self.params.padding_pixels
        if padding is None:
            padding = round(self.params.padding * max(item.box.width, item.box.height))
        crop = crop_box(item.box, padding, (width, height), aspect=native_width / native_height)
        before = np.ascontiguousarray(before_it[crop.slices])
        mask = item.mask[crop.slices]
        source = resize(before, native_width, native_height)
        request = Inpaint(
            **self.conditioning(context, info, prompt),
            seed=order.seed,
            width=native_width,
            height=native_height,
            image=source,
            strength=self.params.strength,
            mask=resize_mask(mask, native_width, native_height),
            control=self.control(context, info.native_size, source, crop),
        )
        result = self.generate(context, request, progress)
        self.note(context, result.record, "seed", "size")
        patch = resize(result.image, crop.width, crop.height)
        painted = masks.paste(image, patch, mask, crop)
        anew = "_anew" if order.again else ""
        stem = self.artifact_name(f"regions/{order.index + 1}_{_safe(item.label)}{anew}", "")
        return painted, Region(
            label=item.label,
            score=round(float(item.score), 4),
            box=(item.box.left, item.box.top, item.box.right, item.box.bottom),
            prompt=prompt.text,
            seed=order.seed,
            before=write_detail(context, self.name, f"{stem}_before.png", before),
            after=write_detail(
                context, self.name, f"{stem}_after.png", np.ascontiguousarray(painted[crop.slices])
            ),
            negative_prompt=prompt.negative,
            loras=prompt.loras,
        )


def _class_prompt(label: str) -> str:
    """Where the prompt of a label stands."""
    return f"class_prompts.{label}"


def _part(parts: Sequence[TemplatePart], index: int) -> TemplatePart:
    """The part of a region; the last is for all that come after it."""
    return parts[min(index, len(parts) - 1)]


def _touches(box: tuple[int, int, int, int], size: tuple[int, int]) -> bool:
    """Whether a box reaches an edge of an image of `size`."""
    left, top, right, bottom = box
    return left <= 0 or top <= 0 or right >= size[0] or bottom >= size[1]


def _described(region: Region, image_area: int) -> dict[str, Any]:
    left, top, right, bottom = region.box
    loras = [lora.to_json() for lora in region.loras]
    return {
        "label": region.label,
        "score": region.score,
        "box": list(region.box),
        "area": round((right - left) * (bottom - top) / image_area, 4),
        "prompt": region.prompt,
        "negative_prompt": region.negative_prompt,
        **({"loras": loras} if loras else {}),
        "seed": region.seed,
        "before": region.before.name,
        "after": region.after.name,
    }


def _safe(label: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in label)[:40]
