"""ComfyUI: the sampler is found by walking back from the image that was saved.

Text chunks `prompt` (the graph that ran) and `workflow` (the editor's); the same in EXIF for WebP
and JPEG. Source: `nodes.py` and `comfy_extras` of ComfyUI.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.comfyui_graph import Graph, Link, Node, read_api_graph, read_workflow
from ninefold.files.readers.comfyui_models import followed_model
from ninefold.files.readers.comfyui_sampling import Sampling, is_sampler, sampling_of
from ninefold.files.readers.comfyui_text import Texts
from ninefold.files.readers.generation import (
    DetailerPass,
    Generation,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedControl,
    UsedLora,
    two_scales,
)
from ninefold.files.readers.values import as_text, read_object, shown

#: Inputs by which images and latents come, the commonest first.
_IMAGES = (
    *("images", "image", "samples", "latent_image", "latent", "pixels", "latents", "image1"),
    *("upscaled_image", "optional_latent", "input", "any", "image_a", "base_image", "LATENT"),
    *("source", "destination", "value", "input1"),
)
#: Most passes that are told apart, and most nodes without a counterpart that are named.
_MAX_PASSES, _MAX_NAMED = 8, 60
#: Beginnings of types that say nothing of their own about an image.
_NEUTRAL = (
    *("VAE", "CLIPLoader", "DualCLIP", "TripleCLIP", "QuadrupleCLIP", "Save", "Preview", "Empty"),
    *("Image Save", "CLIPTextEncode", "ConditioningZeroOut", "Image Comparer", "LoadImage"),
    *("GetImageSize", "Display", "ShowText", "easy show", "SAMLoader", "CLIPVisionLoader"),
)


@dataclass
class _Pass:
    """A sampler, and the nodes between it and what took its image."""

    node: Node
    sampling: Sampling
    after: list[Node] = field(default_factory=list)


def read_comfyui(carriers: Carriers) -> Generation | None:
    """What the graph says of the image; None where the file holds none."""
    comment = read_object(carriers.comment)
    prompt = read_object(carriers.texts.get("prompt") or comment.get("prompt")) or comment
    graph = read_api_graph(prompt)
    if graph is not None and (found := _read(graph)) is not None:
        return found
    workflow = read_object(carriers.texts.get("workflow") or comment.get("workflow")) or comment
    drawn = read_workflow(workflow)
    if drawn is not None and (found := _read(drawn)) is not None:
        return found
    if graph is None and drawn is None:
        return None
    where = graph or drawn or Graph()
    names = ", ".join(sorted({node.type for node in where.nodes.values()}))
    return Generation(
        tool="ComfyUI",
        dialect="comfyui",
        other={"nodes": shown(f"no sampler leads to an image that is saved: {names}")},
    )


def _read(graph: Graph) -> Generation | None:
    """The image of the last node that saves one and has a sampler before it."""
    consumed = graph.consumed()
    last = [node for node in graph.nodes.values() if node.id not in consumed]
    last.sort(key=lambda node: ("save" in node.type.lower(), "preview" in node.type.lower()))
    for node in reversed(last[-200:]):
        texts = Texts(graph)
        if passes := _passes(texts, node):
            return _generation(texts, node, passes)
    return None


def _passes(texts: Texts, end: Node) -> list[_Pass]:
    """The samplers of an image, the last first."""
    found: list[_Pass] = []
    seen: set[str] = {end.id}
    start = end
    while len(found) < _MAX_PASSES:
        sampler, between = _next_sampler(texts.graph, start, seen)
        if sampler is None:
            if found:
                found[-1].sampling = replace(found[-1].sampling, before=tuple(between))
            break
        seen.add(sampler.id)
        found.append(_Pass(sampler, sampling_of(texts, sampler), between))
        start = sampler
    return found


def _next_sampler(graph: Graph, start: Node, seen: set[str]) -> tuple[Node | None, list[Node]]:
    """The nearest sampler before a node, by images and latents; and the nodes between, the last
    first. Without one, all that lies before."""
    waiting: deque[Node] = deque([start])
    came_from: dict[str, Node] = {}
    visited: list[Node] = []
    while waiting:
        node = waiting.popleft()
        links = [link for name in _IMAGES if (link := node.link(name)) is not None]
        if not links and node is start and not is_sampler(node):
            links = [link for _, link in node.links()]
        for link in links:
            other = graph.node(link)
            if other is None or other.id in seen or other.id in came_from:
                continue
            came_from[other.id] = node
            if is_sampler(other):
                return other, list(_way(came_from, other, start))
            visited.append(other)
            waiting.append(other)
    return None, visited


def _way(came_from: Mapping[str, Node], to: Node, start: Node) -> Iterator[Node]:
    """The nodes on the way from `to` to `start`, neither counted, those next to `start` first."""
    way = []
    node = came_from[to.id]
    while node is not start:
        way.append(node)
        node = came_from[node.id]
    return reversed(way)


def _generation(texts: Texts, end: Node, passes: list[_Pass]) -> Generation:
    first = passes[-1].sampling
    other: dict[str, str] = {}
    model, loras = followed_model(texts, first.model)
    prompt = texts.prompt(first.positive, "positive")
    negative = texts.prompt(first.negative, "negative")
    guidance, true_cfg = two_scales(first.guidance_scale, _embedded_guidance(texts))
    width, height = _size(texts, first)
    source = _source(first)
    texts.used |= {end.id, *(item.node.id for item in passes)}
    refiner, hires = _second(texts, passes, (width, height), model, other)
    upstream = _upstream(texts.graph, end)
    found = Generation(
        tool="ComfyUI",
        dialect="comfyui",
        prompt=prompt,
        negative_prompt=negative,
        seed=first.seed,
        steps=first.steps,
        guidance_scale=guidance,
        true_cfg_scale=true_cfg,
        sampler=first.sampler,
        schedule=first.schedule,
        width=width,
        height=height,
        strength=first.denoise if source else None,
        source=source,
        model=NamedModel(model),
        vae=_named(texts, upstream, "vae_name"),
        clip_skip=_clip_skip(texts, upstream),
        loras=_each_once(loras),
        refiner=refiner,
        hires=hires,
        detailers=tuple(_detailers(texts, upstream)),
        controls=tuple(_controls(texts, upstream)),
    )
    if not source and first.denoise not in (None, 1):
        other["denoise"] = f"{first.denoise:g}"  # of noise alone
    for node in first.before:
        if (batch := texts.whole(node, "batch_size")) is not None and batch > 1:
            other["batch_size"] = str(batch)  # which of them it is the file does not say
    other |= dict(islice(texts.unread.items(), _MAX_NAMED))
    other |= _without_counterpart(texts, upstream)
    if texts.graph.problems:
        other["graph"] = "; ".join(dict.fromkeys(texts.graph.problems))
    return replace(found, other=other)


def _second(
    texts: Texts,
    passes: list[_Pass],
    size: tuple[int | None, int | None],
    model: str,
    other: dict[str, str],
) -> tuple[RefinerPass | None, HiresPass | None]:
    """What came after the first pass: a model that took over its steps, or an enlargement and what
    painted over it."""
    refiner: RefinerPass | None = None
    first = passes[-1].sampling
    enlarged = _enlargement(texts, passes[-1].after, size)
    hires = None if enlarged is None else HiresPass(**enlarged)
    done = False
    for number, item in enumerate(reversed(passes[:-1]), 2):
        later = item.sampling
        name, _ = followed_model(texts, later.model)
        after = _enlargement(texts, item.after, size)
        if refiner is None and later.start and later.start == first.end and first.steps:
            if name != model:
                refiner = RefinerPass(NamedModel(name), later.start / first.steps)
            enlarged = after or enlarged
            hires = None if enlarged is None else HiresPass(**enlarged)
        elif not done:
            whole = {**(after or {}), **(enlarged or {}), **item.sampling.own_enlargement}
            hires = HiresPass(
                **{"factor": None if whole.get("width") else 1.0, **whole},
                strength=later.denoise,
                steps=later.steps,  # all of them run, whatever the strength
                guidance_scale=later.guidance_scale,
                sampler=later.sampler,
                schedule=later.schedule,
                model="" if name == model else name,
                **_other_prompts(texts, first, later),
            )
            done = True
        else:
            other[f"pass {number}"] = shown(later.summary())
    return refiner, hires


def _other_prompts(texts: Texts, first: Sampling, later: Sampling) -> dict[str, Any]:
    """The prompts of a later pass where they are others than the first one's."""
    found: dict[str, Any] = {}
    for name, key in (("positive", "prompt"), ("negative", "negative_prompt")):
        own, before = getattr(later, name), getattr(first, name)
        if own != before and own is not None:
            text = texts.prompt(own, "positive" if name == "positive" else "negative")
            same = texts.prompt(before, "positive" if name == "positive" else "negative")
            if text and text != same:
                found[key] = text
    return found


