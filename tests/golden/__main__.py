"""Write the golden values anew: `python -m tests.golden`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from .runs import FOLDER, RUNS, digests

for name in RUNS:
    with tempfile.TemporaryDirectory() as folder:
        found = digests(name, Path(folder))
    text = json.dumps(found, indent=2) + "\n"
    path = FOLDER / f"{name}.json"
    changed = not path.exists() or path.read_text(encoding="utf-8") != text
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {len(found)} images, {'changed' if changed else 'as before'}")
