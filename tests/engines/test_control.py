from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines.control import Control
from ninefold.engines.defaults import build_engines
from ninefold.engines.diffusion import ImageToImage, Inpaint, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels
from tests.tiny_models.control import tiny_control, tiny_ip_adapter

QUIET = SilentProgress()
#: What diffusers' schedulers do to NumPy, and its ControlNet for FLUX.1 to itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed`:FutureWarning"),
]
#: Least sides of models that are native at 1024 pixels.
SIDES = {"flux": 256, "sd3": 256, "qwen-image": 256, "sana": 256, "z-image": 256}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("control")


@pytest.fixture(scope="module")
def engines(folder: Path) -> EngineSet:
    return build_engines(EngineSettings(device="cpu", control=folder))


@pytest.fixture(scope="module")
def edges() -> Pixels:
    return drawn(64)


def drawn(side: int) -> Pixels:
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[side // 4 : side // 2, side // 4 :] = 255
    return pixels


def asked(model: Path, **changes: Any) -> TextToImage:
    side = SIDES.get(model.name, 64)
    return TextToImage(
        **{
            "model": str(model),
            "prompt": "a house",
            "negative_prompt": "",
            "width": side,
            "height": side,
            "steps": 3,
            "guidance_scale": 3.0,
            "scheduler": "default",
            "seed": 7,
            **changes,
        }
    )


def by_hand(pipe: Any, side: int = 64, **arguments: Any) -> Pixels:
    import torch

    pipe.set_progress_bar_config(disable=True)
    torch.manual_seed(7)  # which some pipelines draw from beside the generator
    out = pipe(
        prompt="a house",
        width=side,
        height=side,
        num_inference_steps=3,
        generator=torch.Generator("cpu").manual_seed(7),
        **({} if "true_cfg_scale" in arguments else {"guidance_scale": 3.0}) | arguments,
    )
    return np.array(out.images[0])


def picture(pixels: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("base", "name", "pipeline", "network", "image", "mode"),
    [
        ("sd15", "sd15-controlnet", "StableDiffusionControlNet", "ControlNet", "image", None),
        ("sdxl", "sdxl-controlnet", "StableDiffusionXLControlNet", "ControlNet", "image", None),
        (
            "sdxl",
            "sdxl-union",
            "StableDiffusionXLControlNetUnion",
            "ControlNetUnion",
            "control_image",
            ("canny", 3),
        ),
        ("flux", "flux-controlnet", "FluxControlNet", "FluxControlNet", "control_image", None),
        ("flux", "flux-union", "FluxControlNet", "FluxControlNet", "control_image", ("canny", 0)),
        (
            "sd3",
            "sd3-controlnet",
            "StableDiffusion3ControlNet",
            "SD3ControlNet",
            "control_image",
            None,
        ),
    ],
)
def test_a_controlnet_gives_what_diffusers_gives_by_hand(
    engines: EngineSet,
    tiny_models: Callable[[str], Path],
    folder: Path,
    base: str,
    name: str,
    pipeline: str,
    network: str,
    image: str,
    mode: tuple[str, int] | None,
) -> None:
    import diffusers as untyped

    diffusers: Any = untyped
    model, control = tiny_models(base), tiny_control(name, folder / name)
    side = SIDES.get(base, 64)
    edges = drawn(side)
    entry = Control(name, edges, strength=0.8, end=0.7, mode=mode[0] if mode else None)
    made = engines.diffusion.run(asked(model, control=(entry,)), QUIET)
    net = getattr(diffusers, f"{network}Model").from_pretrained(control)
    pipe = getattr(diffusers, f"{pipeline}Pipeline").from_pretrained(model, controlnet=net)
    expected = by_hand(
        pipe,
        side,
        **{image: picture(edges)},
        **({"control_mode": mode[1]} if mode else {}),
        controlnet_conditioning_scale=0.8,
        control_guidance_end=0.7,
    )
    assert np.array_equal(made.image, expected)
    plain = engines.diffusion.run(asked(model), QUIET)
    assert not np.array_equal(made.image, plain.image)
    (used,) = made.record.control
    assert (used.model, used.kind, used.strength, used.end) == (name, "controlnet", 0.8, 0.7)
    assert used.mode == entry.mode
    assert plain.record.control == ()


#: By the model, its network, and what is passed beside the picture when calling by hand.
TRANSFORMERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "hunyuan-dit": (
        "hunyuan-controlnet",
        "HunyuanDiT2DControlNet",
        {"guidance_scale": 3.0, "use_resolution_binning": False},
    ),
    "qwen-image": (
        "qwen-controlnet",
        "QwenImageControlNet",
        {"true_cfg_scale": 3.0, "negative_prompt": " ", "control_guidance_end": 0.7},
    ),
    "sana": (
        "sana-controlnet",
        "SanaControlNet",
        {"guidance_scale": 3.0, "use_resolution_binning": False},
    ),
    "z-image": ("z-image-controlnet", "ZImageControlNet", {"guidance_scale": 3.0}),
}


