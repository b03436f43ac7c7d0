"""Where key and manifests lie: one place for every command, never the current folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ninefold.cli.settings import engines_for
from ninefold.core.settings import read_settings
from ninefold.engines.defaults import default_engines
from ninefold.engines.settings import EngineSettings
from ninefold.jobs.executor import JobExecutor
from ninefold.settings import JobSettings, Settings
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    default_engines.cache_clear()
    yield tmp_path / "home"
    default_engines.cache_clear()


def test_the_folder_is_the_one_asked_for_the_jobs_or_the_users_own(
    home: Path, tmp_path: Path
) -> None:
    own = home / ".local/share/ninefold"
    for kind in (EngineSettings, JobSettings, Settings):
        assert read_settings(kind, {}).marks_folder == own
        data = read_settings(kind, {"NINEFOLD_DATA": "jobs"})
        assert data.marks_folder == tmp_path / "jobs"
        both = read_settings(kind, {"NINEFOLD_DATA": "jobs", "NINEFOLD_MARKS": "~/marks"})
        assert both.marks_folder == home / "marks"
    file = tmp_path / "settings.toml"
    file.write_text('data = "of-file"')
    assert engines_for(file, None).marks == tmp_path / "of-file"
    assert engines_for(file, None, data=Path("flag")).marks == tmp_path / "flag"
    assert engines_for(None, None).marks == own


@pytest.mark.parametrize("data", [None, "jobs"])
def test_jobs_keep_theirs_where_verify_looks(
    data: str | None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def marks(jobs: JobExecutor) -> Path | None:
        return jobs.marking_engines().marks

    looks = read_settings(JobSettings, flags={"data": data}, part=True).marks_folder
    assert marks(JobExecutor(data)) == marks(JobExecutor(data, engines=fake_engines())) == looks
    assert looks == (home / ".local/share/ninefold" if data is None else tmp_path / "jobs")
    given = engines_for(None, None)
    assert marks(JobExecutor("others", engines=given)) == given.marks
    monkeypatch.setenv("NINEFOLD_MARKS", str(tmp_path / "marks"))
    assert marks(JobExecutor(data, engines=fake_engines())) == tmp_path / "marks"


def test_run_leaves_no_key_in_the_current_folder(cli: Cli, home: Path, tmp_path: Path) -> None:
    engines = replace(fake_engines(), marks=engines_for(None, None).marks)
    made = cli("run", "a red house", "--set", "publisher.sign=true", engines=engines)
    assert made.code == 0, made.err
    assert not (tmp_path / "ninefold-data").exists()
    own = home / ".local/share/ninefold"
    assert (own / "signing/self-made.pem").is_file()
    assert list(own.glob("manifests/*/*/manifest.json"))
    shown = cli("doctor").out
    assert f"of 1 published images, in {own / 'manifests'}" in shown
