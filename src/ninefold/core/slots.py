"""Slots: the declared, typed names of what stages hand to one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from ninefold.core.errors import ContractError, InputError, UnknownSlotError
from ninefold.core.problems import check_texts, problems_of

T = TypeVar("T")

_DECLARED: dict[str, Slot[Any]] = {}


@dataclass(frozen=True, eq=False)
class Slot(Generic[T]):
    """A name in `PipelineContext.data`, with its type.

    Declaring a slot makes its name known; declaring the same name again with another type raises
    `ContractError`. Two declarations of the same name and type are the same slot.
    """

    name: str
    #: Anything that pydantic can check and turn into JSON.
    type: Any
    description: str
    #: What to do when it is missing, as a sentence.
    remedy: str = ""
    #: Whether a caller may give it; otherwise only stages make it.
    given: bool = True
    #: Whether a pipeline refuses it where none of its stages would use it.
    must_act: bool = False
    #: What it is made from: where a later stage changes that, the change is not in it.
    made_from: Slot[Any] | None = None
    #: Turns what a caller may hand over (such as an image file) into the slot's type; called with
    #: that and the `PipelineContext`, whose module lies above this one.
    coerce: Callable[[Any, Any], Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        known = _DECLARED.setdefault(self.name, self)
        if known.type != self.type:
            raise ContractError(
                f"slot {self.name!r} is declared as {known.type}, and again as {self.type}"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slot) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        """Checks values and turns them into JSON and back."""
        return TypeAdapter(self.type)

    def check(self, value: Any, context: object) -> T:
        """Return `value` as the slot's type, for the `PipelineContext` that it goes to.

        Raises `InputError`.
        """
        if self.coerce is not None:
            value = self.coerce(value, context)
        try:
            checked = self.adapter.validate_python(value)
        except ValidationError as error:
            raise InputError("\n".join(problems_of(error, self.name))) from None
        try:
            return check_texts(checked)
        except ValueError as error:
            raise InputError(f"{self.name}: {error}.") from None


def find_slot(name: str) -> Slot[Any]:
    """Return the slot called `name`; raises `UnknownSlotError` naming the nearest one."""
    try:
        return _DECLARED[name]
    except KeyError:
        near = get_close_matches(name, _DECLARED, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownSlotError(
            f"no slot is called {name!r}.{hint} A new one is declared with Slot({name!r}, ...)."
        ) from None
