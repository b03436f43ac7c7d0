"""Metadata inside files: every carrier, every script, every level, no leaks."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ninefold.files.decode import decode
from ninefold.files.embed import (
    EmbeddedMetadata,
    MetadataLevel,
    read_infotext,
    read_parameters,
    read_xmp,
)
from ninefold.files.encode import Compression, encode
from ninefold.files.exif import Exif, read_exif, read_exif_texts, write_exif
from ninefold.files.infotext import Infotext
from ninefold.files.png import add_text, read_text
from ninefold.files.xmp import DigitalSourceType, Xmp, parse_xmp

Save = Callable[..., bytes]
FORMATS = ["png", "jpeg", "webp", "avif", "jxl"]
PROMPTS = ["a red house", "ein rotes Häuschen", "赤い家と海", "дом 🏠 <b>&amp;", "line\nline"]
FIELDS = {"Steps": "20", "Seed": "7", "Size": "64x48", "Version": "ninefold 0.1.0"}
XMP = Xmp(DigitalSourceType.TRAINED, "ninefold", "0.1.0", "a red house", "Ann")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_infotext_and_xmp_come_back(picture: NDArray[np.uint8], kind: str, prompt: str) -> None:
    info = Infotext(prompt, "blurry", FIELDS)
    data = encode(picture, kind, metadata=EmbeddedMetadata(info, XMP))
    assert read_infotext(data) == info
    assert parse_xmp(read_xmp(data) or b"") == XMP
    again = encode(picture, kind, metadata=EmbeddedMetadata(info, XMP))
    assert data == again


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_leaves_the_pixels_alone(picture: NDArray[np.uint8], kind: str) -> None:
    metadata = EmbeddedMetadata(Infotext("p", "", FIELDS), XMP)
    for compression in Compression:
        with_it = encode(picture, kind, metadata=metadata, compression=compression)
        without = encode(picture, kind, compression=compression)
        assert np.array_equal(decode(with_it), decode(without))


@pytest.mark.parametrize("kind", FORMATS)
def test_levels(picture: NDArray[np.uint8], kind: str) -> None:
    info = Infotext("a red house", "", FIELDS)
    minimal = encode(picture, kind, metadata=EmbeddedMetadata(info, XMP, MetadataLevel.MINIMAL))
    assert read_infotext(minimal) is None
    assert parse_xmp(read_xmp(minimal) or b"") == Xmp(XMP.source_type, "ninefold", "0.1.0")
    assert b"red house" not in minimal
    none = encode(picture, kind, metadata=EmbeddedMetadata(info, XMP, MetadataLevel.NONE))
    assert none == encode(picture, kind)
    assert read_parameters(none) is None
    assert read_xmp(none) is None


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("level", list(MetadataLevel))
def test_paths_and_secrets_never_enter(
    picture: NDArray[np.uint8], kind: str, level: MetadataLevel
) -> None:
    fields = {
        **FIELDS,
        "Model": "/home/jane/models/poster.safetensors",
        "Source": r"C:\Users\jane\in.png",
        "api_key": "not-to-be-seen",
        "Note": "hf_abcdefghijklmnopqrstuvwxyz",
    }
    info = Infotext("a house <lora:/home/jane/loras/x.safetensors:0.8>", "~/jane/bad", fields)
    xmp = Xmp(prompt="from /home/jane/pictures/in.png", system="sk-abcdefghijklmnopqrstuvwxyz")
    data = encode(picture, kind, metadata=EmbeddedMetadata(info, xmp, level))
    for leak in ("jane", "not-to-be-seen", "hf_abc", "sk-abc"):
        for encoding in ("utf-8", "utf-16-be"):
            assert leak.encode(encoding) not in data
    if level is MetadataLevel.FULL:
        read = read_infotext(data)
        assert read is not None
        assert read.prompt == "a house <lora:x.safetensors:0.8>"
        assert read.fields["Model"] == "poster.safetensors"
        assert read.fields["Source"] == "in.png"


def test_png_text_goes_where_readers_look(picture: NDArray[np.uint8]) -> None:
    for prompt, chunk in (
        ("plain Häuschen", b"tEXtparameters\0"),
        ("赤い", b"iTXtparameters\0\0\0"),
    ):
        metadata = EmbeddedMetadata(Infotext(prompt, "", FIELDS), XMP)
        data = encode(picture, "png", metadata=metadata)
        assert data.count(chunk) == 1
        assert data.index(chunk) < data.index(b"IDAT")
        assert data.count(b"iTXtXML:com.adobe.xmp\0\0\0\0\0") == 1
        with Image.open(BytesIO(data)) as image:
            image.load()
            assert image.info["parameters"].startswith(prompt)


def test_exif_is_what_piexif_reads(picture: NDArray[np.uint8]) -> None:
    data = encode(picture, "jpeg", metadata=EmbeddedMetadata(Infotext("赤い", "", FIELDS)))
    with Image.open(BytesIO(data)) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be").startswith("赤い\nNegative prompt:")


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), min_size=1))
def test_exif_round_trip(text: str) -> None:
    assert read_exif(write_exif(text + "\nSteps: 1")).comment == text + "\nSteps: 1"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be", "utf-16"])
def test_comments_of_other_writers(save: Save, picture: NDArray[np.uint8], order: str) -> None:
    text = "赤い家\nNegative prompt: x\nSteps: 1, Seed: 2, Size: 8x8"
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"UNICODE\0" + text.encode(order)}
    info = read_infotext(save(picture, "JPEG", exif=exif))
    assert info == Infotext("赤い家", "x", {"Steps": "1", "Seed": "2", "Size": "8x8"})
    exif[0x8769] = {0x9286: b"ASCII\0\0\0a house"}
    assert read_parameters(save(picture, "WEBP", exif=exif)) == "a house"


TEXT = "a red house\nNegative prompt: fog\nSteps: 20, Seed: 5, Size: 8x8"
CJK = "一一一一一一 赤い家\nNegative prompt: x\nSteps: 1, Seed: 2, Size: 8x8"


def user_comment(value: bytes, *, order: str = ">", first: bool = False, kind: int = 7) -> bytes:
    """An EXIF block with this user comment, among the first directory's tags or in its own."""
    head = {">": b"MM\0*", "<": b"II*\0"}[order] + struct.pack(f"{order}I", 8)
    at = 26 if first else 44
    entry = struct.pack(f"{order}HHHIII", 1, 0x9286, kind, len(value), at, 0)
    pointer = struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    return b"Exif\0\0" + head + (entry if first else pointer + entry) + value


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"UNICODE\0" + TEXT.encode("utf-16-be"), TEXT),
        (b"UNICODE\0" + TEXT.encode("utf-16-le"), TEXT),
        (b"UNICODE\0" + CJK.encode("utf-16-be"), CJK),
        (b"UNICODE\0" + CJK.encode("utf-16-le"), CJK),
        (b"Unicode\0" + CJK.encode("utf-16"), CJK),
        (b"UNICODE\0" + CJK.encode(), CJK),
        (b"UNICODE\0" + TEXT.encode() + b"\0", TEXT),
        (b"ASCII\0\0\0" + TEXT.encode(), TEXT),
        (b"ASCII\0\0\0" + "Häuschen".encode("latin-1"), "Häuschen"),
        (b"JIS\0\0\0\0\0" + CJK.encode("iso2022_jp"), CJK),
        (b"JIS\0\0\0\0\0" + CJK.encode("shift_jis"), CJK),
        (bytes(8) + CJK.encode(), CJK),
        (bytes(8) + TEXT.encode("utf-16-le"), TEXT),
        (TEXT.encode(), TEXT),
        (CJK.encode() + b"\0", CJK),
        (TEXT.encode("utf-16-le"), TEXT),
        ("ein rotes Häuschen".encode("latin-1"), "ein rotes Häuschen"),
        (b"hi there", "hi there"),
    ],
)
def test_user_comments_of_any_code(value: bytes, text: str, order: str, first: bool) -> None:
    for kind in (1, 2, 7, 129):
        block = user_comment(value, order=order, first=first, kind=kind)
        assert read_exif(block).comment == text


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "PNG"])
@pytest.mark.parametrize("first", [False, True])
def test_user_comments_in_every_format(
    save: Save, picture: NDArray[np.uint8], kind: str, first: bool
) -> None:
    for value in (TEXT.encode(), b"UNICODE\0" + TEXT.encode("utf-16-le")):
        info = read_infotext(save(picture, kind, exif=user_comment(value, first=first)))
        assert info == Infotext("a red house", "fog", {"Steps": "20", "Seed": "5", "Size": "8x8"})


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_corrupt_exif_reads_as_nothing(noise: bytes) -> None:
    for start in (b"", b"Exif\0\0MM\0*", b"II*\0\x08\0\0\0"):
        assert 1 <= read_exif(start + noise).orientation <= 8
    assert read_exif(b"MM\0*" + struct.pack(">IH", 8, 65_535)) == Exif()


