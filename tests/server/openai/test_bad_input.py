"""Odd and wrong requests of OpenAI's API: an error object that names the parameter, never a 500,
and nothing is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.server.conftest import Door, png
from tests.server.openai.test_errors import ASKED, EDIT, GENERATE, error_of

JSON = {"Content-Type": "application/json"}
#: Heads of parts of a form.
IMAGE = b'name="image"; filename="a.png"'
PROMPT = (b'name="prompt"', b"a house")
#: Fields that forms of web pages send whether they are filled in or not.
MAY_BE_EMPTY = [
    *(b"model", b"n", b"size", b"seed", b"user", b"mask", b"stream", b"background"),
    *(b"response_format", b"output_format", b"output_compression", b"input_fidelity"),
]


@pytest.fixture
def untouched(idle: Door) -> Iterator[Door]:
    """A service that may have no job and no upload in the end."""
    yield idle
    assert idle.client.get("/v1/jobs").json()["jobs"] == []
    assert not (idle.service.jobs.data / "uploads").exists()


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  "}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "x" * 32_000}, "prompt"),
        ({"prompt": "a {red|blue"}, "prompt"),
        ({"prompt": "{" * 3000}, "prompt"),
        ({"prompt": "a __nothing__"}, "prompt"),
        ({"prompt": "${place} at night"}, "prompt"),
        ({"prompt": "a <lora:nothing:1>"}, "prompt"),
        ({"prompt": "a <lora:sketch:99>"}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": "1"}, "n"),
        ({"size": ""}, "size"),
        ({"size": "0x0"}, "size"),
        ({"size": "1024"}, "size"),
        ({"size": 1024}, "size"),
        ({"size": "512X512"}, "size"),
        ({"size": "9999x9999"}, "size"),
        ({"size": "1x9999"}, "size"),
        ({"size": "-1x-1"}, "size"),
        ({"model": 7}, "model"),
        ({"quality": "best"}, "quality"),
        ({"background": "clear"}, "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": "jpeg", "output_compression": 101}, "output_compression"),
        ({"response_format": "png"}, "response_format"),
        ({"stream": "yes"}, "stream"),
        ({"partial_images": 4, "stream": True}, "partial_images"),
        ({"seed": 2**63}, "seed"),
        ({"negative_prompt": "${place} at night"}, "negative_prompt"),
        ({"image": "x"}, "image"),
        ({"a/b~c": 1}, "a/b~c"),
    ],
)
def test_parameters(asked: dict[str, Any], param: str, untouched: Door) -> None:
    error = error_of(untouched.client.post(GENERATE, json={**ASKED, **asked}), 400)
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) < 400


def test_a_model_that_is_not_served(untouched: Door) -> None:
    error = error_of(untouched.client.post(GENERATE, json={**ASKED, "model": "dall-e-3"}), 404)
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    assert "'dall-e-3'" in error["message"]
    assert "poster" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"prompt": "a", "n": ' + b"9" * 5000 + b"}",
        b'{"prompt": "a", "n": NaN}',
        b'{"prompt": "a", "seed": 1e999}',
        b'{"prompt": "\\ud800"}',
    ],
)
def test_bodies_that_are_no_request(body: bytes, untouched: Door) -> None:
    error_of(untouched.client.post(GENERATE, content=body, headers=JSON), 400)


def test_bodies_of_another_type(untouched: Door) -> None:
    client, files = untouched.client, {"image": ("a.png", png())}
    for answer in (
        client.post(GENERATE, content=b'{"prompt": "a"}'),
        client.post(GENERATE, data={"prompt": "a"}),
        client.post(GENERATE, data={"prompt": "a"}, files=files),
    ):
        assert "application/json" in error_of(answer, 400)["message"]
    for answer in (
        client.post(EDIT, json={"prompt": "a", "image": "x"}),
        client.post(EDIT, data={"prompt": "a"}),
        client.post(EDIT),
    ):
        assert "multipart/form-data" in error_of(answer, 400)["message"]
    multipart = {"Content-Type": "multipart/form-data"}
    error_of(client.post(EDIT, content=b"x", headers=multipart), 400)
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    error_of(client.post(EDIT, content=b"x", headers=multipart), 400)


# -- forms -----------------------------------------------------------------------------------------


def posted(door: Door, *parts: tuple[bytes, bytes]) -> Any:
    """The answer to a form of these parts, each with what its head says after `form-data;`."""
    body = b"".join(
        b"--x\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return door.client.post(EDIT, content=body + b"--x--\r\n", headers=headers)


def flat() -> bytes:
    """An image that is transparent nowhere."""
    file = BytesIO()
    Image.new("RGBA", (64, 48), "white").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([PROMPT], "image"),
        ([(IMAGE, png())], "prompt"),
        ([PROMPT, (IMAGE, b"")], "image"),
        ([PROMPT, (IMAGE, b"no image")], "image"),
        ([PROMPT, (b'name="image"', png())], "image"),
        ([PROMPT, (b'name="image"', b"data:image/png;base64,AAAA")], "image"),
        ([PROMPT, (IMAGE, png()), (IMAGE, png(seed=1))], "image"),
        ([PROMPT, (b'name="image[]"; filename="a"', png())] * 2, "prompt"),
        ([PROMPT, (IMAGE, png()), (b'name="mask"; filename="m"', flat())], "mask"),
        ([PROMPT, (IMAGE, png()), (b'name="mask"; filename="m"', png(9, 9))], "mask"),
        ([PROMPT, (IMAGE, png()), (b'name="mask"', b"black")], "mask"),
        ([PROMPT, (IMAGE, png()), (b'name="markup"; filename="m"', png())], "markup"),
        ([PROMPT, (IMAGE, png()), (b'name="other"; filename="m"', png())], "other"),
        ([PROMPT, (IMAGE, png()), (b'name="style"', b"vivid")], "style"),
        ([PROMPT, (IMAGE, png()), (b'name="n"', b"two")], "n"),
        ([PROMPT, (IMAGE, png()), (b'name="n"', b"1"), (b'name="n"', b"2")], "n"),
        ([(b'name="prompt"; filename="p.txt"', b"a house"), (IMAGE, png())], "prompt"),
    ],
)
def test_forms(parts: list[tuple[bytes, bytes]], param: str, untouched: Door) -> None:
    error = error_of(posted(untouched, *parts), 400)
    assert error["param"] == param
    assert len(error["message"]) < 300


@pytest.mark.parametrize(
    "parts",
    [
        [(IMAGE, png()), PROMPT],
        [PROMPT, (b'name="image"; filename="picture"', png())],
        [PROMPT, (b'name="image"; filename=""', png())],
        [PROMPT, (b'filename="a.png"; name="image"', png())],
        [PROMPT, (b'name="image[]"; filename="a.png"', png())],
        [PROMPT, (IMAGE + b"\r\nContent-Type: text/html", png())],
        [PROMPT, (IMAGE, png()), (b'name="mask"; filename=""', b"")],
        [PROMPT, (IMAGE, png()), *((b'name="%s"' % name, b"") for name in MAY_BE_EMPTY)],
    ],
)
def test_forms_that_are_odd_and_right(parts: list[tuple[bytes, bytes]], door: Door) -> None:
    answer = posted(door, (b'name="quality"', b"low"), *parts)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 1
