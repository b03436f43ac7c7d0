"""Values of JSON that do not change: what is made from them once holds for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn


def frozen(value: Any) -> Any:
    """A copy whose mappings and lists, however deep, refuse to be changed; equal to the value."""
    if isinstance(value, Mapping):
        return FrozenDict({key: frozen(item) for key, item in value.items()})
    if isinstance(value, list):
        return FrozenList(map(frozen, value))
    return tuple(map(frozen, value)) if type(value) is tuple else value


def _refuse(self: object, *_: Any, **__: Any) -> NoReturn:
    raise TypeError("a config does not change; `with_values` gives one with other parameters")


#: Typed so that it may stand for any method.
_REFUSED: Any = _refuse


class FrozenDict(dict[str, Any]):
    """A dict that raises `TypeError` when it is changed; `dict(it)` can be."""

    __setitem__ = __delitem__ = __ior__ = _REFUSED
    clear = pop = popitem = setdefault = update = _REFUSED

    def __reduce__(self) -> Any:
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A list that raises `TypeError` when it is changed; `list(it)` can be."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _REFUSED
    append = clear = extend = insert = pop = remove = reverse = sort = _REFUSED

    def __reduce__(self) -> Any:
        return FrozenList, (list(self),)
