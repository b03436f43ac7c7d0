"""Settings: from a file, the environment and flags, in that order, and all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.core.errors import ConfigError
from ninefold.core.settings import read_settings
from ninefold.settings import Settings


def test_flags_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ninefold.toml"
    file.write_text('port = 1\nhost = "::1"\nmodels = ["a", "b"]\nworker = false\n')
    env = {"NINEFOLD_PORT": "2", "NINEFOLD_RATE": "1.5", "NINEFOLD_HOST": ""}
    settings = read_settings(Settings, env, file=file, flags={"port": 3, "rate": None})
    assert (settings.port, settings.host, settings.rate) == (3, "::1", 1.5)
    assert (settings.models, settings.worker) == (("a", "b"), False)
    named = {"NINEFOLD_SETTINGS": str(file), "NINEFOLD_MODELS": "c, d,"}
    assert read_settings(Settings, named).port == 1
    assert read_settings(Settings, named).models == ("c", "d")
    assert read_settings(Settings, {}) == Settings()


def test_every_problem_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "ninefold.toml"
    file.write_text('prot = 1\nrate = "fast"\nmodels = [1]\n')
    env = {"NINEFOLD_DEVISE": "cpu", "NINEFOLD_BURST": "-1", "NINEFOLD_SERVICE_HOST": "10.0.0.1"}
    with pytest.raises(ConfigError) as caught:
        read_settings(Settings, env, file=file, flags={"port": 70_000}, strict=True)
    problems = caught.value.problems
    assert sorted(problem.partition(": ")[0] for problem in problems) == [
        "--port",
        "NINEFOLD_BURST",
        "NINEFOLD_DEVISE",
        "ninefold.toml",
        "ninefold.toml",
        "ninefold.toml",
    ]
    reported = "\n".join(problems)
    assert "ninefold.toml: prot: unknown. Did you mean 'port'?" in reported
    assert "ninefold.toml: models.0: " in reported
    assert "NINEFOLD_DEVISE: unknown. Did you mean 'NINEFOLD_DEVICE'?" in reported


@pytest.mark.parametrize(
    ("content", "reported"),
    [(None, "cannot be read"), ("port = ", "does not parse"), ("a" * 2**21, "at most")],
)
def test_a_file_that_is_no_settings(content: str | None, reported: str, tmp_path: Path) -> None:
    file = tmp_path / "ninefold.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=reported):
        read_settings(Settings, {}, file=file)


def test_a_folder_may_start_with_a_home_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    found = read_settings(Settings, {"NINEFOLD_DATA": "~/jobs", "NINEFOLD_LORAS": "/srv/~loras"})
    assert (found.data, found.loras) == (Path("/home/somebody/jobs"), Path("/srv/~loras"))
    with pytest.raises(ConfigError, match=r"NINEFOLD_DATA.*~nobody-here is nobody's home"):
        read_settings(Settings, {"NINEFOLD_DATA": "~nobody-here/jobs"})
