"""Every family of models, by tiny ones of random weights: what works, and by whom.

Run `python bench/families.py`; models may be named. Columns:

draft    what diffusers paints when called by hand, to the byte (`same`)
full     all nine stages end
image    who starts from an image, and after the stroke from an image with a mask: diffusers, or
         ninefold where diffusers has no pipeline for it
LoRA     the pipeline reads LoRAs
control  it can be steered by ControlNets or adapters
weights  `(word:1.5)` acts on the picture
batch    prompts of several jobs share a call
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # tests/ is not installed

from ninefold.core.errors import UserError
from ninefold.engines.capabilities import starts_by
from ninefold.engines.embeddings import chunk_count
from ninefold.engines.embeddings.inversion import PromptPair
from ninefold.engines.engine_set import EngineSet
from tests.families.cases import CASES, Case
from tests.families.runs import (
    by_hand,
    executed,
    loaded_by_hand,
    real_diffusion,
    run,
    text,
    write_sidecar,
)
from tests.tiny_models import tiny_model

#: Names of columns, and their widths.
COLUMNS = {
    "family": 28,
    "model": 17,
    "draft": 6,
    "full": 5,
    "image / mask": 20,
    "LoRA": 5,
    "control": 8,
    "weights": 8,
    "batch": 6,
}


def main() -> int:
    """Print the table; 1 if a draft differs or a full run ends early."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="names of tiny models; all by default")
    names = parser.parse_args().models
    known = {case.model: case for case in CASES}
    if unknown := sorted(set(names) - known.keys()):
        parser.error(f"no model {', '.join(unknown)}: expected {', '.join(known)}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    engines, begun, missed = real_diffusion(), time.monotonic(), 0
    print(_line(tuple(COLUMNS)))
    for case in (known[name] for name in names or known):
        with TemporaryDirectory() as folder:
            cells = _row(engines, case, Path(folder))
        missed += cells[2:4] != ("same", "ends")
        print(_line(cells), flush=True)
    print(f"\n{missed} missed; {(time.monotonic() - begun) / 60:.1f} minutes")
    return 1 if missed else 0


def _row(engines: EngineSet, case: Case, folder: Path) -> tuple[str, ...]:
    model = tiny_model(case.model, folder / case.model)
    write_sidecar(case, model)
    info = engines.diffusion.describe(str(model))
    plain = text(case, model)
    painted = run(engines, plain)
    weighted = run(engines, replace(plain, prompt="a (red:1.5) house"))
    pipe: Any = loaded_by_hand(case, model)
    acts = weighted.image.tobytes() != painted.image.tobytes()
    return (
        info.family.name,
        case.model,
        "same" if painted.image.tobytes() == by_hand(case, model).tobytes() else "other",
        _full(engines, model, folder / "job"),
        f"{starts_by(info.family, 'image')} / {starts_by(info.family, 'inpaint')}",
        _yes(hasattr(pipe, "load_lora_weights")),
        _yes(info.control is not None),
        _yes(acts and not weighted.record.warnings),
        _yes(chunk_count(pipe, PromptPair("a red house", "")) is not None),
    )


def _full(engines: EngineSet, model: Path, job: Path) -> str:
    try:
        executed(engines, "full", model, job)
    except (UserError, AssertionError) as error:
        return str(error)
    return "ends"


def _yes(value: bool) -> str:
    return "yes" if value else "-"


def _line(cells: tuple[str, ...]) -> str:
    widths = COLUMNS.values()
    return " ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(main())
