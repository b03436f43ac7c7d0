"""Graphs of ComfyUI, as it runs them and as its editor saves them."""

from __future__ import annotations

from typing import Any

Api = dict[str, Any]


def node(kind: str, **inputs: Any) -> Api:
    return {"class_type": kind, "inputs": inputs}


def basic(**more: Api) -> Api:
    """Text to image with one KSampler; nodes of `more` replace those of their number."""
    nodes = {
        "n3": node("KSampler", seed=156680208700286, steps=20, cfg=8.0, sampler_name="dpmpp_2m",
                   scheduler="karras", denoise=1.0, model=["n4", 0], positive=["n6", 0],
                   negative=["n7", 0], latent_image=["n5", 0]),
        "n4": node("CheckpointLoaderSimple", ckpt_name="sdxl/base.safetensors"),
        "n5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "n6": node("CLIPTextEncode", text="a red house", clip=["n4", 1]),
        "n7": node("CLIPTextEncode", text="fog", clip=["n4", 1]),
        "n8": node("VAEDecode", samples=["n3", 0], vae=["n4", 2]),
        "n9": node("SaveImage", filename_prefix="x", images=["n8", 0]),
    }  # fmt: skip
    return {key[1:]: _numbered(item) for key, item in {**nodes, **more}.items()}


def _numbered(item: Api) -> Api:
    inputs = {
        name: [value[0][1:], value[1]]
        if isinstance(value, list) and len(value) == 2 and str(value[0]).startswith("n")
        else value
        for name, value in item["inputs"].items()
    }
    return {**item, "inputs": inputs}


FLUX = {
    "n4": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "n10": node("VAELoader", vae_name="ae.safetensors"),
    "n6": node("CLIPTextEncode", text="a fox", clip=["n20", 0]),
    "n20": node("DualCLIPLoader", clip_name1="t5xxl", clip_name2="clip_l", type="flux"),
    "n21": node("FluxGuidance", guidance=3.5, conditioning=["n6", 0]),
    "n22": node("BasicGuider", model=["n25", 0], conditioning=["n21", 0]),
    "n23": node("RandomNoise", noise_seed=["n30", 0]),
    "n24": node("KSamplerSelect", sampler_name="euler"),
    "n25": node("ModelSamplingFlux", max_shift=1.15, base_shift=0.5, width=1024, height=1024,
                model=["n4", 0]),
    "n26": node("BasicScheduler", scheduler="simple", steps=["n31", 0], denoise=1.0,
                model=["n25", 0]),
    "n5": node("EmptySD3LatentImage", width=["n32", 0], height=1024, batch_size=1),
    "n3": node("SamplerCustomAdvanced", noise=["n23", 0], guider=["n22", 0], sampler=["n24", 0],
               sigmas=["n26", 0], latent_image=["n5", 0]),
    "n8": node("VAEDecode", samples=["n3", 0], vae=["n10", 0]),
    "n30": node("easy seed", seed=77),
    "n31": node("PrimitiveInt", value=28),
    "n32": node("PrimitiveInt", value=832),
    "n7": node("Unused", text="x"),
}  # fmt: skip


def drawn(nodes: list[Api], links: list[list[Any]], **more: Any) -> Api:
    return {"nodes": nodes, "links": links, "version": 0.4, **more}


def item(
    number: Any, kind: str, values: list[Any], inputs: Api, outputs: str = "", **rest: Any
) -> Api:
    """A node; `inputs` are links by name, `outputs` its types with blanks between."""
    return {
        "id": number,
        "type": kind,
        "mode": 0,
        "widgets_values": values,
        "inputs": [{"name": n, "type": kind, "link": link} for n, (kind, link) in inputs.items()],
        "outputs": [{"name": name, "type": name} for name in outputs.split()],
        **rest,
    }  # fmt: skip


def workflow() -> Api:
    nodes = [
        item(4, "CheckpointLoaderSimple", ["base.safetensors"], {}, "MODEL CLIP VAE"),
        item(10, "LoraLoader", ["off", 1, 1], {"model": ("MODEL", 1), "clip": ("CLIP", 2)},
             "MODEL CLIP", mode=4),
        item(11, "Reroute", [], {"": ("MODEL", 3)}, "MODEL"),
        item(12, "PrimitiveNode", [99, "fixed"], {}, "INT"),
        item(6, "CLIPTextEncode", ["a red house"], {"clip": ("CLIP", 4)}, "CONDITIONING"),
        item(7, "CLIPTextEncode", ["fog"], {"clip": ("CLIP", 4)}, "CONDITIONING"),
        item(5, "EmptyLatentImage", [512, 768, 1], {}, "LATENT"),
        item(3, "KSampler", [1, "randomize", 20, 8, "euler", "normal", 1],
             {"model": ("MODEL", 5), "positive": ("CONDITIONING", 6),
              "negative": ("CONDITIONING", 7), "latent_image": ("LATENT", 8), "seed": ("INT", 9)},
             "LATENT"),
        item(20, "SetNode", ["image"], {"LATENT": ("LATENT", 10)}, "LATENT"),
        item(21, "GetNode", ["image"], {}, "LATENT"),
        item(8, "VAEDecode", [], {"samples": ("LATENT", 11), "vae": ("VAE", 12)}, "IMAGE"),
        item(9, "SaveImage", ["x"], {"images": ("IMAGE", 13)}),
        item(13, "Note", ["hello"], {}),
    ]  # fmt: skip
    links = [
        [1, 4, 0, 10, 0, "MODEL"],
        [2, 4, 1, 10, 1, "CLIP"],
        [3, 10, 0, 11, 0, "MODEL"],
        [4, 10, 1, 6, 0, "CLIP"],
        [5, 11, 0, 3, 0, "MODEL"],
        [6, 6, 0, 3, 1, "CONDITIONING"],
        [7, 7, 0, 3, 2, "CONDITIONING"],
        [8, 5, 0, 3, 3, "LATENT"],
        [9, 12, 0, 3, 4, "INT"],
        [10, 3, 0, 20, 0, "LATENT"],
        [11, 21, 0, 8, 0, "LATENT"],
        [12, 4, 2, 8, 1, "VAE"],
        [13, 8, 0, 9, 0, "IMAGE"],
    ]
    return drawn(nodes, links)
