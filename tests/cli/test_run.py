"""`ninefold run` as a user runs it: what is printed, what is written, and the exit codes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from ninefold.testing import fake_engines
from tests.cli.conftest import Cli
from tests.support import box_mask, files_in, picture, recording_engines

KEYS = {"job_id", "status", "seed", "artifacts", "outputs", "metadata", "error"}


def save(path: Path, width: int = 128, height: int = 128) -> Path:
    Image.fromarray(picture(width, height)).save(path)
    return path


def test_default_runs_all_nine_stages_and_lists_the_final_files(cli: Cli) -> None:
    done = cli("run", "a red house", "--seed", 7)
    assert done.code == 0
    assert [path.suffix for path in done.files] == [".png", ".jpg", ".webp", ".avif", ".webp"]
    assert all(path.is_file() and path.parts[0] == "ninefold-out" for path in done.files)
    assert [line.split()[0] for line in done.err.splitlines()] == [f"[{n}/9]" for n in range(1, 10)]


def test_each_job_has_a_folder_with_its_config_and_context(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "a red house", "--preset", "draft", "--out", "pictures", "--json")
    folder = tmp_path / "pictures" / done.document["job_id"]
    names = files_in(folder)
    assert {"config.yaml", "context.json", "generated.png", "outputs/manifest.json"} <= names
    assert not any(name.endswith(".part") for name in names)


def test_json_is_one_object_and_says_everything(cli: Cli) -> None:
    done = cli("run", "a red house", "--seed", 7, "--json")
    document = done.document
    assert done.code == 0
    assert set(document) == KEYS
    assert document["status"] == "succeeded"
    assert document["seed"] == 7
    assert document["error"] is None
    assert document["artifacts"][0]["name"] == "generated.png"
    assert Path(document["outputs"][0]["path"]).is_file()
    assert document["metadata"]["upscaler"]["upscale_factor"] == 2
    assert "duration_ms" in document["metadata"]["publisher"]


def test_count_makes_jobs_with_seeds_that_follow(cli: Cli) -> None:
    done = cli("run", "a house", "--preset", "draft", "--seed", 7, "--count", 3, "--json")
    jobs = done.document["jobs"]
    assert [job["seed"] for job in jobs] == [7, 8, 9]
    assert len({job["job_id"] for job in jobs}) == 3
    assert len({job["artifacts"][0]["sha256"] for job in jobs}) == 3
    assert "image 2 of 3" in done.err


def test_count_without_json_lists_every_file(cli: Cli) -> None:
    done = cli("run", "a house", "--preset", "draft", "--count", 2, "--quiet")
    assert len(done.files) == 2
    assert done.err == ""


def test_same_seed_same_bytes_other_seed_another_image(cli: Cli) -> None:
    def hashes(seed: int) -> list[str]:
        done = cli("run", "a house", "--seed", seed, "--json")
        images = [item for item in done.document["artifacts"] if item["media_type"] == "image/png"]
        return [item["sha256"] for item in images if item["stage"] != "publisher"]

    assert hashes(7) == hashes(7)
    assert hashes(7)[0] != hashes(8)[0]


def test_a_random_seed_is_written_down_so_that_the_image_can_be_made_again(cli: Cli) -> None:
    first = cli("run", "a house", "--preset", "draft", "--json").document
    config = Path("ninefold-out") / first["job_id"] / "config.yaml"
    again = cli("run", "a house", "--config", config, "--json").document
    assert again["seed"] == first["seed"]
    assert again["artifacts"][0]["sha256"] == first["artifacts"][0]["sha256"]


def test_settings_reach_their_stages(cli: Cli) -> None:
    done = cli("run", "a house", "--set", "upscaler.upscale_factor=3", "--json")
    assert done.document["metadata"]["upscaler"]["upscaled_size"] == [384, 384]


def test_image_and_strength_start_from_a_picture(cli: Cli) -> None:
    save(Path("photo.png"))
    engines, requests = recording_engines()
    done = cli(
        *("run", "a house", "--preset", "draft", "--image", "photo.png", "--strength", 0.4),
        engines=engines,
    )
    assert done.code == 0
    assert type(requests[0]).__name__ == "ImageToImage"
    assert getattr(requests[0], "strength", None) == 0.4


def test_mask_limits_the_change(cli: Cli) -> None:
    save(Path("photo.png"))
    Image.fromarray(box_mask(128, 128, (32, 32, 96, 96))).save("mask.png")
    engines, requests = recording_engines()
    arguments = ("--image", "photo.png", "--mask", "mask.png", "--preset", "draft")
    assert cli("run", "a house", *arguments, engines=engines).code == 0
    assert type(requests[0]).__name__ == "Inpaint"


def test_negative_and_model_reach_the_engine(cli: Cli) -> None:
    engines, requests = recording_engines()
    arguments = ("--preset", "draft", "--negative", "fog", "--model", "poster")
    cli("run", "a house", *arguments, engines=engines)
    assert requests[0].negative_prompt == "fog"
    assert requests[0].model == "poster"


def test_prompt_from_stdin(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a green tent\n"))
    done = cli("run", "-", "--preset", "draft", "--json")
    assert done.document["metadata"]["prompt"]["prompt"] == "a green tent"


def test_a_pipeline_that_needs_no_prompt_takes_none(cli: Cli) -> None:
    save(Path("photo.png"))
    Path("enlarge.yaml").write_text("stages: [{stage: upscaler}]\n")
    done = cli("run", "--config", "enlarge.yaml", "--image", "photo.png")
    assert done.code == 0
    assert done.files[0].name == "generated_upscaled.png"


def test_unknown_words_are_reported_once(cli: Cli) -> None:
    engines = fake_engines(words=["a", "red", "house"])
    done = cli("run", "a red dragon", "--preset", "draft", "--count", 2, engines=engines)
    assert done.err.count("does not know: dragon") == 1
    assert "--model" in done.err


def test_dry_run_prints_the_resolved_pipeline_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    engines = fake_engines(fail_on={"text_to_image"})
    shown = cli("run", "a house", "--set", "upscaler.tile=128", "--dry-run", engines=engines)
    assert shown.code == 0
    assert "tile: 128" in shown.out
    assert "refinement_level: 2" in shown.out
    assert files_in(tmp_path) == set()
    Path("same.yaml").write_text(shown.out)
    assert cli("config", "validate", "same.yaml").code == 0
    as_json = cli("run", "a house", "--set", "upscaler.tile=128", "--dry-run", "--json")
    assert as_json.document["stages"][4]["params"]["tile"] == 128


def test_dry_run_shows_what_the_model_can_do_and_what_would_not_act(cli: Cli) -> None:
    asked = ("run", "a house", "--negative", "blurry", "--set", "text_to_image.guidance_scale=1")
    shown = cli(*asked, "--preset", "draft", "--dry-run")
    assert shown.code == 0
    assert "model poster\n" in shown.err
    assert "starts from      a prompt, an image, an image and a mask\n" in shown.err
    assert "negative prompt  acts at a guidance scale above 1\n" in shown.err
    assert "warning: text_to_image: The negative prompt was left out" in shown.err


def test_a_failed_stage_is_exit_1_and_keeps_what_was_made(cli: Cli) -> None:
    failed = cli("run", "a house", engines=fake_engines(fail_on="upscale"))
    assert failed.code == 1
    assert failed.out == ""
    assert "error: upscaler: The fake engine was asked to fail on upscale." in failed.err
    assert "generated_detailed.png" in failed.err
    assert "ninefold run --resume ninefold-out" in failed.err
    assert "Traceback" not in failed.err


def test_a_failed_run_as_json(cli: Cli) -> None:
    failed = cli("run", "a house", "--json", engines=fake_engines(fail_on="upscale"))
    document = failed.document
    assert failed.code == 1
    assert set(document) == KEYS
    assert document["status"] == "failed"
    assert document["error"]["stage"] == "upscaler"
    assert [item["name"] for item in document["artifacts"]][-1] == "generated_detailed.png"


def test_with_count_one_failure_does_not_stop_the_others(cli: Cli) -> None:
    engines = fake_engines(fail_on="text_to_image", fail_times=1)
    done = cli("run", "a house", "--preset", "draft", "--count", 2, "--json", engines=engines)
    assert done.code == 1
    statuses = [job["status"] for job in done.document["jobs"]]
    assert sorted(statuses) == ["failed", "succeeded"]  # they run side by side


def test_a_bug_is_one_line_and_a_file_with_the_traceback(cli: Cli) -> None:
    engines = fake_engines(fail_on="upscale", error=ZeroDivisionError)
    failed = cli("run", "a house", engines=engines)
    assert failed.code == 1
    assert "upscaler: ZeroDivisionError" in failed.err
    assert "Traceback" not in failed.err
    (report,) = Path("ninefold-out").glob("*/error.txt")
    assert str(report.absolute()) in failed.err
    assert "ZeroDivisionError" in report.read_text()


def test_debug_shows_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NINEFOLD_DEBUG", "1")
    engines = fake_engines(fail_on="upscale", error=ZeroDivisionError)
    assert "Traceback" in cli("run", "a house", engines=engines).err


def test_resume_goes_on_at_the_first_open_stage(cli: Cli) -> None:
    failed = cli("run", "a house", "--seed", 7, "--json", engines=fake_engines(fail_on="upscale"))
    folder = Path("ninefold-out") / failed.document["job_id"]
    moved = folder.rename("elsewhere")
    engines, requests = recording_engines()
    done = cli("run", "--resume", moved, "--json", engines=engines)
    assert done.code == 0
    assert "[4/9] detailer        done before" in done.err
    assert all(type(request).__name__ == "ImageToImage" for request in requests)  # the restorer's
    assert done.document["error"] is None
    whole = cli("run", "a house", "--seed", 7, "--json").document
    made = [{item["name"]: item["sha256"] for item in doc["artifacts"]} for doc in
            (done.document, whole)]  # fmt: skip
    stages = [name for name in made[0] if name.startswith("generated")]
    assert [made[0][name] for name in stages] == [made[1][name] for name in stages]


def test_resume_of_a_finished_run_lists_its_files(cli: Cli) -> None:
    done = cli("run", "a house", "--preset", "draft")
    again = cli("run", "--resume", done.files[0].parent.parent)
    assert again.code == 0
    assert again.files == done.files


def test_resume_of_a_failed_first_stage_does_not_take_its_own_image(cli: Cli) -> None:
    config = "stages: [{stage: prompt}, {stage: text_to_image}, {stage: inspector, params: %s}]"
    Path("strict.yaml").write_text(config % "{on_fail: fail, min_sharpness: 1e9}")
    failed = cli("run", "a house", "--config", "strict.yaml", "--json")
    folder = Path("ninefold-out") / failed.document["job_id"]
    again = cli("run", "--resume", folder, "--json")
    assert again.code == failed.code == 1
    assert len(again.document["metadata"]["inspector"]["attempts"]) == 1


def test_the_prompt_may_stand_in_the_config(cli: Cli) -> None:
    Path("mine.yaml").write_text(
        "prompt: a green tent\nnegative_prompt: fog\n"
        "stages: [{stage: prompt}, {stage: text_to_image}, {stage: publisher}]\n"
    )
    done = cli("run", "--config", "mine.yaml", "--seed", "1", "--json")
    assert done.code == 0, done.err
    metadata = done.document["metadata"]["prompt"]
    assert (metadata["prompt"], metadata["negative_prompt"]) == ("a green tent", "fog")
    tagged = cli("run", "--config", "mine.yaml", "--lora", "sketch:0.5", "--json").document
    assert tagged["metadata"]["prompt"]["loras"][0]["name"] == "sketch"
    other = cli("run", "a house", "--config", "mine.yaml", "--json").document
    assert other["metadata"]["prompt"]["prompt"] == "a house"
