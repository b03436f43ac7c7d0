"""Transparency: laid on a colour, and coloured where nothing is seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.alpha import (
    cover,
    join,
    lay_on,
    parse_colour,
    resize_alpha,
    split,
    spread_colours,
    visible_colours,
)
from ninefold.imaging.overlay import apply_overlay

from .strategies import flat, noise


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("white", (255, 255, 255)),
        ("#fc0", (255, 204, 0)),
        (" #FFCC00 ", (255, 204, 0)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        ("rebeccapurple", (102, 51, 153)),
    ],
)
def test_colours_have_names_and_numbers(text: str, colour: tuple[int, int, int]) -> None:
    assert parse_colour(text) == colour


@pytest.mark.parametrize("text", ["", "sand dune", "#12", "#ffffff80", "rgb(1,2)", "rgba(1,2,3,4)"])
def test_what_is_no_opaque_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a colour such as white or #ffcc00, got"):
        parse_colour(text)


def test_laid_on_a_colour() -> None:
    pixels = flat(3, 1, 200, 0, 0)
    alpha = np.array([[255, 0, 128]], np.uint8)
    assert lay_on(pixels, alpha).tolist() == [[[200, 0, 0], [255, 255, 255], [227, 127, 127]]]
    assert lay_on(pixels, alpha, (0, 10, 20)).tolist()[0][:2] == [[200, 0, 0], [0, 10, 20]]


def test_layers_are_joined_and_split() -> None:
    pixels, alpha = noise(5, 4), np.arange(20, dtype=np.uint8).reshape(4, 5)
    colours, found = split(join(pixels, alpha))
    assert np.array_equal(colours, pixels)
    assert found is not None
    assert np.array_equal(found, alpha)
    assert join(pixels, None) is pixels
    assert split(pixels) == (pixels, None)
    assert split(join(pixels, np.full((4, 5), 255, np.uint8)))[1] is None
    with pytest.raises(ValueError, match="alpha: expected uint8 of the image's size"):
        join(pixels, alpha[:2])


def test_hidden_colours_give_way_to_those_beside_them() -> None:
    pixels = flat(32, 24, 0, 0, 0)
    alpha = np.zeros((24, 32), np.uint8)
    pixels[8:16, 8:16], alpha[8:16, 8:16] = (250, 120, 30), 255
    pixels[8, 8], alpha[8, 8] = (10, 200, 10), 1
    seen = visible_colours(pixels, alpha)
    assert np.array_equal(seen[alpha > 0], pixels[alpha > 0])
    near = seen[9:15, 17].astype(int)
    assert np.abs(near - (250, 120, 30)).max() < 40
    assert seen.reshape(-1, 3).min(axis=0)[0] >= 10, "black remained where nothing is seen"
    assert visible_colours(pixels, np.full((24, 32), 255, np.uint8)) is pixels
    nothing = visible_colours(pixels, np.zeros((24, 32), np.uint8))
    assert (nothing == 128).all(), "an image that shows nothing tells nothing"


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**16))
def test_what_is_known_stays_to_the_bit(width: int, height: int, seed: int) -> None:
    pixels = noise(width, height)
    known = np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (height, width))
    spread = spread_colours(pixels, known)
    assert spread.shape == pixels.shape
    assert np.array_equal(spread[known > 0], pixels[known > 0])


def test_an_edge_that_is_resized_has_no_fringe_of_hidden_colours() -> None:
    pixels = flat(64, 64, 0, 0, 0)
    alpha = np.zeros((64, 64), np.uint8)
    pixels[:, 20:], alpha[:, 20:] = (240, 240, 240), 255
    from ninefold.imaging.resize import resize

    small = resize(visible_colours(pixels, alpha), 25, 25)
    edge = resize_alpha(alpha, 25, 25)
    assert ((edge > 0) & (edge < 255)).any()
    assert lay_on(small, edge, (240, 240, 240)).min() >= 239


def test_an_overlay_covers_what_is_transparent() -> None:
    alpha = np.zeros((8, 8), np.uint8)
    base = join(flat(8, 8, 9, 9, 9), alpha)
    mark = np.full((4, 4, 4), (200, 100, 0, 128), np.uint8)
    colours, found = split(apply_overlay(base, mark, "top-left"))
    assert found is not None
    assert found[:4, :4].min() == found[:4, :4].max() == 128
    assert not found[4:].any()
    assert (colours[:4, :4] == (200, 100, 0)).all(), "the hidden colour shone through"
    half = join(flat(8, 8, 0, 0, 0), np.full((8, 8), 128, np.uint8))
    colours, found = split(apply_overlay(half, mark, "top-left"))
    assert found is not None
    assert found[0, 0] == cover(np.array([[128]], np.uint8), np.array([[128 / 255]], np.float32))
    # Over a colour it looks as if both were laid on it one after another.
    ground = (50, 60, 70)
    below = lay_on(flat(8, 8, 0, 0, 0), np.full((8, 8), 128, np.uint8), ground)
    both = lay_on(colours, found, ground).astype(int)
    assert np.abs(both - apply_overlay(below, mark, "top-left")).max() <= 2
