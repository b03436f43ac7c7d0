from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ninefold.cli.control import control_values
from ninefold.core.errors import ConfigError

from ..support import picture
from .conftest import Cli


@pytest.fixture
def pose(tmp_path: Path) -> Path:
    path = tmp_path / "a pose, in blue.png"
    Image.fromarray(picture(64, 64)).save(path)
    return path


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["model=canny"], [{"model": "canny"}]),
        (
            ["model=canny, image=a, b=c.png,strength=0.5", "model=x"],
            [{"model": "canny", "image": "a, b=c.png", "strength": "0.5"}, {"model": "x"}],
        ),
    ],
)
def test_an_entry_is_names_and_values(texts: list[str], expected: list[dict[str, str]]) -> None:
    assert control_values(texts, []) == {"text_to_image.control": expected}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("canny", "expected NAME=VALUE"),
        ("model=canny,model=x", "model stands twice"),
        ("weight=1", "Names are model, image"),
    ],
)
def test_another_form_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        control_values([text], [])
    with pytest.raises(ConfigError, match="Leave one out"):
        control_values(["model=x"], ["text_to_image.control=[]"])


def test_a_run_is_steered_by_a_file_and_holds_a_copy_of_it(cli: Cli, pose: Path) -> None:
    plain = cli("run", "a red house", "--preset", "draft", "--seed", 7, "--out", "plain")
    steered = cli(
        *("run", "a red house", "--preset", "draft", "--seed", 7, "--out", "steered"),
        *("--control", f"model=edges,image={pose},strength=0.5"),
    )
    assert (plain.code, steered.code) == (0, 0)
    (image,) = [path for path in steered.files if path.suffix == ".png"][:1]
    (other,) = [path for path in plain.files if path.suffix == ".png"][:1]
    assert image.read_bytes() != other.read_bytes()
    (folder,) = Path("steered").iterdir()
    (copy,) = (folder / "control").iterdir()
    context = json.loads((folder / "context.json").read_text())
    (used,) = context["metadata"]["text_to_image"]["control"]
    assert used["image"] == copy.stem
    assert used["strength"] == 0.5
    (manifest_file,) = folder.rglob("manifest.json")
    manifest = manifest_file.read_text()
    assert used["image"] in manifest
    assert str(pose.parent) not in manifest


def test_a_config_names_a_picture_by_its_file(cli: Cli, pose: Path) -> None:
    setting = f"text_to_image.control=[{{model: edges, image: '{pose}', preprocess: canny}}]"
    found = cli("run", "a house", "--preset", "draft", "--set", setting, "--json")
    assert found.code == 0
    (used,) = found.document["metadata"]["text_to_image"]["control"]
    assert used["preprocess"] == "canny 100 200"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("model=nonesuch,image={pose}", "nonesuch"),
        ("model=edges,image=nowhere.png", "nowhere.png"),
        ("model=edges", "expected a picture"),
        ("model=edges,image={pose},strength=9", "strength"),
        ("model=edges,image={pose},start=0.5,end=0.4", "start below end"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    cli: Cli, pose: Path, entry: str, says: str
) -> None:
    found = cli("run", "a house", "--preset", "draft", "--control", entry.format(pose=pose))
    assert found.code == 2
    assert says in found.err
    assert not Path("ninefold-out").exists()


def test_a_job_that_is_submitted_takes_its_pictures_along(cli: Cli, pose: Path) -> None:
    found = cli("submit", "a house", "--preset", "draft", "--control", f"model=edges,image={pose}")
    assert found.code == 0
    pose.unlink()
    assert list(Path("ninefold-data").glob("**/control/*.png"))
