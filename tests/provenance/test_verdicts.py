"""The table of docs/decisions/0055: each row by a file that lies in it."""

from __future__ import annotations

import hashlib
import io
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import ninefold
from ninefold.core.errors import InputError
from ninefold.engines.watermark import FoundWatermark
from ninefold.files.embed import XMP_KEYWORD
from ninefold.files.exif import write_exif
from ninefold.files.manifest import FileRecord, RunRecord, build_manifest
from ninefold.files.manifest_store import ManifestStore
from ninefold.files.xmp import DigitalSourceType, Xmp, format_xmp
from ninefold.imaging.types import Pixels
from ninefold.provenance.report import ProvenanceReport
from ninefold.provenance.verification import FindWatermark, Verifier
from tests.certificates import issue
from tests.provenance.signing import (
    IDENTIFIER,
    WHEN,
    flipped,
    plain,
    signed,
    usual_signer,
)

OTHER = bytes(range(21, 29))


def watermark(identifier: bytes | None) -> FindWatermark:
    """A search that finds an identifier, or nothing, in any picture."""
    return lambda pixels: None if identifier is None else FoundWatermark(identifier, 0, 9.0)


def check(data: bytes, mark: bytes | None = None, **given: object) -> ProvenanceReport:
    """The report on a file in whose pixels `mark` is found."""
    return Verifier(find_watermark=watermark(mark), **given).verify(data)  # type: ignore[arg-type]


def text_of(report: ProvenanceReport) -> str:
    """All its reasons."""
    return " ".join(report.reasons)


def pixels_changed(data: bytes) -> bytes:
    """A signed PNG in whose pixels one byte is another; its checksums hold."""
    at = data.rfind(b"IDAT")
    size = int.from_bytes(data[at - 4 : at], "big")
    raw = bytearray(zlib.decompress(data[at + 4 : at + 4 + size]))
    raw[len(raw) // 2] ^= 1
    body = b"IDAT" + zlib.compress(bytes(raw))
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[: at - 4] + chunk + data[at + 8 + size :]


def chunk_of(data: bytes) -> tuple[int, bytes]:
    """Where the chunk with the manifest lies in a PNG, and the chunk."""
    at = data.find(b"caBX") - 4
    return at, data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]


def checksums_renewed(data: bytes) -> bytes:
    """A PNG with the checksum of the chunk of its manifest as its body asks for."""
    at, chunk = chunk_of(data)
    checksum = struct.pack(">I", zlib.crc32(chunk[4:-4]))
    return data[: at + len(chunk) - 4] + checksum + data[at + len(chunk) :]


def with_text(key: str, text: str) -> bytes:
    """A PNG with one text."""
    info = PngImagePlugin.PngInfo()
    info.add_text(key, text)
    return plain(pnginfo=info)


