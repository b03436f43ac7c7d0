"""Runs whose images are made again, records that were changed, and a model that is another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.files.decode import decode
from ninefold.files.embed import EmbeddedMetadata, read_record
from ninefold.files.encode import encode
from ninefold.files.manifest import Manifest
from ninefold.slots import OUTPUTS

from ..support import run

#: Choices everywhere: variants, wildcards of a file and of the config, LoRA tags, own prompts.
PROMPT = "a {red|blue|green} house by the __place__, __style__ <lora:sketch:0.5>"
OWN = "{close|far}, __style__, {prompt} <lora:sketch:0.25> [SEP] a {label}"


def made(
    folder: Path,
    engines: EngineSet,
    *settings: str,
    formats: Sequence[str] = ("png",),
    sign: bool = False,
    **data: Any,
) -> list[Path]:
    """The final files of a run of all nine stages."""
    config = PipelineConfig.preset("full").with_settings(settings)
    config = config.with_values(
        {"publisher.formats": formats, "publisher.thumbnail": 0, "publisher.sign": sign}
    )
    context = PipelineContext(folder, **{"prompt": PROMPT, **data})
    run(config.build(engines).execute(context))
    context.raise_for_error()
    return [output.path for output in context[OUTPUTS]]


def with_record(path: Path, **changes: Any) -> Path:
    """The PNG file with another record."""
    record = read_record(path.read_bytes())
    assert record is not None
    changed = Manifest.model_validate({**record.document(), **changes})
    data = encode(decode(path), "png", metadata=EmbeddedMetadata(record=changed))
    target = path.with_name("changed.png")
    target.write_bytes(data)
    return target


@dataclass(frozen=True)
class OtherDiffusion(FakeDiffusion):
    """Other weights under the same name."""

    digest = "0123456789"