def test_corrupt_exif_does_not_stop_the_image(save: Save, picture: NDArray[np.uint8]) -> None:
    data = save(picture, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_parameters(data) is None


def test_json_parameters_are_not_infotext(picture: NDArray[np.uint8]) -> None:
    text = '{"sui_image_params": {"prompt": "x", "seed": 1, "steps": 2}}'
    data = add_text(encode(picture, "png"), {"parameters": text})
    assert read_infotext(data) is None
    assert read_parameters(data) == text


@pytest.mark.parametrize("prompt", ['{"a": 1, "b": 2}', "{", "{a|b}", "[1, 2]", '"a"', "{" * 9_000])
def test_prompts_that_look_like_json_are_infotext(picture: NDArray[np.uint8], prompt: str) -> None:
    info = Infotext(prompt, '{"b": "c"}', FIELDS)
    assert read_infotext(encode(picture, "png", metadata=EmbeddedMetadata(info))) == info


@pytest.mark.parametrize("text", ["[1, 2]", '"a red house"', "[[cat]]", "12", "[" * 9_000, "{a}"])
def test_only_a_json_object_is_no_infotext(picture: NDArray[np.uint8], text: str) -> None:
    assert read_infotext(add_text(encode(picture, "png"), {"parameters": text})) == Infotext(text)


# What a prompt may hold and infotext can say: no ends of blanks, one kind of line end.
EXACT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"),
        st.sampled_from('{}[]()<>|:,"$_#%\\/\n'),
    ),
    max_size=60,
).map(str.strip)


