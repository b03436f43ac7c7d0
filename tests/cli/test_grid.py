"""`ninefold grid`: axes, one image a cell, what is shared, what is refused, and going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ninefold.cli.grid_axes import Axis, parse_axis
from ninefold.core.errors import ConfigError
from ninefold.engines.defaults import default_engines
from ninefold.engines.diffusion import TextToImage
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.files.decode import decode, probe
from ninefold.files.embed import read_infotext

from .conftest import Cli

DRAFT = ("--preset", "draft", "--quiet")


def infotexts(document: Any) -> list[Any]:
    paths = [Path(cell["outputs"][0]["path"]) for cell in document["cells"]]
    return [read_infotext(path.read_bytes()) for path in paths]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("steps=10,20, 30", ("10", "20", "30")),
        ("steps=1-10:3", ("1", "4", "7", "10")),
        ("seed=1-4,9", ("1", "2", "3", "4", "9")),
        ("guidance=0.2-0.8:0.2", ("0.2", "0.4", "0.6", "0.8")),
        ("upscaler.upscale_factor=2", ("2",)),
        ('prompt="a sea, calm",forest', ("a sea, calm", "forest")),
        ("prompt=1-10,x", ("1-10", "x")),
        ("prompt=fog,", ("fog", "")),
        ("model=poster,sd-1-5", ("poster", "sd-1-5")),
        ("lora:style/pen.v2=0.2-0.8:0.3,-1", ("0.2", "0.5", "0.8", "-1")),
    ],
)
def test_axes(text: str, values: tuple[str, ...]) -> None:
    assert parse_axis("x", text) == Axis("x", text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps", "expected NAME=VALUE"),
        ("frobs=1", "expected stage.parameter"),
        ("steps=1,1", "1 stands there twice"),
        ("steps=", "expected values"),
        ("steps=1,,2", "expected values"),
        ("steps=9-1", "expected a range"),
        ("steps=1-9:0", "expected a range"),
        ("seed=1-99999999999", "at most 200 values"),
        ("lora:=1", "expected the name of a LoRA, such as lora:sketch, got ''"),
        ("lora:a<b=1", "expected the name of a LoRA, such as lora:sketch, got 'a<b'"),
    ],
)
def test_wrong_axes(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_axis("x", text)


def test_a_grid_of_two_axes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    generate = FakeDiffusion.run

    def counted(self: FakeDiffusion, request: Any, progress: Any) -> Any:
        if type(request) is TextToImage:
            calls.append(request.steps)
        return generate(self, request, progress)

    monkeypatch.setattr(FakeDiffusion, "run", counted)
    done = cli("grid", "a red house", "--x", "steps=2,3,4", "--y",
               "finisher.contrast=1,1.5", "--preset", "standard", "--json", "--quiet")  # fmt: skip
    assert done.code == 0, done.err
    document = done.document
    assert [cell["label"] for cell in document["cells"]] == [
        "steps 2, contrast 1", "steps 3, contrast 1", "steps 4, contrast 1",
        "steps 2, contrast 1.5", "steps 3, contrast 1.5", "steps 4, contrast 1.5",
    ]  # fmt: skip
    found = infotexts(document)
    assert [info.fields["Steps"] for info in found] == ["2", "3", "4"] * 2
    assert len({info.fields["Seed"] for info in found}) == 1
    assert calls == [2, 3, 4]  # the second row has them from the first
    assert [cell["metadata"]["text_to_image"].get("cached") for cell in document["cells"]] == [
        None, None, None, True, True, True
    ]  # fmt: skip
    picture, page = map(Path, document["sheets"])
    assert (picture.name, page.name) == ("grid.png", "grid.html")
    assert probe(picture.read_bytes()).width > 3 * 256
    text = page.read_text()
    assert '<th scope="col">steps 3</th>' in text
    assert '<th scope="row">contrast 1.5</th>' in text
    assert not (Path(document["folder"]) / "cache").exists()


def test_models_seeds_and_words(cli: Cli) -> None:
    done = cli("grid", "a red house by the sea", "--x", "prompt=sea,forest", "--y", "seed=5-6",
               "--z", "guidance=3,7", *DRAFT)  # fmt: skip
    assert done.code == 0, done.err
    assert [path.name for path in done.files] == ["grid-1.png", "grid-2.png", "grid.html"]
    folder = done.files[0].parent
    cells = [folder / "cells" / str(number) for number in range(1, 9)]
    found = [read_infotext(next(cell.glob("outputs/*.png")).read_bytes()) for cell in cells]
    said = [(i.prompt[-6:], i.fields["Seed"], i.fields["CFG scale"]) for i in found if i]
    assert said == [
        (words, seed, scale)
        for scale in ("3", "7")
        for seed in ("5", "6")
        for words in ("he sea", "forest")
    ]
    page = (folder / "grid.html").read_text()
    assert "guidance 7" in page
    assert page.count("<img ") == 8


def test_the_weight_of_a_lora(cli: Cli) -> None:
    """In its tag, wherever words put it; else in one before the prompt, beside --lora."""
    prompt = "a house <lora:sketch:0.3> at dawn"
    done = cli("grid", prompt, "--x", "lora:sketch=0.5,1", "--y", "prompt=dawn,dusk", "--json",
               *DRAFT)  # fmt: skip
    assert done.code == 0, done.err
    assert [cell["label"] for cell in done.document["cells"]] == [
        "LoRA sketch 0.5, dawn", "LoRA sketch 1, dawn", "LoRA sketch 0.5, dusk",
        "LoRA sketch 1, dusk",
    ]  # fmt: skip
    made = [cell["metadata"] for cell in done.document["cells"]]
    assert [cell["prompt"]["loras"] for cell in made] == [
        [{"name": "sketch", "weight": weight}] for weight in (0.5, 1, 0.5, 1)
    ]
    assert [cell["prompt"]["prompt"] for cell in made][::2] == [
        "a house at dawn",
        "a house at dusk",
    ]
    config = {"prompt": "a boat", "stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]}
    Path("own.json").write_text(json.dumps(config))
    plain = cli("grid", "--config", "own.json", "--x", "lora:sketch=0,1", "--json", "--quiet")
    assert plain.code == 0, plain.err
    assert [
        (cell["metadata"]["prompt"]["prompt"], cell["metadata"]["prompt"]["loras"][0]["weight"])
        for cell in plain.document["cells"]
    ] == [("a boat", 0), ("a boat", 1)]
    config["stages"] = [{"stage": "text_to_image"}]
    Path("own.json").write_text(json.dumps(config))
    refused = cli("grid", "--config", "own.json", "--x", "lora:sketch=0,1")
    assert refused.code == 2
    assert "--x lora:sketch: expected a pipeline with the stage prompt" in refused.err


def test_every_wrong_value_is_told_before_anything_is_made(cli: Cli) -> None:
    done = cli("grid", "a red house", "--x", "steps=0,5,x", "--y",
               "text_to_image.on_black=warn,sing", "--z", "prompt=sea,lake", *DRAFT)  # fmt: skip
    assert done.code == 2
    for said in ("--x steps: expected a whole number, got 'x'", "steps", "sing",
                 "--z prompt: expected a first value that is in the prompt"):  # fmt: skip
        assert said in done.err
    assert not Path("ninefold-out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "expected an axis, got none"),
        (("--x", "steps=1,2", "--y", "steps=3"), "--y steps: another axis has it, too"),
        (("--x", "steps=1,2", "--steps", "3"), "--x steps: was given beside the axis"),
        (("--x", "finisher.gamma=1,2", "--set", "finisher.gamma=1"), "was given beside"),
        (("--x", "seed=1,2", "--count", "2"), "a grid has one image a cell"),
        (("--x", "seed=1-150", "--y", "steps=1-150"), "at most 1,000 cells, got 22,500"),
        (("--x", "seed=1-100", "--tile", "1024"), "choose smaller tiles"),
        (("--x", "seed=1", "--resume", "x"), "so PROMPT, --preset, --x cannot be given"),
        (("--x", "model=poster,none-such"), "--x model: No model 'none-such'"),
        (("--x", "nostage.gamma=1,2", "--y", "seed=1,2"), "--x nostage.gamma: no stage 'nostage'"),
        (("--x", "finisher.gama=1,2"), "--x finisher.gama: unknown"),
        (("--x", "seed=1,2", "--y", "steps=0,2"), "--y steps: input should be greater"),
        (("--x", "components=a,b"), "--x components: expected beside a model. Name the model"),
        (("--x", "strength=0.1,0.2"), "--x strength: expected with --image"),
        (("--x", "lora:sketch=0.5,strong"), "--x lora:sketch: expected a weight from -10 to 10"),
        (("--x", "lora:sketch=0.5,11"), "expected a weight from -10 to 10, got 11"),
        (("--x", "lora:nib=0.5,1"), "error: --x lora:nib: no LoRA is called 'nib'"),
        (("--x", "seed=1,2", "--z", "lora:nib=1"), "error: --z lora:nib: no LoRA is called 'nib'"),
        (("--x", "steps=2,3", "--mask", "none.png"), "error: --mask"),  # no axis brings it in
        (("--x", "lora:sketch=0.5,1", "--lora", "sketch:0.2"), "was given beside the axis"),
    ],
)
def test_what_is_refused(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    done = cli("grid", "a red house", *arguments, "--preset", "standard")
    assert done.code == 2
    assert says in done.err
    assert not Path("ninefold-out").exists()


def test_a_dry_run_checks_and_makes_nothing(cli: Cli) -> None:
    done = cli("grid", "a red house", "--x", "steps=2,3", "--y", "seed=1-3", "--dry-run", *DRAFT)
    assert done.code == 0
    assert "x: steps 2 | steps 3" in done.err
    assert "6 cells" in done.err
    assert "steps: 2" in done.out
    assert not list(Path.cwd().iterdir())
    plan = cli("grid", "a", "--x", "steps=2,3", "--dry-run", "--json", *DRAFT).document
    assert [cell["label"] for cell in plan["cells"]] == ["steps 2", "steps 3"]


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_dry_run_warns_once_of_what_is_done_in_vain(cli: Cli, more: tuple[str, ...]) -> None:
    names = ["prompt", "text_to_image", "publisher", "finisher"]
    Path("late.json").write_text(json.dumps({"stages": [{"stage": name} for name in names]}))
    given = ("--config", "late.json", "--x", "steps=2,3", "--dry-run", *more)
    done = cli("grid", "a red house", *given)
    assert done.code == 0, done.err
    assert done.err.count("warning: finisher: ") == 1


class Killed(BaseException):
    """As by a signal: nothing of ours handles it."""


def test_a_grid_goes_on_where_it_was_stopped(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    generate = FakeDiffusion.run

    def killed(self: FakeDiffusion, request: Any, progress: Any) -> Any:
        if len(made) == 2:
            raise Killed
        made.append(request.steps)
        return generate(self, request, progress)

    monkeypatch.setattr(FakeDiffusion, "run", killed)
    with pytest.raises(Killed):
        cli("grid", "a red house", "--x", "steps=2-5", "--seed", "3", *DRAFT)
    (folder,) = Path("ninefold-out").iterdir()
    assert not (folder / "grid.png").exists()
    made_before = made.copy()
    monkeypatch.setattr(FakeDiffusion, "run", generate)
    done = cli("grid", "--resume", folder, "--json", "--quiet")
    assert done.code == 0, done.err
    assert made_before == [2, 3]
    assert [info.fields["Steps"] for info in infotexts(done.document)] == ["2", "3", "4", "5"]
    first = (folder / "grid.png").read_bytes()
    again = cli("grid", "--resume", folder)  # all is there: the sheets are written again
    assert again.code == 0
    assert (folder / "grid.png").read_bytes() == first
    refused = cli("grid", "--resume", "nowhere")
    assert (refused.code, "its grid.json cannot be read" in refused.err) == (2, True)


def test_a_failed_cell_is_shown_and_the_others_are_made(cli: Cli) -> None:
    from ninefold.testing import fake_engines

    engines = fake_engines(black_seeds=[8])
    done = cli("grid", "a", "--x", "seed=7-9", *DRAFT, "--json", engines=engines)
    assert done.code == 1
    assert [cell["status"] for cell in done.document["cells"]] == [
        "succeeded", "failed", "succeeded"
    ]  # fmt: skip
    assert "cell 2 of 3 (seed 8)" in done.err
    page = Path(done.document["sheets"][1]).read_text()
    assert "black image" in page
    assert page.count("<img ") == 2


def test_cells_keep_their_files_and_say_no_path(cli: Cli) -> None:
    done = cli("grid", "a", "--x", "seed=1,2", "--fields", "seed", *DRAFT)
    folder = done.files[0].parent
    assert json.loads((folder / "grid.json").read_text())["labels"][0] == ["seed 1", "seed 2"]
    assert decode(done.files[0]).shape[2] == 3
    page = (folder / "grid.html").read_text()
    assert "<dt>Seed</dt><dd>2</dd>" in page
    assert str(Path.cwd()) not in page


def test_what_an_axis_brings_in_is_told_of_it(cli: Cli) -> None:
    sizes = ("--x", "size=64x64,512x512", "--y", "seed=1,2")
    done = cli("grid", "a red house", *sizes, "--dry-run", engines=default_engines())
    assert done.code == 2
    assert done.err.startswith("error: --x size: publisher.watermark: expected an image of at")
