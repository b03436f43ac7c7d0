"""Where the record comes from, and records that cannot be followed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ninefold.core.errors import ConfigError, InputError
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.watermark import WATERMARK
from ninefold.files.decode import decode
from ninefold.files.manifest import read_manifest
from ninefold.files.manifest_store import ManifestStore
from ninefold.reproduction.report import ReproductionVerdict
from ninefold.reproduction.reproducing import reproduce

from ..support import picture
from .making import made, with_record

pytestmark = pytest.mark.usefixtures("elsewhere")

IDENTICAL = ReproductionVerdict.IDENTICAL


def test_a_manifest_stands_for_a_file_without_a_record(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines, "publisher.metadata=none")[0]
    with pytest.raises(InputError, match=r"expected a record of how it was made.*--record"):
        reproduce(path, engines=engines)
    manifest = path.with_name("manifest.json")
    assert reproduce(path, record=manifest, engines=engines).verdict is IDENTICAL
    # Alone it is compared with the picture beside it, and without one by the hash of the pixels.
    assert reproduce(manifest, engines=engines).verdict is IDENTICAL
    alone = manifest.rename(tmp_path / "alone.json")
    report = reproduce(alone, engines=engines)
    assert (report.verdict, report.same_final_pixels) == (IDENTICAL, True)


def test_a_stripped_file_is_known_by_its_watermark(tmp_path: Path, engines: EngineSet) -> None:
    path = made(tmp_path / "job", engines)[0]
    manifest = path.with_name("manifest.json").read_bytes()
    identifier = bytes.fromhex(read_manifest(manifest).identifier or "")
    watermark = engines[WATERMARK]
    marked = watermark.embed(watermark.models()[0], decode(path), identifier, 1.0)
    stripped = tmp_path / "stripped.png"
    Image.fromarray(marked).save(stripped)
    with pytest.raises(InputError, match="expected a record"):
        reproduce(stripped, engines=engines)
    ManifestStore(tmp_path / "data" / "manifests").save(identifier, manifest)
    report = reproduce(stripped, engines=engines)
    assert report.same_final_pixels is True
    assert report.verdict is not ReproductionVerdict.DIFFERENT


def test_what_is_no_image_or_manifest_is_refused(tmp_path: Path, engines: EngineSet) -> None:
    path = tmp_path / "file"
    for data in (b"", b"text", b"{", b'{"schema": "other"}'):
        path.write_bytes(data)
        with pytest.raises(InputError, match="file: "):
            reproduce(path, engines=engines)
    with pytest.raises(InputError, match="cannot be read"):
        reproduce(tmp_path / "nowhere.png", engines=engines)
    for special in (tmp_path, Path("/dev/zero")):  # neither ends, nor is it read
        with pytest.raises(InputError, match="cannot be read: expected a file, got a folder or"):
            reproduce(special, engines=engines)
    path.write_bytes(b"{}")
    with pytest.raises(ConfigError, match="--record: expected with a picture"):
        reproduce(path, record=path, engines=engines)


@pytest.mark.parametrize("place", ["../../escaped.png", "/tmp/escaped.png", "a/../../b.png"])
def test_a_record_cannot_write_elsewhere(tmp_path: Path, engines: EngineSet, place: str) -> None:
    path = made(tmp_path / "job", engines)[0]
    buffer = BytesIO()
    Image.fromarray(picture(16, 16)).save(buffer, "PNG")
    entry = {
        "path": place, "width": 16, "height": 16, "mode": "RGB", "sha256": "0" * 64,
        "made_by": "input",
    }  # fmt: skip
    changed = with_record(path, inputs={"prompt": "a", "image": entry})
    with pytest.raises(InputError, match="expected a path below the job's folder"):
        reproduce(changed, engines=engines)


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"no_such_slot": 1}},
        {"config": {"stages": [{"stage": "no_such_stage"}]}},
        {"config": {}},
        {"inputs": {"prompt": 1}},
    ],
)
def test_a_record_that_cannot_be_run_is_refused(
    tmp_path: Path, engines: EngineSet, changes: dict[str, Any]
) -> None:
    path = made(tmp_path / "job", engines)[0]
    with pytest.raises((InputError, ConfigError)):
        reproduce(with_record(path, **changes), engines=engines)
