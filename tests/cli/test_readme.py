"""What the documents show works: commands, configs and Python run as they are written."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pytest
from PIL import Image

from ninefold.engines import defaults
from ninefold.engines.families import FAMILIES
from ninefold.files.embed import EmbeddedMetadata
from ninefold.files.encode import encode
from ninefold.files.formats import ImageFormat
from ninefold.files.infotext import Infotext
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli
from tests.support import picture
from tools import models, reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *(
    path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("**/*.md"))
))  # fmt: skip
GIVEN = ("photo.png", "logo.png")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNED = re.compile(r"(\w+)=\$\((.+)\)")
_LINK = re.compile(r"\]\(([^)#:]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and text; `name` where its first line is `# name`."""

    language: str
    text: str

    @property
    def name(self) -> str | None:
        match = re.match(r"# (\S+\.(?:py|ya?ml))\n", self.text)
        return match[1] if match else None

    @property
    def commands(self) -> list[str]:
        lines = self.text.splitlines() if self.language == "console" else []
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return (Block(language, body) for language, body in _BLOCK.findall(text))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_works(
    page: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "default_engines", fake_engines)
    monkeypatch.syspath_prepend(tmp_path)
    for name in GIVEN:
        Image.fromarray(picture(96, 64)).save(name)
    told = EmbeddedMetadata(
        Infotext("a red house", fields={"Steps": "20", "Seed": "7", "Size": "96x64"})
    )
    Path("picture.png").write_bytes(encode(picture(96, 64), ImageFormat.PNG, metadata=told))
    names: dict[str, str] = {}  # as a shell keeps them
    for block in blocks(page):
        if block.name is not None:
            Path(block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, page, "exec"), {"__name__": "example"})
        for command in block.commands:
            assigned = _ASSIGNED.fullmatch(command)
            whole = Template(assigned[2] if assigned else command).safe_substitute(names)
            program, *arguments = shlex.split(whole)
            assert program == "ninefold"
            done = cli(*arguments, engines=fake_engines(loras=("night-neon",)))
            assert done.code == 0, f"{command}\n{done.err}"
            if assigned:
                names[assigned[1]] = done.out.strip()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    here = (ROOT / page).parent
    broken = [link for link in _LINK.findall(text) if not (here / link).exists()]
    assert broken == []


def test_the_readme_begins_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0]
    assert "make demo" in head
    assert "make test" in head
    assert head.count("pip install") == 2


def test_every_setting_is_in_the_reference() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r"NINEFOLD_[A-Z]+(?:_[A-Z]+)*\b", source))
    reported = set(
        re.findall(r"`(NINEFOLD_\w+)`", (ROOT / "docs/reference/settings.md").read_text())
    )
    assert used <= reported


@pytest.mark.parametrize("name", reference.pages())
def test_the_reference_is_as_the_code_says(name: str) -> None:
    page = reference.pages()[name]
    assert (reference.FOLDER / name).read_text(encoding="utf-8") == page, "run `make docs`"


def test_the_page_of_models_is_as_the_table_says() -> None:
    assert models.PAGE.read_text(encoding="utf-8") == models.page(), "run `make docs`"


def test_the_page_of_models_names_every_family() -> None:
    page = models.page()
    for family in FAMILIES:
        assert f"### {family.name}\n" in page
        assert f"(#{models._anchor(family.name)})" in page


def test_every_command_is_in_the_readme(cli: Cli) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = cli("--help").out.partition("Commands:")[2].split("\n")
    commands = [line.split()[0] for line in listed if re.match(r"  \w", line)]
    assert commands
    assert [name for name in commands if f"ninefold {name}" not in text] == []


def test_install_scripts_can_be_run() -> None:
    assert all(os.access(ROOT / name, os.X_OK) for name in ("tools/install.sh", ".ci/run"))
