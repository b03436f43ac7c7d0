"""Fuzzed files through `inspect`: `python -m tests.readers.fuzz --files 2500`.

Files of every tool are cut, spliced and filled with hostile parts: chunks of any length, texts that
inflate without end, XML that grows or nests, EXIF that points to itself, graphs in circles, deep or
wide JSON, values of every other type. Whatever comes is described or refused as `InputError`; none
takes over two seconds of CPU time, and all together stay below 500 MB more than the start.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import struct
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from ninefold import InputError
from ninefold.files.opening import ImageLimits
from ninefold.files.readers.comfyui_widgets import WIDGETS
from ninefold.inspection import inspect_file
from ninefold.testing import fake_engines
from tests.readers import comfyui, samples
from tests.readers.makers import jpeg, picture, png, saved, stealth, user_comment, with_exif, xmp
from tests.readers.samples import A1111

MAX_SECONDS, MAX_BYTES = 2.0, 500 << 20
Dice = random.Random
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**70, 1e308, "", " ", "\0", "\ud800", "NaN", "1e999", "9" * 400),
    *([], {}, [[]], [[1, 2], [3, 4]], ["1", 0], {"a": {}}, "x" * 5000, "{" * 50, "__a__", "<lora:"),
    *("{" + "[" * 900, "(" * 3000, "<lora:x:1>" * 300, "a\nSteps: 1, Seed: 2, Size: 3x4"),
)


def documents() -> dict[str, Any]:
    """What tools write, by PNG's keywords and the tool's name after a colon."""
    return {
        "prompt:comfyui": comfyui.basic(),
        "prompt:flux": comfyui.basic(**comfyui.FLUX),
        "workflow:comfyui": comfyui.workflow(),
        "invokeai_metadata:3": samples.INVOKEAI_3,
        "invokeai_metadata:5": samples.INVOKEAI_5,
        "invokeai_graph:3": {"nodes": {"m": {"type": "core_metadata", **samples.INVOKEAI_3}}},
        "sd-metadata:2": samples.SD_METADATA,
        "parameters:fooocus": samples.FOOOCUS,
        "Comment:novelai": samples.NOVELAI_4,
        "parameters:swarmui": samples.SWARMUI,
        "ninefold:own": {"schema": "x", "config": {"stages": [{"stage": "prompt"}]}, "inputs": {}},
    }


@cache
def corpus() -> tuple[bytes, ...]:
    """Whole files of every tool."""
    files = [png({key.partition(":")[0]: value}) for key, value in documents().items()]
    files += [jpeg(value) for value in (A1111, comfyui.basic(), samples.SHOWN, samples.FOOOCUS)]
    files += [saved(picture(), kind, exif=user_comment(A1111)) for kind in ("WEBP", "AVIF")]
    files += [stealth(A1111), stealth(A1111, "RGB"), png({"parameters": A1111}), png(samples.EASY)]
    files += [png({"Dream": samples.DREAM}), with_exif("JPEG", {0x0110: "prompt:{}"})]
    files += [png({"XML:com.adobe.xmp": xmp({"UserComment": json.dumps({"c": "a", "uc": "b"})})})]
    return tuple(files)


def cut(dice: Dice) -> bytes:
    data = dice.choice(corpus())
    return data[: dice.randrange(len(data))]


def spliced(dice: Dice) -> bytes:
    first, second = dice.choice(corpus()), dice.choice(corpus())
    return first[: dice.randrange(len(first))] + second[dice.randrange(len(second)) :]


def flipped(dice: Dice) -> bytes:
    data = bytearray(dice.choice(corpus()))
    near = min(len(data), dice.choice([60, 400, len(data)]))
    for _ in range(dice.choice([1, 3, 30, 300])):
        data[dice.randrange(near)] = dice.randrange(256)
    return bytes(data)


def hostile_chunks(dice: Dice) -> bytes:
    """Chunks whose length, kind or keyword is wrong, or that are very many."""
    body = dice.choice(
        [
            b"parameters\0" + bytes(dice.randrange(3000)),
            b"parameters\0\0" + zlib.compress(bytes(dice.choice([10, 40 << 20])), 9),
            b"prompt\0\1\0\0\0" + zlib.compress(b"[" * (20 << 20), 9),
            b"\0" * 20,
            b"k" * 5000,
        ]
    )
    kinds = [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"IDAT", b"iCCP", b"caBX", bytes(4)]
    chunks = b""
    for number in range(
        dice.choice([1, 5, 200, 3000]) if len(body) < 5000 else dice.choice([1, 60])
    ):
        length = len(body) if dice.random() < 0.9 else dice.choice([0, 2**31, 2**32 - 1, 7])
        named = body.replace(b"parameters", b"p%d" % number, 1) if dice.random() < 0.7 else body
        length = len(named) if length == len(body) else length
        kind = dice.choice(kinds)
        chunks += (
            struct.pack(">I", length) + kind + named + struct.pack(">I", zlib.crc32(kind + named))
        )
    data = dice.choice(corpus()[:5])
    return data[:33] + chunks + data[33:]


def xml_bomb(dice: Dice) -> bytes:
    depth, lol = dice.choice([10, 5000, 200_000]), "lol"
    entities = "".join(f"<!ENTITY l{n + 1} '{f'&l{n};' * 10}'>" for n in range(9))
    packets = [
        f"<!DOCTYPE x [<!ENTITY l0 '{lol}'>{entities}]><x>&l9;</x>",
        "<a>" * depth + "</a>" * depth,
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
        + " ".join(f"a{n}='{'x' * 10}'" for n in range(min(depth, 20_000)))
        + "/></rdf:RDF>",
        xmp({"UserComment": "[" * depth}),
        xmp({"UserComment": json.dumps({"c": dice.choice(HOSTILE), "uc": "", "lora": [1, {}]})}),
        "<x xmlns:a='" + "y" * depth + "'><?xml version='1.1'?></x>",
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>",
    ]
    packet = dice.choice(packets)
    if dice.random() < 0.5:
        return png({"XML:com.adobe.xmp": packet})
    return saved(picture(), "WEBP", xmp=packet.encode("utf-8", "replace"))


def exif_loop(dice: Dice) -> bytes:
    """Directories that point to themselves, to each other, or hold very many entries."""
    order = dice.choice("<>")
    count = dice.choice([1, 3, 500, 65_535])
    entries = b""
    for _ in range(min(count, 2000)):
        tag = dice.choice([0x8769, 0xA005, 0x9286, 0x010E, 0x0110, 0x0112, 0x927C, 0x8825])
        kind, number = (
            dice.choice([1, 2, 3, 4, 7, 13, 99]),
            dice.choice([1, 4, 2**16, 2**31, 2**32 - 1]),
        )
        entries += struct.pack(order + "HHII", tag, kind, number, dice.choice([0, 8, 26, 2**31]))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        order + "I", dice.choice([8, 0, 9])
    )
    block = head + struct.pack(order + "H", count) + entries + struct.pack(order + "I", 8)
    if dice.random() < 0.3:
        block += bytes(dice.choice([100, 4 << 20]))
    kinds = ["WEBP", "PNG"] if len(block) > 60_000 else ["JPEG", "WEBP", "PNG"]
    return saved(picture(), dice.choice(kinds), exif=b"Exif\0\0" + block)


def graph(dice: Dice) -> bytes:
    """Random graphs of known and unknown nodes: links to anywhere, in circles too."""
    size = dice.choice([3, 12, 60, 1500])
    kinds = [*WIDGETS, "Unknown", "Join", "Reroute", "SaveImage", "KSampler", "PreviewImage"]
    names = [
        *("model", "positive", "negative", "latent_image", "samples", "images", "image", "clip"),
        *(
            "conditioning",
            "conditioning_1",
            "text",
            "text_a",
            "text_b",
            "guider",
            "noise",
            "sampler",
        ),
        *("sigmas", "seed", "steps", "cfg", "lora_stack", "pipe", "value", "control_net", "vae"),
        *("lora_name", "lora_1", "bbox_detector", "upscale_model", "ckpt_name", "width", "height"),
    ]
    nodes: dict[str, Any] = {}
    for number in range(size):
        inputs = {
            dice.choice(names): [str(dice.randrange(size)), dice.randrange(-2, 4)]
            if dice.random() < 0.7
            else dice.choice(HOSTILE)
            for _ in range(dice.randrange(9))
        }
        nodes[str(number)] = {"class_type": dice.choice(kinds), "inputs": inputs}
    if dice.random() < 0.4:
        return png({"workflow": _drawn(nodes, dice)})
    return png({"prompt": nodes})


def _drawn(nodes: dict[str, Any], dice: Dice) -> dict[str, Any]:
    """A random graph as the editor saves it, inside itself as a subgraph too."""
    items: list[dict[str, Any]] = []
    links: list[list[Any]] = []
    for key, node in nodes.items():
        inputs: list[dict[str, Any]] = []
        for name, value in node["inputs"].items():
            if isinstance(value, list) and len(value) == 2:
                links.append([len(links), value[0], value[1], key, len(inputs), "X"])
                inputs.append({"name": name, "type": "X", "link": len(links) - 1})
        kind = dice.choice([node["class_type"], "sub", "GetNode", "SetNode", "Reroute"])
        items.append(
            {
                "id": key,
                "type": kind,
                "mode": dice.choice([0, 0, 0, 2, 4]),
                "inputs": inputs,
                "outputs": [{"type": "X"}],
                "widgets_values": dice.choice([["a", 1, 2], {"a": 1}, None, list(HOSTILE)]),
            }
        )
    objects = [
        {"id": n, "origin_id": dice.choice([a, -10]), "origin_slot": b, "target_id": -20,
         "target_slot": d}
        for n, a, b, _, d, _ in links[:200]
    ]  # fmt: skip
    inner = {"id": "sub", "nodes": items[:30], "links": objects, "inputs": [{"name": "model"}]}
    return {"nodes": items, "links": links, "definitions": {"subgraphs": [inner, inner]}}


def mutated(dice: Dice) -> bytes:
    """A tool's own document with values of other types in it."""
    key, document = dice.choice(list(documents().items()))
    changed = _mutated(document, dice, dice.choice([0.02, 0.2, 0.7]))
    text = json.dumps(changed)
    if dice.random() < 0.2:
        return jpeg(text[:20_000])
    return png({key.partition(":")[0]: text, "Software": "NovelAI"})


