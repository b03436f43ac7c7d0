"""ComfyUI's graphs: the sampler found from the saved image, in both forms of the graph."""

from __future__ import annotations

import json

import pytest

from ninefold.files.readers.generation import (
    DetailerPass,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedControl,
    UsedLora,
)
from tests.readers.comfyui import FLUX, Api, basic, drawn, item, node, workflow
from tests.readers.makers import jpeg, png, said, with_exif


@pytest.mark.parametrize(
    "data",
    [
        png({"prompt": basic()}),
        jpeg(basic()),
        jpeg({"prompt": basic(), "workflow": {}}),
        with_exif("WEBP", {0x0110: "prompt:" + json.dumps(basic())}),
        with_exif("JPEG", {0x010F: "Prompt: " + json.dumps(basic())}),
    ],
)
def test_text_to_image(data: bytes) -> None:
    found = said(data)
    assert (found.tool, found.prompt, found.negative_prompt) == ("ComfyUI", "a red house", "fog")
    assert (found.seed, found.steps, found.guidance_scale) == (156680208700286, 20, 8)
    assert (found.sampler, found.schedule) == ("dpmpp_2m", "karras")
    assert (found.width, found.height) == (512, 768)
    assert found.model == NamedModel("sdxl/base.safetensors")
    assert (found.strength, found.hires, found.refiner, found.other) == (None, None, None, {})


def test_loras_of_loaders_and_stacks() -> None:
    graph = basic(
        n4=node("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
        n10=node("LoraLoader", lora_name="one.safetensors", strength_model=0.8, strength_clip=0.5,
                 model=["n4", 0], clip=["n4", 1]),
        n11=node("LoraLoaderModelOnly", lora_name="two.safetensors", strength_model=1.2,
                 model=["n10", 0]),
        n12=node("CR LoRA Stack", switch_1="On", lora_name_1="three", model_weight_1=0.4,
                 clip_weight_1=0.3, switch_2="Off", lora_name_2="no", model_weight_2=1,
                 clip_weight_2=1),
        n13=node("CR Apply LoRA Stack", model=["n11", 0], clip=["n10", 1], lora_stack=["n12", 0]),
        n14=node("Power Lora Loader (rgthree)", model=["n13", 0],
                 lora_1={"on": True, "lora": "four", "strength": 0.6},
                 lora_2={"on": False, "lora": "no", "strength": 1}),
        n15=node("LoRA Stacker", input_mode="simple", lora_count=1, lora_name_1="five",
                 lora_wt_1=0.7, model_str_1=1, clip_str_1=1, lora_name_2="no", lora_wt_2=1),
        n16=node("Apply", model=["n14", 0], lora_stack=["n15", 0]),
        n17=node("Lora Loader Stack (rgthree)", model=["n16", 0], lora_01="six", strength_01=0.1,
                 lora_02="None", strength_02=1),
    )  # fmt: skip
    graph["3"]["inputs"]["model"] = ["17", 0]
    found = said(png({"prompt": graph}))
    assert found.model == NamedModel("a.safetensors")
    assert found.loras == (
        UsedLora("one.safetensors", 0.8, 0.5),
        UsedLora("two.safetensors", 1.2),
        UsedLora("three", 0.4, 0.3),
        UsedLora("four", 0.6),
        UsedLora("five", 0.7),
        UsedLora("six", 0.1),
    )
    assert found.other == {}


def test_custom_sampler_of_flux() -> None:
    found = said(png({"prompt": basic(**FLUX)}))
    assert found.prompt == "a fox"
    assert (found.seed, found.steps, found.guidance_scale) == (77, 28, 3.5)
    assert (found.sampler, found.schedule) == ("euler", "simple")
    assert (found.width, found.height) == (832, 1024)
    assert (found.model, found.vae) == (NamedModel("flux1-dev.safetensors"), "ae.safetensors")
    assert list(found.other) == ["node 25 ModelSamplingFlux"]
    assert found.true_cfg_scale is None


def test_flux_with_a_negative_prompt() -> None:
    guider = node("CFGGuider", model=["n25", 0], positive=["n21", 0], negative=["n7", 0], cfg=2.5)
    graph = basic(**FLUX | {"n22": guider, "n7": node("CLIPTextEncode", text="fog")})
    found = said(png({"prompt": graph}))
    assert (found.guidance_scale, found.true_cfg_scale, found.negative_prompt) == (3.5, 2.5, "fog")
    assert list(found.other) == ["node 25 ModelSamplingFlux"]


def test_custom_sampler_with_a_guider_and_split_sigmas() -> None:
    graph = basic(
        n20=node("CFGGuider", model=["n4", 0], positive=["n6", 0], negative=["n7", 0], cfg=4.5),
        n21=node("KarrasScheduler", steps=12, sigma_max=14, sigma_min=0.03, rho=7),
        n22=node("SplitSigmas", sigmas=["n21", 0], step=3),
        n23=node("SamplerDPMPP_2M_SDE", solver_type="midpoint", eta=1.0),
        n24=node("RandomNoise", noise_seed=5),
        n3=node("SamplerCustomAdvanced", noise=["n24", 0], guider=["n20", 0], sampler=["n23", 0],
                sigmas=["n22", 1], latent_image=["n5", 0]),
    )  # fmt: skip
    found = said(png({"prompt": graph}))
    assert (found.sampler, found.schedule, found.steps) == ("dpmpp_2m_sde", "karras", 12)
    assert (found.guidance_scale, found.seed, found.negative_prompt) == (4.5, 5, "fog")


def test_text_through_nodes_that_join_it() -> None:
    graph = basic(
        n6=node("CLIPTextEncode", text=["n20", 0], clip=["n4", 1]),
        n20=node("Text Concatenate", delimiter=" | ", text_a=["n21", 0], text_b=["n22", 0],
                 text_c="last"),
        n21=node("StringConcatenate", string_a="one", string_b="two", delimiter="-"),
        n22=node("ShowText|pysssss", text=["n23", 0]),
        n23=node("ImpactWildcardProcessor", wildcard_text="__x__", populated_text="three"),
        n7=node("ConditioningZeroOut", conditioning=["n6", 0]),
    )  # fmt: skip
    found = said(png({"prompt": graph}))
    assert (found.prompt, found.negative_prompt) == ("one-two | three | last", "")


def test_combined_conditioning_and_control() -> None:
    graph = basic(
        n20=node("ConditioningCombine", conditioning_1=["n6", 0], conditioning_2=["n21", 0]),
        n21=node("CLIPTextEncodeSDXL", text_g="a tree", text_l="a tree", width=1024, height=1024,
                 clip=["n4", 1]),
        n22=node("ControlNetApplyAdvanced", strength=0.7, start_percent=0.0, end_percent=0.8,
                 positive=["n20", 0], negative=["n7", 0], control_net=["n23", 0],
                 image=["n24", 0]),
        n23=node("ControlNetLoader", control_net_name="canny.safetensors"),
        n24=node("LoadImage", image="edges.png"),
        n25=node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["n4", 1]),
    )  # fmt: skip
    graph["3"]["inputs"] |= {"positive": ["22", 0], "negative": ["22", 1]}
    graph["6"]["inputs"]["clip"] = ["25", 0]
    found = said(png({"prompt": graph}))
    assert found.prompt == "a red house, a tree"
    assert (found.negative_prompt, found.clip_skip) == ("fog", 2)
    assert found.controls == (
        UsedControl(model="canny.safetensors", strength=0.7, start=0, end=0.8),
    )
    assert found.source == ""