def with_xmp(xmp: Xmp) -> bytes:
    """A PNG with an XMP packet."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(XMP_KEYWORD, format_xmp(xmp).decode())
    return plain(pnginfo=info)


PHOTO_EDITOR = {"title": "source", "relationship": "parentOf"}
INFOTEXT = "a red house\nNegative prompt: \nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, "
INFOTEXT += "Size: 512x768, Version: "


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_signed_by_ninefold_and_whole(form: str) -> None:
    """Intact, whether or not the certificate is known: that is said beside it."""
    data = signed(form=form)
    unknown = check(data, IDENTIFIER)
    assert (unknown.verdict, unknown.c2pa.valid, unknown.c2pa.trusted) == ("intact", True, False)
    assert [item.code for item in unknown.c2pa.problems] == ["signingCredential.untrusted"]
    assert "Anyone can sign with a certificate of their own" in text_of(unknown)
    known = check(data, IDENTIFIER, anchors=usual_signer().anchor)
    assert (known.verdict, known.c2pa.valid, known.c2pa.trusted) == ("intact", True, True)
    assert known.c2pa.problems == []
    assert known.watermark.manifest == "same"
    assert "leads to one of your trust anchors" in text_of(known)


def test_what_the_manifest_says() -> None:
    """Actions with their software and parameters, the signer, the identifier."""
    report = check(signed()).c2pa
    [action] = report.actions
    assert (action.action, action.stage, action.when) == ("c2pa.created", "text_to_image", WHEN)
    assert (action.software, action.version) == ("ninefold", ninefold.__version__)
    assert (action.parameters, action.ingredients) == ({"steps": 4}, ["poster"])
    [model] = report.ingredients
    assert (model.kind, model.hash) == ("diffusion", "d8ae19d9fa")
    assert action.digital_source_type == "trainedAlgorithmicMedia"
    assert (report.generator, report.generator_version) == ("ninefold", "0.1")
    assert report.signer is not None
    assert report.signer.common_name == "test signer"
    assert report.identifier == IDENTIFIER.hex()
    assert report.signed_at is None  # without a time stamp no time is known


def test_ours_without_the_watermark_it_names_is_whole_by_its_signature() -> None:
    """The signature covers the pixels; that the watermark is not there is said."""
    report = check(signed(), None)
    assert report.verdict == "intact"
    assert f"({IDENTIFIER.hex()}) was not found" in text_of(report)


def test_ours_without_an_identifier_and_with_a_watermark() -> None:
    """Made from a marked picture, and signed without a mark of its own."""
    report = check(signed(identifier=None), OTHER)
    assert (report.verdict, report.watermark.manifest) == ("intact", "unknown")
    assert "may come from a picture that the file was made from" in text_of(report)


def test_marks_that_contradict_each_other() -> None:
    """Spliced: a valid manifest names one identifier, the pixels another."""
    report = check(signed(), OTHER, anchors=usual_signer().anchor)
    assert (report.verdict, report.watermark.manifest) == ("altered", "other")
    assert IDENTIFIER.hex() in report.reasons[0]
    assert OTHER.hex() in report.reasons[0]


def at_text(text: bytes, after: int = 0, start: bytes = b"caBX") -> Callable[[bytes], bytes]:
    """A change of one bit in a manifest, where `text` stands after `start`."""

    def change(data: bytes) -> bytes:
        return flipped(data, data.index(text, data.index(start)) + after)

    return change


def spliced(data: bytes) -> bytes:
    """The manifest of a file in another picture."""
    other = plain(seed=3)
    return other[:33] + chunk_of(data)[1] + other[33:]


IN_MANIFEST = {
    "an action": at_text(b"poster"),
    "the generator": at_text(b"ninefold", start=b"c2pa.claim.v2"),
    "the certificate": at_text(b"test signer", start=b"c2pa.signature"),
    "a label": at_text(b"c2pa.assertions"),
    "the length of a box": at_text(b"jumb", -4),
    "the padding": at_text(b"\x63padY", 500),
    "the name of the padding": at_text(b"\x63padY", 1),
}
ELSEWHERE = {
    "a pixel": pixels_changed,
    "bytes at the end": lambda data: data + b"more",
    "the end cut": lambda data: data[:-20],
    "a checksum": lambda data: flipped(data, chunk_of(data)[0] + len(chunk_of(data)[1]) - 1),
    "the manifest twice": lambda data: data.replace(chunk_of(data)[1], chunk_of(data)[1] * 2),
    "another picture": spliced,
}


@pytest.mark.parametrize("what", [*IN_MANIFEST, *ELSEWHERE])
def test_ours_changed_since(what: str) -> None:
    """Altered, whatever was changed, and never valid; whoever changes it may mend checksums."""
    data = (IN_MANIFEST | ELSEWHERE)[what](signed())
    versions = [data, checksums_renewed(data)] if what in IN_MANIFEST else [data]
    for version in versions:
        for mark in (None, IDENTIFIER, OTHER):
            report = check(version, mark, anchors=usual_signer().anchor)
            assert (report.verdict, report.c2pa.valid) == ("altered", False)
            assert report.c2pa.problems
            assert all(item.message.endswith(".") for item in report.c2pa.problems)


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF"])
def test_one_flipped_byte_is_found_in_every_format(form: str) -> None:
    """One in thirty of the bytes of file and manifest; `tests.provenance.fuzz` does them all."""
    data = signed(form=form)
    verifier = Verifier()
    for at in range(len(data) % 29, len(data), 97):
        try:
            report = verifier.verify(flipped(data, at))
        except InputError:
            continue
        assert report.verdict != "intact", at


def test_expired_certificate_proves_nothing() -> None:
    """Nothing was changed, so it is not altered; and nothing is proved."""
    data = signed(signer=issue(days=(-1, 5 / 86_400)))
    deadline = time.monotonic() + 60
    report = check(data, IDENTIFIER, anchors=usual_signer().anchor)
    while report.c2pa.valid and time.monotonic() < deadline:
        time.sleep(0.5)
        report = check(data, IDENTIFIER, anchors=usual_signer().anchor)
    assert (report.verdict, report.c2pa.valid) == ("unproven", False)
    assert "signingCredential.expired" in [item.code for item in report.c2pa.problems]
    assert "The certificate has expired" in text_of(report)


def test_another_programs_manifest() -> None:
    """Foreign, whole or not; altered where ninefold's watermark is in the pixels."""
    data = signed(generator="Photo Editor", identifier=None)
    whole = check(data)
    assert (whole.verdict, whole.c2pa.valid) == ("foreign", True)
    assert "of Photo Editor, which holds" in whole.reasons[0]
    changed = check(pixels_changed(data))
    assert (changed.verdict, changed.c2pa.valid) == ("foreign", False)
    marked = check(data, OTHER)
    assert (marked.verdict, marked.watermark.manifest) == ("altered", "unknown")
    assert "can be copied" in text_of(marked)