def _mutated(value: Any, dice: Dice, part: float) -> Any:
    if dice.random() < part:
        return dice.choice((*HOSTILE, json.dumps(value)))
    if isinstance(value, dict):
        return {key: _mutated(item, dice, part) for key, item in value.items()}
    if isinstance(value, list):
        return [_mutated(item, dice, part) for item in value]
    return value


def deep_or_wide(dice: Dice) -> bytes:
    size = dice.choice([1000, 100_000, 3_000_000])
    text = dice.choice(
        [
            "[" * size,
            '{"a":' * (size // 5) + "1" + "}" * (size // 5),
            "[" + "[]," * (size // 3) + "[]]",
            '{"nodes":[' + "{}," * (size // 3) + "{}]}",
            '{"seed":' + "9" * min(size, 100_000) + ',"base_model":"x","steps":1}',
            '{"sui_image_params":{"prompt":"' + "(" * size + '"}}',
            "a" * size + "\nSteps: 1, Seed: 2, Size: 3x4",
            "a\nSteps: 1" + ", Key x: y" * (size // 10),
            "\n".join(["Steps: 1, "] * (size // 10)),
            '"' + "[a] " * (size // 4) + '" -s 1',
        ]
    )
    names = [
        "parameters",
        "prompt",
        "workflow",
        "Comment",
        "Dream",
        "invokeai_metadata",
        "ninefold",
    ]
    body = dice.choice(names).encode() + b"\0\0" + zlib.compress(text.encode(), 9)
    chunk = (
        struct.pack(">I", len(body))
        + b"zTXt"
        + body
        + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    )
    data = saved(picture(), "PNG")
    return data[:33] + chunk + data[33:]


def hidden(dice: Dice) -> bytes:
    """Pixels with a signature, and a length or a stream that is wrong."""
    size = dice.choice([(1, 1), (3, 400), (64, 64), (3000, 2000)])
    image = Image.new(dice.choice(["RGBA", "RGB"]), size, dice.choice(["black", "white"]))
    name = dice.choice(
        [b"stealth_pnginfo", b"stealth_pngcomp", b"stealth_rgbinfo", b"stealth_rgbcomp"]
    )
    data = dice.choice(
        [gzip.compress(bytes(60 << 20)), b"{" * 999, gzip.compress(b"[" * 99_999)[:50]]
    )
    length = dice.choice([len(data) * 8, 2**32 - 1, 0, 7])
    stream = name + struct.pack(">I", length) + data[:60_000]
    pixels = image.load()
    assert pixels is not None
    bits = (byte >> shift & 1 for byte in stream for shift in range(7, -1, -1))
    channels = 1 if name.startswith(b"stealth_png") else 3
    for x in range(size[0]):
        for y in range(size[1]):
            own = list(pixels[x, y])  # type: ignore[arg-type]
            for channel in (len(own) - 1,) if channels == 1 else (0, 1, 2):
                if (bit := next(bits, None)) is None:
                    return saved(image, "PNG", compress_level=1)
                own[channel] = own[channel] & 254 | bit
            pixels[x, y] = tuple(own)
    return saved(image, "PNG", compress_level=1)


def declared(dice: Dice) -> bytes:
    """A size in the header that the file does not have."""
    data = bytearray(png({"parameters": A1111}))
    data[16:24] = struct.pack(">II", *(dice.choice([0, 1, 5000, 2**31 - 1]) for _ in range(2)))
    data[24] = dice.choice([1, 8, 16, 99])
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


KINDS: Sequence[Callable[[Dice], bytes]] = (
    *(cut, spliced, flipped, hostile_chunks, xml_bomb, exif_loop, graph, mutated, mutated),
    *(deep_or_wide, hidden, declared),
)


def fuzzed(seed: int) -> tuple[str, bytes]:
    """A file by its number, and of which kind it is."""
    dice = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    return kind.__name__, kind(dice)


@dataclass
class Outcome:
    """What a run came to."""

    failures: list[str]
    slowest: float = 0.0
    slowest_seed: int = 0
    peak: int = 0
    described: int = 0
    refused: int = 0


def run(files: int, first: int = 0, kept: Path | None = None) -> Outcome:
    """Inspect so many files, one after another in this process, whose memory is limited."""
    corpus()
    engines = fake_engines()
    outcome = Outcome([])
    inspect_file(corpus()[0], engines)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for seed in range(first, first + files):
        name, data = fuzzed(seed)
        begun = time.process_time()
        try:
            found = inspect_file(data, engines, limits=ImageLimits())
            json.dumps(found.document(), allow_nan=False).encode()
            _ = found.infotext
            outcome.described += 1
        except InputError as error:
            outcome.refused += 1
            if not str(error).strip():
                outcome.failures.append(f"{seed} {name}: an error without words")
        except Exception:
            outcome.failures.append(f"{seed} {name}: {traceback.format_exc(limit=-4)}")
        took = time.process_time() - begun
        if took > outcome.slowest:
            outcome.slowest, outcome.slowest_seed = took, seed
        if took > MAX_SECONDS:
            outcome.failures.append(f"{seed} {name}: took {took:.1f} s")
        outcome.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - start
        if outcome.peak > MAX_BYTES:
            outcome.failures.append(f"{seed} {name}: {outcome.peak >> 20} MB more than the start")
            break
        if outcome.failures and kept is not None and outcome.failures[-1].startswith(f"{seed} "):
            kept.mkdir(exist_ok=True)
            (kept / f"{seed}-{name}").write_bytes(data)
    return outcome


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for files that fail")
    options = parser.parse_args()
    outcome = run(options.files, options.first, options.keep)
    for failure in outcome.failures:
        print(failure)
    print(
        f"{options.files} files: {outcome.described} described, {outcome.refused} refused; "
        f"slowest {outcome.slowest:.2f} s (file {outcome.slowest_seed}), peak "
        f"{outcome.peak >> 20} MB above the start; {len(outcome.failures)} failures"
    )
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
