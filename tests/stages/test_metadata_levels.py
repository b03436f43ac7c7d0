"""What each metadata level writes into each format, carrier by carrier, and what never leaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ninefold import IMAGE, Pipeline, PipelineConfig, PipelineContext, stage
from ninefold.core.wiring import Step
from ninefold.files.embed import read_infotext, read_record, read_xmp
from ninefold.files.profiles import srgb_profile
from ninefold.files.xmp import DigitalSourceType, Xmp, parse_xmp
from ninefold.slots import OUTPUTS
from ninefold.stages import PublisherStage
from ninefold.testing import fake_engines

from ..support import run

FORMATS = ["png", "jpeg", "webp", "avif", "jxl"]
TOKEN = "hf_abcdefghijklmnopqrstuvwx1234"
SECRETS = (TOKEN, "jane", "not-to-be-seen", "sk-4f9a8b7c6d5e4f3a2b1c")
PROMPT = f"a red house from /home/jane/in.png with {TOKEN}"


@stage(accepts=[IMAGE], requires=[], provides=[])
def leaky(context: PipelineContext) -> None:
    """A plugin that writes into its metadata what it should not."""
    context.add_metadata(
        "leaky",
        api_key="not-to-be-seen",
        source="/home/jane/pictures/in.png",
        note="called with sk-4f9a8b7c6d5e4f3a2b1c and /home/jane/x.safetensors",
        nested={"Authorization": "Bearer not-to-be-seen", "paths": ["C:\\Users\\jane\\a.png"]},
        **{"/home/jane/key": 1},
    )


def published(folder: Path, **params: Any) -> dict[str, bytes]:
    """The files of a run, by format."""
    params = {"formats": FORMATS, "name": "{job_id}"} | params
    document = {
        "description": f"of /home/jane with {TOKEN}",
        "stages": [{"stage": "prompt"}, {"stage": "text_to_image"}, {"stage": "publisher"}],
    }
    pipeline = PipelineConfig.parse(document).build(fake_engines())
    first, second, _ = pipeline.steps
    last = Step(PublisherStage(engines=fake_engines(), **params))
    whole = Pipeline([first, second, Step(leaky()), last], defaults=pipeline.defaults)
    context = PipelineContext(folder, job_id="job", prompt=PROMPT, seed=7)
    run(whole.execute(context))
    context.raise_for_error()
    return {output.format: output.path.read_bytes() for output in context[OUTPUTS]}


#: Level, and what its files have: infotext, record, and in XMP the source type and the program.
LEVELS = [
    ("full", True, True, True),
    ("minimal", False, False, True),
    ("none", False, False, False),
]


@pytest.mark.parametrize(("level", "infotext", "record", "xmp"), LEVELS)
def test_every_carrier_of_every_format(
    tmp_path: Path, level: str, infotext: bool, record: bool, xmp: bool
) -> None:
    for kind, data in published(tmp_path, metadata=level).items():
        info = read_infotext(data)
        assert (info is not None) is infotext, kind
        assert (read_record(data) is not None) is record, kind
        packet = read_xmp(data)
        assert (packet is not None) is xmp, kind
        if info is not None:
            assert info.prompt.startswith("a red house from")
        if packet is not None:
            said = parse_xmp(packet)
            assert isinstance(said, Xmp)
            assert (said.source_type, said.system) == (DigitalSourceType.TRAINED, "ninefold")
            assert said.prompt is None
        if level != "full":
            for encoding in ("utf-8", "utf-16-be", "utf-16-le"):
                assert "red house".encode(encoding) not in data, kind


@pytest.mark.parametrize("level", ["full", "minimal", "none"])
@pytest.mark.parametrize("sign", [False, True])
def test_no_secret_and_no_path_leaves(tmp_path: Path, level: str, sign: bool) -> None:
    if sign and level == "none":
        pytest.skip("what says nothing cannot be signed")
    params: dict[str, Any] = {"metadata": level, "sign": sign, "thumbnail": 64}
    if sign:
        params["formats"] = ["png", "jpeg", "jxl"]
    published(tmp_path, **params)
    files = sorted((tmp_path / "outputs").iterdir())
    assert len(files) == len(params.get("formats", FORMATS)) + 2
    for file in files:
        data = file.read_bytes()
        words = () if level == "full" or file.suffix == ".json" else ("red house",)
        for secret in (*SECRETS, str(tmp_path), *words):
            for encoding in ("utf-8", "utf-16-be", "utf-16-le"):
                assert secret.encode(encoding) not in data, (file.name, secret)


def test_each_format_says_that_it_is_srgb(tmp_path: Path) -> None:
    for kind, data in published(tmp_path).items():
        path = tmp_path / f"x.{kind}"
        path.write_bytes(data)
        with Image.open(path) as image:
            image.load()
            if kind in ("jpeg", "webp"):
                digest = hashlib.sha256(image.info["icc_profile"]).hexdigest()
                assert digest == hashlib.sha256(srgb_profile()).hexdigest()
            elif kind == "png":
                assert "srgb" in image.info
            elif kind == "avif":
                assert b"colrnclx\0\1\0\x0d" in data  # BT.709 primaries, sRGB's curve
            else:
                assert "colours" not in image.info  # the codestream's default: sRGB


def test_exiftool_shows_what_files_say(tmp_path: Path) -> None:
    files = published(tmp_path)
    for kind, data in files.items():
        (tmp_path / f"x.{kind}").write_bytes(data)
    names = [str(tmp_path / f"x.{kind}") for kind in files]
    try:
        done = subprocess.run(
            ["exiftool", "-j", "-G1", "-XMP:all", "-EXIF:all", *names],
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("needs exiftool (libimage-exiftool-perl)")
    shown = json.loads(done.stdout)
    assert len(shown) == len(FORMATS)
    for said in shown:
        assert said["XMP-iptcExt:DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
        assert said["XMP-iptcExt:AISystemUsed"] == "ninefold"
        assert said["XMP-iptcExt:AISystemVersionUsed"]
        if not said["SourceFile"].endswith(".png"):
            assert said["ExifIFD:UserComment"].startswith("a red house")
