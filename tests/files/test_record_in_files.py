"""The record of how an image was made, inside the files of every format."""

from __future__ import annotations

import hashlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ninefold.files.decode import decode
from ninefold.files.embed import EmbeddedMetadata, MetadataLevel, read_record, read_xmp
from ninefold.files.encode import encode
from ninefold.files.jxl import jxl_installed
from ninefold.files.manifest import Manifest, PixelsRecord, RunRecord, build_manifest
from ninefold.files.png import add_text
from ninefold.files.xmp import DigitalSourceType, Xmp, format_xmp, parse_xmp

FORMATS = ["png", "jpeg", "webp", "avif", *(["jxl"] if jxl_installed() else [])]
XMP = Xmp(DigitalSourceType.TRAINED, "ninefold", "0.1.0")
RUN = RunRecord(
    job_id="job-of-ann", started_at="2026-01-01", finished_at="2026-01-01", outputs=(), stages={}
)
PROMPTS = {
    "plain": "a red house",
    "markup": "<b>&amp;</b> ]]> <!DOCTYPE a> 'x' \"y\"",
    "scripts": "赤い家 дом 🏠 \ufffe\uffff \x01\x7f\x80 \r\n\t",
    "long": "a red house by the sea, " * 833,
    "long and wide": "赤い" * 10_000,
}


def record(prompt: str) -> Manifest:
    """As long as that of a real run: the prompt stands in it several times."""
    return build_manifest(
        config={"stages": [{"stage": "detailer", "params": {"prompt": prompt}}]},
        inputs={"prompt": prompt, "seed": 2**63 - 1},
        stages={
            "prompt": {"template": prompt, "prompt": prompt, "seed": 7},
            "detailer": {"regions": [{"prompt": prompt, "score": 0.1}] * 2},
        },
        artifacts=[],
        versions={"ninefold": "0.1.0"},
        pixels=PixelsRecord(width=64, height=48, mode="RGB", sha256="cd" * 32),
    )


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_it_comes_back_from_every_format(
    picture: NDArray[np.uint8], kind: str, prompt: str
) -> None:
    made = record(prompt)
    assert prompt in (made.inputs["prompt"], made.stages["prompt"]["prompt"])
    data = encode(picture, kind, metadata=EmbeddedMetadata(xmp=XMP, record=made.with_run(RUN)))
    assert read_record(data) == made  # without what is of one run
    assert b"job-of-ann" not in data
    assert parse_xmp(read_xmp(data) or b"") == XMP
    plain = encode(picture, kind)
    assert np.array_equal(decode(data), decode(plain))


@pytest.mark.parametrize("kind", FORMATS)
def test_it_needs_no_other_metadata(picture: NDArray[np.uint8], kind: str) -> None:
    made = record("a house")
    assert read_record(encode(picture, kind, metadata=EmbeddedMetadata(record=made))) == made


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("level", [MetadataLevel.MINIMAL, MetadataLevel.NONE])
def test_lower_levels_hold_none(
    picture: NDArray[np.uint8], kind: str, level: MetadataLevel
) -> None:
    metadata = EmbeddedMetadata(xmp=XMP, level=level, record=record("a red house"))
    data = encode(picture, kind, metadata=metadata)
    assert read_record(data) is None
    assert b"red house" not in data


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(prompt=st.text(max_size=300), kind=st.sampled_from(FORMATS))
def test_any_prompt_comes_back(picture: NDArray[np.uint8], prompt: str, kind: str) -> None:
    made = record(prompt)
    assert read_record(encode(picture, kind, metadata=EmbeddedMetadata(record=made))) == made


def test_png_holds_it_where_readers_of_text_look(picture: NDArray[np.uint8]) -> None:
    data = encode(picture, "png", metadata=EmbeddedMetadata(xmp=XMP, record=record("a")))
    assert data.count(b"iTXtninefold\0\0\0\0\0") == 1
    assert data.index(b"iTXtninefold") < data.index(b"IDAT")
    with Image.open(BytesIO(data)) as image:
        image.load()
        assert image.info["ninefold"].encode() == record("a").to_json()


def test_a_long_one_leaves_a_jpeg_that_everybody_opens(picture: NDArray[np.uint8]) -> None:
    metadata = EmbeddedMetadata(xmp=XMP, record=record(PROMPTS["long"]))
    data = encode(picture, "jpeg", metadata=metadata)
    assert data.count(b"http://ns.adobe.com/xmp/extension/\0") > 1
    assert b"HasExtendedXMP" in data
    with Image.open(BytesIO(data)) as image:
        image.load()
        assert image.info["icc_profile"]
        assert image.info["xmp"] == read_xmp(data)


def test_a_damaged_extension_is_told(picture: NDArray[np.uint8]) -> None:
    made = record(PROMPTS["long"])
    data = encode(picture, "jpeg", metadata=EmbeddedMetadata(record=made))
    with pytest.raises(ValueError, match="XMP extension: expected"):
        read_record(data.replace(b"red house", b"red h0use"))
    first = data.index(b"http://ns.adobe.com/xmp/extension/\0") - 4
    length = int.from_bytes(data[first + 2 : first + 4], "big") + 2
    with pytest.raises(ValueError, match="XMP extension: expected"):
        read_record(data[:first] + data[first + length :])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "ninefold.manifest/9"}', '{"schema":"ninefold.manifest/2"}']
)
def test_what_is_no_record_is_told(picture: NDArray[np.uint8], text: str) -> None:
    data = encode(picture, "png")
    with pytest.raises(ValueError, match="manifest"):
        read_record(add_text(data, {"ninefold": text}))


def test_other_files_have_none(picture: NDArray[np.uint8]) -> None:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", xmp=format_xmp(XMP))
    assert read_record(buffer.getvalue()) is None
    Image.fromarray(picture).save(buffer, "JPEG", xmp=b"<broken")
    assert read_record(buffer.getvalue()) is None
    for kind in FORMATS:
        assert read_record(encode(picture, kind)) is None
    with pytest.raises(ValueError, match="expected"):
        read_record(b"no image")


def test_equal_records_make_equal_files(picture: NDArray[np.uint8]) -> None:
    for kind in FORMATS:
        digests = {
            hashlib.sha256(
                encode(picture, kind, metadata=EmbeddedMetadata(xmp=XMP, record=made))
            ).hexdigest()
            for made in (record("a"), record("a").with_run(RUN))
        }
        assert len(digests) == 1
