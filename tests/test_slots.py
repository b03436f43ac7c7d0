"""Which model and which seed hold."""

from __future__ import annotations

from ninefold.slots import DEFAULT_MODEL, MAX_SEED, next_seed, resolve_model, resolve_seed


def test_the_first_model_that_is_named_holds() -> None:
    assert resolve_model("own", "job", "config") == "own"
    assert resolve_model(None, "", "config") == "config"
    assert resolve_model(None) == resolve_model() == DEFAULT_MODEL


def test_the_first_seed_that_is_given_holds_zero_too() -> None:
    assert resolve_seed(None, 0, 5) == 0
    assert resolve_seed(7) == 7
    drawn = {resolve_seed(None, None) for _ in range(20)}
    assert len(drawn) > 1
    assert all(0 <= seed < 2**32 for seed in drawn)
    assert next_seed(MAX_SEED - 1) == 0