@pytest.mark.parametrize("kind", FORMATS)
@settings(deadline=None, max_examples=25)
@given(EXACT, EXACT)
def test_any_prompt_comes_back(kind: str, prompt: str, negative: str) -> None:
    small = np.full((16, 16, 3), 90, np.uint8)
    info = Infotext(prompt, negative, FIELDS)
    metadata = EmbeddedMetadata(info, Xmp(prompt=prompt))
    data = encode(small, kind, quality=10 if kind == "avif" else None, metadata=metadata)
    assert read_infotext(data) == info
    assert (parse_xmp(read_xmp(data) or b"") or Xmp()).prompt == (prompt or None)


@pytest.mark.parametrize("kind", FORMATS)
def test_words_of_a_prompt_are_exact(picture: NDArray[np.uint8], kind: str) -> None:
    prompt = "a flag bearer marching, /red/blue/green stripes, ~5m/16ft tall, sk-eleton-warriors"
    info = Infotext(prompt, prompt, {**FIELDS, "ADetailer prompt 2nd": prompt})
    data = encode(picture, kind, metadata=EmbeddedMetadata(info, Xmp(prompt=prompt)))
    assert read_infotext(data) == info
    assert parse_xmp(read_xmp(data) or b"") == Xmp(prompt=prompt)


