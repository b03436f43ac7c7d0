from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.core.errors import InputError
from ninefold.engines.checks import nearest_sizes
from ninefold.engines.diffusion import ModelInfo
from ninefold.server.openai.sizes import plan_size, plan_source

#: What OpenAI's clients ask for.
USUAL = [
    (256, 256),
    (512, 512),
    (1024, 1024),
    (1536, 1024),
    (1024, 1536),
    (1792, 1024),
    (1024, 1792),
    (1536, 864),
]


def model(native: int = 256, multiple: int = 8) -> ModelInfo:
    return ModelInfo(
        "model",
        "0" * 10,
        (native, native),
        multiple,
        4 * native,
        4,
        4.0,
        "default",
        min_size=native // 4,
    )


@pytest.mark.parametrize("native", [128, 256, 1024])
@pytest.mark.parametrize("multiple", [8, 16])
@pytest.mark.parametrize("size", USUAL)
def test_usual_sizes_come_out_exactly(size: tuple[int, int], native: int, multiple: int) -> None:
    assert plan_size(*size, model(native, multiple)).final == size


def test_the_native_size_is_painted_at_once() -> None:
    assert plan_size(256, 256, model()).factor == 1


def test_more_than_the_model_paints_well_is_enlarged() -> None:
    plan = plan_size(512, 512, model())
    assert (plan.width, plan.height, plan.factor) == (256, 256, 2)


def test_what_cannot_be_made_is_reported_with_a_size_that_can() -> None:
    with pytest.raises(
        InputError, match=r"cannot make 1000x701. The nearest is \d+x\d+"
    ) as reported:
        plan_size(1000, 701, model(128, 16))
    width, height = str(reported.value).removesuffix(".").rpartition(" ")[2].split("x")
    plan_size(int(width), int(height), model(128, 16))


@given(
    width=st.integers(10, 99_999),
    height=st.integers(10, 99_999),
    native=st.sampled_from([64, 128, 256, 512, 1024]),
    multiple=st.sampled_from([8, 16, 32]),
)
def test_every_plan_can_be_painted(width: int, height: int, native: int, multiple: int) -> None:
    info = model(native, multiple)
    for plan_for in (plan_size, plan_source):
        try:
            plan = plan_for(width, height, info)
        except InputError:
            continue
        assert plan.final == (width, height)
        assert plan.factor <= 8
        for side in (plan.width, plan.height):
            assert nearest_sizes(side, info) == (side,)


@given(width=st.integers(1, 4096), height=st.integers(1, 4096))
def test_sources_of_usual_shapes_can_be_painted_again(width: int, height: int) -> None:
    info = model(256, 8)
    if max(width, height) <= 4 * min(width, height):
        plan = plan_source(width, height, info)
        assert plan.factor == max(width / plan.width, height / plan.height)


@given(width=st.integers(1, 8192), height=st.integers(1, 8192))
def test_a_source_is_painted_in_its_own_shape_or_not_at_all(width: int, height: int) -> None:
    info = model(256, 8)
    try:
        plan = plan_source(width, height, info)
    except InputError:
        return
    stretch = (plan.width / plan.height) / (width / height)
    # The least side is 64 pixels, of which rounding moves half a step; shapes at the very limit
    # may be stretched by a tenth.
    assert 1 / 1.2 <= stretch <= 1.2
