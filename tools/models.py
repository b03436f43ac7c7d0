"""Writes docs/models.md from the table of families: `python -m tools.models`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ninefold.engines.capabilities import starts_by
from ninefold.engines.control_table import NETWORKS, base_of_class, control_pipelines
from ninefold.engines.families import FAMILIES, Family, Guidance, Variant
from ninefold.engines.file_kinds import KINDS
from ninefold.engines.sampler_names import scheduler_names
from ninefold.engines.sampler_table import SAMPLERS
from ninefold.model_catalog import NUMBER_BYTES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"

HEAD = """# Models, family by family

Made by `make docs` from the table that runs them. `ninefold models show NAME` says the same of one
model, with what its own configs add. How to bring models is in [Your models](howto/models.md), what
samplers are called in [Samplers](reference/samplers.md), how control works in the
[reference of stages](reference/stages.md).

Every value below holds where nothing else is said; `--size`, `--steps`, `--guidance` and
`--scheduler` say it. What is asked for and does not act is a warning in the metadata, never
silence; what a model cannot do is refused before anything runs.

## At a glance

*Starts from an image* says who does it: a pipeline of diffusers, or ninefold itself by encoding the
image and running the rest of the schedule. *Guidance* is the usual scale; *embedded* means that the
network was trained on it, so that it costs no second pass and no negative prompt acts; where
`true_cfg_scale` is said to, a stage's parameter of that name above 1 makes the second pass.
"""

MEMORY = """## Memory

What weights take, by the number of parameters and the number format, in GB. A model is its
network, its text encoders and its autoencoder together; `ninefold models show` adds them up.
Working memory comes on top; it grows with the area of the image and with the batch.
"""

SINGLE = """## Single files

A `.safetensors` or `.gguf` file is recognised by its tensors. What it lacks (text encoders,
autoencoder, tokenizers) comes from a folder or hub name after `--components`, from a fitting model
in the hub's cache, or is fetched where NINEFOLD_ALLOW_DOWNLOAD allows.

