"""What may be chosen about the engines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeFloat, NonNegativeInt

from ninefold.core.paths import Folder, expand_home
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.engines.quantization import Quantization, installed

_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(gb|gib|g|mb|mib|m|)")
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    """Bytes of a size as cards are sold: `24GB` and `24GiB` are the same, and so is 24."""
    if not isinstance(value, str):
        return int(value * 2**30) if isinstance(value, int | float) and value < 2**20 else value
    if value.strip().lower() == "auto":
        return 0
    if (found := _SIZE.fullmatch(value.strip().lower())) is None:
        raise ValueError("expected auto, or a size such as 24GB or 6000MB")
    return int(float(found[1]) * 2 ** (20 if found[2].startswith("m") else 30))


class EngineSettings(SigningSettings):
    """Where the models run, what may be loaded, how much they may hold, and who signs."""

    device: Annotated[Device, BeforeValidator(_lower)] = Field(
        "auto", description="`cpu`, `cuda`, `mps`, or the best there is."
    )
    dtype: Annotated[Precision, BeforeValidator(_lower)] = Field(
        "auto",
        description="Number format of diffusion models: `float32`, `bfloat16`, `float16`, or what "
        "suits device and model. float16 overflows in some models, whose images are then black.",
    )
    quantization: Annotated[Quantization, BeforeValidator(_lower), AfterValidator(installed)] = (
        Field(
            "none",
            description="Store weights of diffusion models and their text encoders in fewer bits, "
            "which changes images a little: `fp8`, or with `ninefold[quantization]` `int8` and "
            "`nf4`.",
        )
    )
    threads: NonNegativeInt = Field(
        0, le=1024, description="CPU threads of every engine; 0 is the libraries' own choice."
    )
    memory: Annotated[int, BeforeValidator(_bytes)] = Field(
        0,
        ge=0,
        description="What may be taken of a CUDA device in all, such as `24GB`; `auto` is all of "
        "it. Where a model needs more, what saves memory is done step by step, and is in the "
        "metadata.",
    )
    memory_gb: NonNegativeFloat = Field(
        0.0,
        lt=1e6,
        description="GiB that idle models of all kinds may hold together on each device; 0 is half "
        "of its memory, or of `memory`.",
    )
    deterministic: bool = Field(
        False,
        description="Make every image in a call of its own, and ask CUDA for deterministic "
        "kernels; the CPU's are at a fixed thread count anyway.",
    )
    max_batch: NonNegativeInt = Field(
        0,
        le=1024,
        description="Most images of one diffusion call, for requests that wait together; 0 is as "
        "measured.",
    )
    allow_download: bool = Field(False, description="Fetch hub models that are not at hand.")
    allow_pickle: bool = Field(
        False,
        description="Load weights that hold more than tensors and need unpickling, which can run "
        "any code.",
    )
    loras: Folder = Field(
        Path("~/.local/share/ninefold/loras"),
        validate_default=True,
        description="The only folder, beside the built-in one, in which LoRA names are looked up.",
    )
    model_folders: tuple[Folder, ...] = Field(
        (),
        description="Folders of models that may be named by their files' names, with commas "
        "between: of AUTOMATIC1111, Forge or ComfyUI, the cache of the Hugging Face hub, or any "
        "others.",
    )
    components: tuple[str, ...] = Field(
        (),
        description="Where single files take what they lack (text encoders, decoder, tokenizers) "
        "when nothing else is named: diffusers folders or hub names, with commas between. Of "
        "several, a file takes the first that is of its family.",
    )
    library: Folder = Field(
        Path("~/.local/share/ninefold/models"),
        validate_default=True,
        description="The folder of the models that `ninefold models add` and `pull` keep.",
    )
    control: Folder = Field(
        Path("~/.local/share/ninefold/control"),
        validate_default=True,
        description="A folder of ControlNets, T2I-Adapters and IP-Adapters, known by their names.",
    )
    embeddings: Folder = Field(
        Path("~/.local/share/ninefold/embeddings"),
        validate_default=True,
        description="The folder of textual inversions, which prompts name by their file names.",
    )
    tuning: Folder = Field(
        Path("~/.local/share/ninefold/tuning.json"),
        validate_default=True,
        description="The file in which `ninefold tune` keeps what it measured.",
    )
    wildcards: Folder | None = Field(
        None, description="A folder of wildcards, text files with one choice a line."
    )

    data: Folder = Field(Path("ninefold-data"), description="The folder of jobs and their files.")
    marks: Folder | None = Field(
        None,
        description="The folder of the key that ninefold makes to sign with, and of the manifests "
        "of published images; by default `data` where that is set, else ~/.local/share/ninefold.",
    )

    @property
    def marks_folder(self) -> Path:
        """Where the key and the manifests lie: never in whatever folder is the current one."""
        if self.marks is not None:
            return self.marks.absolute()
        if "data" in self.model_fields_set:
            return self.data.absolute()
        return expand_home("~/.local/share/ninefold").absolute()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Settings from `NINEFOLD_*` variables, and from the file that `NINEFOLD_SETTINGS` names.

        Raises `ConfigError` with every problem at once.
        """
        return read_settings(cls, environ, part=True)
