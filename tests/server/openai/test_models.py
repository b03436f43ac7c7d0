"""Models and the names that the operator has given them, as OpenAI's clients list and ask for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ninefold.core.errors import ConfigError
from ninefold.settings import Settings
from tests.server.conftest import Door, Open

NAMES = ("gpt-image-1=poster", "dall-e-3 = poster", "owner/name=poster")


@pytest.fixture
def named(open_door: Open) -> Door:
    return open_door(worker=False, openai_models=NAMES)


def test_names_are_listed_beside_models(named: Door) -> None:
    found = named.client.get("/v1/models").json()["data"]
    assert [model["id"] for model in found] == ["poster", "gpt-image-1", "dall-e-3", "owner/name"]
    for model in found:
        assert (model["object"], model["owned_by"]) == ("model", "ninefold")
        assert isinstance(model["created"], int)
        assert model["native_size"] == [128, 128]
    assert [model.get("alias_of") for model in found] == [None, "poster", "poster", "poster"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("poster", "poster"),
        ("gpt-image-1", "gpt-image-1"),
        ("owner/name", "owner/name"),
        ("owner%2Fname", "owner/name"),
    ],
)
def test_each_is_retrieved_as_it_is_listed(path: str, name: str, named: Door) -> None:
    listed: list[dict[str, Any]] = named.client.get("/v1/models").json()["data"]
    answer = named.client.get(f"/v1/models/{path}")
    assert answer.json() == next(model for model in listed if model["id"] == name)


def test_a_misspelt_name_is_reported_the_nearest(named: Door) -> None:
    error = named.client.get("/v1/models/gpt-image-2").json()["error"]
    assert "Did you mean 'gpt-image-1'?" in error["message"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("pair", "reported"),
    [
        ("gpt-image-1=postr", "'postr' is not served here. Did you mean 'poster'?"),
        ("poster=poster", "expected a new name, got that of a model"),
    ],
)
def test_names_that_cannot_be_served_stop_the_start(
    pair: str, reported: str, open_door: Open
) -> None:
    with pytest.raises(ConfigError, match="openai_models") as refused:
        open_door(worker=False, openai_models=(pair,))
    assert reported in str(refused.value)


@pytest.mark.parametrize(
    "pairs", [("a=poster", "a=other"), ("=poster",), ("a=",), ("a",), (" = ",)]
)
def test_pairs_that_are_none(pairs: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="openai_models"):
        Settings(openai_models=pairs)
