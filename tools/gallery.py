"""Makes the pictures in docs/images: `python tools/gallery.py`.

A contact sheet of sixteen prompts, one picture after each stage of a full run, and the picture
on the README's first screen.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ninefold import OUTPUTS, PipelineConfig, PipelineContext
from ninefold.cli import main as command_line

IMAGES = Path(__file__).parent.parent / "docs" / "images"
HERO = ("a white lighthouse on the right by the sea at sunset", 7)
PROMPTS = (
    "a red house on the left in the mountains at sunset",
    "a white lighthouse by the sea at night",
    "two red sailboats on a calm sea at dawn",
    "a green cactus in the desert at sunset",
    "a blue tent in a forest at night",
    "a purple hot-air balloon over a field, day",
    "an orange windmill on the right in a field at sunset",
    "a close-up of a person in a red coat in the city",
    "a black cat in a field at dusk",
    "a white bird over the sea, cloudy sky",
    "a red car in the city at night",
    "a brown castle in the mountains at dawn",
    "three green trees in a field, rain",
    "a pink flower in a field, sunny day",
    "a blue house in the forest, snow",
    "an empty desert at sunset",
)
TILE, WIDE = 256, (448, 256)
CAPTION = 36
GAP = 8


def main() -> None:
    """Run the prompts and write the pictures; with `sheets`, those of sheets and grids alone."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sheets(Path(folder))
    if sys.argv[1:] == ["sheets"]:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        finals = [
            (prompt, final_image(run(root / f"{seed}", prompt, seed, "standard")))
            for seed, prompt in enumerate(PROMPTS, start=1)
        ]
        sheet(finals, 4).save(IMAGES / "contact_sheet.png", optimize=True)
        stages = run(root / "stages", *HERO, "full")
        sheet(stage_pictures(stages), 5).save(IMAGES / "stages.png", optimize=True)
        hero = run(root / "hero", *HERO, "standard", WIDE)
        final_image(hero).save(IMAGES / "hero.png", optimize=True)


def sheets(root: Path) -> None:
    """What `ninefold sheet` and `ninefold grid` make, as their guide shows them."""
    out = ("--preset", "draft", "--quiet", "--out", str(root / "runs"))
    prompt = "a {white lighthouse|red house|blue house} by the sea, sunset"
    called("run", prompt, "--seed", "1", "--count", "6", *out)
    files = sorted(map(str, root.glob("runs/*/outputs/*.png")))
    look = ("--tile", "192", "--columns", "3", "--title", "By the sea", "--force")
    called("sheet", *files, "--out", str(IMAGES / "sheet.png"), *look)
    axes = ("--x", "steps=2,4,12", "--y", "prompt=sunset,snow")
    called("grid", HERO[0], "--seed", str(HERO[1]), *axes, "--tile", "192", *out)
    (grid,) = root.glob("runs/grid-*/grid.png")
    (IMAGES / "grid.png").write_bytes(grid.read_bytes())


def called(*arguments: str) -> None:
    """Run the command line; raises RuntimeError where it fails."""
    if code := command_line(list(arguments)):
        raise RuntimeError(f"ninefold {arguments[0]}: exit code {code}")


def run(
    folder: Path, prompt: str, seed: int, preset: str, size: tuple[int, int] = (TILE, TILE)
) -> PipelineContext:
    """One finished run, begun at a width and height; raises what stopped it."""
    document = PipelineConfig.preset(preset).model_dump()
    for step in document["stages"]:
        if step["stage"] == "text_to_image":
            step["params"] |= {"width": size[0], "height": size[1]}
    context = PipelineContext(folder, prompt=prompt, seed=seed)
    asyncio.run(PipelineConfig.parse(document).build().execute(context))
    context.raise_for_error()
    return context


def final_image(context: PipelineContext) -> Image.Image:
    """The first of the published files."""
    with Image.open(context[OUTPUTS][0].path) as image:
        return image.convert("RGB")


def stage_pictures(context: PipelineContext) -> list[tuple[str, Image.Image]]:
    """A picture after each of the nine stages; stages that make none show what they said."""
    pictures = {item.stage: item.path for item in reversed(context.artifacts)}
    pictures["publisher"] = context[OUTPUTS][0].path
    shown = []
    for number, stage in enumerate(context.completed, start=1):
        if stage in pictures:
            with Image.open(pictures[stage]) as image:
                picture = image.convert("RGB")
            label = f"{number} {stage} ({picture.width} x {picture.height})"
        else:
            picture = note(context, stage)
            label = f"{number} {stage}"
        shown.append((label, picture))
    return shown


def note(context: PipelineContext, stage: str) -> Image.Image:
    """What a stage without a picture of its own left in the metadata."""
    said = context.metadata[stage]
    keys = ("prompt", "seed", "verdict", "score", "measures")
    lines = []
    for key in keys:
        if key in said:
            value = said[key]
            items = value.items() if isinstance(value, dict) else [(key, value)]
            lines += [f"{name}: {text}" for name, text in items]
    image = Image.new("RGB", (TILE, TILE), "white")
    ImageDraw.Draw(image).multiline_text(
        (12, 12), "\n".join(wrap(lines, 34)), "black", ImageFont.load_default(13), spacing=6
    )
    return image


def wrap(lines: Sequence[str], width: int) -> list[str]:
    """Lines broken at spaces to at most `width` characters."""
    wrapped: list[str] = []
    for line in lines:
        current = ""
        for word in line.split():
            if current and len(current) + 1 + len(word) > width:
                wrapped.append(current)
                current = word
            else:
                current = f"{current} {word}".strip()
        wrapped.append(current)
    return wrapped


def sheet(pictures: Sequence[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """Captioned pictures in a grid."""
    rows = -(-len(pictures) // columns)
    step_x, step_y = TILE + GAP, TILE + CAPTION + GAP
    canvas = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(12)
    for index, (label, picture) in enumerate(pictures):
        left = GAP + index % columns * step_x
        top = GAP + index // columns * step_y
        method = Image.Resampling.NEAREST if picture.width < TILE else Image.Resampling.LANCZOS
        canvas.paste(picture.resize((TILE, TILE), method), (left, top))
        text = "\n".join(wrap([label], 40)[:2])
        draw.multiline_text((left, top + TILE + 4), text, "black", font, spacing=2)
    return canvas


if __name__ == "__main__":
    main()
