"""Strengths of a LoRA by block of the network, as `lbw=` of sd-webui-lora-block-weight writes them.

A list has a number for the text encoders and then one for each block that can be adapted, from the
input to the output; how many there are tells which family and kind of LoRA it is for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ninefold.core.errors import InputError


def _unet(ins: Sequence[int], outs: Sequence[int]) -> tuple[str, ...]:
    return ("BASE", *(f"IN{i:02}" for i in ins), "MID", *(f"OUT{i:02}" for i in outs))


#: Blocks by the length of a list: LoRA and LoCon of Stable Diffusion 1 and 2, of SDXL, and FLUX.
_LISTS = {
    len(blocks): blocks
    for blocks in (
        _unet((1, 2, 4, 5, 7, 8), range(3, 12)),
        _unet(range(12), range(12)),
        _unet((4, 5, 7, 8), range(6)),
        _unet(range(9), range(9)),
        (
            "CLIP",
            "T5",
            "IN",
            *(f"D{i:02}" for i in range(19)),
            *(f"S{i:02}" for i in range(38)),
            "OUT",
        ),
    )
}

#: Presets for Stable Diffusion 1 and 2; those of one number hold for every family.
_PRESETS = {
    "NONE": "0",
    "ALL": "1",
    "ALL0.5": "0.5",
    "INS": "1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "IND": "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "INALL": "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "MIDD": "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0",
    "OUTD": "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0",
    "OUTS": "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1",
    "OUTALL": "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1",
}
#: What lists of so many numbers are for, and lengths by the layers of a UNet on its way up.
_FOR = {
    12: "SDXL",
    17: "Stable Diffusion 1 and 2",
    20: "SDXL",
    26: "Stable Diffusion 1 and 2",
    61: "FLUX.1",
}
_OUTPUTS = {12: (17, 26), 9: (12, 20)}
_UNET = re.compile(
    r"(down|mid|up)_blocks?\.(?:(\d+)\.)?(resnets|attentions|downsamplers|upsamplers)"
)
_TRANSFORMER = re.compile(r"(single_)?transformer_blocks\.(\d+)\.")


def block_weights(text: str, where: str) -> tuple[float, ...]:
    """The numbers that `lbw=` names, one for all or one for each block; raises `InputError`."""
    try:
        values = tuple(float(each) for each in _PRESETS.get(text.upper(), text).split(","))
    except ValueError:
        values = ()
    is_list = len(values) == 1 or len(values) in _LISTS
    if is_list and all(abs(value) <= 10 for value in values):
        return values
    raise InputError(
        f"{where}: expected lbw= with one of {', '.join(_PRESETS)}, or with {_counts()} numbers "
        f"from -10 to 10 and commas between them, got {text[:80]!r}."
    )


def block_weight(values: Sequence[float], part: str, layer: str, levels: int = 2) -> float:
    """What holds for a layer of a part of a pipeline; `levels` are the UNet's layers per block.

    A layer outside of all blocks of the list acts in full.
    """
    if len(values) == 1:
        return values[0]
    names = _LISTS[len(values)]
    by_name = dict(zip(names, values, strict=True))
    if part.startswith("text_encoder"):
        return by_name.get("T5" if part == "text_encoder_2" else "CLIP", values[0])
    return by_name.get(_block(layer, levels, "D00" in by_name), 1.0)


def check_blocks(values: Sequence[float], where: str, network: str, outputs: int) -> None:
    """Raise `InputError` for a list that is for another network: `unet` with so many layers on its
    way up, or `transformer`."""
    if len(values) == 1:
        return
    expected = _OUTPUTS.get(outputs, (12, 17, 20, 26)) if network == "unet" else (61,)
    if len(values) not in expected:
        raise InputError(
            f"{where}: lbw= with {len(values)} numbers is for {_FOR[len(values)]}; this model "
            f"takes {' or '.join(map(str, expected))}, or one for all."
        )


def _block(layer: str, levels: int, is_transformer: bool) -> str:
    if is_transformer:
        match = _TRANSFORMER.match(layer)
        if match is None:
            return "OUT" if layer.startswith(("norm_out", "proj_out")) else "IN"
        return f"{'S' if match[1] else 'D'}{int(match[2]):02}"
    match = _UNET.match(layer)
    if match is None:
        return "OUT11" if layer.startswith("conv_out") else "IN00"
    side, level, kind = match.groups()
    if side == "mid":
        return "MID"
    at = int(level) * (levels + 1)
    inner = int(layer[match.end() + 1 :].split(".")[0])
    if side == "down":
        return f"IN{at + 1 + (levels if kind == 'downsamplers' else inner):02}"
    return f"OUT{at + (levels if kind == 'upsamplers' else inner):02}"


def _counts() -> str:
    *first, last = map(str, sorted(_LISTS))
    return f"{', '.join(first)} or {last}"
