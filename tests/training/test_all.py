"""The one command: what it runs, in which order, and that it goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("onnx", reason="training scripts need the extra `training`")

from training import all as everything


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(everything, "RUNS", tmp_path)
    return tmp_path


def modules(commands: list[list[str]]) -> list[str]:
    return [next(w for w in words if w.startswith("training.")) for words in commands]


def test_everything_is_trained_in_order_from_nothing() -> None:
    ran = modules(list(everything.plan(20, cuda=True)))
    assert ran == [step.module for step in everything.STEPS]
    assert ran.index("training.text_encoder") < ran.index("training.text_to_image")
    assert ran[-1] == "training.export"


def test_the_shares_fill_a_round() -> None:
    assert sum(step.share for step in everything.STEPS) == pytest.approx(1)
    minutes = [
        float(w[w.index("--minutes") + 1]) for w in everything.plan(20, True) if "--minutes" in w
    ]
    assert sum(minutes) == pytest.approx(20, abs=0.1)


def test_what_has_had_its_time_is_not_run_again(runs: Path) -> None:
    (runs / "poster.json").write_text("{}")
    torch.save({"spent": 1e6}, runs / "autoencoder.pt")
    torch.save({"reader": {}}, runs / "text_encoder.pt")
    torch.save({"spent": 60.0}, runs / "text_to_image.pt")
    ran = modules(list(everything.plan(20, cuda=False)))
    assert ran[:2] == ["training.latents", "training.text_to_image"]


def test_a_later_round_goes_on_but_leaves_what_others_build_on(runs: Path) -> None:
    torch.save({"spent": 20 * 60.0}, runs / "text_to_image.pt")
    ran = modules(list(everything.plan(40, cuda=False, first=False)))
    assert "training.autoencoder" not in ran
    assert "training.text_encoder" not in ran
    assert "training.text_to_image" in ran


def test_from_what_ships_the_autoencoder_stays_and_the_others_begin_there() -> None:
    commands = list(everything.plan(20, cuda=True, from_shipped=True))
    assert "training.autoencoder" not in modules(commands)
    begun = [words for words in commands if "--from-shipped" in words]
    assert modules(begun) == ["training.text_encoder", "training.text_to_image"]


def test_on_a_cpu_the_great_ones_are_trained_by_several_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    words = next(w for w in everything.plan(20, cuda=False) if "training.text_to_image" in w)
    assert words[1:6] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_a_step_whose_package_is_missing_is_left_out_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(everything, "find_spec", lambda name: None)
    ran = modules(list(everything.plan(20, cuda=True)))
    assert "training.lora" not in ran
    assert "training.text_to_image" in ran
    assert "training.lora left out: the package peft is not installed" in capsys.readouterr().out
