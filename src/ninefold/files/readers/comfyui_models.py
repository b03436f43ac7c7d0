"""Models in ComfyUI's graphs: from a sampler back to what loaded its model, past LoRAs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ninefold.files.readers.comfyui_graph import Link, Node
from ninefold.files.readers.comfyui_text import Texts
from ninefold.files.readers.generation import UsedLora
from ninefold.files.readers.values import as_list, as_number, as_text, read_object

#: Inputs in which loaders of diffusion models name their file.
_NAMES = (
    *("ckpt_name", "unet_name", "base_ckpt_name", "gguf_name", "model_name", "model_path"),
    *("checkpoint", "diffusion_name", "repo_id"),
)
_STACKED = re.compile(r"lora_(?:name_)?(\d{1,3})")
_MAX_CHAIN = 300


def followed_model(texts: Texts, link: Link | None) -> tuple[str, tuple[UsedLora, ...]]:
    """The file's name of the model that a link brings, and the LoRAs on its way, the first first.

    Nodes that patch the model are passed, and not marked as used.
    """
    loras: list[UsedLora] = []
    seen: set[str] = set()
    node = texts.graph.node(link)
    while node is not None and node.id not in seen and len(seen) < _MAX_CHAIN:
        seen.add(node.id)
        if found := tuple(_loras(texts, node, seen)):
            texts.used.add(node.id)
            loras[:0] = found
        name = next((text for n in _NAMES if (text := texts.text(node.inputs.get(n)))), "")
        upstream = node.link(
            "model", "model1", "base_model", "unet", "pipe", "basic_pipe", "model_"
        )
        if name and upstream is None:
            texts.used.add(node.id)
            return name, tuple(loras)
        node = texts.graph.node(upstream)
    return "", tuple(loras)


def _loras(texts: Texts, node: Node, seen: set[str]) -> Iterator[UsedLora]:
    """The LoRAs that a node applies: its stack's first."""
    stack = texts.graph.node(node.link("lora_stack", "optional_lora_stack"))
    if stack is not None and stack.id not in seen and len(seen) < _MAX_CHAIN:
        seen.add(stack.id)
        texts.used.add(stack.id)
        yield from _loras(texts, stack, seen)
    inputs = node.inputs
    if "lora_name" in inputs:
        model = texts.number(node, "strength_model", "lora_model_strength", "strength", "lora_wt")
        encoder = texts.number(node, "strength_clip", "lora_clip_strength")
        yield from _lora(texts.text(inputs["lora_name"]), model, encoder)
    yield from _listed(inputs)
    count = texts.whole(node, "lora_count", "num_loras")
    for name, value in inputs.items():
        match = _STACKED.fullmatch(name)
        if match is None or (count is not None and int(match[1]) > count):
            continue
        number = match[1]
        if isinstance(value, Mapping):
            if value.get("on", True) is True:
                model, encoder = (
                    as_number(value.get("strength")),
                    as_number(value.get("strengthTwo")),
                )
                yield from _lora(as_text(value.get("lora")), model, encoder)
        elif as_text(inputs.get(f"switch_{number}", "On")) == "On":
            simple = texts.text(inputs.get("input_mode")) != "advanced"
            names = [f"{word}_{number}" for word in ("lora_wt", "strength", "weight")]
            both = [f"{word}_{number}" for word in ("model_weight", "model_str", "strength_model")]
            clip = [f"{word}_{number}" for word in ("clip_weight", "clip_str", "strength_clip")]
            order = (*names, *both) if simple else (*both, *names)
            encoder = None if simple and names[0] in inputs else texts.number(node, *clip)
            yield from _lora(texts.text(value), texts.number(node, *order), encoder)


def _listed(inputs: Mapping[str, object]) -> Iterator[UsedLora]:
    """A list of them, as nodes with a table of LoRAs hold it."""
    for item in map(read_object, as_list(inputs.get("loras"))):
        if item.get("active", True) is True:
            encoder = as_number(item.get("clipStrength"))
            yield from _lora(as_text(item.get("name")), as_number(item.get("strength")), encoder)


def _lora(name: str, model: float | None, encoder: float | None) -> Iterator[UsedLora]:
    """None where the name is none, or its weights are both 0."""
    if name in ("", "None", "none") or (model == 0 and encoder in (0, None)):
        return
    yield UsedLora(name, model, None if encoder in (model, None) else encoder)
