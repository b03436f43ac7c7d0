"""The device that diffusion runs on, and the number format there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.values import Json
from ninefold.engines.settings import EngineSettings


@dataclass(frozen=True)
class DeviceChoice:
    """A torch device by name."""

    name: str
    #: A number format for every model; None for what suits each.
    precision: str | None = None

    def dtype(self, usual: str) -> Any:
        """The torch format that models are loaded in; `usual` is their family's."""
        import torch

        return getattr(torch, self.number_format(usual))

    def number_format(self, usual: str) -> str:
        """Its name: as set; else float32 on the CPU, and elsewhere what is usual for the model."""
        if self.precision is not None:
            return self.precision
        return "float32" if self.name == "cpu" else usual

    def model_name(self) -> str:
        """What the device is: of CUDA the card's name, else its own."""
        import torch

        return torch.cuda.get_device_name() if self.name == "cuda" else self.name

    def facts(self) -> Json:
        """What decides the last digits of its numbers: the processor and its kernels, torch's
        threads, and whether torch is to repeat itself."""
        import torch

        backends: Any = torch.backends  # of which only a part is typed
        cuda = backends.cuda
        kernels = {
            "flash": cuda.flash_sdp_enabled(),
            "memory_efficient": cuda.mem_efficient_sdp_enabled(),
            "cudnn": cuda.cudnn_sdp_enabled(),
            "math": cuda.math_sdp_enabled(),
        }
        found: Json = {
            "device_name": self.model_name(),
            "threads": torch.get_num_threads(),
            "attention": [name for name, is_on in kernels.items() if is_on],
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "matmul_precision": torch.get_float32_matmul_precision(),
        }
        if self.name == "cpu":
            found["cpu"] = backends.cpu.get_cpu_capability()
            found["mkldnn"] = backends.mkldnn.is_available()
        if self.name == "cuda":
            cudnn = backends.cudnn
            found["cuda"] = torch.version.cuda
            found["cudnn"] = cudnn.version()
            found["cudnn_benchmark"] = cudnn.benchmark
            found["tf32"] = [
                name
                for name, is_on in (("matmul", cuda.matmul.allow_tf32), ("cudnn", cudnn.allow_tf32))
                if is_on
            ]
        return found

    def free(self) -> int:
        """Bytes that CUDA could still give to tensors."""
        import torch

        idle = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0]) + int(idle)

    @contextmanager
    def watched(self, report: Callable[[int], object]) -> Iterator[None]:
        """Report how many bytes the block took at its height; only CUDA counts them.

        What other models take meanwhile is counted too, so the number is one to be safe with.
        """
        if self.name != "cuda":
            yield
            return
        import torch

        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        yield
        report(int(torch.cuda.max_memory_allocated() - before))

    def clear(self) -> None:
        """Give memory that nothing uses back to the device."""
        import gc

        import torch

        frozen = gc.get_freeze_count() > 0
        gc.unfreeze()  # or what is in a cycle there would stay
        gc.collect()
        if frozen:
            gc.freeze()
        if self.name == "cuda":
            torch.cuda.empty_cache()
        elif self.name == "mps":
            torch.mps.empty_cache()


def device_name(settings: EngineSettings) -> str:
    """The device that the settings ask for; raises `ModelError` if it is not there."""
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if settings.device == "auto":
        return next(name for name, is_there in there.items() if is_there)
    if there[settings.device]:
        return settings.device
    raise ModelError(
        f"No {settings.device} device here for this PyTorch ({torch.__version__}). "
        "Set NINEFOLD_DEVICE=auto, or install a PyTorch build for it."
    )


def choose_device(settings: EngineSettings) -> DeviceChoice:
    """The device that the settings ask for, set up as they say; raises `ModelError` if it is not
    there."""
    import torch

    if settings.threads:
        torch.set_num_threads(settings.threads)
    choice = device_name(settings)
    if settings.memory and choice == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, settings.memory / total))
    if settings.deterministic and choice == "cuda":
        # cuBLAS repeats its results where a handle has one stream, or a workspace of its own; torch
        # gives it both. Torch asks for a variable all the same, which changes nothing in cuBLAS.
        warnings.filterwarnings("ignore", message="(?s).*CUBLAS_WORKSPACE_CONFIG")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return DeviceChoice(choice, None if settings.dtype == "auto" else settings.dtype)
