"""docs/howto/plugins.md: its code is that of the example, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import ninefold.testing
from ninefold.engines.kinds import Engine
from ninefold.testing import StageContract

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "howto" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_its_code_runs() -> None:
    names: dict[str, object] = {}
    for block in BLOCKS:
        if "EngineContract" not in block:
            exec(block, names)
    assert {"RecolourParams", "PALETTE"} <= set(names)


def test_it_names_what_engines_and_contracts_have() -> None:
    asked = [name for name in vars(Engine) if not name.startswith("_")]
    assert all(f"`{name}(" in PAGE for name in asked)
    for name in ninefold.testing.__all__:
        assert name.endswith("Contract") is (f"`{name}`" in PAGE or f"({name})" in PAGE) or (
            name in ("CALLS", "fake_engines")
        )
    for name in ("reports", "writes", "keeps_alpha"):
        assert hasattr(StageContract, name)
        assert f"`{name}`" in PAGE


def test_the_example_declares_what_it_shows() -> None:
    shown = PAGE.partition("```toml\n")[2].partition("```")[0].strip()
    assert shown in (ROOT / "examples" / "ninefold-palette" / "pyproject.toml").read_text()
