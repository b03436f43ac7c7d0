"""From what a file says to a config that validates, and a list of what it does not hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError, UserError
from ninefold.core.values import Json
from ninefold.engines.checks import nearest_sizes
from ninefold.engines.diffusion import ModelInfo
from ninefold.files.readers.generation import DetailerPass, Generation, HiresPass
from ninefold.files.readers.values import file_stem
from ninefold.imaging.resize import RESAMPLERS
from ninefold.inspection.findings import Findings, name_of
from ninefold.inspection.model_finder import FoundModel, ModelFinder
from ninefold.inspection.prompts import converted, image_prompts
from ninefold.model_catalog import described
from ninefold.slots import MAX_SEED

#: A1111's denoising strength of a hires pass where the file does not say it.
_HIRES_STRENGTH = 0.75
_MAX_STEPS = 200
#: What names of other tools' detectors say of what they find.
_FINDS = ("face", "hand", "person", "eye")


@dataclass(frozen=True)
class ConfigFromFile:
    """A config, and all that there is to say of how it came about."""

    config: PipelineConfig
    #: What the file says and the config does not hold, in the file's words, with the reason.
    not_taken_over: tuple[str, ...]
    #: What is done in another way than the file says, or needs something to be done first.
    notes: tuple[str, ...]
    #: The models that it names.
    models: tuple[FoundModel, ...]


def build_config(
    generation: Generation, size: tuple[int, int], finder: ModelFinder
) -> ConfigFromFile:
    """The config of an image of `size`; never fails, whatever the file says."""
    builder = _Builder(generation, size, Findings(finder))
    if generation.record is not None and (own := builder.from_record(generation.record)):
        return own
    return builder.build()


@dataclass
class _Builder:
    said: Generation
    size: tuple[int, int]
    found: Findings

    # -- our own files ---------------------------------------------------------------------------

    def from_record(self, record: Mapping[str, Any]) -> ConfigFromFile | None:
        """The config of our own record, exactly; None where this version cannot read it."""
        config, inputs = record.get("config"), record.get("inputs")
        if not isinstance(config, Mapping):
            return None
        inputs = inputs if isinstance(inputs, Mapping) else {}
        given = {
            name: inputs[name]
            for name in ("prompt", "negative_prompt", "seed", "model")
            if inputs.get(name) is not None
        }
        try:
            found = PipelineConfig.parse({**config, **given}, "record")
        except ConfigError as error:
            self.found.notes += [
                f"its record cannot be used here: {line}" for line in error.problems
            ]
            return None
        for name in inputs:
            if name in ("image", "mask", "references", "control_images"):
                self.found.left_out.append(f"{name}: pictures are not in the file; give them again")
        return self._result(found)

    # -- files of other tools --------------------------------------------------------------------

    def build(self) -> ConfigFromFile:
        """The config of what the file says."""
        said = self.said
        prompt, negative = image_prompts(said, self.found)
        if not prompt:
            self.found.notes.append("The file has no prompt: name one, `ninefold run PROMPT`.")
        model = self._model()
        info = None if model is None else self._info(model)
        document: Json = {
            "description": f"From an image of {said.tool}.",
            "prompt": prompt,
            "negative_prompt": negative,
            "model": None if model is None else name_of(model),
            "seed": self._seed(),
        }
        stages = [self.found.stage("prompt", {}), self._first(info)]
        stages += [] if said.hires is None else self._hires(said.hires, info)
        stages += [item for unit in said.detailers if (item := self._detailer(unit)) is not None]
        stages.append(self.found.stage("publisher", {}))
        document["stages"] = stages
        self._rest()
        given = {key: value for key, value in document.items() if value is not None}
        return self._result(PipelineConfig.parse(given))

    def _result(self, config: PipelineConfig) -> ConfigFromFile:
        models = self.found.models
        notes = [*self.found.notes, *(model.note for model in models if model.note)]
        missing = [model.title for model in models if model.here is None and not model.note]
        if missing:
            notes.append(f"Not at hand: {', '.join(missing)}. {self.found.finder.remedy}")
        return ConfigFromFile(
            config, _each_once(self.found.left_out), _each_once(notes), tuple(models)
        )

    def _model(self) -> FoundModel | None:
        said = self.said.model
        if not said.name and not said.hash:
            self.found.notes.append("The file names no model: name one with --model.")
            return None
        return self.found.find("diffusion", said.name, said.hash)

    def _info(self, model: FoundModel) -> ModelInfo | None:
        """What is known of a model, where it is at hand."""
        if model.here is None:
            return None
        try:
            return described(self.found.finder.engines, model.here)
        except UserError:
            return None

    def _first(self, info: ModelInfo | None) -> Json:
        """The stage of the first pass."""
        said = self.said
        params: Json = {
            "steps": said.steps,
            "guidance_scale": said.guidance_scale,
            "true_cfg_scale": said.true_cfg_scale,
            "scheduler": self.found.scheduler(said.sampler, said.schedule, "sampler"),
            "width": said.width,
            "height": said.height,
            "strength": said.strength,
            "tiling": "both" if said.tiling else None,
        }
        if not params["width"] and not said.hires and said.strength is None:
            params |= {"width": self.size[0], "height": self.size[1]}
        for name in ("width", "height"):
            params[name] = self._side(name, params[name], info)
        if said.strength is not None or said.source:
            self.found.left_out.append(
                f"source image{f' {said.source}' if said.source else ''}: it is not in the file; "
                "give it with --image"
            )
        if said.refiner is not None:
            found = self.found.find("diffusion", said.refiner.model.name, said.refiner.model.hash)
            switch = 0.8 if said.refiner.switch is None else said.refiner.switch
            if 0 < switch < 1:
                params |= {"refiner": name_of(found), "handover": switch}
            else:
                self.found.left_out.append(
                    f"refiner {found.name}: it would take over at {switch:g}"
                )
        return self.found.stage("text_to_image", params)

    def _side(self, name: str, side: int | None, info: ModelInfo | None) -> int | None:
        """The side nearest to one that the model can do, where it is at hand."""
        if side is None or info is None or side in (nearest := nearest_sizes(side, info)):
            return side
        found = min(nearest, key=lambda size: abs(size - side))
        self.found.notes.append(f"{name} {side}: {found} is the nearest that {info.name} can do.")
        return found

    def _hires(self, hires: HiresPass, info: ModelInfo | None) -> list[Json]:
        """The upscaler, and the restorer that paints over what it made."""
        said = self.said
        stages: list[Json] = []
        factor = hires.factor
        enlarged: Json = {"width": hires.width, "height": hires.height}
        if not (hires.width and hires.height):
            enlarged = {"upscale_factor": 2.0 if factor is None else factor}
        if factor != 1 or hires.width:
            stages.append(
                self.found.stage(
                    "upscaler", {**enlarged, "upscaler": self._upscaler(hires.upscaler)}
                )
            )
        strength = hires.strength
        if strength is None and said.tool in ("AUTOMATIC1111", "Forge") and hires.steps is not None:
            strength = _HIRES_STRENGTH
        if not strength:
            return stages
        return [*stages, self.found.stage("restorer", self._painted_over(hires, strength, info))]

    def _painted_over(self, hires: HiresPass, strength: float, info: ModelInfo | None) -> Json:
        said = self.said
        steps = hires.steps or said.steps
        if hires.steps:  # so many ran, which are the last `strength` of ours
            steps = min(_MAX_STEPS, math.ceil(hires.steps / max(strength, 0.01)))
        sampler = hires.sampler or said.sampler
        params: Json = {
            "strength": strength,
            "steps": steps,
            "guidance_scale": hires.guidance_scale or said.guidance_scale,
            "true_cfg_scale": said.true_cfg_scale,
            "scheduler": self.found.scheduler(
                sampler, hires.schedule or said.schedule, "hires sampler"
            ),
            "prompt": self._prompt(hires.prompt, "hires prompt") or "{prompt}",
            "negative_prompt": self._prompt(hires.negative_prompt, "hires negative prompt") or None,
            "tile": self._one_tile(hires, info),
        }
        if hires.model:
            found = self.found.find("diffusion", hires.model, "")
            params["model"] = name_of(found)
        return params

    def _one_tile(self, hires: HiresPass, info: ModelInfo | None) -> int | None:
        """The side of a tile that holds the whole image, where the model can paint that."""
        width, height = self.said.width or self.size[0], self.said.height or self.size[1]
        factor = hires.factor or 2.0
        longest = max(hires.width or 0, hires.height or 0) or max(width, height) * factor
        fits = info is not None and 0 < longest <= info.max_size  # a factor may be infinite
        return max(32, round(longest)) if fits else None

    def _upscaler(self, name: str) -> str | None:
        if not name or name.lower().startswith("latent"):
            if name:
                self.found.notes.append(f"upscaler {name!r}: done by our own on the image.")
            return None
        if name.lower() == "none":
            return "lanczos"
        if file_stem(name).lower() in RESAMPLERS:
            return file_stem(name).lower()
        found = self.found.find("upscaler", name, "")
        if found.here is None:
            self.found.left_out.append(f"upscaler {name}: not at hand; the built-in one is used")
        return found.here

    def _detailer(self, unit: DetailerPass) -> Json | None:
        detector, classes = self._detector(unit)
        if unit.strength == 0:
            self.found.left_out.append(f"detailer {unit.detector}: strength 0 changes nothing")
            return None
        if detector is None:
            self.found.left_out.append(
                f"detailer {unit.detector}: no detector at hand finds the same; add one, and a "
                "detailer stage"
            )
            return None
        params: Json = {
            "detector": detector,
            "classes": classes,
            "prompt": self._template(unit.prompt, "{prompt}"),
            "negative_prompt": self._template(unit.negative_prompt, "{negative_prompt}"),
            "confidence": unit.confidence,
            "strength": unit.strength,
            "steps": unit.steps,
            "guidance_scale": unit.guidance_scale,
            "scheduler": self.found.scheduler(unit.sampler, unit.schedule, "detailer sampler"),
            "dilate": unit.dilate,
            "blur": unit.blur,
            "padding_pixels": unit.padding,
            "top_k": 0,
        }
        if unit.model:
            params["model"] = name_of(self.found.find("diffusion", unit.model, ""))
        return self.found.stage("detailer", params)

    def _detector(self, unit: DetailerPass) -> tuple[str | None, list[str]]:
        """The detector of that name, or one that finds the same, and what to find."""
        found = self.found.find("detector", unit.detector, "")
        if found.here is not None:
            return found.here, list(unit.classes)
        word = next((word for word in _FINDS if word in unit.detector.lower()), None)
        labels = list(unit.classes) or ([] if word is None else [word])
        for label in labels:
            if (here := self.found.finder.detector_for(label)) is not None:
                self.found.notes.append(
                    f"detector {unit.detector!r}: {here!r} finds {label} in its place."
                )
                return here, [label]
        return None, []

    def _template(self, text: str, image: str) -> str | None:
        """A unit's prompt as a stage's; a part that is blank is the image's own."""
        if not text:
            return None
        parts = text.split("[SEP]")
        marked = (part.split("[PROMPT]") for part in parts)
        converted = (
            image.join(self._prompt(piece, "detailer prompt") for piece in pieces).strip()
            for pieces in marked
        )
        return " [SEP] ".join(part or image for part in converted)

    def _prompt(self, text: str, name: str) -> str:
        return converted(text, self.said.dialect, name, self.found)

    def _seed(self) -> int | None:
        seed = self.said.seed
        if seed is None or 0 <= seed < MAX_SEED:
            return seed
        self.found.left_out.append(f"seed {seed}: expected 0 to {MAX_SEED - 1}")
        return None

    def _rest(self) -> None:
        """What the file says and nothing here does."""
        said = self.said
        if said.vae:
            self.found.left_out.append(f"VAE {said.vae}: the model's own is used")
        if said.clip_skip not in (None, 0, 1):
            self.found.left_out.append(f"clip skip {said.clip_skip}")
        if said.variation_strength:
            self.found.left_out.append(
                f"variation seed {said.variation_seed} at strength {said.variation_strength:g}"
            )
        for control in said.controls:
            found = self.found.find("control", control.model.partition(" [")[0], "")
            parts = [f"model={found.here or found.name}", "image=FILE"]
            named = {"strength": control.strength, "start": control.start, "end": control.end}
            parts += [f"{key}={value:g}" for key, value in named.items() if value is not None]
            made = f" ({control.preprocess})" if control.preprocess else ""
            self.found.left_out.append(
                f"ControlNet {control.model}{made}: its picture is not in the file; give it with "
                f"--control {','.join(parts)}"
            )
        self.found.left_out += [f"{name}: {text}" for name, text in said.other.items()]


def _each_once(lines: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))
