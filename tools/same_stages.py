"""Whether two checkouts make the same bytes: `python tools/same_stages.py BEFORE [AFTER]`.

Runs `full` for five prompts with the source of each, by the Python that runs this script, and
compares every stage's file by its SHA-256. Prints one line for each prompt; exit code 1 where any
stage differs. AFTER is by default this checkout.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
PROMPTS = (
    "a white lighthouse on the right by the sea at sunset",
    "a {red|blue|yellow} house in the mountains, (snow:1.3)",
    "a portrait of a woman with green eyes",
    "two sailing boats at night, ink drawing",
    "a fox in a forest, autumn, watercolour",
)


def main() -> int:
    """Compare the two checkouts; 1 where they differ."""
    before = Path(sys.argv[1]).resolve()
    after = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else HERE
    different = False
    for seed, prompt in enumerate(PROMPTS, 1):
        old, new = stages(before, prompt, seed), stages(after, prompt, seed)
        changed = sorted(name for name in old | new if old.get(name) != new.get(name))
        different = different or bool(changed)
        print(f"{len(old)} files, {', '.join(changed) or 'all the same'}: {prompt}", flush=True)
    return int(different)


def stages(checkout: Path, prompt: str, seed: int) -> dict[str, str]:
    """The SHA-256 of every file that the stages of `full` hand on, by its name."""
    with tempfile.TemporaryDirectory(prefix="nf-") as folder:
        asked = ["run", prompt, "--preset", "full", "--seed", str(seed), "--out", folder]
        subprocess.run(
            [sys.executable, "-m", "ninefold", *asked, "--quiet"],
            env={**os.environ, "PYTHONPATH": str(checkout / "src"), "PYTHONSAFEPATH": "1"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        found = sorted(Path(folder).rglob("generated*.png"))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


if __name__ == "__main__":
    sys.exit(main())
