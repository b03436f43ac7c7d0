"""The built-in text-to-image model under prompts and settings as people use them.

Run `python bench/prompts.py`; sections may be named. The judge (bench/judge.safetensors) and the
detector read the pictures.

typed       prompts with synonyms, other word orders, plurals and missing parts: of what each names,
            the share that the picture shows
strange     held-out prompts with words among them that the model does not know, and subjects that
            it does not know in places that it does: what the other words name is shown
counts      "a", "two" and "three" of every subject: how often the detector finds as many, and how
            often it does in renders
weights     `(red:1.5)` against `(blue:1.5)` in one prompt, and negative prompts against none
guidance    guidance scales from 1 to 8: what is shown, and the share of clipped pixels beyond that
            of the same scenes rendered, which burnt colours would raise
schedulers  every scheduler at 20 steps, and the model's own at 8 and 50: what is shown, and at 20
            steps the distance to renders of the same scenes (compare it at equal --count)
sizes       3:2, 2:3, 16:9 and 9:16: how often the subject is there twice
sources     image to image at strength 0.4, and inpainting of the left half
lora        how far each weight of the LoRA moves the picture: each farther than the last

Prints a table; exit code 1 if a figure misses its target.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # training/ is not installed

from bench.figures import Figure, table
from bench.judged import SIZE, STEPS, Reading, generate, read
from ninefold.core.values import Lora
from ninefold.engines.defaults import build_engines
from ninefold.engines.diffusion import ImageToImage, Inpaint, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.likeness import mean_absolute_difference, ssim
from ninefold.imaging.types import Pixels
from training.captions import COUNT_WORDS, NAMES, PLURALS, SETTING_WORDS
from training.data import HELD_OUT
from training.distance import frechet_distance
from training.palette import COLOURS
from training.prompts import held_out_prompts, held_out_scenes, named
from training.scenes import random_scene, render
from training.subjects import SUBJECTS

TYPED = (
    "lighthouse at night",
    "snowy mountains, a small blue tent",
    "two red boats on a calm sea",
    "Red house, mountains, sunset",
    "at night, in the city, a yellow car on the left",
    "a yacht with white sails at the ocean, in the morning",
    "windmills in a meadow under a blue sky",
    "crimson hot-air balloon over the desert at dawn",
    "a kitten in the woods",
    "pink blossom on the right, by day",
    "forest, night, a purple castle in the middle",
    "a hiker in a green coat in the mountains at noon",
    "saguaro among sand dunes at dusk",
    "a little black cat on the left side of a field in the evening",
    "poster of a brown cabin near a forest in winter",
    "the beacon on an island at twilight, it is orange",
    "flat illustration of a blue automobile downtown at midnight",
    "on green hills, a white mill to the right, sunny",
    "a girl wearing a red hat in the city in the rain",
    "birds over the sea at sunrise, violet",
    "an oak tree on a farm, overcast",
    "balloons, yellow, desert, daytime",
    "fortress in the fog below the mountains",
    "sailboats on a river in the city at sunset",
)
STRANGE = ("majestic", "masterpiece,", "8k", "cyberpunk", "trending", "ultra", "HDR,", "epic")
UNKNOWN = ("dragon", "robot", "pirate ship", "unicorn", "wizard", "rocket", "dinosaur", "piano")
ASPECTS = {"3:2": (384, 256), "2:3": (256, 384), "16:9": (448, 256), "9:16": (256, 448)}


@dataclass(frozen=True)
class Prompts:
    """Sections of the table, over one engine set and so many pictures a figure."""

    engines: EngineSet
    count: int

    def request(self, prompt: str, seed: int, **changes: Any) -> TextToImage:
        """A request at the model's own settings."""
        info = self.engines.diffusion.describe("poster")
        usual: dict[str, Any] = {
            "model": "poster",
            "prompt": prompt,
            "negative_prompt": "",
            "width": SIZE,
            "height": SIZE,
            "steps": STEPS,
            "guidance_scale": info.guidance_scale,
            "scheduler": "default",
            "seed": seed,
        }
        return TextToImage(**(usual | changes))

    def make(self, prompts: Sequence[str], **changes: Any) -> list[Pixels]:
        """One picture a prompt, with seeds 0, 1, 2 ..."""
        requests = [self.request(text, seed, **changes) for seed, text in enumerate(prompts)]
        return generate(self.engines.diffusion, requests)

    def shown(self, prompts: Sequence[str], reading: Reading) -> float:
        """Of the parts that the prompts name, the share that the judge read in the pictures."""
        hits = [
            verdict[part] in values
            for text, verdict in zip(prompts, reading.verdicts, strict=True)
            for part, values in named(text).items()
            if values
        ]
        return sum(hits) / len(hits)

    def held_out(self) -> list[str]:
        """The first held-out prompts."""
        return [asked.prompt for asked in held_out_prompts(self.count)]

    def typed(self) -> Iterator[Figure]:
        """Prompts as people type them."""
        reading = read(self.make(TYPED * 2))
        for text, verdict in zip(TYPED, reading.verdicts, strict=False):
            wrong = [
                f"{part} {verdict[part]}"
                for part, values in named(text).items()
                if values and verdict[part] not in values
            ]
            print(f"  {text}: {'ok' if not wrong else 'shows ' + ', '.join(wrong)}")
        share = self.shown(TYPED * 2, reading)
        yield Figure("typed", f"what {len(TYPED)} prompts name is shown", share, 0.85)

    def strange(self) -> Iterator[Figure]:
        """Words that the model does not know."""
        prompts = []
        for number, prompt in enumerate(self.held_out()):
            words = prompt.split()
            words.insert(number % (len(words) + 1), STRANGE[number % len(STRANGE)])
            prompts.append(" ".join((*words, STRANGE[(number + 3) % len(STRANGE)])))
        share = self.shown(prompts, read(self.make(prompts)))
        yield Figure("strange", "what prompts with strange words name is shown", share, 0.85)
        settings, times = tuple(SETTING_WORDS.values()), ("by day", "at night", "at sunset")
        prompts = [
            f"a {UNKNOWN[i % len(UNKNOWN)]} {settings[i % 6][0]} {times[i // 6 % 3]}"
            for i in range(self.count)
        ]
        share = self.shown(prompts, read(self.make(prompts)))
        yield Figure("strange", "place and time around unknown subjects are shown", share, 0.85)

    def counts(self) -> Iterator[Figure]:
        """One, two or three of a subject."""
        colours, settings = tuple(COLOURS), tuple(SETTING_WORDS.values())
        for count, target in ((1, 0.9), (2, 0.8), (3, 0.8)):
            words = {subject: (PLURALS if count > 1 else NAMES)[subject][0] for subject in SUBJECTS}
            lead = COUNT_WORDS[count][0] if count > 1 else "a"
            asked = [
                (subject, f"{lead} {colours[i % len(colours)]} {word} {settings[i % 6][0]} by day")
                for i, (subject, word) in enumerate(words.items())
            ] * 2
            pictures = self.make([prompt for _, prompt in asked])
            right = self._as_many([subject for subject, _ in asked], pictures, count)
            yield Figure("counts", f"{lead}: as many are found", right, target)
            held_out = map(random_scene, itertools.count(HELD_OUT))
            several = (scene for scene in held_out if scene.whole and scene.count == count)
            scenes = list(islice(several, len(asked)))
            renders = [np.asarray(render(scene, SIZE)) for scene in scenes]
            right = self._as_many([scene.subject for scene in scenes], renders, count)
            yield Figure("counts", f"{lead}: as many are found in renders", right)

    def _as_many(self, subjects: Sequence[str], pictures: Sequence[Pixels], count: int) -> float:
        """The share of pictures in which the detector finds so many of their subject."""
        hits = [
            self._number(subject, picture) == count
            for subject, picture in zip(subjects, pictures, strict=True)
        ]
        return sum(hits) / len(hits)

    def _number(self, subject: str, picture: Pixels) -> int:
        """How many of a subject the detector finds."""
        found = self.engines.detection.detect("detector", picture, 0.4)
        return sum(hit.label == subject for hit in found)

    def weights(self) -> Iterator[Figure]:
        """Weights in brackets, and negative prompts."""
        red, blue = (
            self._colours(f"a {first} {second} house in a field by day")
            for first, second in (("(red:1.5)", "(blue:0.6)"), ("(red:0.6)", "(blue:1.5)"))
        )
        gained = red.count("red") - blue.count("red") + blue.count("blue") - red.count("blue")
        yield Figure("weights", "colour follows the heavier word", gained / 2 / self.count, 0.5)
        prompt = "a castle in a field"
        plain, without = (
            self.make([prompt] * self.count, negative_prompt=words) for words in ("", "night")
        )
        for name, pictures in (("no negative prompt", plain), ("'night' as negative", without)):
            nights = sum(v["time"] == "night" for v in read(pictures).verdicts)
            yield Figure("weights", f"share of nights, {name}", nights / self.count)
        change = _difference(plain, without)
        yield Figure("weights", "levels that a negative prompt changes", change, 4)

    def _colours(self, prompt: str) -> list[str]:
        """The subject's colour in each of several pictures of one prompt."""
        return [v["colour"] for v in read(self.make([prompt] * self.count)).verdicts]

    def guidance(self) -> Iterator[Figure]:
        """Guidance scales from 1 to 8."""
        asked = held_out_prompts(self.count)
        prompts = [each.prompt for each in asked]
        usual = _clipped([np.asarray(render(each.scene, SIZE)) for each in asked])
        for scale in (1.0, 2.0, 4.0, 6.0, 8.0):
            pictures = self.make(prompts, guidance_scale=scale)
            shown = self.shown(prompts, read(pictures))
            target = 0.85 if scale >= 2 else None
            yield Figure("guidance", f"{scale:g}: what prompts name is shown", shown, target)
            more = _clipped(pictures) - usual
            yield Figure("guidance", f"{scale:g}: clipped pixels beyond renders", more, 0.05, True)

    def schedulers(self) -> Iterator[Figure]:
        """Schedulers, few and many steps."""
        asked = held_out_prompts(self.count)
        prompts = [each.prompt for each in asked]
        scenes = read([np.asarray(render(each.scene, SIZE)) for each in asked]).features
        for name in self.engines.diffusion.schedulers():
            reading = read(self.make(prompts, scheduler=name))
            shown = self.shown(prompts, reading)
            yield Figure("schedulers", f"{name}: what prompts name is shown", shown, 0.85)
            distance = frechet_distance(reading.features, scenes)
            yield Figure("schedulers", f"{name}: distance to renders", distance)
        for steps in (8, 50):
            shown = self.shown(prompts, read(self.make(prompts, steps=steps)))
            yield Figure("schedulers", f"{steps} steps: what prompts name is shown", shown, 0.85)

    def sizes(self) -> Iterator[Figure]:
        """Shapes other than the square."""
        asked = held_out_prompts(self.count)
        for name, (width, height) in ASPECTS.items():
            pictures = self.make([a.prompt for a in asked], width=width, height=height)
            pairs = zip(asked, pictures, strict=True)
            counts = [self._number(a.parts["subject"], picture) for a, picture in pairs]
            there, twice = (sum(test) / len(counts) for test in _there_and_twice(counts))
            yield Figure("sizes", f"{name}: the detector finds the subject", there, 0.75)
            yield Figure("sizes", f"{name}: it finds it twice or more", twice, 0.05, at_most=True)

    def sources(self) -> Iterator[Figure]:
        """Image to image and inpainting keep what they should."""
        scenes = held_out_scenes()
        sources = [np.asarray(render(next(scenes), SIZE)) for _ in range(self.count)]
        usual = self.request("a scene", 0).__dict__ | {"strength": 0.4, "prompt": ""}
        made = generate(
            self.engines.diffusion, [ImageToImage(**usual, image=source) for source in sources]
        )
        kept = float(np.mean([ssim(a, b) for a, b in zip(sources, made, strict=True)]))
        yield Figure("sources", "image to image at 0.4: SSIM with the source", kept, 0.6)
        mask = np.zeros((SIZE, SIZE), np.float32)
        mask[:, : SIZE // 2] = 1
        usual |= {"strength": 1.0, "prompt": "a red house on the left", "mask": mask}
        made = generate(
            self.engines.diffusion, [Inpaint(**usual, image=source) for source in sources]
        )
        half = SIZE // 2
        pairs = zip(sources, made, strict=True)
        same = float(np.mean([np.array_equal(a[:, half:], b[:, half:]) for a, b in pairs]))
        yield Figure("sources", "inpainting leaves the right half as it was", same, 1)
        houses = sum(
            any(hit.label == "house" and hit.left < half for hit in found)
            for found in (self.engines.detection.detect("detector", p, 0.3) for p in made)
        )
        yield Figure("sources", "and paints a house into the left half", houses / self.count, 0.5)

    def lora(self) -> Iterator[Figure]:
        """The LoRA that ships."""
        prompts = self.held_out()
        plain = self.make(prompts)
        last = 0.0
        for weight in (0.4, 0.8, 1.2):
            pictures = self.make(prompts, loras=(Lora("night-neon", weight),))
            moved = _difference(plain, pictures)
            yield Figure("lora", f"night-neon at {weight}: levels moved", moved, last)
            last = moved


def _there_and_twice(counts: Sequence[int]) -> tuple[list[bool], list[bool]]:
    return [count > 0 for count in counts], [count > 1 for count in counts]


def _clipped(pictures: Sequence[Pixels]) -> float:
    """The share of pixels with a channel at either end of its range."""
    ends = [((p <= 1) | (p >= 254)).any(axis=2).mean() for p in pictures]
    return float(np.mean(ends))


def _difference(some: Sequence[Pixels], others: Sequence[Pixels]) -> float:
    """Mean absolute difference in levels of 255."""
    pairs = zip(some, others, strict=True)
    return float(np.mean([mean_absolute_difference(a, b) for a, b in pairs]))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help="all if none is named")
    parser.add_argument("--count", type=int, default=24, help="pictures a figure")
    options = parser.parse_args()
    bench = Prompts(build_engines(EngineSettings(max_batch=8)), options.count)
    sections: dict[str, Callable[[], Iterator[Figure]]] = {
        "typed": bench.typed,
        "strange": bench.strange,
        "counts": bench.counts,
        "weights": bench.weights,
        "guidance": bench.guidance,
        "schedulers": bench.schedulers,
        "sizes": bench.sizes,
        "sources": bench.sources,
        "lora": bench.lora,
    }
    return table(parser, sections, options.sections)


if __name__ == "__main__":
    sys.exit(main())
