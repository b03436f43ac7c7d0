"""What all tests share: no time limits on examples, and nothing of the caller's environment."""

from __future__ import annotations

import functools
import gc
import importlib
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import settings

from ninefold import PipelineContext
from ninefold.engines import registry as engines
from ninefold.stages import registry as stages

Install = Callable[..., None]

# Before anything imports them, so that a failed assertion shows its values.
pytest.register_assert_rewrite("ninefold.testing.stage_contract")
pytest.register_assert_rewrite("ninefold.testing.engine_contracts")

settings.register_profile("ninefold", deadline=None)
settings.load_profile("ninefold")


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors (pyproject.toml), but for those of libraries about themselves."""
    # dynamicprompts 0.31 calls pyparsing 3.3 by old names; users never see it.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:dynamicprompts")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Looks for no garbage while all is imported, and later not among what was.

    That is a million objects, which nearly all stay.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("NINEFOLD_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home folder of the tests' own: the key to sign with and models are kept there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def context(tmp_path: Path) -> PipelineContext:
    """A context with a prompt and a seed, in a folder of its own."""
    return PipelineContext(tmp_path / "job", prompt="a red house", seed=7, job_id="job")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asks for an address or opens a connection fails its test."""

    def refuse(*args: object, **_: object) -> None:
        pytest.fail(f"asked the network for {args[:2]}")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by its name, `tiny_models("flux")`; to be read, never changed."""
    root = tmp_path_factory.mktemp("tiny-models")

    @functools.cache
    def folder(name: str) -> Path:
        from tests.tiny_models import tiny_model  # imports torch and diffusers

        return tiny_model(name, root / name)

    return folder


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Leaves what pip would, in this interpreter: a module and the folder that describes it.

    `install_plugin("module", source, stages={"name": "module:Class"})`, and `engines` alike.
    """

    def install(module: str, source: str, **groups: Mapping[str, str]) -> None:
        site = tmp_path / "site"
        about = site / f"{module}-1.0.dist-info"
        about.mkdir(parents=True)
        (site / f"{module}.py").write_text(dedent(source))
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = []
        for group, entries in groups.items():
            lines += [f"[ninefold.{group}]", *(f"{n} = {target}" for n, target in entries.items())]
        (about / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.delitem(sys.modules, module, raising=False)
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        forget()

    def forget() -> None:
        engines.installed.cache_clear()
        stages.installed.cache_clear()

    yield install
    monkeypatch.undo()
    forget()
