"""What there is to know of a family of models: one value a family, all of it data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ninefold.engines.sampler_table import SchedulerKind

#: The config of a part of a model (`unet`, `scheduler`), or for "" its `model_index.json`; empty
#: where there is none. For single files, what their tensors say of it.
Configs = Callable[[str], Mapping[str, Any]]

#: What a model can start from: a prompt alone, an image and a strength, an image with a mask, or
#: reference images that the prompt says how to change.
Task = Literal["text", "image", "inpaint", "edit"]
TASKS: tuple[Task, ...] = ("text", "image", "inpaint", "edit")


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How a family is made to follow the prompt.

    `classifier_free`: each step is also made for the negative prompt, and led away from that.
    `embedded`: the scale is a number that the network was distilled with. `none`: no scale acts.
    """

    kind: Literal["classifier_free", "embedded", "none"] = "classifier_free"
    #: The argument of the pipeline's call that carries the scale; "" where none does.
    argument: str = "guidance_scale"
    #: Parts of the pipeline that hold the scale, where no argument carries it.
    parts: tuple[str, ...] = ()
    scale: float = 5.0
    #: Classifier-free guidance acts at scales above this.
    off: float = 1.0
    #: Whether a negative prompt acts where guidance does.
    takes_negative: bool = True
    #: What is passed for a negative prompt where none was given, for pipelines that guide only
    #: where there is one; None leaves it to the pipeline.
    blank_negative: str | None = None
    #: The argument that carries a second scale, for classifier-free guidance of a network that
    #: was distilled to do without: a negative prompt acts where it is above `off`. "" where the
    #: pipeline has none.
    true_cfg_argument: str = ""

    def heeds_negative(self, scale: float, true_cfg_scale: float) -> bool:
        """Whether a negative prompt acts at these scales."""
        if self.true_cfg_argument:
            return true_cfg_scale > self.off
        return self.kind == "classifier_free" and self.takes_negative and scale > self.off


#: For models that were distilled to follow the prompt by themselves.
UNGUIDED = Guidance(kind="none", argument="", scale=0.0, takes_negative=False)


@dataclass(frozen=True)
class Mark:
    """A value in a model's configs that tells what was made of a family."""

    part: str
    key: str
    #: Any of these; None also stands for a key that is not there.
    values: tuple[Any, ...]

    def found(self, configs: Configs) -> bool:
        """Whether a model's configs hold it; not where the part has no config."""
        config = configs(self.part)
        return bool(config) and config.get(self.key) in self.values


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What was made of a family, and what is other there: distilled for few steps, say."""

    name: str
    #: Told by configs: all of one of these.
    marks: tuple[tuple[Mark, ...], ...] = ()
    #: Told by the model's name, where configs are like the family's: any of these words.
    words: tuple[str, ...] = ()
    #: Fields of the family and their values.
    changes: Mapping[str, Any] = field(default_factory=dict)

    def recognised_by(self, configs: Configs, name: str) -> Literal["configs", "name"] | None:
        """What tells that a model is of this variant; None where nothing does."""
        if any(all(mark.found(configs) for mark in marks) for marks in self.marks):
            return "configs"
        words = set(re.split(r"[^a-z]+", name.lower()))
        return "name" if words.intersection(self.words) else None


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that are run alike. Sizes are in pixels.

    The pipelines are diffusers classes by name, each over the same parts: None where diffusers has
    none for that task, or one that knows no `strength`.
    """

    name: str
    text: str | None
    image: str | None = None
    inpaint: str | None = None
    edit: str | None = None
    #: Most reference images that `edit` takes at once.
    references: int = 1
    #: Further classes whose folders hold the same parts, and maybe more of them.
    also: tuple[str, ...] = ()
    #: Whether the engine itself can start from an image, where no pipeline does.
    latent_start: bool = True
    #: For a family without `text`: what it does instead, and where it is used.
    instead: str = ""
    #: Width and height that it was trained at.
    native: int
    #: Whether `sample_size` in the config of the network, in latents, says so of each model.
    sample_size: bool = False
    #: Positions of the latents that are joined into one: with the decoder's scale, what sizes must
    #: be multiples of.
    patch: int = 1
    #: Pixels a side of one position, where no decoder's config says so.
    latent_scale: int = 8
    #: Where the network's config says how many patches a side it knows, and whether as an area.
    positions: str = ""
    positions_are_area: bool = False
    #: Largest area; 0 where only sides are limited.
    max_area: int = 0
    steps: int
    #: Most steps that its schedule can be divided into; 0 for as many as one likes.
    max_steps: int = 0
    guidance: Guidance = Guidance()
    #: Which schedulers fit, where the model's own config does not say; `own` counts in any case.
    scheduler: SchedulerKind = "flow"
    #: Number format on devices that have several.
    dtype: Literal["bfloat16", "float16"] = "bfloat16"
    #: Tokens of a prompt that its longest text encoder can be made to read; None where long
    #: prompts are encoded in chunks.
    prompt_tokens: int | None = None
    #: Arguments that every call is given, and those of calls with other steps than the usual ones.
    arguments: Mapping[str, Any] = field(default_factory=dict)
    other_steps: Mapping[str, Any] = field(default_factory=dict)
    #: Attributes of a pipeline that must say the size asked for, or it paints another: the root of
    #: the area in latents, or a list of sizes.
    size_attribute: Literal["", "default_sample_size", "resolutions"] = ""
    #: Families of one word can go on with each other's unfinished latents; none where it is empty.
    hands_over: str = ""
    variants: tuple[Variant, ...] = ()
    #: Whether its images can be made to meet at their edges: a UNet and an autoencoder of
    #: convolutions.
    seamless: bool = False
    #: What LoRAs and embeddings that fit say they are for; empty where that is its own name.
    bases: tuple[str, ...] = ()
    #: Packages that its pipelines cannot do without, beside those that ninefold installs.
    packages: tuple[str, ...] = ()
    #: False for what was read off a pipeline's signature.
    in_table: bool = True

    @property
    def adapter_bases(self) -> tuple[str, ...]:
        """What LoRAs and embeddings that fit say they are for."""
        return self.bases or (self.name,)

    @property
    def loads(self) -> str:
        """The pipeline that a model is loaded as; the others are made of its parts."""
        return self.edit or self.text or self.image or self.inpaint or ""

    @property
    def classes(self) -> frozenset[str]:
        """All classes whose folders are models of this family."""
        own = (self.text, self.image, self.inpaint, self.edit)
        return frozenset((*filter(None, own), *self.also))

    @property
    def tasks(self) -> frozenset[Task]:
        """What it can start from, by diffusers or by the engine itself."""
        found: set[Task] = {task for task in TASKS if getattr(self, task) is not None}
        if "image" in found or (self.latent_start and found):
            found |= {"image", "inpaint"}
        return frozenset(found)

    def for_model(self, configs: Configs, name: str) -> tuple[Family, str]:
        """The family as it is for one model, and what that was recognised by; "" for nothing."""
        for by in ("configs", "name"):
            for variant in self.variants:
                if variant.recognised_by(configs, name) == by:
                    by_what = variant.name + (", by its name alone" if by == "name" else "")
                    own = f"{self.name} {variant.name}"
                    found = replace(self, **variant.changes)
                    return replace(found, name=own, bases=self.adapter_bases), by_what
        return self, ""
