"""Multipart forms: looked through before they are read as a request, so that nothing in them is
passed over.

A framework takes the last of two fields that are called alike, and reads a body of another kind as
an empty form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from ninefold.core.errors import InputError

#: Fields that hold files; all others hold text.
_FILES = frozenset({"image", "image[]", "mask", "file"})
#: Fields that may occur several times: images are counted where they are used.
_LISTS = frozenset({"image", "image[]"})
#: Most files and fields that are read.
_MOST_FILES, _MOST_FIELDS = 32, 64


class FormRoute(APIRoute):
    """A route that takes a multipart form; raises `InputError` for what cannot be read as one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler, after the check: it gets the form that was read for it."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            kind = request.headers.get("content-type", "nothing").partition(";")[0].strip().lower()
            if kind != "multipart/form-data":
                raise InputError(
                    f"Content-Type: expected multipart/form-data, got {kind[:80]}. Send the fields "
                    "as a multipart form, images as files."
                )
            async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS) as form:
                if problems := list(_problems(form)):
                    raise InputError("\n".join(problems))
                return await handle(request)

        return checked


def _problems(form: FormData) -> Iterator[str]:
    for name, count in Counter(name for name, _ in form.multi_items()).items():
        if count > 1 and name not in _LISTS:
            yield f"{name}: expected it once, got it {count} times. Send one."
    for name, value in form.multi_items():
        is_file = isinstance(value, UploadFile)
        if name in _FILES and not is_file and value != "":
            yield f"{name}: expected a file, got text. Send it as a part with a filename."
        elif name not in _FILES and is_file:
            yield f"{name}: expected no file, got one. Files are image and mask; the rest is text."