| a file of | is run as | its other components fit, say, from |
|---|---|---|"""

_COUNTS = (1, 2.6, 4, 6, 8, 12, 20, 32)


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            HEAD,
            *_overview(),
            "",
            MEMORY,
            *_memory(),
            "",
            *_schedulers(),
            "",
            SINGLE,
            *_single_files(),
            "",
            "## Each family",
            "",
            *(line for family in FAMILIES for line in _section(family)),
        ]
    )


def _overview() -> Iterator[str]:
    columns = ("family", "size", "steps", "guidance", "negative prompt", "starts from an image")
    yield f"| {' | '.join((*columns, 'edits', 'control'))} |"
    yield "|---" * (len(columns) + 2) + "|"
    for family in FAMILIES:
        cells = (
            f"[{family.name}](#{_anchor(family.name)})",
            f"{family.native}",
            f"{family.steps}",
            _guidance(family.guidance),
            _negative(family.guidance, "acts"),
            starts_by(family, "image") or "no",
            "yes" if "edit" in family.tasks else "",
            "yes" if _controls(family) else "",
        )
        yield f"| {' | '.join(cells)} |"


def _section(family: Family) -> Iterator[str]:
    yield f"### {family.name}\n"
    if family.text is None and family.instead:
        yield f"It {family.instead}.\n"
    rows = {
        "size": _size(family),
        "steps": f"{family.steps}" + (f", at most {family.max_steps}" if family.max_steps else ""),
        "guidance": _guidance_sentence(family.guidance),
        "negative prompt": _negative(family.guidance, "acts where guidance does"),
        "prompt": "of any length, in chunks"
        if family.prompt_tokens is None
        else f"the first {family.prompt_tokens} tokens act",
        "samplers": _KINDS[family.scheduler],
        "number format on a GPU": family.dtype,
        "from a prompt": _by(family, "text"),
        "from an image": _by(family, "image"),
        "inside a mask": _by(family, "inpaint"),
        "from reference images": _by(family, "edit")
        + (f", up to {family.references}" if family.edit and family.references > 1 else ""),
        "LoRAs, embeddings": f"those for {' or '.join(family.adapter_bases)}",
        "control": ", ".join(_controls(family)) or "none",
    }
    yield "| | |"
    yield "|---|---|"
    for label, text in rows.items():
        yield f"| {label} | {text} |"
    yield ""
    if family.variants:
        yield "Told apart by configs, or else by a word in the name:\n"
        for variant in family.variants:
            yield f"- **{variant.name}**{_told_by(variant)}: {_changes(family, variant)}"
        yield ""


def _size(family: Family) -> str:
    own = ", unless its config says another" if family.sample_size else ""
    area = f"; at most {family.max_area:,} pixels in all" if family.max_area else ""
    multiple = family.latent_scale * family.patch
    return f"{family.native}x{family.native}{own}; sides in steps of {multiple}{area}"


def _guidance(guidance: Guidance) -> str:
    if guidance.kind == "none":
        return "none"
    return f"{guidance.scale:g}{', embedded' if guidance.kind == 'embedded' else ''}"


def _guidance_sentence(guidance: Guidance) -> str:
    if guidance.kind == "none":
        return "none: a scale does not act"
    if guidance.kind == "embedded":
        return f"{guidance.scale:g}, embedded"
    return f"{guidance.scale:g}; acts above {guidance.off:g}, and then costs a second pass"


def _negative(guidance: Guidance, acts: str) -> str:
    if guidance.kind == "classifier_free" and guidance.takes_negative:
        return acts
    return "acts with `true_cfg_scale`" if guidance.true_cfg_argument else "does not act"


_KINDS = {
    "noise": "those for noise schedules",
    "zero_snr": "those for noise schedules that end without signal",
    "flow": "those for flow matching",
    "own": "its own alone",
}


def _by(family: Family, task: str) -> str:
    name = getattr(family, task)
    if name is not None:
        return f"`{name}`"
    return "by ninefold itself" if task in family.tasks else "no"


def _controls(family: Family) -> list[str]:
    base = base_of_class(family.text or family.loads)
    names = (*NETWORKS, "IPAdapter")
    return [f"`{name}`" for name in names if base and control_pipelines(base, name)]


def _told_by(variant: Variant) -> str:
    words = " or ".join(f"`{word}`" for word in variant.words)
    return f" ({words})" if words else ""


def _changes(family: Family, variant: Variant) -> str:
    """What is other than of the family, in words."""
    said = []
    for name, value in variant.changes.items():
        if isinstance(value, Guidance):
            said.append(f"guidance {_guidance_sentence(value)}")
        elif name == "native":
            said.append(f"{value}x{value}")
        elif name == "steps":
            said.append(f"{value} steps")
        elif name == "prompt_tokens":
            said.append(f"{value} tokens")
        elif name == "instead":
            said.append(f"it {value}")
        elif name == "scheduler":
            said.append(f"samplers: {_KINDS[value]}")
    return "; ".join(said) or f"run as {family.name}"


def _memory() -> Iterator[str]:
    yield f"| parameters | {' | '.join(NUMBER_BYTES)} |"
    yield f"|---|{'---|' * len(NUMBER_BYTES)}"
    for count in _COUNTS:
        sizes = (f"{count * size:.1f}" for size in NUMBER_BYTES.values())
        yield f"| {count:g} billion | {' | '.join(sizes)} |"


def _schedulers() -> Iterator[str]:
    yield "## Samplers\n"
    yield "Those that fit by what a model was trained for; most also take a schedule, such as"
    yield "`euler_karras`. Other tools' names are understood, too: see"
    yield "[Samplers](reference/samplers.md).\n"
    for kind in ("noise", "zero_snr", "flow"):
        fitting = set(scheduler_names(kind))
        names = ", ".join(f"`{name}`" for name in SAMPLERS if name in fitting)
        yield f"- {_KINDS[kind]}: {names}"


def _single_files() -> Iterator[str]:
    for kind in KINDS:
        repository = kind.repositories[0] if kind.repositories else ""
        yield f"| {kind.name} | `{kind.pipeline_class}` | `{repository}` |"


def _anchor(name: str) -> str:
    """The anchor that a heading gets on GitHub."""
    kept: Iterable[str] = (c for c in name.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
