"""File names: whatever goes in, one safe name comes out."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.files.names import MAX_BYTES, NameFields, check_template, render_name, slug

VALUES = NameFields("j1", 7, "poster", 3, "2025-11-23", 512, 768, "A red house, by the SEA!")
nasty = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            *("..", ".", "", "CON", "com1.txt", "nul", "-rf", "../../etc/passwd", "a\0b", "C:\\x"),
            *(
                "\u202egnp.exe",
                "／／",
                "e\u0301" * 200,
                "🏠" * 100,
                "\ud800",
                "LPT¹",
                "  .  ",
                "a. ",
            ),
        ]
    ),
)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{job_id}-{index:03}", "j1-003.png"),
        ("{prompt}_{seed}_{width}x{height}", "a-red-house-by-the-sea_7_512x768.png"),
        ("{date} {model} {seed:05d}", "2025-11-23 poster 00007.png"),
        ("{{x}} {seed}", "{x} 7.png"),
        ("fixed", "fixed.png"),
        ("", "image.png"),
        ("...", "image.png"),
        ("CON", "_CON.png"),
        ("aux.backup", "_aux.backup.png"),
        ("what? a <name>: x|y*", "what_ a _name__ x_y_.png"),
    ],
)
def test_templates(template: str, name: str) -> None:
    assert render_name(template, VALUES, ".png") == name


@settings(deadline=None)
@given(nasty, nasty, nasty, nasty)
def test_any_values_give_one_safe_name(job: str, model: str, date: str, prompt: str) -> None:
    values = replace(VALUES, job_id=job, model=model, date=date, prompt=prompt)
    for template in ("{job_id}", "{model}{date}", "{prompt}", "{date}.{job_id}-{index}"):
        check_safe(render_name(template, values, ".png"))


@settings(deadline=None)
@given(nasty)
def test_any_literal_gives_a_safe_name_or_an_error(literal: str) -> None:
    try:
        name = render_name(literal, VALUES, ".jpeg")
    except ValueError as error:
        assert str(error).startswith("file name template: expected")  # noqa: PT017
    else:
        check_safe(name)


def check_safe(name: str) -> None:
    assert name == PurePosixPath(name).name == PureWindowsPath(name).name
    assert 0 < len(name.encode()) <= MAX_BYTES
    assert name[0] not in " .-"
    assert name == name.rstrip(" .")
    assert Path(name).suffix in (".png", ".jpeg")
    assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in name)
    assert not set(name) & set('<>:"/\\|?*')
    assert unicodedata.is_normalized("NFC", name)
    first = name.split(".")[0].strip().upper()
    assert first not in {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    assert not (first[:3] in ("COM", "LPT") and len(first) == 4 and first[3] in "0123456789¹²³")


def test_a_name_can_be_written(tmp_path: Path) -> None:
    values = replace(VALUES, prompt="家" * 300, job_id="🏠" * 300)
    path = tmp_path / render_name("{prompt} {job_id}", values, ".avif")
    path.write_bytes(b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@settings(deadline=None)
@given(st.text())
def test_slugs(text: str) -> None:
    result = slug(text)
    assert len(result) <= 60
    assert not result.startswith("-")
    assert not result.endswith("-")
    assert "--" not in result
    assert slug(result) == result


def test_slugs_keep_other_scripts() -> None:
    assert slug("Ein Häuschen — 赤い家!") == "ein-häuschen-赤い家"


@pytest.mark.parametrize(
    ("template", "reported"),
    [
        ("{sed}", "expected fields from date, height, index, job_id, model, prompt, seed, width"),
        ("{}", "got {}"),
        ("{0}", "got {0}"),
        ("{seed.__class__}", "got {seed.__class__}"),
        ("{prompt!r}", "got {prompt!r}"),
        ("{prompt:>99999999}", "got {prompt:>99999999}"),
        ("{seed:999999999}", "got {seed:999999999}"),
        ("{seed:{width}}", "got {seed:{width}}"),
        ("{seed", "write a brace itself twice"),
        ("{date}/{seed}", "got a folder"),
        ("..\\{seed}", "got a folder"),
    ],
)
def test_wrong_templates_say_what_to_do(template: str, reported: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        check_template(template)
    assert reported in str(caught.value)


@pytest.mark.parametrize("suffix", ["", "png", ".", "./x", ".PNG", ".verylongone"])
def test_wrong_suffixes_are_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="file suffix: expected"):
        render_name("{seed}", VALUES, suffix)