def test_hires_pass_and_what_comes_after_it() -> None:
    graph = basic(
        n20=node("LatentUpscaleBy", upscale_method="nearest", scale_by=1.5, samples=["n3", 0]),
        n21=node("KSampler", seed=2, steps=12, cfg=6.0, sampler_name="euler", scheduler="normal",
                 denoise=0.5, model=["n4", 0], positive=["n6", 0], negative=["n7", 0],
                 latent_image=["n20", 0]),
        n8=node("VAEDecode", samples=["n21", 0], vae=["n4", 2]),
        n9=node("SaveImage", images=["n30", 0]),
        n30=node("FaceDetailer", image=["n8", 0], model=["n4", 0], bbox_detector=["n31", 0],
                 seed=1, steps=10, cfg=5, sampler_name="euler", scheduler="normal", denoise=0.4,
                 bbox_threshold=0.5, bbox_dilation=10, feather=5, guide_size=512,
                 wildcard="a face"),
        n31=node("UltralyticsDetectorProvider", model_name="bbox/face_yolov8m.pt"),
    )  # fmt: skip
    found = said(png({"prompt": graph}))
    assert (found.seed, found.steps) == (156680208700286, 20)
    assert found.hires == HiresPass(
        factor=1.5, strength=0.5, steps=12, guidance_scale=6, sampler="euler", schedule="normal"
    )
    assert found.detailers == (
        DetailerPass(
            detector="bbox/face_yolov8m.pt",
            prompt="a face",
            confidence=0.5,
            strength=0.4,
            steps=10,
            guidance_scale=5,
            sampler="euler",
            schedule="normal",
            dilate=10,
            blur=5,
        ),
    )
    assert found.other == {}


