"""The one command: what it runs, in which order, and that it goes on where it stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("onnx", reason="training scripts need the extra `training`")

from training import build as everything
from training.build import EXPORT, STEPS, Round, Running, Step


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(everything, "RUNS", tmp_path)
    return tmp_path


def names(work: Round) -> list[str]:
    return [step.name for step in work.steps()]


def test_everything_is_trained_from_nothing_and_each_after_what_it_reads() -> None:
    steps = Round(8, cuda=True).steps()
    assert steps == [*STEPS, EXPORT]
    for number, step in enumerate(steps):
        assert set(step.after) <= {before.name for before in steps[:number]}, step.name
    assert set(EXPORT.after) == {step.name for step in STEPS}


def test_each_is_given_its_share_of_the_minutes() -> None:
    work = Round(20, cuda=True)
    for step in work.steps():
        words = work.command(step)
        assert ("--minutes" in words) == bool(step.share)
        if step.share:
            assert float(words[words.index("--minutes") + 1]) == pytest.approx(20 * step.share)


def test_batches_are_larger_where_there_is_cuda() -> None:
    step = next(step for step in STEPS if step.name == "text_to_image")
    assert "--batch" in Round(8, cuda=True).command(step)
    assert "--batch" not in Round(8, cuda=False).command(step)


def test_what_has_had_its_time_is_not_run_again(runs: Path) -> None:
    (runs / "poster-9x16.json").write_text("{}")
    torch.save({"spent": 1e6}, runs / "autoencoder.pt")
    torch.save({"reader": {}}, runs / "text_encoder.pt")
    torch.save({"spent": 60.0}, runs / "text_to_image.pt")
    ran = names(Round(20, cuda=False))
    assert not {"pictures", "words", "autoencoder"}.intersection(ran)
    assert {"examples", "text_to_image"} <= set(ran)


def test_a_later_round_goes_on_but_leaves_what_others_build_on(runs: Path) -> None:
    torch.save({"spent": 20 * 60.0}, runs / "text_to_image.pt")
    ran = names(Round(40, cuda=False, first=False))
    assert "autoencoder" not in ran
    assert "words" not in ran
    assert "text_to_image" in ran


def test_from_what_ships_the_autoencoder_stays_and_the_others_begin_there() -> None:
    work = Round(20, cuda=True, from_shipped=True)
    assert "autoencoder" not in names(work)
    begun = [step.name for step in work.steps() if "--from-shipped" in work.command(step)]
    assert begun == ["words", "text_to_image"]


def test_on_a_cpu_the_great_ones_are_trained_by_several_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    step = next(step for step in STEPS if step.name == "text_to_image")
    words = Round(20, cuda=False).command(step)
    assert words[1:6] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_a_step_whose_package_is_missing_is_left_out_and_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(everything, "find_spec", lambda name: None)
    ran = names(Round(20, cuda=True))
    assert "lora" not in ran
    assert "text_to_image" in ran
    assert "lora left out: the package peft is not installed" in capsys.readouterr().out


class Scripted(Round):
    """Each step runs its `module` as Python code."""

    def command(self, step: Step) -> list[str]:
        return [sys.executable, "-c", step.module]


def run(steps: list[Step], at_once: int) -> int:
    return Running(Scripted(1, cuda=False), at_once).run(steps)


def note(runs: Path, text: str) -> str:
    return f"open({str(runs / 'order')!r}, 'a').write({text!r})"


def test_steps_run_side_by_side_and_each_after_those_it_waits_for(runs: Path) -> None:
    # Each of the first two waits for the other's file, and so ends only beside it.
    wait = "import os, time\nwhile not os.path.exists({!r}): time.sleep(0.01)"
    first, second = (runs / name for name in ("first", "second"))
    steps = [
        Step("1", f"open({str(first)!r}, 'w')\n{wait.format(str(second))}"),
        Step("3", note(runs, "3"), after=("1", "2")),
        Step("2", f"open({str(second)!r}, 'w')\n{wait.format(str(first))}\n{note(runs, '2')}"),
    ]
    assert run(steps, at_once=2) == 0
    assert (runs / "order").read_text() == "23"


def test_after_one_that_fails_none_is_begun(runs: Path) -> None:
    steps = [Step("1", "raise SystemExit(3)"), Step("2", note(runs, "2"), after=("1",))]
    assert run(steps, at_once=2) == 3
    assert not (runs / "order").exists()
