"""Diffusion passes in A1111's terms: one table of samplers, one record of a pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ninefold.engines.generation_record import GenerationRecord, UsedLora, passes
from ninefold.engines.schedulers import NAMES
from ninefold.files.a1111 import (
    DetailRecord,
    ImageHistory,
    UpscaleRecord,
    as_text,
    infotext_of,
    sampling_fields,
)
from ninefold.files.infotext import format_infotext, parse_infotext
from ninefold.server.sdapi.model_catalog import RequestIssues
from ninefold.server.sdapi.samplers import scheduler_of

PASS = GenerationRecord(
    model="poster",
    model_hash="fa4e000000",
    seed=7,
    steps=20,
    steps_run=12,
    guidance_scale=4.5,
    scheduler="dpmpp_2m_karras",
    size=(256, 192),
    device="cpu",
    dtype="float32",
    loras=(UsedLora("ink", 0.8, "0123456789ab", 0.5),),
    guidance_rescale=0.7,
    strength=0.6,
    batch_size=2,
    oom_steps=("slice",),
    warnings=("One thing.",),
)


def test_a_record_is_read_back_from_metadata() -> None:
    assert GenerationRecord.from_json(PASS.to_json()) == PASS
    plain = replace(PASS, loras=(), guidance_rescale=0.0, strength=None, batch_size=1)
    plain = replace(plain, oom_steps=(), warnings=())
    assert GenerationRecord.from_json(plain.to_json()) == plain
    distilled = replace(PASS, true_cfg_scale=2.5)
    assert GenerationRecord.from_json(distilled.to_json()) == distilled
    assert sampling_fields(distilled) | {"CFG scale": 2.5, "Distilled CFG Scale": 4.5} == (
        sampling_fields(distilled)
    )
    assert sampling_fields(PASS)["CFG scale"] == 4.5
    assert "Distilled CFG Scale" not in sampling_fields(PASS)
    assert not {"strength", "batch_size", "oom_steps", "warnings"} & plain.to_json().keys()


@pytest.mark.parametrize("name", ["model", "model_hash", "steps", "scheduler", "size"])
def test_metadata_without_a_diffusion_pass_gives_none(name: str) -> None:
    entry = PASS.to_json()
    del entry[name]
    assert GenerationRecord.from_json(entry) is None
    assert passes({"a": entry, "b": PASS.to_json(), "c": {}}) == {"b": PASS}


@pytest.mark.parametrize("name", NAMES)
def test_a_scheduler_is_written_and_read_again(name: str) -> None:
    issues = RequestIssues()
    fields = sampling_fields(replace(PASS, scheduler=name))
    found = scheduler_of(fields["Sampler"], fields["Schedule type"], issues)
    assert found == (None if name == "default" else name)
    assert issues.problems == issues.warnings == []


def test_a_history_is_written_with_every_setting_and_read_again() -> None:
    history = ImageHistory(
        prompt="a red house",
        negative_prompt="fog",
        seed=3,
        first=PASS,
        refiner=replace(PASS, model="fine", strength=0.2),
        restorer=replace(PASS, steps_run=5),
        upscale=UpscaleRecord(2.0, ("2x",), (256, 192), (512, 384)),
        details=[DetailRecord("detector", 0.4, ("a door", "a window"))],
        loras={"ink": "0123456789ab"},
        version="ninefold 1",
    )
    info = infotext_of(history)
    assert info is not None
    assert parse_infotext(format_infotext(info)) == info
    assert info.fields == {
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "4.5",
        "Seed": "7",
        "Size": "256x192",
        "Model hash": "fa4e000000",
        "Model": "poster",
        "Denoising strength": "0.6",
        "Hires upscale": "2",
        "Hires upscaler": "2x",
        "Hires steps": "5",
        "Refiner": "fine [fa4e000000]",
        "Refiner switch at": "0.8",
        "ADetailer model": "detector",
        "ADetailer prompt": "a door [SEP] a window",
        "ADetailer denoising strength": "0.4",
        "Lora hashes": "ink: 0123456789ab",
        "Version": "ninefold 1",
    }
    shared = replace(PASS, refiner="fine", refiner_hash="0123456789", handover=0.75)
    for one_schedule in (
        replace(history, first=shared, refiner=None),
        replace(history, first=shared),
    ):
        found = infotext_of(one_schedule)
        assert found is not None
        assert found.fields["Refiner"] == "fine [0123456789]"
        assert found.fields["Refiner switch at"] == "0.75"
    reshaped = replace(history, upscale=UpscaleRecord(2.0, ("2x",), (256, 192), (512, 512)))
    found = infotext_of(reshaped)
    assert found is not None
    assert found.fields["Hires resize"] == "512x512"
    assert "Hires upscale" not in found.fields


def test_the_models_own_scheduler_keeps_its_name_and_none_is_left_out() -> None:
    fields = as_text(sampling_fields(replace(PASS, scheduler="default", seed=None)))
    assert fields["Sampler"] == "default"
    assert not {"Seed", "Schedule type"} & fields.keys()
