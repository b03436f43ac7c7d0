"""The detector on held-out renders and on generated pictures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np

from bench.figures import Figure
from bench.judged import SIZE, Generated
from ninefold.engines.detection import DetectionEngine
from ninefold.imaging.types import Pixels
from training.detector_eval import Found, Truth, mean, overlap
from training.prompts import held_out_scenes
from training.scenes import CLASSES, boxes, random_scene, render

PART = "detector"
FIRST_SEED = 12_000_000
RENDERS, GENERATED = 500, 200
#: Low, since mean average precision weighs false finds by their rank.
CONFIDENCE = 0.02


def figures(engine: DetectionEngine, generated: Generated) -> Iterator[Figure]:
    """mAP on both kinds of pictures, and the time for one."""
    scenes = [random_scene(FIRST_SEED + i) for i in range(RENDERS)]
    renders = [np.asarray(render(scene, SIZE)) for scene in scenes]
    truth: Truth = [[(name, list(box)) for name, box in boxes(scene, SIZE)] for scene in scenes]
    score = mean(found_in(engine, renders), truth)
    yield Figure(PART, f"mAP at IoU 0.5, {RENDERS} renders", score, 0.90)
    yield from _on_generated(engine, generated)
    times = []
    for picture in renders[:60]:
        begun = time.perf_counter()
        engine.detect("detector", picture, 0.3)
        times.append(time.perf_counter() - begun)
    took = statistics.median(times) * 1000
    yield Figure(PART, f"milliseconds for {SIZE} x {SIZE}", took, 30, at_most=True, unit="ms")


def _on_generated(engine: DetectionEngine, generated: Generated) -> Iterator[Figure]:
    chosen = generated.confirmed(GENERATED)
    yield Figure(PART, "generated pictures with the subject asked for", len(chosen), GENERATED)
    pictures = [generated.pictures[i] for i in chosen]
    truth: Truth = [
        [(generated.asked[i].parts["subject"], generated.reading.boxes[i].tolist())] for i in chosen
    ]
    score = mean(found_in(engine, pictures), truth)
    yield Figure(PART, f"mAP at IoU 0.5, {len(chosen)} generated", score, 0.75)
    yield Figure(PART, "the judge's boxes on renders: IoU at least 0.5", _judge_agrees())


def _judge_agrees() -> float:
    """The share of held-out renders on which the judge's box has an IoU of 0.5 with the truth."""
    from itertools import islice

    from bench.judged import read

    scenes = list(islice(held_out_scenes(), RENDERS))
    places = read([np.asarray(render(scene, SIZE)) for scene in scenes]).boxes.tolist()
    truth = [list(boxes(scene, SIZE)[0][1]) for scene in scenes]
    hits = [overlap(a, b) >= 0.5 for a, b in zip(places, truth, strict=True)]
    return sum(hits) / len(hits)


def found_in(engine: DetectionEngine, pictures: Sequence[Pixels]) -> Found:
    """Everything found, by class."""
    found: Found = {name: [] for name in CLASSES}
    for number, picture in enumerate(pictures):
        for hit in engine.detect("detector", picture, CONFIDENCE):
            box = [hit.left, hit.top, hit.right, hit.bottom]
            found[hit.label].append((hit.score, number, box))
    return found
