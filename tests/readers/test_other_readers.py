"""Other readers read ours: sd-parsers, and exiftool where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sd_parsers import ParserManager
from sd_parsers.data import Generators

from ninefold.files.embed import EmbeddedMetadata
from ninefold.files.encode import encode
from ninefold.files.formats import FORMATS, ImageFormat
from ninefold.files.infotext import Infotext
from ninefold.files.jxl import jxl_installed
from ninefold.files.xmp import DigitalSourceType, Xmp
from ninefold.inspection import inspect_file
from ninefold.testing import fake_engines
from tests.readers.makers import picture

PROMPT = "a red (house:1.2) by the sea, ein Häuschen 海"
INFO = Infotext(
    PROMPT,
    "fog",
    {
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "7",
        "Seed": "123",
        "Size": "64x48",
        "Model hash": "31e35c80fc",
        "Model": "poster",
        "Version": "ninefold 0.1.0",
    },
)
XMP = Xmp(DigitalSourceType.TRAINED, "ninefold", "0.1.0")
FORMATS_HERE = [kind for kind in FORMATS if kind is not ImageFormat.JXL or jxl_installed()]


def _file(kind: ImageFormat) -> bytes:
    metadata = EmbeddedMetadata(INFO, XMP)
    return encode(np.array(picture()), kind, metadata=metadata)


@pytest.mark.parametrize("kind", [ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.WEBP])
def test_sd_parsers_reads_ours(kind: ImageFormat) -> None:
    found = ParserManager().parse(BytesIO(_file(kind)))
    assert found is not None
    assert found.generator is Generators.AUTOMATIC1111
    assert [prompt.value for prompt in found.prompts] == [PROMPT]
    assert [prompt.value for prompt in found.negative_prompts] == ["fog"]
    assert [(model.name, model.hash) for model in found.models] == [("poster", "31e35c80fc")]
    (sampler,) = found.samplers
    assert sampler.name == "DPM++ 2M"
    assert {key: str(value) for key, value in sampler.parameters.items()} == {
        "scheduler": "Karras",
        "steps": "20",
        "cfg_scale": "7",
        "seed": "123",
    }


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("kind", FORMATS_HERE)
def test_exiftool_reads_ours(kind: ImageFormat, tmp_path: Path) -> None:
    path = tmp_path / f"a{FORMATS[kind].suffixes[0]}"
    path.write_bytes(_file(kind))
    command = ["exiftool", "-json", "-charset", "UTF8", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    (found,) = json.loads(done.stdout)
    text = found.get("Parameters") or found["UserComment"]
    assert text.splitlines()[:2] == [PROMPT, "Negative prompt: fog"]
    assert "Seed: 123" in text
    assert found["DigitalSourceType"].endswith("trainedAlgorithmicMedia")
    assert found["AISystemUsed"] == "ninefold"


@pytest.mark.parametrize("kind", FORMATS_HERE)
def test_we_read_what_sd_parsers_reads(kind: ImageFormat) -> None:
    said = inspect_file(_file(kind), fake_engines()).generation
    assert said is not None
    assert (said.tool, said.prompt, said.negative_prompt) == ("ninefold", PROMPT, "fog")
    assert (said.seed, said.steps, said.sampler, said.model.name) == (123, 20, "DPM++ 2M", "poster")