def _enlargement(
    texts: Texts, nodes: list[Node], size: tuple[int | None, int | None]
) -> dict[str, Any] | None:
    """How much nodes between two passes enlarge, and by which model."""
    found: dict[str, Any] = {}
    for node in nodes:
        if (loader := texts.graph.node(node.link("upscale_model"))) is not None:
            texts.used |= {node.id, loader.id}
            found["upscaler"] = as_text(loader.inputs.get("model_name"))
        factor = texts.number(node, "scale_by", "upscale_by", "rescale_factor")
        width, height = texts.whole(node, "width"), texts.whole(node, "height")
        if factor is not None:
            texts.used.add(node.id)
            found.setdefault("factor", factor)
        elif "scale" in node.type.lower() and width and height and size[0]:
            texts.used.add(node.id)
            found |= {"width": width, "height": height} if "width" not in found else {}
    return found or None


def _size(texts: Texts, first: Sampling) -> tuple[int | None, int | None]:
    """The size of the empty latent that the first pass began with."""
    names = (("width", "height"), ("empty_latent_width", "empty_latent_height"))
    for node in first.before:
        for across, down in names:
            width, height = texts.whole(node, across), texts.whole(node, down)
            if width and height:
                texts.used.add(node.id)
                return width, height
    return None, None


