"""`run` and `submit` take the same options for images, defined once."""

from __future__ import annotations

import inspect
from dataclasses import fields

import typer

from ninefold.cli.app import app
from ninefold.cli.image_options import ImageOptions, with_image_options
from ninefold.cli.options import RunOptions
from ninefold.cli.sampling import Sampling


def test_both_commands_take_them_and_nothing_is_left_out() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    shared = {field.name for field in fields(ImageOptions)}
    known = {}
    for name in ("run", "submit"):
        found = {item.name: item.opts for item in commands[name].params}
        assert shared <= found.keys()
        known[name] = {option: found[option] for option in shared}
    assert known["run"] == known["submit"]
    resolved = {field.name for kind in (RunOptions, Sampling) for field in fields(kind)}
    assert shared <= resolved


def test_options_reach_the_run_with_their_own_defaults() -> None:
    given = RunOptions.of(ImageOptions(prompt="a", loras=["ink"], settings=["x.y=1"], steps=3))
    assert given == RunOptions(
        prompt="a", settings=("x.y=1",), sampling=Sampling(steps=3, loras=("ink",))
    )
    assert RunOptions.of(ImageOptions(), command="submit") == RunOptions(command="submit")


def test_a_command_keeps_its_own_parameters() -> None:
    @with_image_options
    def command(images: ImageOptions, quiet: bool = False) -> tuple[str | None, int, bool]:
        return images.prompt, images.count, quiet

    assert [*inspect.signature(command).parameters][-1] == "quiet"
    assert command(prompt="a", quiet=True) == ("a", 1, True)  # type: ignore[call-arg]