def test_compressed_text_is_read_too(save: Save, picture: NDArray[np.uint8]) -> None:
    info = PngInfo()
    info.add_text("parameters", "in zTXt", zip=True)
    info.add_itxt("workflow", "в iTXt", lang="en", tkey="x", zip=True)
    data = save(picture, "PNG", pnginfo=info)
    assert read_text(data) == {"parameters": "in zTXt", "workflow": "в iTXt"}


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=50), st.binary(max_size=60))
def test_png_text_of_any_kind(text: str, noise: bytes) -> None:
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s17x", 13, b"IHDR")
    kept = text.replace("\0", "").encode("utf-8", "replace").decode()
    assert read_text(add_text(png, {"k": text})) == {"k": kept}
    read_text(png + noise)


@pytest.mark.parametrize("read", [read_infotext, read_parameters, read_xmp])
def test_what_is_no_image_is_refused(read: Callable[[bytes], Any]) -> None:
    for data in (b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"):
        with pytest.raises(ValueError, match="image: expected"):
            read(data)


def test_text_chunks_are_bounded_together() -> None:
    bomb = zlib.compress(bytes(20 << 20), 9)
    chunks = [(b"zTXt", f"key{n}".encode() + b"\0\0" + bomb) for n in range(50)]
    chunks += [(b"tEXt", b"seen\0no more")]
    texts = read_text(with_chunks(chunks))
    assert list(texts) == ["key0"]
    many = [(b"tEXt", f"{n}".encode() + b"\0x") for n in range(3000)]
    assert len(read_text(with_chunks(many))) == 1000


def test_utf8_in_a_latin_chunk_is_read_and_latin_that_looks_so_is_kept() -> None:
    written = with_chunks([(b"tEXt", b"parameters\0" + "a café".encode())])
    assert read_text(written) == {"parameters": "a café"}
    for text in ("Ã©", "é", "plain"):
        assert read_text(add_text(with_chunks([]), {"parameters": text})) == {"parameters": text}


def test_entries_that_share_their_bytes_take_no_memory_of_their_own() -> None:
    count, size = 60_000, 8 << 20
    entries = b"".join(struct.pack(">HHII", tag, 7, size, 16) for tag in range(count))
    directory = struct.pack(">H", count) + entries + bytes(4)
    block = b"MM\0*" + struct.pack(">I", 16 + size) + bytes(size + 8) + directory
    tracemalloc.start()
    read_exif(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_other_texts_of_exif() -> None:
    image = Image.new("RGB", (8, 8))
    exif = image.getexif()
    exif[0x0110] = 'prompt:{"1": {}}'
    exif[0x0131] = "Fooocus v2"
    assert read_exif_texts(exif.tobytes()) == {
        "Model": 'prompt:{"1": {}}',
        "Software": "Fooocus v2",
    }
    assert read_exif_texts(b"") == read_exif_texts(b"MM\0*" + b"\xff" * 40) == {}


def with_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of one pixel with these chunks before its pixels."""
    buffer = BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    data = buffer.getvalue()
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return data[:33] + b"".join(parts) + data[33:]


@pytest.mark.parametrize("kind", FORMATS)
def test_prompts_of_any_length_come_back(picture: NDArray[np.uint8], kind: str) -> None:
    """JPEG has room for 64 KB in one place."""
    info = Infotext("赤い house " * 6_000, "дом " * 5_000, FIELDS)
    data = encode(picture, kind, metadata=EmbeddedMetadata(info, XMP))
    read = read_infotext(data)
    assert read is not None
    assert (read.prompt, read.fields) == (info.prompt.strip(), FIELDS)
    assert parse_xmp(read_xmp(data) or b"") == XMP
