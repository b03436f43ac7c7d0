"""Sheets as one page of HTML that needs nothing else: no script, no other file, no network."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape

from ninefold.files.encode import encode
from ninefold.files.formats import ImageFormat
from ninefold.imaging.types import Pixels
from ninefold.sheets.theme import COLOURS, Theme
from ninefold.sheets.tiles import PROMPT, Sheet, Tile

_QUALITY = 85
#: The policy of the page, which it states itself.
PAGE_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { margin: 1.5rem; background: var(--paper); color: var(--ink);
  font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.sheet { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(SIDEpx, 1fr)); }
table { border-spacing: 0.75rem; }
th { text-align: left; vertical-align: top; font-weight: 600; }
td { vertical-align: top; }
figure { margin: 0; width: SIDEpx; }
img { display: block; max-width: 100%; }
.none { background: var(--empty); color: var(--faint); padding: 1rem; min-height: 6rem; }
figcaption, dl { margin: 0.4rem 0 0; overflow-wrap: anywhere; }
.prompt { margin: 0.2rem 0; white-space: pre-wrap; }
dl { color: var(--faint); }
dt, dd { display: inline; margin: 0; } dd::after { content: "\\A"; white-space: pre; }
dt::after { content: ": "; }
"""


def sheet_page(
    sheets: Sequence[Sheet], title: str, *, side: int = 256, theme: Theme | None = None
) -> str:
    """The page; colours are the reader's choice of light or dark where `theme` is None.

    Every text is escaped, and pictures are WebP inside the page.
    """
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_colours(theme)}{_STYLE.replace('SIDE', str(side))}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
    ]
    for sheet in sheets:
        if sheet.title and sheet.title != title:
            lines.append(f"<h2>{escape(sheet.title)}</h2>")
        lines += _table(sheet) if sheet.column_labels or sheet.row_labels else _flow(sheet)
    return "\n".join([*lines, "</body></html>", ""])


def _colours(theme: Theme | None) -> str:
    if theme is not None:
        return f":root {{ color-scheme: {theme}; {_variables(theme)} }}"
    light, dark = map(_variables, (Theme.LIGHT, Theme.DARK))
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    return f":root {{ color-scheme: light dark; {light} }} {dark}"


def _variables(theme: Theme) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in asdict(COLOURS[theme]).items())


def _flow(sheet: Sheet) -> Iterator[str]:
    yield '<div class="sheet">'
    yield from map(_figure, sheet.tiles)
    yield "</div>"


def _table(sheet: Sheet) -> Iterator[str]:
    yield "<table>"
    if sheet.column_labels:
        corner = "<th></th>" if sheet.row_labels else ""
        cells = "".join(f'<th scope="col">{escape(text)}</th>' for text in sheet.column_labels)
        yield f"<thead><tr>{corner}{cells}</tr></thead>"
    yield "<tbody>"
    for number, row in enumerate(sheet.rows):
        label = sheet.row_labels[number] if sheet.row_labels else None
        head = "" if label is None else f'<th scope="row">{escape(label)}</th>'
        yield f"<tr>{head}{''.join(f'<td>{_figure(tile)}</td>' for tile in row)}</tr>"
    yield "</tbody></table>"


def _figure(tile: Tile) -> str:
    if tile.picture is None:
        shown = f'<div class="none">{escape(tile.problem or "no picture")}</div>'
    else:
        height, width = tile.picture.shape[:2]
        shown = (
            f'<img src="{_data_url(tile.picture)}" alt="{escape(_alt(tile))}" '
            f'width="{width}" height="{height}">'
        )
        if tile.problem:
            shown += f'<p class="prompt">{escape(tile.problem)}</p>'
    prompt = "".join(
        f'<p class="prompt">{escape(value)}</p>' for name, value in tile.caption if name == PROMPT
    )
    rest = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        for name, value in tile.caption
        if name != PROMPT
    )
    said = f"<dl>{rest}</dl>" if rest else ""
    name = f"<b>{escape(tile.name)}</b>" if tile.name else ""
    return f"<figure>{shown}<figcaption>{name}{prompt}{said}</figcaption></figure>"


def _alt(tile: Tile) -> str:
    return next((value for name, value in tile.caption if name == PROMPT), tile.name)


def _data_url(picture: Pixels) -> str:
    data = encode(picture, ImageFormat.WEBP, quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
