"""What kind of model a file holds, by the names and shapes of its tensors."""

from __future__ import annotations

import re

from ninefold.engines.local_models.places import Kind
from ninefold.engines.weight_headers import WeightsHeader

#: Names that only files of one kind hold; the first kind that fits counts. A control network is
#: built like the network that it steers, and a checkpoint holds an autoencoder and text encoders,
#: so those that tell more come first.
_MARKS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "lora",
        re.compile(
            r".*(\.|_)(lora_(up|down|A|B|mid)|lora\.(up|down)|hada_w[12]_[ab]|lokr_w[12](_[ab])?"
            r"|oft_blocks|oft_diag|dora_scale|to_[qkv]_lora|lora_linear_layer|diff_b)(\.|$).*"
            r"|.*\.processor\.\w*_lora\.(up|down)\..*"
        ),
    ),
    (
        "control",
        re.compile(
            r"(control_model|ip_adapter|image_proj|adapter\.body|controlnet_\w+|control_\w+)\..*"
            r"|.*(zero_convs|input_hint_block|controlnet_cond_embedding|controlnet_blocks"
            r"|controlnet_x_embedder|controlnet_down_blocks|lora_controlnet)(\.|$).*"
            r"|body\.\d+\.(block[12]|in_conv|resnets)\..*"
        ),
    ),
    ("embedding", re.compile(r"emb_params|string_to_param(\.\*)?|clip_[lg]|t5xxl|<[^<>]+>")),
    (
        "diffusion",
        re.compile(
            r"(model\.diffusion_model|diffusion_model|unet|transformer(?!\.resblocks)|net)\..*"
            r"|(double_blocks|single_blocks|joint_blocks|double_stream_blocks|transformer_blocks"
            r"|single_transformer_blocks|noise_refiner|context_refiner|down_blocks|input_blocks"
            r"|x_embedder|img_in|caption_projection|distilled_guidance_layer|double_layers)\..*"
        ),
    ),
    (
        "vae",
        re.compile(
            r"(first_stage_model|vae)\..*"
            r"|(decoder|encoder)\.(up|down|mid|conv_in|conv_out|up_blocks|down_blocks|mid_block"
            r"|middle|upsamples|downsamples|conv1|head)(\.|_).*"
        ),
    ),
    (
        "text_encoder",
        re.compile(
            r"(conditioner|cond_stage_model|text_encoders?\w*)\..*"
            r"|(text_model|text_projection|encoder\.block|shared|transformer\.resblocks"
            r"|model\.(layers|language_model)|enc\.blk|blk|token_embd)\..*"
        ),
    ),
    (
        "upscaler",
        re.compile(
            r"(params(_ema)?\.)?(conv_first|conv_up\d|upconv\d|upsample|RDB_trunk|trunk_conv|HRconv"
            r"|conv_after_body|conv_before_upsample|body\.\d+\.(rdb|weight|bias)\w*"
            r"|model\.\d+\.(sub|weight|bias))(\.|$).*"
        ),
    ),
)

#: Most tensors of a textual inversion, and most vectors.
_FEW, _MOST_VECTORS = 4, 1000


def kind_of_tensors(header: WeightsHeader) -> Kind | None:
    """The kind of model; None where the names tell nothing."""
    for kind, mark in _MARKS:
        if any(mark.fullmatch(name) for name in header.tensors):
            if kind == "embedding" and not _is_embedding(header):
                continue
            return kind
    return "embedding" if _is_embedding(header) else None


def embedding_vectors(header: WeightsHeader) -> tuple[int, tuple[int, ...]]:
    """Of a textual inversion, how many tokens it stands for, and the widths of its encoders."""
    shapes = [(1, 1, *tensor.shape)[-2:] for tensor in header.tensors.values()]
    return max((rows for rows, _ in shapes), default=0), tuple(width for _, width in shapes)


def _is_embedding(header: WeightsHeader) -> bool:
    """Whether the file is a few vectors and nothing else."""
    shapes = [tensor.shape for tensor in header.tensors.values()]
    return (
        0 < len(shapes) <= _FEW
        and all(1 <= len(shape) <= 2 for shape in shapes)
        and all(shape[-1] >= 256 for shape in shapes)
        and all(len(shape) == 1 or shape[0] <= _MOST_VECTORS for shape in shapes)
    )
