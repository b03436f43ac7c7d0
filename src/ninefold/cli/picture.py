"""A small picture on terminals that can show one."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TextIO, cast, get_args

import numpy as np
from PIL import Image

from ninefold.files.decode import decode
from ninefold.files.encode import encode
from ninefold.files.opening import OWN_LIMITS
from ninefold.imaging.resize import fit_size, resize
from ninefold.imaging.types import Pixels

Method = Literal["kitty", "iterm", "sixel", "blocks", "none"]

#: Names a method, or `none`, where the guess is wrong.
VARIABLE = "NINEFOLD_PICTURE"

#: Longer side in pixels, and in cells where a cell is two pixels high.
SIDE = 320
CELLS = 48

_SIXEL_TERMINALS = ("foot", "mlterm", "yaft", "contour")
_CHUNK = 4096


def method_for(environ: Mapping[str, str]) -> Method:
    """How the terminal that the environment describes can show a picture."""
    wanted = environ.get(VARIABLE, "").lower()
    if wanted in get_args(Method):
        return cast(Method, wanted)
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    colours = environ.get("COLORTERM", "") in ("truecolor", "24bit")
    if "NO_COLOR" in environ or term == "dumb":
        return "none"
    if "TMUX" in environ or term.startswith("screen"):  # passes no picture protocol on
        return "blocks" if colours else "none"
    if "KITTY_WINDOW_ID" in environ or term == "xterm-kitty" or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm"):
        return "iterm"
    if term.startswith(_SIXEL_TERMINALS):
        return "sixel"
    return "blocks" if colours else "none"


def show_picture(path: Path, stream: TextIO, environ: Mapping[str, str] | None = None) -> None:
    """Draw the image in `path` on `stream` if that is a terminal that can; never raises."""
    method = method_for(os.environ if environ is None else environ)
    if method == "none" or not stream.isatty():
        return
    try:
        stream.write(drawn(decode(path, OWN_LIMITS), method))
        stream.flush()
    except (OSError, ValueError):  # a picture is a courtesy
        return


def drawn(image: Pixels, method: Method) -> str:
    """The characters that make a terminal show the image, ending with a new line."""
    height, width = image.shape[:2]
    side = CELLS if method == "blocks" else SIDE
    if max(width, height) > side:
        image = resize(image, *fit_size(width, height, side=side, multiple=1))
    match method:
        case "kitty":
            return "".join(_kitty(encode(image, "png"))) + "\n"
        case "iterm":
            data = encode(image, "png")
            text = base64.b64encode(data).decode()
            return f"\x1b]1337;File=inline=1;size={len(data)}:{text}\x07\n"
        case "sixel":
            return _sixel(image) + "\n"
        case "blocks":
            return "\n".join(_blocks(image)) + "\n"
    return ""


def _kitty(data: bytes) -> Iterator[str]:
    """Kitty's graphics protocol: PNG in base64, in chunks of at most 4096 characters."""
    text = base64.b64encode(data).decode()
    for start in range(0, len(text), _CHUNK):
        control = "f=100,a=T," if start == 0 else ""
        more = int(start + _CHUNK < len(text))
        yield f"\x1b_G{control}m={more};{text[start : start + _CHUNK]}\x1b\\"


def _blocks(image: Pixels) -> Iterator[str]:
    """Upper half blocks in 24-bit colour: two pixels a cell."""
    if image.shape[0] % 2:
        image = np.concatenate([image, image[-1:]])
    for upper, lower in zip(image[::2], image[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{r};{g};{b};48;2;{r2};{g2};{b2}m▀"
            for (r, g, b), (r2, g2, b2) in zip(upper.tolist(), lower.tolist(), strict=True)
        )
        yield "".join(cells) + "\x1b[0m"


def _sixel(image: Pixels) -> str:
    """DEC sixel graphics (VT340): bands six pixels high, one pass for each of 256 colours."""
    indexed = Image.fromarray(image).quantize(256)
    palette = np.array(indexed.getpalette(), np.uint16).reshape(-1, 3)
    pixels = np.asarray(indexed)
    parts = ["\x1bPq", f'"1;1;{pixels.shape[1]};{pixels.shape[0]}']
    for number in np.unique(pixels):
        r, g, b = (palette[number] * 100 // 255).tolist()
        parts.append(f"#{number};2;{r};{g};{b}")
    for top in range(0, len(pixels), 6):
        band = pixels[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        for number in np.unique(band):
            bits = ((band == number) * weights).sum(axis=0) + 63
            parts.append(f"#{number}{''.join(map(chr, bits.tolist()))}$")
        parts.append("-")
    return "".join(parts) + "\x1b\\"