def test_an_enlargement_by_a_model_alone() -> None:
    graph = basic(
        n9=node("SaveImage", images=["n20", 0]),
        n20=node("ImageUpscaleWithModel", image=["n8", 0], upscale_model=["n21", 0]),
        n21=node("UpscaleModelLoader", model_name="4x-UltraSharp.pth"),
    )
    assert said(png({"prompt": graph})).hires == HiresPass(upscaler="4x-UltraSharp.pth")


def test_a_refiner_takes_over() -> None:
    graph = basic(
        n3=node("KSamplerAdvanced", add_noise="enable", noise_seed=4, steps=25, cfg=8,
                sampler_name="euler", scheduler="normal", start_at_step=0, end_at_step=20,
                return_with_leftover_noise="enable", model=["n4", 0], positive=["n6", 0],
                negative=["n7", 0], latent_image=["n5", 0]),
        n20=node("KSamplerAdvanced", add_noise="disable", noise_seed=0, steps=25, cfg=8,
                 sampler_name="euler", scheduler="normal", start_at_step=20, end_at_step=10000,
                 return_with_leftover_noise="disable", model=["n21", 0], positive=["n6", 0],
                 negative=["n7", 0], latent_image=["n3", 0]),
        n21=node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
        n8=node("VAEDecode", samples=["n20", 0], vae=["n4", 2]),
    )  # fmt: skip
    found = said(png({"prompt": graph}))
    assert (found.seed, found.steps) == (4, 25)
    assert found.refiner == RefinerPass(NamedModel("refiner.safetensors"), 0.8)
    assert found.hires is None


def test_image_to_image_and_nodes_without_a_counterpart() -> None:
    graph = basic(
        n5=node("VAEEncode", pixels=["n20", 0], vae=["n4", 2]),
        n20=node("LoadImage", image="photo.png", upload="image"),
        n21=node("FreeU_V2", b1=1.3, model=["n4", 0]),
    )
    graph["3"]["inputs"] |= {"denoise": 0.6, "model": ["21", 0]}
    found = said(png({"prompt": graph}))
    assert (found.strength, found.source) == (0.6, "photo.png")
    assert found.other == {"node 21 FreeU_V2": '{"b1": 1.3}'}


def test_efficiency_nodes() -> None:
    graph = {
        "1": node("Efficient Loader", ckpt_name="a.safetensors", vae_name="Baked VAE",
                  clip_skip=-2, lora_name="ink", lora_model_strength=0.5, lora_clip_strength=0.5,
                  positive="a house", negative="fog", empty_latent_width=512,
                  empty_latent_height=640, batch_size=1),
        "2": node("KSampler (Efficient)", seed=3, steps=11, cfg=6, sampler_name="euler",
                  scheduler="karras", denoise=1, model=["1", 0], positive=["1", 1],
                  negative=["1", 2], latent_image=["1", 3], optional_vae=["1", 4]),
        "3": node("Image Save", images=["2", 5]),
    }  # fmt: skip
    found = said(png({"prompt": graph}))
    assert (found.prompt, found.negative_prompt) == ("a house", "fog")
    assert found.loras == (UsedLora("ink", 0.5),)
    assert (found.width, found.height, found.clip_skip, found.vae) == (512, 640, 2, "")
    assert (found.model, found.other) == (NamedModel("a.safetensors"), {})


# -- the editor's form -----------------------------------------------------------------------------


def test_a_workflow_past_what_only_passes_on() -> None:
    for texts in ({"workflow": workflow()}, {"workflow": workflow(), "prompt": {"1": {}}}):
        found = said(png(texts))
        assert (found.prompt, found.negative_prompt) == ("a red house", "fog")
        assert (found.seed, found.steps, found.guidance_scale) == (99, 20, 8)
        assert (found.sampler, found.schedule) == ("euler", "normal")
        assert found.model == NamedModel("base.safetensors")
        assert found.loras == ()  # bypassed
        assert (found.width, found.height) == (512, 768)


