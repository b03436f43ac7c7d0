"""A short look at what bench/hostile.py measures, without its times."""

from __future__ import annotations

from bench.hostile import GRACE, PROMPTS, loaded, requests
from tests.support import run

#: Seconds beside the grace after which the process is ended, and some for a busy machine.
_LEFT_AFTER = 15 + 30


def test_hostile_requests_are_answered_and_hold_up_nothing() -> None:
    load = run(loaded(rate=len(PROMPTS), seconds=4))
    assert sum(load.answers.values()) >= 4 * len(PROMPTS)
    assert load.bugs == 0, load.answers
    assert len(load.looks) == 80
    assert load.stopped < GRACE + _LEFT_AFTER


def test_every_prompt_is_sent_in_every_way() -> None:
    sent = [body for _, (_, body) in zip(range(3 * len(PROMPTS)), requests(), strict=False)]
    assert [body["input"]["prompt"] for body in sent[: len(PROMPTS)]] == list(PROMPTS)
    assert all("inputs" in body for body in sent[len(PROMPTS) :])
