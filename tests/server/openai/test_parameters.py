"""No parameter of OpenAI's is passed over: each is used, taken or refused, and documented."""

from __future__ import annotations

from typing import get_args

import pytest
from openai.types import image_edit_params, image_generate_params

from ninefold.server.openai.schemas import (
    NOT_HONOURED,
    NOT_OFFERED,
    EditRequest,
    GenerationRequest,
    ImageRequest,
)
from tests.forked import ROOT

HOWTO = (ROOT / "docs/howto/openai-client.md").read_text(encoding="utf-8")


def known(request: type[ImageRequest]) -> set[str]:
    """What a request knows by name."""
    return {*request.model_fields, *NOT_OFFERED}


@pytest.mark.parametrize(
    ("request_type", "theirs"),
    [
        (GenerationRequest, image_generate_params.ImageGenerateParams),
        (EditRequest, image_edit_params.ImageEditParams),
    ],
)
def test_the_package_has_none_that_is_unknown(
    request_type: type[ImageRequest], theirs: object
) -> None:
    sent = {name for kind in get_args(theirs) for name in kind.__annotations__}
    assert {"prompt", "size", "quality", "stream"} <= sent
    assert sent - known(request_type) == set()


def test_the_howto_tells_of_each() -> None:
    names = known(GenerationRequest) | known(EditRequest) | {*NOT_HONOURED, "image[]"}
    missing = [name for name in names - {"images"} if f"`{name}`" not in HOWTO]
    assert missing == []
