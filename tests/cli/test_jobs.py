"""Jobs on the command line: submitted, looked at, worked on, changed; over fake engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ninefold.cli.units import seconds, size
from ninefold.core.errors import ConfigError
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli, Outcome
from tests.cli.test_bad_input import refused
from tests.cli.test_light import loaded
from tests.cli.test_run import save
from tests.support import files_in, recording_engines

DRAFT = ("--preset", "draft")


def submitted(cli: Cli, *arguments: object) -> str:
    """The id that `submit` or `rerun` printed."""
    done = cli(*arguments)
    assert (done.code, done.err) == (0, ""), done.err
    (name,) = done.out.splitlines()
    return name


def listed(cli: Cli) -> dict[str, str]:
    """The state of every job, by id."""
    return {job["id"]: job["status"] for job in cli("jobs", "list", "--json").document}


def drain(cli: Cli, **options: object) -> Outcome:
    done = cli("worker", "--drain", **options)
    assert (done.code, done.out) == (0, ""), done.err
    return done


def test_a_job_from_submit_to_its_files_and_again_with_a_change(cli: Cli, tmp_path: Path) -> None:
    job = submitted(cli, "submit", "a red house", "--seed", 7)
    line = cli("jobs", "list").out
    assert line.split()[:2] == [job, "queued"]
    assert line.endswith("a red house\n")
    before = cli("jobs", "show", job, "--json").document
    assert (before["id"], before["status"], before["outputs"]) == (job, "queued", [])

    introduction = drain(cli).err.splitlines()
    assert len(introduction) == 1
    assert f"takes jobs from {tmp_path / 'ninefold-data'}" in introduction[0]

    shown = cli("jobs", "show", job)
    assert shown.out.startswith(f"{job}  succeeded\n")
    assert "seed        7" in shown.out
    assert "attempts    prompt 1, text_to_image 1" in shown.out
    document = cli("jobs", "show", job, "--json").document
    paths = [Path(document["folder"]) / item["path"] for item in document["outputs"]]
    assert len(paths) == 5
    assert all(path.is_file() for path in paths)
    assert all(str(path.relative_to(tmp_path)) in shown.out for path in paths)

    child = submitted(cli, "jobs", "rerun", job, "--set", "upscaler.upscale_factor=3")
    drain(cli)
    watched = cli("jobs", "watch", child)
    assert watched.code == 0
    assert [line.split()[0] for line in watched.err.splitlines()] == [
        f"[{n}/9]" for n in range(1, 10)
    ]
    assert watched.err.count("done before") == 4
    assert watched.files[0].is_file()
    assert {path.suffix for path in watched.files} == {".png", ".jpg", ".webp", ".avif"}
    again = cli("jobs", "show", child, "--json").document
    assert again["parent"] == job
    assert again["metadata"]["upscaler"]["upscaled_size"] == [384, 384]


def test_submit_takes_what_run_takes(cli: Cli) -> None:
    save(Path("photo.png"))
    Path("mine.yaml").write_text("stages: [{stage: prompt}, {stage: text_to_image}]")
    arguments = ("--image", "photo.png", "--strength", 0.4, "--negative", "fog", "--priority", 3)
    job = submitted(cli, "submit", "a house", "--config", "mine.yaml", "--model", "poster",
                    "--set", "text_to_image.steps=3", *arguments)  # fmt: skip
    engines, requests = recording_engines()
    drain(cli, engines=engines)
    (request,) = requests
    assert type(request).__name__ == "ImageToImage"
    assert getattr(request, "strength", None) == 0.4
    assert (request.negative_prompt, request.model) == ("fog", "poster")
    assert cli("jobs", "show", job, "--json").document["priority"] == 3


def test_the_same_key_gives_the_same_job(cli: Cli) -> None:
    job = submitted(cli, "submit", "a boat", *DRAFT, "--key", "monday")
    assert submitted(cli, "submit", "a boat", *DRAFT, "--key", "monday") == job
    refused(cli("submit", "a ship", *DRAFT, "--key", "monday"), "was used before", "new key")
    assert listed(cli) == {job: "queued"}


def test_count_makes_a_group(cli: Cli) -> None:
    group = submitted(cli, "submit", "a house", *DRAFT, "--count", 3, "--seed", 7)
    assert cli("jobs", "cancel", f"{group}.00002").code == 0
    assert cli("jobs", "show", group).out.startswith(f"{group}  running: 1 cancelled, 2 queued\n")
    drain(cli)
    document = cli("jobs", "show", group, "--json").document
    assert document["counts"] == {"succeeded": 2, "cancelled": 1}
    assert [job["id"][-1] for job in document["jobs"]] == ["1", "2", "3"]
    watched = cli("jobs", "watch", group)
    assert watched.code == 130
    assert [path.stem for path in watched.files] == ["poster-7", "poster-9"]
    assert "job 3 of 3" in watched.err


def test_a_list_is_as_long_as_asked_and_shows_no_control_characters(cli: Cli) -> None:
    group = submitted(cli, "submit", "a house\n\x1b[31m in red" + " and blue" * 20, *DRAFT,
                      "--count", 3)  # fmt: skip
    other = submitted(cli, "submit", "a boat", *DRAFT)
    assert len(cli("jobs", "list").out.splitlines()) == 4
    assert len(cli("jobs", "list", "--limit", 2).out.splitlines()) == 2
    lines = cli("jobs", "list", "--group", group).out.splitlines()
    assert len(lines) == 3
    assert all("\x1b" not in line and len(line) < 160 for line in lines)
    cli("jobs", "cancel", group)
    wanted = cli("jobs", "list", "--status", "queued", "--status", "running", "--json").document
    assert [job["id"] for job in wanted] == [other]
    assert "seed" not in wanted[0]  # lists do not read it


def test_cancel_leaves_what_has_ended(cli: Cli) -> None:
    job = submitted(cli, "submit", "a house", *DRAFT)
    assert f"{job}: cancelled\n" in cli("jobs", "cancel", job).err
    assert "stays so" in cli("jobs", "cancel", job).err
    watched = cli("jobs", "watch", job)
    assert (watched.code, watched.out) == (130, "")


def test_pause_and_resume(cli: Cli) -> None:
    job = submitted(cli, "submit", "a house", *DRAFT)
    assert cli("jobs", "pause").code == 0
    assert "paused" in cli("jobs", "list").err
    assert cli("jobs", "resume").code == 0
    drain(cli)
    assert listed(cli) == {job: "succeeded"}
    assert cli("jobs", "list").err == ""


def test_prune_deletes_old_jobs_and_says_how_many(cli: Cli) -> None:
    jobs = [submitted(cli, "submit", "a house", *DRAFT, "--seed", seed) for seed in (1, 2, 3)]
    drain(cli)
    assert "0 jobs deleted" in cli("prune").err
    done = cli("prune", "--older-than", "0s", "--keep", 1)
    assert (done.code, done.out, done.err) == (0, "", "2 jobs deleted.\n")
    assert list(listed(cli)) == [jobs[2]]
    assert not (Path("ninefold-data/jobs") / jobs[0]).exists()


def test_a_failed_job_is_no_failure_of_the_worker(cli: Cli) -> None:
    job = submitted(cli, "submit", "a house", "--seed", 7)
    drain(cli, engines=fake_engines(fail_on="upscale"))
    assert "error       upscaler: The fake engine was asked to fail" in cli("jobs", "show", job).out
    failed = cli("jobs", "watch", job)
    assert (failed.code, failed.out) == (1, "")
    assert "error: upscaler: The fake engine was asked to fail on upscale." in failed.err
    assert "generated_detailed.png" in failed.err
    assert f"ninefold jobs rerun {job} --from upscaler" in failed.err
    child = submitted(cli, "jobs", "rerun", job, "--from", "upscaler", "--set", "upscale_factor=3")
    drain(cli)
    assert cli("jobs", "watch", child).code == 0


def test_a_bug_is_reported_as_one_and_its_trace_is_kept(cli: Cli) -> None:
    job = submitted(cli, "submit", "a house", *DRAFT)
    drain(cli, engines=fake_engines(fail_on="text_to_image", error=ZeroDivisionError))
    failed = cli("jobs", "watch", job)
    assert failed.code == 1
    assert "This is a bug" in failed.err
    assert f"ninefold jobs show {job} --json" in failed.err
    assert "Traceback" not in failed.err
    assert "Traceback" in cli("jobs", "show", job, "--json").document["error"]["trace"]


def test_watch_tells_of_skipping_repeating_and_going_back(cli: Cli) -> None:
    Path("odd.yaml").write_text(
        "stages: [{stage: prompt}, {stage: text_to_image}, {stage: detailer, on_error: skip},"
        " {stage: inspector, params: {on_fail: retry, max_retries: 1, min_sharpness: 1e9}}]"
    )
    skipped = submitted(cli, "submit", "a house", "--config", "odd.yaml")
    drain(cli, engines=fake_engines(fail_on="detect"))
    err = cli("jobs", "watch", skipped).err
    assert "[3/4] detailer        skipped" in err
    assert "inspector sent the image back: once more from text_to_image" in err
    repeated = submitted(cli, "submit", "a house", *DRAFT, "--no-cache")
    drain(cli, engines=fake_engines(fail_on="text_to_image", fail_times=1, error=OSError))
    err = cli("jobs", "watch", repeated).err
    assert "[2/3] text_to_image   begins again: The fake engine" in err
    assert "text_to_image 2" in cli("jobs", "show", repeated).out


def test_the_same_image_comes_from_the_cache(cli: Cli) -> None:
    jobs = [submitted(cli, "submit", "a house", *DRAFT, "--seed", 7, *more)
            for more in ((), (), ("--no-cache",))]  # fmt: skip
    cli("worker", "--drain", "--concurrency", 1)
    reported = [cli("jobs", "watch", job).err.count("from the cache") for job in jobs]
    assert reported[0] == reported[2] == 0
    assert reported[1] > 0


def test_other_folders_and_the_environment(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted(cli, "submit", "a house", *DRAFT, "--data", "elsewhere")
    assert "no jobs in" in cli("jobs", "list").err
    assert "elsewhere" in cli("jobs", "show", job, "--data", "elsewhere").out
    assert "--data elsewhere" in cli("jobs", "pause", "--data", "elsewhere").err
    monkeypatch.setenv("NINEFOLD_DATA", str(tmp_path / "elsewhere"))
    assert listed(cli) == {job: "queued"}
    monkeypatch.setenv("NINEFOLD_DATABASE", "mysql://somewhere/jobs")
    refused(cli("jobs", "list"), "expected a postgresql:// URL, got mysql://")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ["prompt", 'ninefold submit "a red house"']),
        (("a", "--preset", "ful"), ["preset 'ful'", "Did you mean 'full'?"]),
        (("a", "--model", "nothing"), ["model", "nothing", "poster"]),
        (("a", "--set", "upscaler.upscale_factor=99"), ["less than or equal to 8", "got 99"]),
        (("a", "--image", "none.png"), ["--image: none.png"]),
        (("a", "--strength", "0.5"), ["--strength", "--image FILE"]),
        (("a", "--key", "mine", "--count", "2"), ["--key", "--count"]),
        (("a", "--database", "nonsense"), ["postgresql://"]),
    ],
)
def test_what_submit_refuses_leaves_nothing(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], expected: list[str]
) -> None:
    refused(cli("submit", *arguments), *expected)
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    "command",
    [
        ("jobs", "list"),
        ("jobs", "show", "one"),
        ("jobs", "watch", "one"),
        ("jobs", "cancel", "one"),
        ("jobs", "rerun", "one"),
        ("jobs", "pause"),
        ("jobs", "resume"),
        ("prune",),
    ],
)
def test_no_jobs_here(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    refused(cli(*command), f"no jobs in {tmp_path / 'ninefold-data'}", "Submit a job first")
    assert files_in(tmp_path) == set()


def test_what_other_commands_refuse_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    job = submitted(cli, "submit", "a house")
    drain(cli)
    before = cli("jobs", "list", "--json").out, files_in(tmp_path / "ninefold-data/jobs")
    for arguments, expected in (
        (("jobs", "show", "one"), "no job is called 'one'"),
        (("jobs", "watch", "%"), "no job is called '%'"),
        (("jobs", "cancel", "one"), "no job is called 'one'"),
        (("jobs", "rerun", "one"), "no job is called 'one'"),
        (("jobs", "list", "--group", "one"), "no group is called 'one'"),
        (("jobs", "rerun", job, "--from", "upscalr"), "no stage 'upscalr'"),
        (("jobs", "rerun", job, "--set", "upscalr.tile=9"), "Did you mean 'upscaler'?"),
        (("jobs", "rerun", job, "--set", "upscaler.upscale_factor=99"), "got 99"),
        (("jobs", "rerun", job, "--set", "upscaler"), "stage.parameter=value"),
        (("jobs", "rerun", job, "--set", "seed=9"), "Use --seed"),
        (("jobs", "rerun", job, "--seed", -1), "seed"),
        (
            ("jobs", "rerun", job, "--from", "upscaler", "--set", "refiner.steps=3"),
            "Start from an earlier stage",
        ),
        (("submit", "a house", "--key", ""), "1 to 200 characters"),
        (("prune", "--older-than", "yesterday"), "12h or 30d"),
        (("worker", "--cache-size", "much"), "500MiB"),
        (("worker", "--name", ""), "--name: expected 1 to 128 characters"),
    ):
        refused(cli(*arguments), expected)
    assert (cli("jobs", "list", "--json").out, files_in(tmp_path / "ninefold-data/jobs")) == before
    for usage in (("jobs", "list", "--status", "done"), ("submit", "a", "--priority", 0)):
        assert cli(*usage).code == 2


def test_a_rerun_takes_another_seed_and_prompt(cli: Cli) -> None:
    job = submitted(cli, "submit", "a house", "--seed", 7, *DRAFT)
    drain(cli)
    child = submitted(cli, "jobs", "rerun", job, "--seed", 9, "--prompt", "a tree")
    drain(cli)
    shown = json.loads(cli("jobs", "show", child, "--json").out)
    assert (shown["status"], shown["seed"], shown["parent"]) == ("succeeded", 9, job)
    assert shown["input"]["prompt"] == "a tree"


def test_a_rerun_takes_values_as_settings_do(cli: Cli) -> None:
    job = submitted(cli, "submit", "a house", *DRAFT)
    drain(cli)
    child = submitted(cli, "jobs", "rerun", job, "--set", "publisher.formats=[webp, jpeg]",
                      "--set", "publisher.name={job_id}")  # fmt: skip
    drain(cli)
    assert {path.name for path in cli("jobs", "watch", child).files} == {
        f"{child}.webp",
        f"{child}.jpg",
    }


def test_looking_at_jobs_loads_no_models(tmp_path: Path) -> None:
    code = f"""
