from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ninefold.files.identifier import IDENTIFIER_BYTES, identify
from tests.support import picture

RECORD = {"prompt": "a house", "stages": {"text_to_image": {"seed": 7, "size": [64, 48]}}}


def test_the_same_image_made_the_same_way_has_the_same_identifier() -> None:
    first = identify(picture(64, 48), RECORD)
    assert len(first) == IDENTIFIER_BYTES
    again = dict(reversed(RECORD.items()))
    assert identify(picture(64, 48), again) == first
    assert identify(np.asfortranarray(picture(64, 48)), RECORD) == first


@pytest.mark.parametrize(
    ("change", "record"),
    [
        (lambda pixels: pixels + np.uint8(1), RECORD),
        (lambda pixels: pixels.reshape(64, 48, 3), RECORD),
        (lambda pixels: np.dstack([pixels, pixels[..., :1]]), RECORD),
        (lambda pixels: pixels, RECORD | {"prompt": "a hut"}),
        (lambda pixels: pixels, {}),
    ],
)
def test_another_image_or_another_way_has_another_identifier(change: Any, record: Any) -> None:
    assert identify(change(picture(64, 48)), record) != identify(picture(64, 48), RECORD)


def test_what_no_json_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        identify(picture(8, 8), {"seed": float("nan")})
