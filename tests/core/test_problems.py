from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from ninefold.core.problems import field_names, problems_of, suggest


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(ge=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    strength: float = Field(0.5, le=1)
    parts: tuple[Inner, ...] = Field((), min_length=1)
    name: str = "x"

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 3:
            raise ValueError(f"expected three letters, got {name!r}")
        return name


def _problems(document: object, where: str = "here") -> tuple[str, ...]:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(document)
    return problems_of(raised.value, where, field_names(Outer))


def test_every_problem_is_one_line_with_its_place_what_was_expected_and_what_was_got() -> None:
    assert _problems({"strength": 2, "parts": [{"size": 0}, {}], "nam": 1, "name": "long"}) == (
        "here.strength: input should be less than or equal to 1, got 2.",
        "here.parts.0.size: input should be greater than or equal to 1, got 0.",
        "here.parts.1.size: missing.",
        "here.name: expected three letters, got 'long'.",
        "here.nam: unknown. Did you mean 'name'?",
    )


def test_a_problem_of_the_whole_value_is_reported_too() -> None:
    """An error at the root has an empty place, which is also the place above itself."""
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(int).validate_python("x")
    (line,) = problems_of(raised.value, "seed")
    assert line.startswith("seed: input should be a valid integer")
    assert line.endswith("got 'x'.")


def test_a_list_is_not_blamed_for_what_an_item_of_it_did() -> None:
    assert _problems({"parts": [{"size": 0}]}) == (
        "here.parts.0.size: input should be greater than or equal to 1, got 0.",
    )
    assert len(_problems({"parts": []})) == 1


def test_a_long_value_is_cut_short() -> None:
    (line,) = _problems({"strength": "x" * 1000})
    assert len(line) < 160
    assert line.endswith("....")


def test_suggest_gives_the_nearest_name_or_all_of_them() -> None:
    assert suggest("strenght", ["strength", "steps"]) == " Did you mean 'strength'?"
    assert suggest("qqq", ["steps", "a"]) == " Known: a, steps."
    assert suggest("qqq", []) == ""