from ninefold.cli import main
place = ["--data", {str(tmp_path / "data")!r}]
assert main(["submit", "a house", *place]) == 0
assert main(["jobs", "list", *place]) == 0
"""
    assert loaded(code, ("torch", "diffusers", "transformers", "onnxruntime")) == ""


def test_times_and_sizes() -> None:
    assert seconds("--t", "90s") == 90
    assert seconds("--t", "1.5h") == 5400
    assert seconds("--t", " 30 D ") == 30 * 86400
    assert size("--s", "20") == 20 * 2**30
    assert size("--s", "0") == 0
    assert size("--s", "500MiB") == 500 * 2**20
    assert size("--s", "1.5G") == 3 * 2**29
    assert size("--s", "2000kB") == 2_000_000
    assert size("--s", "1000000b") == 1_000_000
    for text in ("", "d", "30", "-1d", "1y", "1e3s", "inf", "nan", "9" * 400 + "d"):
        with pytest.raises(ConfigError, match="--t: expected"):
            seconds("--t", text)


def test_the_json_of_a_job_is_one_object(cli: Cli) -> None:
    job = submitted(cli, "submit", "a house", *DRAFT)
    shown = cli("jobs", "show", job, "--json")
    assert json.loads(shown.out)["id"] == job
    assert shown.err == ""