def test_a_subgraph_is_written_out() -> None:
    inside = {
        "id": "abc",
        "name": "Sample",
        "inputs": [{"name": "model"}, {"name": "text"}],
        "outputs": [{"name": "LATENT"}],
        "nodes": [
            item(1, "CLIPTextEncode", [""], {"text": ("STRING", 1)}, "CONDITIONING"),
            item(2, "KSampler", [5, "fixed", 9, 3, "euler", "simple", 1],
                 {"model": ("MODEL", 2), "positive": ("CONDITIONING", 3),
                  "latent_image": ("LATENT", 4)}, "LATENT"),
            item(3, "EmptyLatentImage", [64, 96, 1], {}, "LATENT"),
        ],
        "links": [
            {"id": n, "origin_id": a, "origin_slot": b, "target_id": c, "target_slot": d}
            for n, a, b, c, d in [
                (1, -10, 1, 1, 0),
                (2, -10, 0, 2, 0),
                (3, 1, 0, 2, 1),
                (4, 3, 0, 2, 2),
                (5, 2, 0, -20, 0),
            ]
        ],
    }  # fmt: skip
    nodes = [
        item(1, "UNETLoader", ["z.safetensors", "default"], {}, "MODEL"),
        item(2, "abc", ["a boat"], {"model": ("MODEL", 1), "text": ("STRING", None)}, "LATENT"),
        item(3, "VAEDecode", [], {"samples": ("LATENT", 2)}, "IMAGE"),
        item(4, "SaveImage", ["x"], {"images": ("IMAGE", 3)}),
    ]
    nodes[1]["inputs"][1]["widget"] = {"name": "text"}
    links = [
        [1, 1, 0, 2, 0, "MODEL"],
        [2, 2, 0, 3, 0, "LATENT"],
        [3, 3, 0, 4, 0, "IMAGE"],
    ]
    found = said(png({"workflow": drawn(nodes, links, definitions={"subgraphs": [inside]})}))
    assert (found.prompt, found.seed, found.steps) == ("a boat", 5, 9)
    assert (found.model, found.width, found.height) == (NamedModel("z.safetensors"), 64, 96)


# -- bounds ----------------------------------------------------------------------------------------


def test_a_graph_that_leads_in_circles_is_read_as_far_as_it_goes() -> None:
    graph = basic(
        n4=node("LoraLoader", lora_name="x", strength_model=1, model=["n4", 0]),
        n6=node("ConditioningCombine", conditioning_1=["n6", 0], conditioning_2=["n7", 0]),
        n5=node("LatentUpscaleBy", scale_by=2, samples=["n3", 0]),
        n7=node("CLIPTextEncode", text=["n20", 0]),
        n20=node("Join", text_a=["n20", 0], text_b=["n21", 0]),
        n21=node("Join", text_a=["n20", 0], text_b="end"),
    )
    found = said(png({"prompt": graph}))
    assert (found.steps, found.prompt) == (20, "end")


@pytest.mark.parametrize("slot", [-1, -9, 9])
def test_an_output_that_no_node_has_is_no_value(slot: int) -> None:
    sampler = basic()["3"]["inputs"] | {"steps": ["5", slot]}
    found = said(png({"prompt": basic() | {"3": {"class_type": "KSampler", "inputs": sampler}}}))
    assert (found.steps, found.prompt) == (None, "a red house")
    assert found.other == {"steps of node 3": "of node 5 EmptyLatentImage"}
    raw = workflow()
    for entry in raw["links"]:
        entry[2] = slot
    assert said(png({"workflow": raw})).tool == "ComfyUI"


def test_a_long_chain_and_a_wide_join_take_bounded_time() -> None:
    chain: Api = {
        str(n): node("Combine", conditioning_1=[str(n + 1), 0], conditioning_2=[str(n + 1), 0])
        for n in range(100, 4000)
    }
    doubled = {str(n): node("Join", text_a=[str(n + 1), 0], text_b=[str(n + 1), 0])
               for n in range(5000, 5060)}  # fmt: skip
    graph = basic() | chain | doubled
    graph["3"]["inputs"]["positive"] = ["100", 0]
    graph["7"]["inputs"]["text"] = ["5000", 0]
    assert said(png({"prompt": graph})).steps == 20


def test_a_graph_without_a_sampler_says_what_it_has() -> None:
    graph = {"1": node("LoadImage", image="a.png"), "2": node("SaveImage", images=["1", 0])}
    found = said(png({"prompt": graph}))
    assert found.other == {
        "nodes": "no sampler leads to an image that is saved: LoadImage, SaveImage"
    }


def test_what_does_not_come_to_a_value_is_listed() -> None:
    """Numbers that are none, strength without a source, one image of several."""
    sampler = basic()["3"]["inputs"] | {
        "cfg": float("nan"), "steps": "many", "denoise": 0.6, "seed": ["12", 0],
        **{name: [f"n{at}", side] for name, at, side in (
            ("model", 4, 0), ("positive", 6, 0), ("negative", 7, 0), ("latent_image", 5, 0))},
    }  # fmt: skip
    graph = basic(
        n3={"class_type": "KSampler", "inputs": sampler},
        n5=node("EmptyLatentImage", width=512, height=768, batch_size=4),
        n12=node("DiceOfMine", faces=6),
    )
    found = said(png({"prompt": graph}))
    assert (found.seed, found.steps, found.guidance_scale, found.strength) == (None,) * 4
    assert found.other == {
        "cfg of node 3": "null",
        "steps of node 3": "many",
        "seed of node 3": "of node 12 DiceOfMine",
        "denoise": "0.6",
        "batch_size": "4",
    }
