from __future__ import annotations

from pathlib import Path

import pytest

from ninefold import InputError
from ninefold.prompts import Wildcards, resolve
from ninefold.prompts.wildcards import MAX_FILE_BYTES


def reached(prompt: str, folder: Path, seeds: int = 30) -> set[str]:
    """Every text that some of the seeds gives."""
    wildcards = Wildcards({}, folder)
    return {resolve(prompt, seed=seed, wildcards=wildcards).text for seed in range(seeds)}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_files_are_decoded_as_they_were_written(tmp_path: Path, encoding: str, end: str) -> None:
    text = end.join(["café", "# a comment", "", "  red  ", "3::naïve"]) + end
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / "w.txt").write_bytes(mark + text.encode(encoding))
    assert reached("__w__", tmp_path) == {"café", "red", "naïve"}


def test_lines_are_prompts_with_weights_and_blank_choices(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("#ignored\n\\#1 {a|b}\n2::\n0::never\nred #ff0000 # x\n")
    assert reached("a __w__ c", tmp_path, 60) == {
        "a #1 a c",
        "a #1 b c",
        "a c",
        "a red #ff0000 # x c",
    }


def test_names_nest_and_are_found_below(tmp_path: Path) -> None:
    for name in ("trees", "nature/trees", "nature/my flowers.v1", "nature/old/stones"):
        file = tmp_path / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    assert reached("__trees__", tmp_path) == {"trees"}
    assert reached("__nature/trees__", tmp_path) == {"nature/trees"}
    assert reached("__stones__", tmp_path) == {"nature/old/stones"}
    assert reached("__nature/my flowers.v1__", tmp_path) == {"nature/my flowers.v1"}
    assert reached("__*tr?es__", tmp_path) == {"trees", "nature/trees"}
    assert len(reached("__nature/**__", tmp_path, 60)) == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"w.txt: expected at least one choice, a line of text, got an empty file"),
        (b"# a\n\n#b\n", "w.txt: .*got only blank lines and comments"),
        (b"red\0\n", "w.txt: holds NUL"),
        ("rot".encode("utf-16-le"), "w.txt: holds NUL characters: .*UTF-16 without its mark"),
        (b"\xff\xfea", "w.txt: is not text in utf-16"),
        (b"\xef\xbb\xbf\xff", "w.txt: is not text in utf-8"),
        (b"a\x81b\xff", "w.txt: is not text in UTF-8, UTF-16 or cp1252"),
        (b"-1::a", "w.txt, line 1: expected a weight from 0"),
        (b"ok\n\n{a|b", "w.txt, line 3: cannot be read at character 1"),
        (b"ok\n__no__", "w.txt, line 2, character 1: wildcard __no__ is unknown"),
        (b"ok\n__no such.name__", "w.txt, line 2, character 1: wildcard __no such.name__ is unkno"),
        (b"ok\n__no*__", r"w.txt, line 2, character 1: wildcard __no\*__ is unknown"),
        (b"ok\n__w__", "w.txt, line 2, character 1: __w__ stands for itself"),
        (b"ok\n${x} a", "w.txt, line 2, character 1: variable x is not defined"),
        (b"ok\n<lora:x:y>", "w.txt, line 2, character 1: expected a weight"),
        (b"0::a\n0::b", "__w__ has no choice with a weight above 0"),
        (b"x" * (MAX_FILE_BYTES + 1), "w.txt: expected at most"),
    ],
)
def test_errors_name_the_file_and_the_line(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "w.txt").write_bytes(data)
    for seed in range(3):
        with pytest.raises(InputError, match=message):
            resolve("a __w__", seed=seed, wildcards=Wildcards({}, tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/passwd",
        "x/../../secret",
        "link",
        "out/secret",
        ".hidden",
        "..",
        "a" * 3000,
    ],
)
def test_names_never_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "ok.txt").write_text("fine")
    (inside / ".hidden.txt").write_text("secret")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match="is unknown"):
        resolve(f"__{name}__", seed=1, wildcards=Wildcards({}, inside))
    assert reached("__*__", inside) == {"fine"}


def test_the_choices_of_the_config_win(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("file")
    found = resolve("__w__", seed=1, wildcards=Wildcards({"w": ["config"]}, tmp_path))
    assert found.text == "config"


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "w.txt"
    file.write_text("before")
    assert reached("__w__", tmp_path, 1) == {"before"}
    file.write_text("after it")
    assert reached("__w__", tmp_path, 1) == {"after it"}


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is unknown\. There is no \.txt file in"):
        reached("__w__", tmp_path / "nowhere")


def test_what_was_used_has_a_hash(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("a")
    hashes = []
    for text in ("a", "b", "a"):
        (tmp_path / "w.txt").write_text(text)
        wildcards = Wildcards({}, tmp_path)
        resolve("__w__", seed=1, wildcards=wildcards)
        hashes.append(wildcards.used())
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize("beside", [(), ("trees",)])
def test_an_unknown_name_tells_of_collections_that_are_not_read(
    tmp_path: Path, beside: tuple[str, ...]
) -> None:
    for name in beside:
        (tmp_path / f"{name}.txt").write_text("oak\n")
    (tmp_path / "pantry.yaml").write_text("colours: [red, blue]\n")
    with pytest.raises(InputError, match=r"Collections are not read \(pantry\.yaml\): write each"):
        resolve("a __colours__ house", seed=1, wildcards=Wildcards({}, tmp_path))