def test_another_program_that_worked_on_ours() -> None:
    """Altered where ours is the parent; a mere part of it leaves it foreign."""
    parent = [(PHOTO_EDITOR, signed())]
    report = check(signed(generator="Photo Editor", identifier=None, ingredients=parent))
    assert report.verdict == "altered"
    assert ("parentOf", "ninefold") in [
        (item.relationship, item.generator) for item in report.c2pa.ingredients
    ]
    part = [(PHOTO_EDITOR | {"relationship": "componentOf"}, signed())]
    report = check(signed(generator="Photo Editor", identifier=None, ingredients=part))
    assert report.verdict == "foreign"


def test_ours_made_from_another_programs_picture() -> None:
    """The source's manifest stays an ingredient."""
    source = [(PHOTO_EDITOR, signed(generator="Photo Editor", identifier=None))]
    report = check(signed(ingredients=source), IDENTIFIER)
    assert report.verdict == "intact"
    assert "Photo Editor" in [item.generator for item in report.c2pa.ingredients]


def test_software_named_in_an_action_makes_nobody_the_maker() -> None:
    """Another program's manifest may name ninefold as what it used."""
    data = signed(generator="Photo Editor", actions=[
        {"action": "c2pa.created", "softwareAgent": {"name": "ninefold"},
         "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"}
    ])  # fmt: skip
    assert check(data).verdict == "foreign"


def stored(folder: Path, data: bytes) -> ManifestStore:
    """A manifest store that knows a file."""
    digest = hashlib.sha256(data).hexdigest()
    record = build_manifest(
        config={},
        inputs={},
        stages={"text_to_image": {"prompt": "a secret garden"}},
        artifacts=[],
        versions={},
    )
    file = FileRecord(
        name="house.png",
        sha256=digest,
        bytes=len(data),
        media_type="image/png",
        stage="publisher",
    )
    run = RunRecord(
        job_id="20260101-000000-abcdef",
        started_at="2026-11-28T05:00:00Z",
        finished_at="2026-11-28T05:00:01Z",
        outputs=(file,),
        stages={},
    )
    store = ManifestStore(folder)
    store.save(IDENTIFIER, record.with_run(run).to_json())
    return store


