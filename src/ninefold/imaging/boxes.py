"""Boxes in pixels, and the crops around them that a model works on."""

import math
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Box:
    """Integer pixel edges; right and bottom are exclusive. May reach outside an image.

    Raises ValueError where right < left or bottom < top.
    """

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        """Refuse edges in the wrong order."""
        if self.right < self.left or self.bottom < self.top:
            raise ValueError(
                "expected left <= right and top <= bottom, "
                f"got {self.left}, {self.top}, {self.right}, {self.bottom}"
            )

    @classmethod
    def around(cls, left: float, top: float, right: float, bottom: float) -> Self:
        """Smallest box that contains fractional edges, such as a detector's."""
        return cls(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an H x W (x C) array that contains the box."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def clip(self, width: int, height: int) -> Self:
        """The part inside a width x height image; empty (area 0) where there is none."""
        left, right = (min(max(x, 0), width) for x in (self.left, self.right))
        top, bottom = (min(max(y, 0), height) for y in (self.top, self.bottom))
        return type(self)(left, top, right, bottom)

    def expand(self, pixels: int) -> Self:
        """Move each edge outwards; negative moves inwards, at most to the centre."""
        across, down = max(pixels, -(self.width // 2)), max(pixels, -(self.height // 2))
        return type(self)(
            self.left - across, self.top - down, self.right + across, self.bottom + down
        )

    def intersection(self, other: "Box") -> int:
        """Pixels that both boxes hold."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(across, 0) * max(down, 0)

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0..1; two empty boxes have 0."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union else 0.0


def crop_box(
    box: Box,
    padding: int,
    image_size: tuple[int, int],
    *,
    multiple: int = 1,
    aspect: float | None = None,
) -> Box:
    """A crop of a (width, height) image around `box`, with `padding` pixels to each side.

    The shorter side grows to reach `aspect` (width / height), then both sides grow to a multiple
    of `multiple`; a crop that would leave the image is shifted back in. The crop always holds all
    of the box that lies in the image. A side that the image has no room for is the image's own,
    multiple or not. Raises ValueError where the box does not touch the image or a value is out of
    range.
    """
    width, height = image_size
    inside = box.clip(width, height)
    if not inside.area:
        raise ValueError(f"expected a box that touches the {width} x {height} image, got {box}")
    if padding < 0 or multiple < 1:
        raise ValueError(f"expected padding >= 0, multiple >= 1, got {padding} and {multiple}")
    across, down = inside.width + 2 * padding, inside.height + 2 * padding
    if aspect is not None:
        if not 0 < aspect < math.inf:
            raise ValueError(f"expected a positive aspect, got {aspect}")
        across, down = max(across, round(down * aspect)), max(down, round(across / aspect))
    left, right = _span(inside.left, inside.right, across, width, multiple)
    top, bottom = _span(inside.top, inside.bottom, down, height, multiple)
    return Box(left, top, right, bottom)


def _span(start: int, end: int, length: int, limit: int, multiple: int) -> tuple[int, int]:
    length = min(-(-length // multiple) * multiple, limit)
    first = (start + end - length) // 2
    # Rounding the centre must not cost the box its last pixel.
    first = min(max(first, end - length), start)
    first = min(max(first, 0), limit - length)
    return first, first + length
