"""JSON as text that can be written as UTF-8, whatever strings it holds."""

from __future__ import annotations

import json
import re
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(document: Any, **options: Any) -> str:
    """`document` as JSON, other alphabets as they are.

    Python keeps the bytes of a file name that is no UTF-8 as lone surrogates, which no UTF-8 text
    can hold: they are escaped, and `json.loads` gives the same name again. `options` are those of
    `json.dumps`.
    """
    text = json.dumps(document, ensure_ascii=False, **options)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
