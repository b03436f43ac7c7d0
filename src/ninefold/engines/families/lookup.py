"""Which family a model is of, by its pipeline class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from ninefold.core.errors import ModelError
from ninefold.engines.families import flux, kandinsky, stable_diffusion, transformers
from ninefold.engines.families.family import UNGUIDED, Family, Guidance

FAMILIES: tuple[Family, ...] = (
    *stable_diffusion.FAMILIES,
    *kandinsky.FAMILIES,
    *flux.FAMILIES,
    *transformers.FAMILIES,
)

#: By every class that a folder may name. A class that several families share belongs to the first.
_BY_CLASS: Mapping[str, Family] = {
    name: family for family in reversed(FAMILIES) for name in family.classes
}

#: Parameters of calls that make something else than images.
_NOT_IMAGES = frozenset({"num_frames", "video_length", "audio_length_in_s", "audio_end_in_s"})


def family_in_table(name: str) -> Family | None:
    """The family of a diffusers pipeline class; None for a class that is not in the table."""
    return _BY_CLASS.get(name)


def family_of_class(name: str) -> Family:
    """The family of a diffusers pipeline class; for one not in the table, what its signature says.

    Raises `ModelError` for a class that diffusers does not have.
    """
    return _BY_CLASS.get(name) or _generic(name)


def _generic(name: str) -> Family:
    """What a pipeline's signature says."""
    import diffusers

    found = getattr(diffusers, name, None)
    if found is None:
        raise ModelError(
            f"The model asks for the pipeline {name}, which diffusers {diffusers.__version__} does "
            "not have. Upgrade diffusers, or use another model."
        )
    accepted = inspect.signature(found.__call__).parameters

    def usual(parameter: str, otherwise: float) -> float:
        default = accepted[parameter].default if parameter in accepted else None
        return float(default) if isinstance(default, int | float) else otherwise

    guidance = next((arg for arg in ("guidance_scale", "true_cfg_scale") if arg in accepted), None)
    paints = "prompt" in accepted and not _NOT_IMAGES & accepted.keys()

    def form(task: str) -> str | None:
        form = name.replace("Pipeline", f"{task}Pipeline")
        form_class = getattr(diffusers, form, None)
        strong = form_class and "strength" in inspect.signature(form_class.__call__).parameters
        return form if strong and paints else None

    return Family(
        name=name,
        text=name if paints else None,
        image=form("Img2Img"),
        inpaint=form("Inpaint"),
        latent_start=paints and hasattr(found, "prepare_latents"),
        instead="" if paints else "makes no images from a prompt",
        native=int(usual("height", 1024)),
        patch=2,
        steps=int(usual("num_inference_steps", 30)),
        guidance=UNGUIDED
        if guidance is None
        else Guidance(
            argument=guidance,
            scale=usual(guidance, 5.0),
            takes_negative="negative_prompt" in accepted,
            blank_negative=" " if guidance == "true_cfg_scale" else None,
        ),
        in_table=False,
    )
