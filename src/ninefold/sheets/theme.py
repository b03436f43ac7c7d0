"""Light and dark, of pictures and pages alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Theme(StrEnum):
    """The colours of a sheet."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class Colours:
    """As `#rrggbb`."""

    paper: str
    ink: str
    faint: str
    #: Of a place without a picture.
    empty: str


COLOURS = {
    Theme.LIGHT: Colours("#ffffff", "#1b1d21", "#5c6470", "#eceef1"),
    Theme.DARK: Colours("#16181c", "#eceef1", "#9aa3af", "#24272d"),
}
