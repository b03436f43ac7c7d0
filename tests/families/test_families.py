"""Every family: what it paints, that all stages run on it, and that nothing asked for is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.engines.diffusion import Inpaint
from ninefold.engines.engine_set import EngineSet
from ninefold.files.store import read_image
from ninefold.imaging.types import Pixels
from ninefold.slots import IMAGE

from .cases import Case, parameters
from .runs import by_hand, executed, from_image, run, text

Folder = Callable[[Case], Path]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.slow,
    pytest.mark.parametrize("case", parameters()),
]


def test_a_draft_is_what_diffusers_paints_to_the_byte(
    engines: EngineSet, folder_of: Folder, case: Case, tmp_path: Path
) -> None:
    folder = folder_of(case)
    context = executed(engines, "draft", folder, tmp_path)
    painted = read_image(context, context[IMAGE])
    assert painted.tobytes() == by_hand(case, folder).tobytes()
    assert painted.std() > 1
    entry = context.metadata["text_to_image"]
    assert (entry["steps"], entry["steps_run"]) == (case.steps, case.steps + case.extra_steps)
    assert entry["guidance_scale"] == case.guidance
    assert entry["size"] == [case.side, case.side]
    assert "warnings" not in entry
    manifest = json.loads((tmp_path / "outputs" / "manifest.json").read_text())
    assert case.model in json.dumps(manifest)


def test_all_nine_stages_run(
    engines: EngineSet, folder_of: Folder, case: Case, tmp_path: Path
) -> None:
    context = executed(engines, "full", folder_of(case), tmp_path)
    assert list(context.metadata) == [
        "prompt",
        "text_to_image",
        "refiner",
        "detailer",
        "upscaler",
        "restorer",
        "finisher",
        "inspector",
        "publisher",
    ]
    assert len(context.metadata["detailer"]["regions"]) == 2
    for stage in ("refiner", "detailer", "restorer"):
        assert context.metadata[stage]["steps_run"] >= 1


def test_strength_says_how_far_a_source_changes(
    engines: EngineSet, folder_of: Folder, case: Case, source: Callable[[int], Pixels]
) -> None:
    folder, image = folder_of(case), source(case.side)

    def changed(strength: float) -> Pixels:
        request = from_image(case, folder, image, strength=strength, steps=20)
        return run(engines, request).image.astype(np.int16)

    # What comes of the source alone: decoders of random weights give no image back as it was.
    kept, little, much = changed(0.05), changed(0.1), changed(0.9)
    assert np.abs(little - kept).mean() < np.abs(much - kept).mean()
    assert not np.array_equal(little, much)


def test_what_a_mask_leaves_out_stays(
    engines: EngineSet, folder_of: Folder, case: Case, source: Callable[[int], Pixels]
) -> None:
    image = source(case.side)
    mask = np.zeros((case.side, case.side), np.float32)
    mask[:, case.side // 2 :] = 1
    request = from_image(case, folder_of(case), image, strength=0.8, steps=4)
    made = run(engines, Inpaint(**vars(request), mask=mask)).image
    assert np.array_equal(made[:, : case.side // 2], image[:, : case.side // 2])
    assert not np.array_equal(made[:, case.side // 2 :], image[:, case.side // 2 :])


def test_everything_asked_for_is_in_the_pixels_or_in_a_warning(
    engines: EngineSet, folder_of: Folder, case: Case
) -> None:
    plain = text(case, folder_of(case))
    before = run(engines, plain)
    assert before.record.warnings == ()

    def acts(**changes: Any) -> bool:
        made = run(engines, replace(plain, **changes))
        different = made.image.tobytes() != before.image.tobytes()
        assert different != bool(made.record.warnings), (changes, made.record.warnings)
        return different

    assert acts(prompt="many blue dogs on a beach at night")
    assert acts(seed=8)
    assert acts(steps=case.steps + 1)
    assert acts(negative_prompt="zebras") == case.negative
    assert acts(guidance_scale=case.guidance + 4) == case.guided


def test_the_record_says_what_was_done(
    engines: EngineSet, folder_of: Folder, case: Case, source: Callable[[int], Pixels]
) -> None:
    folder = folder_of(case)
    guided = run(engines, text(case, folder, guidance_scale=3.0)).record
    assert guided.guidance_scale == (3.0 if case.guided else 0.0)
    part = run(engines, from_image(case, folder, source(case.side), strength=0.1)).record
    assert part.strength == 0.1
    assert 1 <= part.steps_run < part.steps
