"""The eighth stage: is the image fit to be published?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.control_flow import Rewind
from ninefold.core.errors import StageError
from ninefold.core.stage import StageParams
from ninefold.core.values import Attempt, Json, Verdict
from ninefold.engines.hashing import unchanged
from ninefold.files.store import read_alpha, read_image
from ninefold.imaging import measures
from ninefold.imaging.masks import mask_box
from ninefold.imaging.types import Alpha, Pixels
from ninefold.slots import ATTEMPTS, IMAGE, PROMPT, SEAMS, SEED, VERDICT, next_seed
from ninefold.stages.base import EngineStage
from ninefold.stages.parameters import DETECTOR_MODEL

#: Least side in pixels of a part that is measured by itself.
SMALLEST = 3


class InspectorParams(StageParams):
    """Parameters of `inspector`."""

    min_sharpness: float = Field(
        10.0, ge=0, description="Least variance of the Laplacian, in squared levels."
    )
    max_clipped: float = Field(
        0.5, ge=0, le=1, description="Largest part of pixels that are pure black or pure white."
    )
    min_contrast: float = Field(
        8.0, ge=0, le=127, description="Least standard deviation of luma, in levels of 255."
    )
    max_blankness: float = Field(
        0.9, ge=0, le=1, description="1 allows an image of one single tone."
    )
    max_seam: float = Field(
        2.5, ge=1, description="How much a tile's edge may stand out: 1 is not at all."
    )
    detector: Annotated[str, DETECTOR_MODEL] | None = Field(
        None,
        description="A detector that checks whether things named in the prompt are in the image.",
    )
    min_agreement: float = Field(
        0.5, ge=0, le=1, description="Least part of the named things that must be found."
    )
    confidence: float = Field(0.25, ge=0, le=1, description="Least score of a thing found.")
    on_fail: Literal["warn", "fail", "retry"] = Field(
        "warn", description="Warn and go on, stop here, or generate again with the next seed."
    )
    max_retries: int = Field(2, ge=0, le=20, description="Most retries before stopping.")


class InspectorStage(EngineStage[InspectorParams]):
    """Measures the image, and passes it, warns, stops, or asks for another seed."""

    name = "inspector"
    params_type = InspectorParams
    usual_steps = 0.5
    important = ("on_fail", "max_retries", "min_sharpness")
    requires = (IMAGE,)
    accepts = (PROMPT, SEED, SEAMS, ATTEMPTS)
    provides = (VERDICT,)

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the detector has labels, which a prompt can name."""
        yield from super().problems(context)
        detector = self.params.detector
        if detector is None or any(self.unusable_models()):
            return
        if not self.engines.detection.labels(detector):
            yield (
                f"{self.name}.detector: expected a detector with labels, got one that finds what "
                "words say. Choose another."
            )

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `verdict`; raises `StageError` where the image fails and `on_fail` is not warn."""
        verdict, checks = await run_blocking(context, self._inspect, context)
        attempts = context.get(ATTEMPTS) or ()
        seed = context.get(SEED) or 0
        this = Attempt(seed, verdict.decision, verdict.score, verdict.reasons)
        context[VERDICT] = verdict
        context.add_metadata(
            self.name,
            verdict=verdict.decision,
            score=verdict.score,
            reasons=list(verdict.reasons),
            measures=verdict.measures,
            checks=checks,
            attempts=[
                {"seed": a.seed, "score": a.score, "reasons": list(a.reasons)}
                for a in (*attempts, this)
            ],
        )
        if verdict.decision == "warn":
            for reason in verdict.reasons:
                context.warn(self.name, reason)
        if verdict.decision == "fail":
            if self.params.on_fail == "retry" and len(attempts) < self.params.max_retries:
                raise Rewind(IMAGE, {SEED: next_seed(seed), ATTEMPTS: (*attempts, this)})
            tries = f" after {len(attempts) + 1} attempts" if attempts else ""
            raise StageError(
                self.name,
                f"the image failed{tries}: {' '.join(verdict.reasons)} "
                "Change the prompt or the seed, or set inspector.on_fail to warn.",
            )
        return context

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The hash of the detector, where it uses one."""
        if (detector := self.params.detector) is None:
            return {}
        return {"detector": self.engines.detection.hash(detector)}

    def _inspect(self, context: PipelineContext) -> tuple[Verdict, int]:
        record = context[IMAGE]
        image, alpha = read_image(context, record), read_alpha(context, record)
        values: dict[str, float] = {}
        reasons = []
        checks = 0
        for name, value, problem in self._checks(context, image, alpha):
            values[name] = round(value, 4)
            checks += 1
            if problem:
                reasons.append(problem)
        score = round(1 - len(reasons) / checks, 4)
        decision: Literal["pass", "warn", "fail"] = "pass"
        if reasons:
            decision = "warn" if self.params.on_fail == "warn" else "fail"
        return Verdict(decision, score, tuple(reasons), values), checks

    def _checks(
        self, context: PipelineContext, image: Pixels, alpha: Alpha | None
    ) -> Iterator[tuple[str, float, str | None]]:
        """Each measure's name and value, and what is wrong with it, if anything."""
        params = self.params
        low, high = params.min_sharpness, params.max_clipped
        if alpha is not None:
            part = float(np.count_nonzero(alpha) / alpha.size)
            hidden = None if part else "Blank: all of it is transparent."
            yield "visible", part, hidden
        seen = image if alpha is None else _visible(image, alpha)
        value = measures.sharpness(seen)
        yield "sharpness", value, _below("Blurred: sharpness", value, low)
        clipped = measures.clipping(seen)
        value = clipped.low + clipped.high
        yield "clipped", value, _above("Clipped: part of pure black or white", value, high)
        value = measures.luma_deviation(seen)
        yield "contrast", value, _below("Flat: contrast", value, params.min_contrast)
        value = measures.blankness(seen)
        yield "blankness", value, _above("Blank: blankness", value, params.max_blankness)
        seams = context.get(SEAMS)
        if seams is not None and (seams.height, seams.width) == image.shape[:2]:
            value = measures.seam_strength(image, seams.columns, seams.rows)
            yield "seam", value, _above("Seams: strength", value, params.max_seam)
        if params.detector is not None:
            engine, model = self.engines.detection, params.detector
            with unchanged(model, partial(engine.hash, model)) as digest:
                wanted = _named(context.get(PROMPT) or "", engine.labels(model))
                detections = engine.detect(model, image, params.confidence)
            context.add_metadata(self.name, detector=model, detector_hash=digest)
            found = {item.label for item in detections}
            value = len(wanted & found) / len(wanted) if wanted else 1.0
            missing = f"Not found: {', '.join(sorted(wanted - found))}. Agreement"
            yield "agreement", value, _below(missing, value, params.min_agreement)


def _visible(image: Pixels, alpha: Alpha) -> Pixels:
    """The part of the image around all that is not transparent; all of it where nothing is seen."""
    box = mask_box(alpha.astype(np.float32))
    if box is None or min(box.width, box.height) < SMALLEST:
        return image
    return np.ascontiguousarray(image[box.slices])


def _below(what: str, value: float, least: float) -> str | None:
    return f"{what} {value:.3g} is below {least:g}." if value < least else None


def _above(what: str, value: float, most: float) -> str | None:
    return f"{what} {value:.3g} is above {most:g}." if value > most else None


def _named(prompt: str, labels: tuple[str, ...]) -> set[str]:
    """The labels that the prompt names, in the singular or with an s."""
    text = prompt.lower()
    return {label for label in labels if re.search(rf"\b{re.escape(label.lower())}s?\b", text)}
