"""What loading takes, what happens when memory ends, and that switching models costs no more."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines import diffusers_engine
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import Generated
from ninefold.engines.loading import load_model
from ninefold.engines.memory import encoders_leaving, ladder, loading_ladder
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

from .conftest import text

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
    pytest.mark.slow,
]

Make = Callable[[str], Path]
QUIET = SilentProgress()

_PEAK = """
import sys
from pathlib import Path
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.loading import load_model
from ninefold.engines.models import resolve
from ninefold.engines.settings import EngineSettings

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

settings, device = EngineSettings(device="cpu", allow_pickle=False), DeviceChoice("cpu")
small, big = sys.argv[1:]
load_model(resolve(small, settings), device, settings)  # imports what it takes
before = status("VmRSS")
model = load_model(resolve(big, settings), device, settings)
for network in (model.base.unet, model.base.vae, model.base.text_encoder):
    for weight in network.parameters():
        weight.sum()  # every page is read, as a call does
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_fresh_process_takes_little_more_than_the_file(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from tests.tiny_models.single_files import stable_diffusion_tensors
    from tests.tiny_models.stable_diffusion import stable_diffusion, unet

    paths = []
    for name, width in (("small", 32), ("big", 448)):
        torch.manual_seed(0)
        network = unet(16, block_out_channels=(width, width), norm_num_groups=4, layers_per_block=2)
        pipe = stable_diffusion(unet=network)
        path = tmp_path / f"{name}.safetensors"
        tensors = {k: v.contiguous() for k, v in stable_diffusion_tensors(pipe).items()}
        save_file(tensors, path)
        pipe.save_pretrained(tmp_path / name)
        paths.append(path)
    size = paths[1].stat().st_size
    assert size > 100e6
    # Beside each file its configs and its tokenizer: the networks are in the file alone.
    for weights in tmp_path.glob("*/*/*.safetensors"):
        weights.unlink()
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PEAK, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).stdout
    peak = int(out.split()[-1])
    assert size * 0.5 < peak <= 1.15 * size, f"{peak / size:.2f} times the file"


def made(engine: DiffusersEngine, folder: Path) -> Generated:
    return engine.run(replace(text(model=str(folder)), steps=1), QUIET)


def engine(**settings: Any) -> DiffusersEngine:
    return DiffusersEngine(EngineResources(EngineSettings(device="cpu", **settings)))


def failing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, times: int) -> list[str]:
    """Fill the device's memory the first `times` that something is called."""
    import torch

    whole, left = getattr(owner, name), [name] * times

    def full(*args: Any, **options: Any) -> Any:
        if left:
            left.pop()
            raise torch.OutOfMemoryError("out of memory")
        return whole(*args, **options)

    monkeypatch.setattr(owner, name, full)
    return left


@pytest.mark.parametrize("phase", ["load", "encode", "sample", "decode"])
def test_memory_that_ends_in_any_phase_takes_the_next_step(
    phase: str, tiny_models: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers
    from transformers import CLIPTextModel

    folder = tiny_models("sd15")
    expected = made(engine(), folder)
    owners: dict[str, tuple[Any, str]] = {
        "load": (diffusers.UNet2DConditionModel, "from_pretrained"),
        "encode": (CLIPTextModel, "forward"),
        "sample": (diffusers.UNet2DConditionModel, "forward"),
        "decode": (diffusers.AutoencoderKL, "decode"),
    }
    left = failing(monkeypatch, *owners[phase], 1)
    found = made(engine(), folder)
    assert not left
    assert found.record.oom_steps == ("unload_others",)
    assert found.image.tobytes() == expected.image.tobytes()
    if phase != "load":
        failing(monkeypatch, *owners[phase], 2)
        steps = made(engine(), folder).record.oom_steps
        assert steps == ("unload_others", "attention_slicing")


def test_a_job_that_fits_nowhere_fails_whole_and_alone(
    tiny_models: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers

    painter = engine()
    fits = made(painter, tiny_models("sdxl"))
    with monkeypatch.context() as patched:
        left = failing(patched, diffusers.AutoencoderKL, "from_pretrained", 99)
        with pytest.raises(ModelError, match=r"sd15 does not fit .*\(unload_others\)"):
            made(painter, tiny_models("sd15"))
        assert len(left) == 97  # tried once more, and no oftener
    assert made(painter, tiny_models("sdxl")).image.tobytes() == fits.image.tobytes()


def test_the_steps_of_an_accelerator_go_further() -> None:
    import torch

    class Pipe:
        vae = torch.nn.Linear(1, 1)

        def enable_model_cpu_offload(self) -> None:
            pass

    names = [rung.name for rung in ladder(Pipe(), "cuda", lambda: None)]
    assert names == ["unload_others", "encoders_leave", "cpu_offload"]
    assert [rung.name for rung in ladder(Pipe(), "cpu", lambda: None)] == ["unload_others"]
    names = [rung.name for rung in loading_ladder("cuda", lambda: None)]
    assert names == ["unload_others", "cpu_offload"]


def test_encoders_leave_before_the_first_step_and_come_back(
    tiny_models: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    class Part(torch.nn.Linear):
        def to(self, place: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
            seen.append(place)
            return self

    class Pipe:
        transformer = torch.nn.Linear(1, 1)
        components = {"text_encoder": Part(1, 1), "tokenizer": object()}  # noqa: RUF012

    seen: list[str] = []
    for _ in range(2):
        with encoders_leaving(Pipe(), "cuda", True):
            assert seen[-1] == "cuda"
            Pipe.transformer(torch.zeros(1))
            assert seen[-1] == "cpu"
            Pipe.transformer(torch.zeros(1))
    assert seen == ["cuda", "cpu"] * 2
    with encoders_leaving(Pipe(), "cuda", False):
        Pipe.transformer(torch.zeros(1))
    assert len(seen) == 4


def test_models_that_fit_are_loaded_once_however_often_they_change(
    tiny_models: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    whole = load_model

    def counting(files: Any, *args: Any, **options: Any) -> Any:
        loaded.append(files.name)
        return whole(files, *args, **options)

    monkeypatch.setattr(diffusers_engine, "load_model", counting)
    painter = engine()
    for _ in range(2):
        for name in ("sd15", "sdxl"):
            made(painter, tiny_models(name))
    assert loaded == ["sd15", "sdxl"]


def test_switching_between_models_beyond_the_budget_leaves_nothing_behind(
    tiny_models: Make,
) -> None:
    import torch

    def alive() -> int:
        gc.unfreeze()  # or what is frozen would not be counted
        gc.collect()
        return sum(issubclass(type(item), torch.nn.Module) for item in gc.get_objects())

    painter = engine(memory_gb=1e-6)  # none stays beside another
    names = ("sd15", "sdxl", "sd2")

    def round_of_jobs() -> int:
        for name in names:
            made(painter, tiny_models(name))
        return alive()

    round_of_jobs()
    before = round_of_jobs()
    for _ in range(2):
        assert round_of_jobs() == before


def test_damaged_weights_are_named(tiny_models: Make, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "nan"
    shutil.copytree(tiny_models("sd15"), folder)
    (path,) = (folder / "vae").glob("*.safetensors")
    weights = load_file(path)
    weights["decoder.conv_in.weight"] = weights["decoder.conv_in.weight"] * float("nan")
    save_file(weights, path, {"format": "pt"})
    defect = made(engine(), folder).defect
    assert defect is not None
    assert defect.startswith("nan is damaged: its weight vae.decoder.conv_in.weight holds")