@pytest.mark.families
@pytest.mark.parametrize("base", TRANSFORMERS)
def test_a_controlnet_of_a_transformer_gives_what_diffusers_gives_by_hand(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, base: str
) -> None:
    import diffusers as untyped

    diffusers: Any = untyped
    name, network, given = TRANSFORMERS[base]
    model, control = tiny_models(base), tiny_control(name, folder / name)
    side = SIDES.get(base, 64)
    edges, end = drawn(side), given.get("control_guidance_end", 1.0)
    entry = Control(name, edges, strength=0.8, end=end)
    made = engines.diffusion.run(asked(model, control=(entry,)), QUIET)
    net = getattr(diffusers, f"{network}Model").from_pretrained(control)
    pipeline = f"{network.replace('2D', '')}Pipeline"
    pipe = getattr(diffusers, pipeline).from_pretrained(model, controlnet=net)
    expected = by_hand(
        pipe,
        side,
        control_image=picture(edges),
        controlnet_conditioning_scale=0.8,
        **given,
    )
    assert np.array_equal(made.image, expected)
    assert not np.array_equal(made.image, engines.diffusion.run(asked(model), QUIET).image)
    (used,) = made.record.control
    assert (used.model, used.strength, used.end) == (name, 0.8, end)


@pytest.mark.parametrize("base", ["sd15", "sdxl", "flux", "sd3"])
def test_an_ip_adapter_gives_what_diffusers_gives_by_hand_and_leaves_no_trace(
    engines: EngineSet,
    tiny_models: Callable[[str], Path],
    folder: Path,
    edges: Pixels,
    base: str,
) -> None:
    import diffusers as untyped
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionModelWithProjection,
        SiglipImageProcessor,
        SiglipVisionModel,
    )

    diffusers: Any = untyped
    model, file = tiny_models(base), tiny_ip_adapter(base, folder / f"ip-{base}")
    side = SIDES.get(base, 64)
    plain = engines.diffusion.run(asked(model), QUIET).image
    entry = Control(f"ip-{base}/{base}-ip", edges, strength=0.6)
    made = engines.diffusion.run(asked(model, control=(entry,)), QUIET)
    encoder_class: Any = SiglipVisionModel if base == "sd3" else CLIPVisionModelWithProjection
    untyped_siglip: Any = SiglipImageProcessor
    untyped_clip: Any = CLIPImageProcessor
    processor = (
        untyped_siglip(size={"height": 32, "width": 32})
        if base == "sd3"
        else untyped_clip(size=32, crop_size=32)
    )
    encoder = encoder_class.from_pretrained(file.parent / "image_encoder")
    pipe = diffusers.DiffusionPipeline.from_pretrained(
        model, image_encoder=encoder, feature_extractor=processor
    )
    pipe.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name)
    pipe.set_ip_adapter_scale(0.6)
    assert np.array_equal(made.image, by_hand(pipe, side, ip_adapter_image=picture(edges)))
    assert not np.array_equal(made.image, plain)
    assert np.array_equal(engines.diffusion.run(asked(model), QUIET).image, plain)


