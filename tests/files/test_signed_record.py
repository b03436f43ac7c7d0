"""Records that are left in the C2PA manifest of a file that lost its texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ninefold import PipelineConfig, PipelineContext
from ninefold.engines.engine_set import EngineSet
from ninefold.files.embed import read_record
from ninefold.files.formats import ImageFormat
from ninefold.files.png import read_text
from ninefold.files.signed_record import read_signed_record
from ninefold.inspection import inspect_file
from ninefold.reproduction.report import ReproductionVerdict
from ninefold.reproduction.reproducing import reproduce
from ninefold.slots import OUTPUTS
from ninefold.testing import fake_engines
from tests.provenance.signing import signed
from tests.support import run

FORMATS = ["png", "jpeg", "webp", "avif"]
#: The namespace of the record in XMP.
SPACE = b"http://ns.ninefold.io/1.0/"
STAGES = [{"stage": "text_to_image"}, {"stage": "publisher", "params": {"sign": True}}]


@pytest.fixture
def engines(tmp_path: Path) -> EngineSet:
    """Fake engines, which keep a key in a folder."""
    return replace(fake_engines(), marks=tmp_path / "marks")


def published(
    engines: EngineSet, folder: Path, formats: list[str], prompt: str = "a red house"
) -> list[Path]:
    """Signed files, one a format."""
    config = PipelineConfig.parse({"stages": STAGES}).with_values({"publisher.formats": formats})
    context = PipelineContext(folder, prompt=prompt, seed=7)
    run(config.build(engines).execute(context))
    context.raise_for_error()
    return [output.path for output in context[OUTPUTS]]


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Those of a PNG file, by their types, each with its length and checksum."""
    found, at = [], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at:end]))
        at = end
    return found


def without_texts(path: Path) -> bytes:
    """The file without what it says in words, its manifest left."""
    data = path.read_bytes()
    if path.suffix == ".png":
        kept = (body for kind, body in chunks(data) if kind not in (b"iTXt", b"tEXt"))
        return data[:8] + b"".join(kept)
    assert data.count(SPACE) == 1
    return data.replace(SPACE, b"x" * len(SPACE)).replace(b"UNICODE\0", bytes(8))


def test_every_format_has_a_record_without_its_texts(engines: EngineSet, tmp_path: Path) -> None:
    for path in published(engines, tmp_path / "job", FORMATS):
        stripped = without_texts(path)
        assert read_record(stripped) == read_record(path.read_bytes()), path.suffix
        found = inspect_file(stripped, engines)
        assert found.made is not None
        assert found.made.config.prompt == "a red house"
        assert "its C2PA manifest, which was signed with another form of this file" in found.places
        assert "its C2PA manifest" not in " ".join(inspect_file(path, engines).places)


def test_an_image_is_made_again_by_it(engines: EngineSet, tmp_path: Path) -> None:
    path, *_ = published(engines, tmp_path / "job", ["png"])
    stripped = tmp_path / "stripped.png"
    stripped.write_bytes(without_texts(path))
    assert read_text(stripped.read_bytes()) == {}
    assert reproduce(stripped, engines=engines).verdict is ReproductionVerdict.IDENTICAL


def test_the_manifest_of_another_picture_makes_another(engines: EngineSet, tmp_path: Path) -> None:
    ours, *_ = published(engines, tmp_path / "ours", ["png"])
    other, *_ = published(engines, tmp_path / "other", ["png"], "a blue lake")
    (manifest,) = (body for kind, body in chunks(ours.read_bytes()) if kind == b"caBX")
    picture = [(kind, body) for kind, body in chunks(without_texts(other)) if kind != b"caBX"]
    spliced = tmp_path / "spliced.png"
    bodies = [body for _, body in picture]
    spliced.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join([bodies[0], manifest, *bodies[1:]]))
    assert "another form of this file" in inspect_file(spliced, engines).places[-1]
    assert reproduce(spliced, engines=engines).verdict is ReproductionVerdict.DIFFERENT


def test_a_record_that_no_signature_covers_is_none(engines: EngineSet, tmp_path: Path) -> None:
    path, *_ = published(engines, tmp_path / "job", ["webp"])
    stripped = without_texts(path)
    for changed in (b"a red house", b"io.ninefold.record", b"c2pa.signature"):
        first = stripped.rindex(changed)  # in the manifest, not in XMP
        for at in (first, first + len(changed) - 1):
            wrong = bytearray(stripped)
            wrong[at] ^= 1
            assert read_record(bytes(wrong)) is None, changed
    assert read_signed_record(signed(), ImageFormat.PNG) is None
