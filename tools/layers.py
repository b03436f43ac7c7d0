"""Checks that imports only point down: `python tools/layers.py` prints every one that does not.

The layers are those of docs/architecture.md, top to bottom. A module may import its own layer and
those below. Torch and the other libraries that run models are imported in `engines` alone, `core`
imports no third party but pydantic and what that is built on, and no stage imports another.

No modules import each other in a circle, however long. Every import counts, wherever it stands:
one inside a function only puts the circle off, and one under `TYPE_CHECKING` shows that two files
cannot be understood apart. To import a module is to import the packages that it lies in, too, whose
`__init__` runs first; but for those that the importing module itself lies in, which run already.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "ninefold"

#: Top to bottom; names are packages or modules right below `ninefold`.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"__init__", "__main__"}),
    frozenset({"cli", "client", "server", "studio"}),
    frozenset({"telemetry", "health"}),
    frozenset({"jobs"}),
    frozenset(
        {
            "catalogue",
            "model_catalog",
            "provenance",
            "reproduction",
            "config",
            "config_text",
            "inspection",
            "job_schema",
            "parameter_text",
            "plan_warnings",
            "runs",
            "cache",
        }
    )
    | frozenset({"settings", "testing"}),
    frozenset({"sheets", "stages"}),
    frozenset({"slots"}),
    frozenset({"files"}),
    frozenset({"engines"}),
    frozenset({"imaging", "prompts"}),
    frozenset({"core", "_version"}),
)
#: Libraries whose private names are used, each by one module: an upgrade is read against that one.
ADAPTERS = {"dbos": ("jobs", "dbos_adapter"), "h11": ("server", "uvicorn_adapter")}
RUNTIMES = frozenset({"torch", "diffusers", "transformers", "peft", "onnxruntime", "accelerate"})
IN_CORE = frozenset({"pydantic", "pydantic_core", "typing_extensions", "ninefold"})
IN_CORE |= sys.stdlib_module_names
#: What stages share; the rest of the folder are stages.
SHARED_BY_STAGES = frozenset(
    {"base", "control", "parameters", "prompted", "regions", "registry", "sizes", "__init__"}
)
SHARED_BY_STAGES |= {
    "published_claim",
    "published_metadata",
    "published_record",
    "published_signature",
    "published_watermark",
}


def violations(package: Path = PACKAGE) -> Iterator[str]:
    """One line for every import that breaks a rule."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        for line, name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            if reason := _broken(parts, name):
                yield f"{path.relative_to(package.parent)}:{line}: imports {name}: {reason}"


def circles(package: Path = PACKAGE) -> Iterator[str]:
    """One line for every set of modules that import each other, by the shortest way round."""
    graph, reported = _graph(package), set[str]()
    for module in sorted(graph):
        if module not in reported and (way := _way_round(graph, module)):
            reported |= {
                name for name in _reached(graph, module) if module in _reached(graph, name)
            }
            yield f"circle of imports: {' -> '.join(way)}"


def _graph(package: Path) -> dict[str, set[str]]:
    """The modules of the package, each with those that it imports."""
    paths = {_module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        found: set[str] = set()
        for _, name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            target = name if name in paths else name.rpartition(".")[0]
            found |= {target, *_packages(target)}
        graph[module] = (found & paths.keys()) - {module, *_packages(module)}
    return graph


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _packages(module: str) -> Iterator[str]:
    """The packages that a module lies in."""
    while module := module.rpartition(".")[0]:
        yield module


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """What a module imports, at first or second hand."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _way_round(graph: Mapping[str, set[str]], start: str) -> list[str]:
    """The shortest circle through a module; empty where there is none."""
    ways, seen = [[start]], {start}
    for way in ways:  # grows meanwhile
        for name in sorted(graph[way[-1]]):
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module that is imported, wherever in the file; `from a import b` is `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _broken(parts: tuple[str, ...], name: str) -> str | None:
    if name.startswith("."):
        return "say where it lies, from ninefold on"
    own, (root, *below) = parts[0], name.split(".")
    if root in RUNTIMES and own != "engines":
        return "only engines may"
    if root in ADAPTERS and parts != ADAPTERS[root]:
        return f"only {'/'.join(ADAPTERS[root])}.py may"
    if own == "core" and root not in IN_CORE:
        return "core uses nothing but pydantic"
    if root != "ninefold" or own == "__init__":
        return None
    target = below[0]
    if _layer(target) is None or _layer(own) is None:
        unplaced = own if _layer(own) is None else target
        return f"{unplaced} has no place in the layers; put it into tools/layers.py"
    if (_layer(target) or 0) < (_layer(own) or 0):
        return f"{own} lies below {target}"
    if own == target == "stages" and parts[1] not in SHARED_BY_STAGES:
        return None if below[1] in SHARED_BY_STAGES else "no stage imports another"
    return None


def _layer(name: str) -> int | None:
    return next((index for index, names in enumerate(LAYERS) if name in names), None)


def main() -> int:
    """Print the violations and circles; 1 where there are any."""
    found = [*violations(), *circles()]
    print(*(found or ["layers: every import points down, and none in a circle"]), sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
