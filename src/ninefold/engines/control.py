"""Control: models that steer a diffusion model by a picture (ControlNet, T2I-Adapter, IP-Adapter).

They run inside calls of a diffusion model, so their engines say what they are, and the engine of
the diffusion model runs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ninefold.engines.control_table import ControlPipelines, control_pipelines
from ninefold.engines.faults import FakeModels, fake_hash
from ninefold.engines.generation_record import UsedControl
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.imaging.types import Pixels

ControlKind = Literal["controlnet", "t2i_adapter", "ip_adapter"]

#: Sizes of networks by the names that their configs have for them.
Widths = tuple[tuple[str, int | tuple[int, ...]], ...]

KIND_NAMES: dict[ControlKind, str] = {
    "controlnet": "ControlNet",
    "t2i_adapter": "T2I-Adapter",
    "ip_adapter": "IP-Adapter",
}


#: What to do where both are asked for.
WITH_REFERENCES = "Leave out the control or the reference images."


@dataclass(frozen=True)
class Control:
    """One picture that a request is steered by, and the model that reads it.

    Equal where they act alike: the pixels are compared by their `digest`.
    """

    model: str
    #: Of the request's size for a ControlNet or T2I-Adapter, of any size for an IP-Adapter.
    image: Pixels = field(repr=False, compare=False)
    #: 0 (none) to 2; 1 is as trained.
    strength: float = 1.0
    #: The part of the steps in which it acts, 0 to 1.
    start: float = 0.0
    end: float = 1.0
    #: What the picture shows, for a union model.
    mode: str | None = None
    #: How the picture was made of the source.
    preprocess: str = "none"
    #: SHA-256 of the file that the picture was made from, in hex.
    source: str = ""
    #: SHA-256 of the pixels, in hex.
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        shape = repr(self.image.shape).encode()
        digest = hashlib.sha256(shape + self.image.tobytes()).hexdigest()
        object.__setattr__(self, "digest", digest)


@dataclass(frozen=True)
class ControlInfo:
    """What is known of a control model before it is loaded."""

    name: str
    #: The SHA-256 over the weights, in hex.
    hash: str
    kind: ControlKind
    #: Class of the network in diffusers; `IPAdapter` for those.
    network: str
    #: Families that it may belong to, as `ControlPipelines.base` names them.
    bases: tuple[str, ...]
    #: What a diffusion model's network must agree in.
    widths: Widths = ()
    #: What its pictures may show, where it was trained on several kinds.
    modes: tuple[str, ...] = ()

    def __str__(self) -> str:
        families = " or ".join(self.bases) or "an unknown family"
        return f"{self.name} ({KIND_NAMES[self.kind]} for {families})"


@dataclass(frozen=True)
class ControlBase:
    """What control models must fit of a diffusion model; `widths` holds what its files say."""

    #: As `ControlPipelines.base` names it.
    family: str
    widths: Widths = ()


def without_effect(control: Control, info: ControlInfo, steps: int) -> Iterator[str]:
    """Why an entry did not act in a call that ran `steps` steps, as a warning.

    diffusers lets it act in each step that lies between `start` and `end` as a whole; a T2I-Adapter
    in the first ones.
    """
    if control.strength == 0:
        yield f"control: {info.name} did not act, for its strength is 0."
        return
    if info.kind == "t2i_adapter":
        acts = int(steps * control.end) > 0
    else:
        acts = any(
            control.start <= index / steps and (index + 1) / steps <= control.end
            for index in range(steps)
        )
    if steps and not acts:
        yield (
            f"control: {info.name} did not act, for no whole step of the {steps} that ran lies "
            f"between {control.start:g} and {control.end:g} of them. Widen them, or raise the "
            "steps."
        )


def used_control(control: Control, info: ControlInfo) -> UsedControl:
    """What the metadata says of an entry that acted."""
    return UsedControl(
        model=info.name,
        hash=info.hash,
        kind=info.kind,
        image=control.source or control.digest,
        strength=control.strength,
        start=control.start,
        end=control.end,
        mode=control.mode,
        preprocess=control.preprocess,
    )


class ControlEngine(Engine, Protocol):
    """Knows control models; diffusion engines run them."""

    def info(self, model: str) -> ControlInfo:
        """What is known of `model`, without loading it; raises `ModelError`."""


@dataclass(frozen=True)
class AskedControl:
    """An entry of a request as it is checked before there are pixels."""

    info: ControlInfo
    start: float = 0.0
    end: float = 1.0
    mode: str | None = None


def control_problems(
    name: str, base: ControlBase | None, asked: Sequence[AskedControl]
) -> Iterator[tuple[int, str]]:
    """Why the diffusion model called `name` cannot be steered so: the entry's number and a
    sentence each."""
    if not asked:
        return
    if base is None:
        yield 0, f"{name} cannot be steered by pictures. Leave `control` out, or use another model."
        return
    fitting: list[tuple[int, AskedControl, ControlPipelines]] = []
    for number, item in enumerate(asked):
        pipelines = control_pipelines(base.family, item.info.network)
        if base.family not in item.info.bases or pipelines is None:
            yield (
                number,
                f"{item.info} does not fit {name}, a model of the family {base.family}. Use one "
                f"made for {base.family}.",
            )
        elif misfit := misfits(item.info.widths, base.widths):
            yield (
                number,
                f"{item.info} does not fit {name}: {misfit}. Use one made for this model.",
            )
        else:
            fitting.append((number, item, pipelines))
            yield from ((number, text) for text in _entry_problems(item, pipelines))
    yield from _problems_together(name, fitting)


def misfits(widths: Widths, base: Widths) -> str:
    """How the sizes of two networks differ, of those that both name; empty where they agree."""
    known = dict(base)
    found = []
    for key, value in widths:
        other = known.get(key)
        if other is None or other == value:
            continue
        if isinstance(value, tuple) and isinstance(other, tuple):
            shared = min(len(value), len(other))
            if value[:shared] == other[:shared]:
                continue
        found.append(f"its {key} is {value}, the model's {other}")
    return ", ".join(found)


def _entry_problems(item: AskedControl, pipelines: ControlPipelines) -> Iterator[str]:
    info = item.info
    if item.start > 0 and not pipelines.starts:
        yield f"start: {info} acts from the first step on. Leave it out."
    if item.end < 1 and not pipelines.ends:
        yield f"end: {info} acts to the last step. Leave it out."
    if info.modes and item.mode is None:
        yield f"mode: expected one of {', '.join(info.modes)}, for {info.name} is a union model."
    elif item.mode is not None and not info.modes:
        yield f"mode: {info.name} is no union model, it has one mode alone. Leave it out."
    elif item.mode is not None and item.mode not in info.modes:
        yield f"mode: {info.name} does not know {item.mode!r}, only {', '.join(info.modes)}."


def _problems_together(
    name: str, fitting: Sequence[tuple[int, AskedControl, ControlPipelines]]
) -> Iterator[tuple[int, str]]:
    """What entries that each fit cannot do side by side."""
    steering = [entry for entry in fitting if entry[1].info.kind != "ip_adapter"]
    adapters = [entry for entry in fitting if entry[1].info.kind == "ip_adapter"]
    for group in (steering, adapters):
        if len(group) < 2:
            continue
        number, item, pipelines = group[1]
        first = group[0][1].info
        if item.info.network != first.network:
            yield number, f"{item.info} cannot be used beside {first} on {name}. Leave one out."
        elif not pipelines.several:
            yield number, f"{name} takes one {KIND_NAMES[first.kind]} at a time. Leave one out."
        elif first.kind == "t2i_adapter" and len({entry[1].end for entry in group}) > 1:
            yield number, "end: T2I-Adapters of one image end together. Give them the same `end`."
    if steering and adapters and not steering[0][2].with_ip_adapter:
        yield (
            adapters[0][0],
            f"{adapters[0][1].info} cannot be used beside {steering[0][1].info} here. Leave one "
            "out.",
        )


@dataclass(frozen=True)
class FakeControl(FakeModels):
    """Control models of the fake diffusion model, which paints another picture with each."""

    names = ("edges", "union", "style")
    digest = fake_hash(3)

    def info(self, model: str) -> ControlInfo:
        """`edges` and `union` are ControlNets, `style` an IP-Adapter; raises `ModelError`."""
        self.check(model)
        if model == "style":
            return ControlInfo(model, self.digest, "ip_adapter", "IPAdapter", (FAKE_FAMILY,))
        network = "ControlNetUnionModel" if model == "union" else "ControlNetModel"
        modes = ("canny", "depth") if model == "union" else ()
        return ControlInfo(model, self.digest, "controlnet", network, (FAKE_FAMILY,), modes=modes)


#: What the fake diffusion model says it is.
FAKE_FAMILY = "StableDiffusionXL"

CONTROL: EngineKind[ControlEngine] = EngineKind("control", ControlEngine, runs="", fake=FakeControl)
