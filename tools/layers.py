"""Checks that imports only point down: `python tools/layers.py` prints every one that does not.

The layers are those of docs/architecture.md, top to bottom. A module may import its own layer and
those below. Torch and the other libraries that run models are imported in `engines` alone, `core`
imports no third party but pydantic and what that is built on, and no stage imports another.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "ninefold"

#: Top to bottom; names are packages or modules right below `ninefold`.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"__init__", "__main__"}),
    frozenset({"cli", "client", "server", "studio"}),
    frozenset({"telemetry"}),
    frozenset({"jobs"}),
    frozenset({"catalogue", "config", "config_text", "parameter_text", "runs", "cache"})
    | frozenset({"settings", "testing"}),
    frozenset({"stages"}),
    frozenset({"slots"}),
    frozenset({"files"}),
    frozenset({"engines"}),
    frozenset({"imaging", "prompts"}),
    frozenset({"core", "_version"}),
)
RUNTIMES = frozenset({"torch", "diffusers", "transformers", "peft", "onnxruntime", "accelerate"})
IN_CORE = frozenset({"pydantic", "pydantic_core", "typing_extensions", "ninefold"})
IN_CORE |= sys.stdlib_module_names
#: What stages share; the rest of the folder are stages.
SHARED_BY_STAGES = frozenset({"base", "registry", "__init__"})


def violations(package: Path = PACKAGE) -> Iterator[str]:
    """One line for every import that breaks a rule."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        for line, name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            if reason := _broken(parts, name):
                yield f"{path.relative_to(package.parent)}:{line}: imports {name}: {reason}"


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
    """Print the violations; 1 where there are any."""
    found = list(violations())
    print(*(found or ["layers: every import points down"]), sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
