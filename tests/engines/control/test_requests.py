"""Control models together, from images, in one call, and those that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.control import Control
from ninefold.engines.defaults import build_engines
from ninefold.engines.diffusion import ImageToImage, Inpaint
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels
from tests.tiny_models.control import tiny_control, tiny_ip_adapter

from .helpers import MARKS, QUIET, SIDES, asked, drawn

pytestmark = MARKS


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


def test_a_pipeline_without_a_second_scale_says_so(
    tiny_models: Callable[[str], Path], folder: Path, engines: EngineSet
) -> None:
    tiny_control("flux-controlnet", folder / "flux-controlnet")
    steered = asked(
        tiny_models("flux"),
        control=(Control("flux-controlnet", drawn(256)),),
        negative_prompt="fog",
        true_cfg_scale=4.0,
    )
    found = engines.diffusion.run(steered, QUIET).record
    assert (found.warnings, found.true_cfg_scale) == ((), 4.0)
    source = ImageToImage(**vars(steered), image=drawn(256), strength=0.9)
    found = engines.diffusion.run(source, QUIET).record
    assert found.warnings == (
        "FluxControlNetImg2ImgPipeline takes no true_cfg_scale; it and the negative prompt were "
        "left out.",
    )
    assert found.true_cfg_scale == 1