def test_watermark_alone(tmp_path: Path) -> None:
    """Altered, since it has no manifest; whole only where the store knows these very bytes."""
    data = plain()
    alone = check(data, IDENTIFIER)
    assert (alone.verdict, alone.watermark.manifest) == ("altered", "unknown")
    assert (alone.watermark.payload, alone.c2pa.present) == (IDENTIFIER.hex(), False)
    assert "or the picture was published without one" in alone.reasons[0]
    kept = check(plain(seed=4), IDENTIFIER, store=stored(tmp_path, data))
    assert (kept.verdict, kept.watermark.manifest) == ("altered", "stored")
    assert kept.watermark.stored is not None
    assert kept.watermark.stored.outputs == ["house.png"]
    assert "secret" not in kept.model_dump_json()
    same = check(data, IDENTIFIER, store=stored(tmp_path, data))
    assert (same.verdict, same.c2pa.valid) == ("intact", False)
    assert "no signature of its own" in same.reasons[0]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (with_text("parameters", INFOTEXT + "v1.10.1"), "automatic1111"),
        (with_text("prompt", '{"3": {"class_type": "SaveImage", "inputs": {}}}'), "comfyui"),
        (with_text("invokeai_metadata", '{"positive_prompt": "x", "seed": 1}'), "invokeai"),
        (with_text("parameters", '{"sui_image_params": {"prompt": "x"}}'), "swarmui"),
        (with_xmp(Xmp(DigitalSourceType.TRAINED, system="Other model")), "iptc"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_unsigned_marks_of_others(data: bytes, kind: str) -> None:
    """Foreign; with ninefold's watermark altered."""
    report = check(data)
    assert (report.verdict, [mark.kind for mark in report.marks]) == ("foreign", [kind])
    assert "unsigned" in report.reasons[0]
    assert check(data, IDENTIFIER).verdict == "altered"


@pytest.mark.parametrize(
    "data",
    [
        plain(),
        with_text("parameters", INFOTEXT + "ninefold 0.9.0"),
        with_xmp(Xmp(system="ninefold")),
        with_text("Comment", "a holiday"),
        plain("JPEG", exif=write_exif("a holiday: in Rome, with ice")),
    ],
    ids=["nothing", "our infotext", "our XMP", "a text", "a comment"],
)
def test_nothing_that_proves_anything(data: bytes) -> None:
    """Our own unsigned word is no proof either; and nothing says that no AI made it."""
    report = check(data)
    assert report.verdict == "unproven"
    assert "says nothing about how it was made" in report.reasons[0]


def test_resaved_and_stripped_files_of_ours_prove_nothing_without_a_watermark() -> None:
    """Re-encoding leaves no manifest."""
    with Image.open(io.BytesIO(signed())) as image:
        target = io.BytesIO()
        image.convert("RGB").save(target, "JPEG")
    assert check(target.getvalue()).verdict == "unproven"


def test_a_picture_too_small_for_the_watermark_is_said() -> None:
    """It was not looked for, and nothing more is claimed."""

    def refuse(pixels: Pixels) -> None:
        raise InputError("image: expected at least 128 pixels a side, got 96 x 64.")

    report = Verifier(find_watermark=refuse).verify(plain())
    assert (report.verdict, report.watermark.searched) == ("unproven", False)
    assert "not looked for: expected at least 128 pixels" in text_of(report)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """Empty, cut, foreign, missing, and a folder."""
    cases: list[bytes | Path] = [
        b"",
        b"hello",
        b"GIF89a",
        plain()[:40],
        plain()[:-40],
        tmp_path,
        tmp_path / "none.png",
    ]
    for source in cases:
        with pytest.raises(InputError, match="expected"):
            Verifier(find_watermark=watermark(None)).verify(source)


def test_pixels_are_decoded_as_published() -> None:
    """The search gets H x W x 3 bytes."""
    seen: list[Pixels] = []

    def look(pixels: Pixels) -> None:
        seen.append(pixels)

    Verifier(find_watermark=look).verify(plain())
    assert seen[0].shape == (64, 96, 3)
    assert seen[0].dtype == np.uint8