def _source(first: Sampling) -> str:
    """The name of the image that the first pass began with."""
    for node in first.before:
        if "LoadImage" in node.type or "Load Image" in node.type:
            return as_text(node.inputs.get("image")) or node.type
    return ""


def _embedded_guidance(texts: Texts) -> float | None:
    """The guidance that FLUX takes with the prompt."""
    for key in list(texts.used):
        node = texts.graph.nodes.get(key)
        if node is not None and "guidance" in node.inputs:
            return texts.number(node, "guidance")
    return None


def _upstream(graph: Graph, end: Node) -> list[Node]:
    """Every node that the image hangs on, the nearest first."""
    seen, order = {end.id}, [end]
    for node in order:
        for _, link in node.links():
            other = graph.node(link)
            if other is not None and other.id not in seen:
                seen.add(other.id)
                order.append(other)
    return order


def _named(texts: Texts, nodes: list[Node], name: str) -> str:
    for node in nodes:
        text = as_text(node.inputs.get(name))
        if text and text not in ("Baked VAE", "None", "pixel_space"):
            texts.used.add(node.id)
            return text
    return ""


def _clip_skip(texts: Texts, nodes: list[Node]) -> int | None:
    for node in nodes:
        layer = texts.whole(node, "stop_at_clip_layer", "clip_skip")
        if layer is not None:
            texts.used.add(node.id)
            return abs(layer) or None
    return None


def _detailers(texts: Texts, nodes: list[Node]) -> Iterator[DetailerPass]:
    """Detailers of the Impact Pack, the first first."""
    for node in reversed(nodes):
        detector = texts.graph.node(node.link("bbox_detector", "segm_detector_opt"))
        if detector is None or "Detailer" not in node.type:
            continue
        texts.used |= {node.id, detector.id}
        prompt = texts.text(node.inputs.get("wildcard"))
        yield DetailerPass(
            detector=as_text(detector.inputs.get("model_name")) or detector.type,
            prompt=prompt,
            confidence=texts.number(node, "bbox_threshold"),
            strength=texts.number(node, "denoise"),
            steps=texts.whole(node, "steps"),
            guidance_scale=texts.number(node, "cfg"),
            sampler=texts.text(node.inputs.get("sampler_name")),
            schedule=texts.text(node.inputs.get("scheduler")),
            dilate=texts.whole(node, "bbox_dilation"),
            blur=texts.number(node, "feather"),
        )


def _controls(texts: Texts, nodes: list[Node]) -> Iterator[UsedControl]:
    for node in reversed(nodes):
        loader = texts.graph.node(node.link("control_net"))
        if loader is None:
            continue
        inner = texts.graph.node(loader.link("control_net"))  # a union model's type is set between
        named = inner or loader
        texts.used |= {node.id, loader.id, named.id}
        yield UsedControl(
            model=as_text(named.inputs.get("control_net_name")) or named.type,
            preprocess=as_text(loader.inputs.get("type")) if inner is not None else "",
            strength=texts.number(node, "strength"),
            start=texts.number(node, "start_percent"),
            end=texts.number(node, "end_percent"),
        )


def _each_once(loras: tuple[UsedLora, ...]) -> tuple[UsedLora, ...]:
    return tuple({lora.name: lora for lora in loras}.values())


def _without_counterpart(texts: Texts, nodes: list[Node]) -> dict[str, str]:
    """The nodes that the image hangs on and that nothing was made of."""
    found: dict[str, str] = {}
    for node in nodes:
        if node.id in texts.used or node.type.startswith(_NEUTRAL):
            continue
        if len(found) == _MAX_NAMED:
            found["nodes"] = "and others"
            break
        values = {n: item for n, item in node.inputs.items() if not isinstance(item, Link)}
        found[f"node {node.id} {node.type}"[:200]] = shown(values)
    return found
