from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ninefold import InputError
from ninefold.files.manifest_store import ManifestStore

ONE, TWO = bytes(range(8)), bytes(range(1, 9))


def test_what_was_saved_is_found(tmp_path: Path) -> None:
    store = ManifestStore(tmp_path / "manifests")
    assert store.find(ONE) is None
    assert list(store.identifiers()) == []
    store.save(ONE, b"{}", {"outputs/a.png": b"jumbf", "outputs/a.jxl": None})
    store.save(TWO, b"[]")
    found = store.find(ONE)
    assert found is not None
    assert (found.identifier, found.record, found.c2pa) == (ONE, b"{}", {"a.png": b"jumbf"})
    assert list(store.identifiers()) == [ONE, TWO]
    assert store.find(bytes(8)) is None


def test_the_same_image_again_keeps_one_entry(tmp_path: Path) -> None:
    store = ManifestStore(tmp_path)
    store.save(ONE, b"old", {"a.png": b"old"})
    store.save(ONE, b"new", {"a.png": b"new"})
    found = store.find(ONE)
    assert found is not None
    assert (found.record, found.c2pa) == (b"new", {"a.png": b"new"})
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2


def test_many_may_write_the_same_entry_at_once(tmp_path: Path) -> None:
    record = b"x" * 100_000
    threads = [
        threading.Thread(target=ManifestStore(tmp_path).save, args=(ONE, record, {"a.png": record}))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ManifestStore(tmp_path).find(ONE)
    assert found is not None
    assert (found.record, found.c2pa) == (record, {"a.png": record})
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2


def test_an_entry_without_its_record_is_none(tmp_path: Path) -> None:
    store = ManifestStore(tmp_path)
    store.save(ONE, b"{}", {"a.png": b"jumbf"})
    (tmp_path / "00" / ONE.hex() / "manifest.json").unlink()
    assert store.find(ONE) is None
    assert list(store.identifiers()) == []


def test_an_identifier_has_eight_bytes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"identifier: expected 8 bytes, got 3\."):
        ManifestStore(tmp_path).find(b"abc")
