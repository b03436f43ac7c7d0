"""What users import, what it costs them, and that all of it is described."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ninefold
import ninefold.stages
import ninefold.testing
from ninefold.config import PipelineConfig, StageConfig
from ninefold.stages import STAGES

PACKAGE = Path(ninefold.__file__).parent
MODULES = sorted(
    ".".join(("ninefold", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in PACKAGE.rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)

#: Names that the README, the issue and other people's code rely on.
PROMISED = (
    "Artifact", "ConfigError", "ContractError", "InputError", "ModelError", "NinefoldError",
    "Pipeline", "PipelineConfig", "PipelineContext", "PipelineStage", "Slot", "StageError",
    "StageInputError", "StageParams", "Step", "StorageError", "UserError", "WiringError",
    "__version__",
)  # fmt: skip
PROMISED_STAGES = (
    "PromptStage", "TextToImageStage", "RefinerStage", "DetailerStage", "UpscalerStage",
    "RestorerStage", "FinisherStage", "InspectorStage", "PublisherStage",
)  # fmt: skip


def in_a_fresh_interpreter(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [ninefold, ninefold.stages, ninefold.testing])
def test_all_is_true(module: ModuleType) -> None:
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(module, name) is not None
    if names:
        assert set(names) <= set(dir(module))


def test_what_is_promised_can_be_imported() -> None:
    assert set(PROMISED) <= set(ninefold.__all__)
    assert set(PROMISED_STAGES) <= set(ninefold.stages.__all__)
    assert tuple(stage.__name__ for stage in STAGES) == PROMISED_STAGES
    assert callable(ninefold.testing.fake_engines)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        _ = ninefold.Pipelin
    with pytest.raises(ImportError):
        from ninefold import Nothing  # noqa: F401


def test_a_star_import_works_in_a_fresh_interpreter() -> None:
    assert in_a_fresh_interpreter(
        "from ninefold import *; print(Pipeline.__name__, IMAGE.name)"
    ) == "Pipeline image"  # fmt: skip


def test_stages_are_built_by_keyword_with_and_without_engines() -> None:
    engines = ninefold.testing.fake_engines()
    for stage in STAGES:
        assert stage(engines=engines).params == stage(engines=None).params == stage().params
        with pytest.raises(TypeError):
            stage(2)  # type: ignore[call-arg]


@pytest.mark.parametrize("on", ["text2image", ["detect", "x"]])
def test_fake_engines_know_their_calls(on: Any) -> None:
    with pytest.raises(ValueError, match="fail_on: expected names of detect"):
        ninefold.testing.fake_engines(fail_on=on)


# -- what an import costs -------------------------------------------------------------------------

_LOADED = """
import sys
{line}
print(*sorted({{name.partition('.')[0] for name in sys.modules}} & set({heavy})))
"""


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        ("import ninefold", ("numpy", "PIL", "torch", "yaml", "pydantic", "diffusers")),
        ("from ninefold import Pipeline, PipelineContext, IMAGE", ("numpy", "PIL", "torch")),
        ("from ninefold import PipelineConfig, stages", ("torch", "onnxruntime", "diffusers")),
        ("from ninefold.testing import fake_engines; fake_engines()", ("torch", "onnxruntime")),
        (
            "from ninefold.engines.defaults import default_engines; default_engines()",
            ("torch", "onnxruntime", "diffusers", "transformers"),
        ),
    ],
)
def test_an_import_does_not_load_what_it_does_not_need(line: str, heavy: tuple[str, ...]) -> None:
    assert in_a_fresh_interpreter(_LOADED.format(line=line, heavy=heavy)) == ""


def test_core_needs_nothing_but_pydantic() -> None:
    code = """
        import importlib, pkgutil, sys
        import ninefold.core
        for module in pkgutil.iter_modules(ninefold.core.__path__, "ninefold.core."):
            importlib.import_module(module.name)
        ours = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
        pydantics = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions",
                     "typing_inspection"}
        print(*sorted(n for n in ours - pydantics if not n.startswith(("_", "ninefold"))))
    """
    assert in_a_fresh_interpreter(inspect.cleandoc(code)) == ""


# -- what is described ----------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: str(stage.name))
def test_every_stage_and_parameter_is_described(stage: type[Any]) -> None:
    for text in (stage.__doc__, stage.params_type.__doc__, stage.execute.__doc__):
        assert text
        assert text.strip().endswith(".")
    module = sys.modules[stage.__module__]
    assert module.__doc__
    assert "\n\n" not in module.__doc__.strip()
    for name, field in stage.params_type.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert not field.is_required(), f"{name} has no default"


@pytest.mark.parametrize("model", [PipelineConfig, StageConfig])
def test_every_field_of_a_config_is_described(model: type[Any]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_a_docstring(name: str) -> None:
    path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{name} says nothing of itself"
    assert list(_silent(tree, "")) == []


def _silent(node: ast.AST, where: str) -> Iterator[str]:
    """Public classes and functions without a docstring; overloads, nested ones and tests, whose
    names say enough, apart."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        name = f"{where}{child.name}"
        if child.name.startswith(("_", "test_")) or "overload" in map(
            ast.unparse, child.decorator_list
        ):
            continue
        if not ast.get_docstring(child):
            yield name
        if isinstance(child, ast.ClassDef):
            yield from _silent(child, f"{name}.")


def test_every_module_can_be_imported_by_itself() -> None:
    scripts = "ninefold.jobs.migrations"  # Alembic runs them, each in what it made for them
    light = [name for name in MODULES if not name.startswith(("ninefold.cli", scripts))]
    for name in light:
        importlib.import_module(name)


def test_no_assert_guards_what_users_give() -> None:
    """`python -O` leaves asserts out, so they may only state what the code itself ensures."""
    allowed = {
        "ninefold.cli.watch",
        "ninefold.core.pipeline",
        "ninefold.jobs.queue",
        "ninefold.jobs.store",
        "ninefold.jobs.worker",
        "ninefold.testing.engine_contracts",
        "ninefold.testing.stage_contract",
    }
    for name in MODULES:
        path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        assert not found or name in allowed, f"{path}:{found}"
