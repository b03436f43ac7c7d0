"""How the code is built, in figures: `python tools/structure.py [CHECKOUT]`, Markdown to stdout.

Some are counted in the source of CHECKOUT (by default this one), others while it runs a job in a
process of its own, with the Python that runs this script and the fake engines:

- builds: how often a pipeline's stages are made from a config, for a draft of the command line and
  for a job of the service that is read back once;
- decodes: how often the service decodes the source image that a job brings in its body, from the
  request to the job's first stage;
- statements: of SQL, that submitting one job takes;
- private names: attributes and modules of other packages that begin with an underscore.
"""

from __future__ import annotations

import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print the figures of a checkout; 0."""
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else HERE).resolve()
    source = checkout / "src"
    files = {path: path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py"))}
    lengths = {path: text.count("\n") for path, text in files.items()}
    largest = max(lengths, key=lengths.__getitem__)
    trees = {path: ast.parse(text) for path, text in files.items()}
    private = dict(sorted(private_names(trees).items(), key=lambda item: -item[1]))
    rows: dict[str, object] = {
        "files in src": len(files),
        "lines in src": sum(lengths.values()),
        "lines of the median file": round(statistics.median(lengths.values())),
        "lines of the largest file": f"{lengths[largest]} ({largest.name})",
        "files of more than 400 lines": sum(length > 400 for length in lengths.values()),
        "modules in import circles": len(in_circles(trees, source)),
        "uses of others' private names": sum(private.values()),
        "in files": ", ".join(f"{path.name} {count}" for path, count in private.items()) or "none",
        **measured(source),
    }
    print(*(f"| {name} | {value} |" for name, value in rows.items()), sep="\n")
    return 0


def private_names(trees: Mapping[Path, ast.Module]) -> Counter[Path]:
    """How many uses of names that begin with `_`, and that no file here defines, a file holds."""
    own = {name for tree in trees.values() for name in _defined(tree)}
    found: Counter[Path] = Counter()
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found[path] += _is_private(node.attr) and node.attr not in own
            elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(
                "ninefold"
            ):
                inside = any(map(_is_private, (node.module or "").split(".")))
                found[path] += sum(inside or _is_private(alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                found[path] += sum(
                    any(map(_is_private, alias.name.split("."))) for alias in node.names
                )
    return +found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names that functions, classes, assignments and `self.x = ...` give."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls", "twin")
        ):
            yield node.attr


def in_circles(trees: Mapping[Path, ast.Module], source: Path) -> set[str]:
    """Modules that import themselves by way of others, imports inside of functions included."""
    modules = {_module(path, source): tree for path, tree in trees.items()}
    graph = {name: set(_imports(tree, modules)) - {name} for name, tree in modules.items()}
    return {name for name in graph if name in _reached(graph, name)}


def _module(path: Path, source: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.Module, modules: Mapping[str, ast.Module]) -> Iterator[str]:
    checked_alone = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in checked_alone:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and (module := node.module) in modules:
            assert module is not None
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in modules else module


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def measured(source: Path) -> dict[str, object]:
    """What a run of the code below `source` shows."""
    found: dict[str, object] = {}
    for name in ("cli", "service", "submit"):
        with tempfile.TemporaryDirectory(prefix="nf-") as folder:
            done = subprocess.run(
                [sys.executable, "-c", _PROBE, name, folder],
                env={**os.environ, "PYTHONPATH": str(source), "PYTHONSAFEPATH": "1"},
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        try:
            found |= json.loads(done.stdout.rpartition("\n{")[2].join(("{", "")))
        except ValueError:
            sys.exit(f"{name}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return found


#: Runs with the code that is measured, old or new, so it uses nothing but what both have.
_PROBE = """
import asyncio, base64, io, json, logging, sys, threading
from collections import Counter
from pathlib import Path

import ninefold
from ninefold.core.pipeline import Pipeline
from ninefold.core.stage import PipelineStage

logging.disable(logging.CRITICAL)
what, folder = sys.argv[1], Path(sys.argv[2])
count, lock = Counter(), threading.Lock()


def counted(kind, name, when=lambda *_: True, key=None):
    inner = getattr(kind, name)

    def outer(self, *args, **kwargs):
        if when(self, *args):
            with lock:
                count[key or kind.__name__] += 1
        return inner(self, *args, **kwargs)

    setattr(kind, name, outer)


counted(Pipeline, "__init__")


def cli():
    from ninefold.cli import main

    main(["run", "a red house", "--preset", "draft", "--seed", "3", "--quiet",
          "--out", str(folder / "out")])
    return {"builds, a draft of the command line": count["Pipeline"]}


def service():
    from PIL import Image, ImageFile
    from starlette.testclient import TestClient

    from ninefold.server import create_app
    from ninefold.settings import Settings
    from ninefold.testing import fake_engines

    size = (208, 176)
    counted(ImageFile.ImageFile, "load", lambda image: bool(image.tile) and image.size == size)
    file = io.BytesIO()
    Image.effect_noise(size, 40).convert("RGB").save(file, "PNG")
    app = create_app(Settings(data=folder / "data"), engines=fake_engines())
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000)) as client:
        job = client.post("/v1/jobs", json={
            "preset": "draft", "input": {"prompt": "a red house", "seed": 3}}).json()
        client.get(job["links"]["events"])
        client.get(job["links"]["self"])
        builds = count["Pipeline"]
        answer = client.post("/sdapi/v1/img2img", json={
            "prompt": "a red house", "seed": 3, "steps": 2, "width": 256, "height": 256,
            "init_images": [base64.b64encode(file.getvalue()).decode()]})
        assert answer.status_code == 200, answer.text
    return {"builds, a job of the service": builds,
            "decodes of a source in a request's body": count["ImageFile"]}


def submit():
    import sqlalchemy as sa

    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    async def run():
        async with JobExecutor(folder, engines=fake_engines(), worker=False) as jobs:
            given = {"prompt": "a red house", "seed": 3}
            await jobs.submit("draft", given)
            sa.event.listen(sa.Engine, "before_cursor_execute",
                            lambda *_: count.update(["statement"]))
            await jobs.submit("draft", given)
            one = count["statement"]
            await jobs.submit_group("draft", given, count=100)
            return one, count["statement"] - one

    one, group = asyncio.run(run())
    return {"SQL statements, submitting one job": one,
            "SQL statements, submitting a group of 100": group}


print("\\n" + json.dumps({"cli": cli, "service": service, "submit": submit}[what]()))
"""


if __name__ == "__main__":
    sys.exit(main())
