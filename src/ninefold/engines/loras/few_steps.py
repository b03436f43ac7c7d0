"""LoRAs that were distilled so that a model needs few steps: LCM, Lightning, Hyper and their like.

Their tensors are those of any LoRA, so they are told by what they are called: the file's name, that
of its folder or repository where the file's says nothing, and the title in its header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ninefold.engines.diffusion import ModelInfo

#: Names of files that say nothing of what is in them.
_NO_NAMES = frozenset(
    {
        "adapter-model",
        "diffusion-pytorch-model",
        "lora",
        "model",
        "pytorch-lora-weights",
        "pytorch-model",
    }
)
_COUNT = re.compile(r"(?<![0-9])([1-9]|1[0-6])-?steps?(?![a-z])")
#: Distilled from a guided model so that guidance goes on acting.
_KEEPS_GUIDANCE = re.compile(r"(?<![a-z])(?:normal)?cfg(?![a-z])")
#: Guidance above the least that acts by more than this is too much for them.
_MUCH_GUIDANCE = 1.5
#: So many times the steps that one needs are more than it gains by.
_MANY_STEPS = 4


@dataclass(frozen=True)
class _Kind:
    """A method of distilling. Names are in lower case, all but letters and digits as hyphens."""

    name: str
    #: Names of its LoRAs.
    pattern: str
    #: The sampler that it was distilled for, of those for noise schedules.
    scheduler: str
    steps: int = 4
    #: Names that are its own where they say a number of steps, too: `hyper` alone may be a style.
    with_count: str = "(?!)"


_KINDS = (
    _Kind("DMD2", r"dmd2?", "lcm"),
    _Kind("LCM", r"lcm|latent-consistency", "lcm"),
    _Kind("TCD", r"tcd", "tcd"),
    _Kind("PCM", r"pcm", "ddim_sgm_uniform"),
    _Kind(
        "Hyper",
        r"hyper-?(?:sd\w*|flux|chroma|qwen\w*)",
        "ddim_sgm_uniform",
        steps=8,
        with_count=r"hyper",
    ),
    _Kind(
        "Lightning",
        r"(?:sd\w*|xl|image|edit)-lightning",
        "euler_sgm_uniform",
        with_count=r"lightning",
    ),
    _Kind(
        "Turbo",
        r"(?:sd\w*|xl|image|edit|flux\d*|dev)-turbo|turbo-alpha",
        "euler_sgm_uniform",
        with_count=r"turbo",
    ),
)


@dataclass(frozen=True)
class FewSteps:
    """How a model is run with a LoRA that was distilled for few steps, unless told otherwise."""

    lora: str
    #: By which method it was distilled.
    kind: str
    steps: int
    #: The model's own where the LoRA leaves guidance as it is.
    guidance_scale: float
    scheduler: str
    #: Guidance above this is more than it was distilled for.
    most_guidance: float

    def applied(self, info: ModelInfo) -> ModelInfo:
        """A model with these as its usual values."""
        return replace(
            info,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            scheduler=self.scheduler,
        )

    def warnings(
        self, info: ModelInfo, steps: int | None, guidance: float | None, scheduler: str | None
    ) -> Iterator[str]:
        """What it changes of the usual values of a model, and what of those that were asked for
        does not suit it."""
        usual = (
            ("steps", steps, self.steps, info.steps),
            ("guidance_scale", guidance, self.guidance_scale, info.guidance_scale),
            ("scheduler", scheduler, self.scheduler, info.scheduler),
        )
        changed = [
            f"{name} {_shown(now)} instead of {_shown(before)}"
            for name, asked, now, before in usual
            if asked is None and now != before
        ]
        what = f"LoRA {self.lora!r} was distilled for few steps ({self.kind}, by its name)"
        if changed:
            yield f"{what}: {', '.join(changed)}. Set them for other values."
        much = []
        if steps is not None and steps >= _MANY_STEPS * self.steps:
            much.append(f"steps {steps} are more than it gains by, {self.steps} are usual")
        if guidance is not None and guidance > self.most_guidance:
            much.append(
                f"guidance_scale {guidance:g} makes colours harsh, {self.guidance_scale:g} is usual"
            )
        if much:
            yield f"{what}: {'; '.join(much)}."


def few_steps(lora: str, names: Sequence[str], model: ModelInfo) -> FewSteps | None:
    """What a LoRA makes of a model's usual values; None for one that was not distilled, and for a
    model that needs no more steps without it.

    `lora` is what the request calls it, and `names` are what it is called by its file and header:
    see `DiffusionEngine.lora_names`.
    """
    texts = [_telling(name) for name in names]
    for text in texts:
        if (kind := _kind(text)) is not None:
            break
    else:
        return None
    count, family = _COUNT.search(text), model.family
    steps = int(count[1]) if count else kind.steps
    if kind.name == "Turbo" and not count and family.guidance.kind == "embedded":
        steps = 8  # FLUX
    if steps >= model.steps:
        return None
    guidance = family.guidance
    acts = guidance.kind == "classifier_free" and not _KEEPS_GUIDANCE.search(text)
    return FewSteps(
        lora=lora,
        kind=kind.name,
        steps=steps,
        guidance_scale=guidance.off if acts else model.guidance_scale,
        scheduler=kind.scheduler if model.scheduler_kind == "noise" else model.scheduler,
        most_guidance=guidance.off + _MUCH_GUIDANCE if acts else float("inf"),
    )


def _kind(text: str) -> _Kind | None:
    counted = _COUNT.search(text) is not None
    for kind in _KINDS:
        patterns = (kind.pattern, *((kind.with_count,) if counted else ()))
        if any(re.search(rf"(?<![a-z0-9])(?:{each})(?![a-z])", text) for each in patterns):
            return kind
    return None


def _telling(name: str) -> str:
    """What of a path says what a file is: its last part, or all where that says nothing."""
    own = _plain(name.rpartition("/")[2])
    return _plain(name) if own in _NO_NAMES else own


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
