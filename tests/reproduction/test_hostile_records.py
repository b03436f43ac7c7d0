"""Records that nobody's ninefold wrote: refused with words, or run, and no more than that."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, UserError
from ninefold.engines.engine_set import EngineSet
from ninefold.files.embed import read_record
from ninefold.files.manifest import read_manifest
from ninefold.reproduction.facts import DiffusionFacts, read_facts
from ninefold.reproduction.plan import plan_run
from ninefold.testing import fake_engines

from .making import made

pytestmark = pytest.mark.usefixtures("elsewhere")

#: In place of what stood there; `...` takes the entry out.
VALUES: list[Any] = [
    ..., None, -1, 2**70, 1e308, True, "", "../../x", "/etc/passwd", "\0", "x" * 9999, [], {}, [1],
    [None], [[]], {"a": 1}, [{"name": 1}], {"path": "../x", "sha256": "00"},
]  # fmt: skip
CASES = 400


@pytest.fixture
def engines(tmp_path: Path) -> EngineSet:
    (tmp_path / "place.txt").write_text("sea\n")
    (tmp_path / "style.txt").write_text("ink\n")
    return fake_engines(wildcards=tmp_path)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value below `value`."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in entries:
        yield (*at, key)
        if isinstance(item, dict | list):
            yield from places(item, (*at, key))


def planned(folder: Path, document: Any, engines: EngineSet) -> bool:
    """True once a run of the record was planned."""
    manifest = read_manifest(json.dumps(document))
    plan_run(manifest, PipelineContext(folder), engines, {}, [folder], anyway=True)
    return True


def test_any_entry_may_be_anything(tmp_path: Path, engines: EngineSet) -> None:
    record = read_record(made(tmp_path / "job", engines)[0].read_bytes())
    assert record is not None
    document = record.document()
    # What is read of records that these stages do not write.
    for step in ("text_to_image", "detailer", "upscaler"):
        document["stages"][step] |= {
            "loras": [{"name": "sketch", "hash": "00"}],
            "embeddings": [{"name": "e", "hash": "00"}],
            "control": [{"hash": "00"}],
            "refiner_hash": "00",
            "matting": "m",
            "matting_hash": "00",
        }
    document["stages"]["detailer"]["own_prompts"] = {"prompt": "x", "class_prompts.face": "y"}
    assert planned(tmp_path / "whole", document, engines)
    ways = [way for way in places(document) if way[0] in ("stages", "inputs", "config", "steps")]
    source = random.Random(16)
    cases = [(way, value) for way in ways for value in VALUES]
    ran = 0
    for number, (way, value) in enumerate(source.sample(cases, CASES)):
        changed = copy.deepcopy(document)
        parent = changed
        for key in way[:-1]:
            parent = parent[key]
        if value is ...:
            del parent[way[-1]]
        else:
            parent[way[-1]] = value
        with suppress(UserError, ValueError):  # anything else fails the test
            ran += planned(tmp_path / f"again-{number}", changed, engines)
        assert not (tmp_path.parent / "x").exists()
    assert 0 < ran < CASES


@pytest.mark.parametrize("loras", [None, 7, [1], [{"hash": "00"}], [{"name": 1}]])
def test_facts_of_another_shape_are_refused(loras: Any) -> None:
    with pytest.raises(InputError, match=r"record\.stages\.text_to_image\.loras.* not written by"):
        read_facts(DiffusionFacts, {"loras": loras}, "text_to_image")
