"""`POST /v1/prompts/parse`: what the parser reads, in place, as a browser counts."""

from __future__ import annotations

from typing import Any

from ninefold.prompts import Wildcards, resolve
from tests.server.conftest import Door


def parse(door: Door, prompt: str, **more: Any) -> dict[str, Any]:
    answer = door.client.post("/v1/prompts/parse", json={"prompt": prompt, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def utf16(text: str, span: dict[str, Any]) -> str:
    """The part of a text that a browser would show for a span."""
    return text.encode("utf-16-le")[2 * span["start"] : 2 * span["end"]].decode("utf-16-le")


def test_positions_are_utf16(idle: Door) -> None:
    text = "😀 a {red|blue} house"
    found = parse(idle, text)
    assert [utf16(text, span) for span in found["spans"]] == ["{red|blue}", "red", "blue"]
    assert found["spans"][0]["start"] == 5
    problem = parse(idle, "😀 {a|")["problems"][0]
    assert (problem["start"], problem["end"]) == (3, 4)


def test_examples_are_what_jobs_paint_and_variants_are_counted(idle: Door) -> None:
    text = "a {red|blue|green} {house|tree} __weather__"
    wildcards = {"weather": ["sun", "rain"]}
    found = parse(idle, text, seed=7, wildcards=wildcards)
    assert found["problems"] == []
    assert found["variants"] == 6
    assert 1 <= len(found["examples"]) <= 3
    for example in found["examples"]:
        painted = resolve(text, seed=example["seed"], wildcards=Wildcards(wildcards))
        assert example["prompt"] == painted.text
    assert parse(idle, "plain")["examples"] == [{"seed": 0, "prompt": "plain", "loras": []}]


def test_counts_are_bounded(idle: Door) -> None:
    assert parse(idle, "{a|b|c|d}" * 100)["variants"] == 10**9


def test_loras_and_wildcards_say_whether_they_are_here(idle: Door) -> None:
    known = idle.service.engines.diffusion.loras()[0]
    found = parse(idle, f"a <lora:{known}:0.5> <lora:nope> __gone__", model="poster")
    kinds = {span["name"]: (span["kind"], span["known"]) for span in found["spans"]}
    assert kinds == {known: ("lora", True), "nope": ("lora", False), "gone": ("wildcard", False)}
    assert [problem["start"] for problem in found["problems"]] == sorted(
        span["start"] for span in found["spans"] if not span["known"]
    )
    assert found["examples"] == []
    negative = parse(idle, f"<lora:{known}>", kind="negative")
    assert "cannot act in it alone" in negative["problems"][0]["message"]


def test_what_cannot_be_met_is_refused(idle: Door) -> None:
    for body in (
        {"prompt": "a" * 5000},
        {"prompt": "a", "model": "/etc/passwd"},
        {"prompt": "a", "wildcards": {"x": []}},
        {"prompt": "a", "kind": "other"},
        {"prompt": 7},
    ):
        answer = idle.client.post("/v1/prompts/parse", json=body)
        assert answer.status_code in (400, 422), body
        assert answer.headers["content-type"] == "application/problem+json"