def test_a_t2i_adapter_gives_what_diffusers_gives_by_hand(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    import diffusers as untyped

    diffusers: Any = untyped
    model, control = tiny_models("sdxl"), tiny_control("sdxl-t2i", folder / "sdxl-t2i")
    made = engines.diffusion.run(
        asked(model, control=(Control("sdxl-t2i", edges, strength=0.8, end=0.7),)), QUIET
    )
    adapter = diffusers.T2IAdapter.from_pretrained(control)
    pipe = diffusers.StableDiffusionXLAdapterPipeline.from_pretrained(model, adapter=adapter)
    assert made.record.steps_run == 3
    expected = by_hand(
        pipe,
        image=picture(edges),
        adapter_conditioning_scale=0.8,
        adapter_conditioning_factor=0.7,
    )
    assert np.array_equal(made.image, expected)


def test_a_controlnet_of_another_base_is_refused_with_both_names(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    request = asked(tiny_models("sdxl"), control=(Control("sd15-controlnet", edges),))
    with pytest.raises(ModelError, match=r"sd15-controlnet .* does not fit sdxl"):
        engines.diffusion.run(request, QUIET)


def test_an_ip_adapter_without_all_its_tensors_is_refused(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    from safetensors.numpy import load_file, save_file

    file = tiny_ip_adapter("sd15", folder / "cut")
    tensors = load_file(file)
    save_file({name: tensors[name] for name in tensors if "to_v_ip" not in name}, file)
    plain = engines.diffusion.run(asked(tiny_models("sd15")), QUIET).image
    request = asked(tiny_models("sd15"), control=(Control("cut/sd15-ip", edges),))
    with pytest.raises(ModelError, match=r"cut/sd15-ip does not fit"):
        engines.diffusion.run(request, QUIET)
    assert np.array_equal(engines.diffusion.run(asked(tiny_models("sd15")), QUIET).image, plain)


def test_several_controlnets_and_an_ip_adapter_act_together(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    tiny_ip_adapter("sd15", folder / "ip-sd15")
    model = tiny_models("sd15")
    entries = (
        Control("sd15-controlnet", edges),
        Control("sd15-controlnet", 255 - edges, strength=0.5),
        Control("ip-sd15/sd15-ip", edges, start=0.5),
    )
    made = [
        engines.diffusion.run(asked(model, control=entries[:count]), QUIET) for count in range(4)
    ]
    images = [item.image for item in made]
    for index, image in enumerate(images):
        assert not any(np.array_equal(image, other) for other in images[:index])
    assert [entry.kind for entry in made[3].record.control] == [
        "controlnet",
        "controlnet",
        "ip_adapter",
    ]


@pytest.mark.parametrize("masked", [False, True])
def test_control_acts_where_an_image_starts_from_another(
    engines: EngineSet,
    tiny_models: Callable[[str], Path],
    folder: Path,
    edges: Pixels,
    masked: bool,
) -> None:
    tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    text = asked(tiny_models("sd15"))
    mask = np.zeros((64, 64), np.float32)
    mask[:, 32:] = 1
    given: dict[str, Any] = {"image": 255 - edges, "strength": 0.7}
    kind: Any = Inpaint if masked else ImageToImage
    given |= {"mask": mask} if masked else {}
    plain = engines.diffusion.run(kind(**vars(text), **given), QUIET).image
    control = {"control": (Control("sd15-controlnet", edges),)}
    made = engines.diffusion.run(kind(**(vars(text) | control), **given), QUIET).image
    assert not np.array_equal(made, plain)
    if masked:
        assert np.array_equal(made[:, :32], given["image"][:, :32])


@pytest.mark.parametrize(("base", "name"), [("sd3", "sd3-controlnet"), ("sdxl", "sdxl-t2i")])
def test_pipelines_that_start_from_text_alone_start_from_images_too(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, base: str, name: str
) -> None:
    tiny_control(name, folder / name)
    side = SIDES.get(base, 64)
    source = 255 - drawn(side)
    mask = np.zeros((side, side), np.float32)
    mask[:, side // 2 :] = 1
    given = vars(asked(tiny_models(base))) | {"image": source, "strength": 0.7, "mask": mask}
    steered = given | {"control": (Control(name, drawn(side)),)}
    plain, made = (
        engines.diffusion.run(Inpaint(**request), QUIET).image for request in (given, steered)
    )
    assert not np.array_equal(made, plain)
    assert np.array_equal(made[:, : side // 2], source[:, : side // 2])


def test_requests_share_a_call_where_their_control_is_one(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    from ninefold.engines.control_call import PreparedControl
    from ninefold.engines.control_files import find_control
    from ninefold.engines.prepared_request import PreparedRequest

    tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    tiny_control("sdxl-t2i", folder / "sdxl-t2i")
    settings = EngineSettings(device="cpu", control=folder)
    model = tiny_models("sd15")

    def key(control: Control, seed: int) -> object:
        prepared = PreparedControl(control, find_control(control.model, settings))
        request = asked(model, control=(control,), seed=seed)
        info = engines.diffusion.describe(str(model))
        return PreparedRequest(request, info, (), (prepared,)).in_common()

    one = Control("sd15-controlnet", edges)
    same = Control("sd15-controlnet", edges.copy())
    assert key(one, 1) == key(same, 2)
    assert key(one, 1) != key(Control("sd15-controlnet", 255 - edges), 1)
    assert key(one, 1) != key(Control("sd15-controlnet", edges, strength=0.5), 1)
    # Its features are made for one image.
    sketch = Control("sdxl-t2i", edges)
    assert key(sketch, 1) != key(sketch, 2)


def test_a_network_is_loaded_once_and_counts_in_the_budget(
    tiny_models: Callable[[str], Path],
    tmp_path: Path,
    edges: Pixels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ninefold.engines import control_loading

    loads: list[str] = []
    original = control_loading._load

    def counted(files: Any, *others: Any) -> Any:
        loads.append(files.name)
        return original(files, *others)

    monkeypatch.setattr(control_loading, "_load", counted)
    tiny_control("sd15-controlnet", tmp_path / "net")
    engines = build_engines(EngineSettings(device="cpu", control=tmp_path))
    request = asked(tiny_models("sd15"), control=(Control("net", edges),))
    first = engines.diffusion.run(request, QUIET).image
    assert np.array_equal(engines.diffusion.run(request, QUIET).image, first)
    assert loads == ["net"]
    assert engines.stats().resident["control", "net"] > 10_000
    # Another file of the same name is another model.
    weights = tmp_path / "net" / "diffusion_pytorch_model.safetensors"
    from safetensors.numpy import load_file, save_file

    tensors = load_file(weights)
    save_file({name: value * 2 for name, value in tensors.items()}, weights)
    assert not np.array_equal(engines.diffusion.run(request, QUIET).image, first)
    assert loads == ["net", "net"]


def test_a_file_with_its_config_beside_it_is_the_same_model(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    import shutil

    net = tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    shutil.copy(net / "diffusion_pytorch_model.safetensors", folder / "single.safetensors")
    shutil.copy(net / "config.json", folder / "single.json")
    made = [
        engines.diffusion.run(
            asked(tiny_models("sd15"), control=(Control(name, edges),)), QUIET
        ).image
        for name in ("sd15-controlnet", "single")
    ]
    assert np.array_equal(made[0], made[1])


def test_a_file_in_the_original_layout_is_the_same_model(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    net = tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    tensors = load_file(net / "diffusion_pytorch_model.safetensors")
    renamed = {f"control_model.{original_name(name)}": value for name, value in tensors.items()}
    save_file(renamed, folder / "original.safetensors")
    shutil.copy(net / "config.json", folder / "original.json")
    made = [
        engines.diffusion.run(
            asked(tiny_models("sd15"), control=(Control(name, edges),)), QUIET
        ).image
        for name in ("sd15-controlnet", "original")
    ]
    assert np.array_equal(made[0], made[1])


@pytest.mark.parametrize(
    "change", [{"strength": 0.0}, {"start": 0.1, "end": 0.2}, {"start": 0.9}, {"end": 0.1}]
)
def test_an_entry_that_acts_in_no_step_changes_nothing_and_is_reported(
    change: dict[str, Any],
    tiny_models: Callable[[str], Path],
    folder: Path,
    engines: EngineSet,
    edges: Pixels,
) -> None:
    tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    run = engines.diffusion.run
    model = tiny_models("sd15")
    steered = asked(model, control=(Control("sd15-controlnet", edges, **change),))
    found = run(steered, QUIET)
    assert np.array_equal(found.image, run(asked(model), QUIET).image)
    (warning,) = found.record.warnings
    assert "sd15-controlnet did not act" in warning


def original_name(name: str) -> str:
    """The name that the authors' code gives a tensor of the tiny ControlNet."""
    import re

    for pattern, replaced in ORIGINAL_NAMES:
        name = re.sub(pattern, replaced, name)
    return name


#: Names of diffusers and of the authors' code, for two blocks of one layer each.
ORIGINAL_NAMES = (
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^controlnet_cond_embedding\.conv_in", "input_hint_block.0"),
    (r"^controlnet_cond_embedding\.conv_out", "input_hint_block.14"),
    (
        r"^controlnet_cond_embedding\.blocks\.(\d+)",
        lambda match: f"input_hint_block.{2 * int(match[1]) + 2}",
    ),
    (r"^controlnet_down_blocks\.(\d+)\.", r"zero_convs.\1.0."),
    (r"^controlnet_mid_block\.", "middle_block_out.0."),
    (r"^down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"^down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"^down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"^down_blocks\.1\.attentions\.0", "input_blocks.3.1"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"(?<!transformer_blocks\.0)\.norm1\.(?=weight|bias)", ".in_layers.0."),
    (r"(?<!transformer_blocks\.0)\.conv1\.", ".in_layers.2."),
    (r"(?<!transformer_blocks\.0)\.time_emb_proj\.", ".emb_layers.1."),
    (r"(?<!transformer_blocks\.0)\.norm2\.(?=weight|bias)", ".out_layers.0."),
    (r"(?<!transformer_blocks\.0)\.conv2\.", ".out_layers.3."),
    (r"(?<!transformer_blocks\.0)\.conv_shortcut\.", ".skip_connection."),
)
