"""What is said of a model in lines, by the command line and the service alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ninefold.catalogue import describe_model
from ninefold.engines.engine_set import EngineSet


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("flux", {"negative prompt": "does not act", "guidance": "3.5, embedded"}),
        (
            "flux-schnell",
            {
                "family": "FLUX.1 schnell",
                "recognised by": "schnell",
                "guidance": "none: a guidance scale does not act",
                "steps": "4",
            },
        ),
        ("lcm", {"steps": "4, at most 50", "schedulers": "its own alone"}),
        ("sd-inpainting", {"starts from": "an image and a mask"}),
        ("flux2", {"starts from": "a prompt, an image, an image and a mask, reference images"}),
        (
            "sd15",
            {"prompt": "any length, in chunks", "negative prompt": "acts at a guidance scale"},
        ),
        (
            "hidream",
            {"size": "1024x1024; 256 to 4096 in steps of 16, at most 1048576 pixels in all"},
        ),
    ],
)
def test_capabilities_come_from_the_family(
    engines: EngineSet, tiny_models: Callable[[str], Path], model: str, says: dict[str, str]
) -> None:
    document = describe_model(engines, str(tiny_models(model)))
    shown = document["capabilities"]
    assert {name: shown[name] for name in says if not shown[name].startswith(says[name])} == {}
    assert document["family"] == shown["family"]
    assert ("text" in document["starts_from"]) == ("a prompt" in shown["starts from"])
