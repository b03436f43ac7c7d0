from __future__ import annotations

from collections.abc import Iterator

import pytest

from ninefold import ContractError, InputError, PipelineContext, Slot
from ninefold import slots as own
from ninefold.core import slots as core
from ninefold.core.errors import UnknownSlotError
from ninefold.core.slots import find_slot


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Slots are known process-wide; what a test declares is forgotten after it."""
    before = dict(core._DECLARED)
    yield
    core._DECLARED.clear()
    core._DECLARED.update(before)


def test_declaring_a_slot_makes_its_name_known(context: PipelineContext) -> None:
    with pytest.raises(UnknownSlotError):
        context.get("depth_map")
    depth: Slot[int] = Slot("depth_map", int, "How far away things are.")
    context.set("depth_map", 4)
    assert context[depth] == 4
    assert find_slot("depth_map") is depth


def test_the_same_name_and_type_is_the_same_slot() -> None:
    one: Slot[int] = Slot("twice", int, "One.")
    two: Slot[int] = Slot("twice", int, "The same from another module.")
    assert one == two
    assert len({one, two}) == 1
    assert one != "twice"


def test_the_same_name_with_another_type_is_refused() -> None:
    Slot("once", int, "A number.")
    with pytest.raises(ContractError, match="'once' is declared as <class 'int'>, and again"):
        Slot("once", str, "A text.")
    with pytest.raises(ContractError, match="'prompt'"):
        Slot("prompt", int, "Not a text.")


def test_an_unknown_name_gets_the_nearest_one_as_remedy() -> None:
    with pytest.raises(UnknownSlotError) as raised:
        find_slot("negativ_prompt")
    assert str(raised.value).startswith("no slot is called 'negativ_prompt'. Did you mean 'negativ")
    with pytest.raises(UnknownSlotError, match=r"declared with Slot\('qqqq', \.\.\.\)"):
        find_slot("qqqq")


def test_coerce_runs_before_the_check(context: PipelineContext) -> None:
    slot: Slot[int] = Slot("counted", int, "A count.", coerce=lambda value, _: len(value))
    context.set(slot, "four")
    assert context[slot] == 4


def test_a_wrong_value_is_reported_with_the_slot_and_what_was_got(context: PipelineContext) -> None:
    slot: Slot[tuple[int, ...]] = Slot("numbers", tuple[int, ...], "Numbers.")
    with pytest.raises(InputError) as raised:
        context.set(slot, [1, "x", "y"])
    assert str(raised.value).splitlines() == [
        "numbers.1: input should be a valid integer, unable to parse string as an integer, "
        "got 'x'.",
        "numbers.2: input should be a valid integer, unable to parse string as an integer, "
        "got 'y'.",
    ]


def test_every_slot_of_ours_is_described_and_those_that_are_required_have_a_remedy() -> None:
    ours = [value for value in vars(own).values() if isinstance(value, Slot)]
    assert len(ours) > 15
    for slot in ours:
        assert slot.description.endswith("."), slot.name
        assert slot.name.isidentifier(), slot.name
        assert not slot.remedy or slot.remedy.endswith("."), slot.name
