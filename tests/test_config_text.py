"""Config files whose text is odd: each ends in a document or in an error that names the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold import ConfigError, PipelineConfig
from ninefold.config_text import load_document

_TEN = 10


def _doubling(line: str, lines: int) -> str:
    """A YAML mapping in which each of `lines` holds the one before ten times."""
    text = "a0: &a0 {x: 1, y: 2}\n"
    for number in range(1, lines + 1):
        text += line.format(here=f"a{number}", before=f"*a{number - 1}") + "\n"
    return text


@pytest.mark.parametrize(
    "line",
    [
        "{here}: &{here} [" + ", ".join(["{before}"] * _TEN) + "]",
        "{here}: &{here} {{<<: [" + ", ".join(["{before}"] * _TEN) + "]}}",
        "{here}: &{here} {{" + ", ".join(f"k{n}: {{before}}" for n in range(_TEN)) + "}}",
    ],
)
@pytest.mark.parametrize("lines", [9, 100])
def test_aliases_that_multiply_a_file_are_refused(line: str, lines: int, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(_doubling(line, lines))
    with pytest.raises(ConfigError, match=r"a\.yaml: .*at most 200,000 values.*line"):
        load_document(file)


def test_aliases_may_be_used(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n")
    assert load_document(file) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}] * 2}


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: {c: *a}}", "&a [[*a]]"])
def test_an_alias_of_what_it_is_part_of_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"what it is part of"):
        load_document(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "stages: []\nstages: []\n"),
        ("a.json", '{"stages": [], "stages": []}'),
        ("a.toml", "stages = []\nstages = []\n"),
        ("a.yaml", "stages: [{stage: prompt, params: {styles: [], styles: []}}]"),
    ],
)
def test_a_key_that_stands_twice_is_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=r"does not parse"):
        PipelineConfig.load(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", "stages:\n- stage: prompt\n"), ("a.json", '{"stages": [{"stage": "prompt"}]}')],
)
def test_a_byte_order_mark_is_no_part_of_the_text(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert PipelineConfig.load(tmp_path / name).stages[0].stage == "prompt"


@pytest.mark.parametrize("suffix", ["yaml", "json", "toml"])
def test_nesting_without_end_is_refused(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{suffix}").write_text(("a = " if suffix == "toml" else "") + "[" * 100_000)
    with pytest.raises(ConfigError, match=r"does not parse"):
        load_document(tmp_path / f"a.{suffix}")


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match=r"at most 1048576 bytes"):
        load_document(tmp_path / "a.yaml")
