"""Published files that are signed: reproducible, kept, without secrets, and what stops them."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import PipelineContext, SigningError
from ninefold.core.atomic import write_atomic
from ninefold.core.values import Output
from ninefold.engines.engine_set import EngineSet
from ninefold.files.manifest_store import ManifestStore
from ninefold.files.signing.sign import FileSigner
from ninefold.slots import OUTPUTS
from ninefold.stages import PublisherStage
from ninefold.testing import fake_engines
from tests.certificates import issue, validation
from tests.files.claims import UNTRUSTED

from ..support import box_mask, files_in, picture, pixels_of, run
from .signing import FULL, only, published, with_settings


def pairs(first: PipelineContext, second: PipelineContext) -> list[tuple[Output, Output]]:
    ours: tuple[Output, ...] = first[OUTPUTS]
    theirs: tuple[Output, ...] = second[OUTPUTS]
    return list(zip(ours, theirs, strict=True))


# -- reproducible, cached, kept -------------------------------------------------------------------


def test_pixels_and_identifier_are_the_same_each_time(tmp_path: Path) -> None:
    one, two = (published(tmp_path / name) for name in ("one", "two"))
    for first, second in pairs(one, two):
        assert np.array_equal(pixels_of(first.path), pixels_of(second.path))
    assert one.metadata["publisher"]["identifier"] == two.metadata["publisher"]["identifier"]
    other = published(tmp_path / "other", seed=8)
    assert other.metadata["publisher"]["identifier"] != one.metadata["publisher"]["identifier"]


def test_signing_changes_nothing_but_the_signature(tmp_path: Path) -> None:
    # The watermark carries what the record says, and that holds the config.
    unmarked = FULL.with_settings(["publisher.watermark=false"])
    signed = published(tmp_path / "signed", unmarked)
    plain = published(tmp_path / "plain", unmarked.with_settings(["publisher.sign=false"]))
    for first, second in pairs(signed, plain):
        assert np.array_equal(pixels_of(first.path), pixels_of(second.path))
    assert "signed" not in plain.metadata["publisher"]


def test_another_certificate_is_another_fingerprint(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path / "job", image=picture(64, 48))

    def fingerprint(engines: EngineSet, **params: Any) -> Any:
        return PublisherStage(engines=engines, **params).fingerprint(context)

    plain = fake_engines()
    keys = [with_settings(plain, **issue().write(tmp_path / name)) for name in "ab"]
    first, second = (fingerprint(engines, sign=True) for engines in keys)
    assert first != second
    assert first == fingerprint(keys[0], sign=True)
    assert fingerprint(keys[0]) == fingerprint(keys[1])


def test_manifests_are_kept_by_identifier(tmp_path: Path) -> None:
    engines = replace(fake_engines(), marks=tmp_path / "data")
    context = published(tmp_path / "job", FULL, engines)
    identifier = bytes.fromhex(context.metadata["publisher"]["identifier"])
    store = ManifestStore(tmp_path / "data" / "manifests")
    assert list(store.identifiers()) == [identifier]
    found = store.find(identifier)
    assert found is not None
    assert found.record == (tmp_path / "job" / "outputs" / "manifest.json").read_bytes()
    assert set(found.c2pa) == {output.path.name for output in context[OUTPUTS][:4]}
    png = context[OUTPUTS][0]
    assert found.c2pa[png.path.name] in png.path.read_bytes()
    assert (tmp_path / "data" / "signing" / "self-made.pem").exists()


def test_a_store_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifests").write_text("in the way")
    engines = replace(fake_engines(), marks=tmp_path / "data")
    context = published(tmp_path / "job", only("prompt", "text_to_image"), engines)
    (warning,) = context.metadata["publisher"]["warnings"]
    assert "manifest could not be kept" in warning
    assert validation(context[OUTPUTS][0].path.read_bytes(), "image/png")[0] == "Valid"


def test_no_path_and_no_key_is_in_any_file(tmp_path: Path) -> None:
    folder = tmp_path / "home-of-a-user"
    issued = issue()
    engines = with_settings(fake_engines(), **issued.write(folder / "keys"))
    mask = box_mask(128, 128, (30, 30, 90, 90))
    prompt = f"a house, {folder}/photo.png"
    context = published(folder / "job", FULL, engines, prompt=prompt, mask=mask)
    secret = (folder / "keys" / "key.pem").read_text().splitlines()[1]
    for name in files_in(context.workdir):
        data = (context.workdir / name).read_bytes()
        for text in (str(tmp_path), "home-of-a-user", secret, "PRIVATE KEY"):
            assert text.encode() not in data, f"{text} in {name}"
    assert secret not in context.to_json().replace("\\n", "")
    for output in context[OUTPUTS][:4]:
        state = validation(output.path.read_bytes(), output.media_type, issued.anchor)
        assert state == ("Trusted", [])


# -- what stops it --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"days": (-9, -1)}, {"purpose": None}])
def test_a_certificate_that_cannot_sign_is_found_before_anything_is_painted(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    engines = with_settings(fake_engines(), **issue(**options).write(tmp_path / "keys"))
    context = PipelineContext(tmp_path / "job", prompt="a house", seed=7)
    pipeline = FULL.build(engines)
    (problem,) = pipeline.problems(context)
    assert problem.startswith("publisher.sign: the certificate")
    run(pipeline.execute(context))
    assert context.error is not None
    assert context.error.user_error
    assert not [name for name in files_in(tmp_path / "job") if name.startswith("outputs/")]


def test_a_command_that_fails_leaves_the_stages_files(tmp_path: Path) -> None:
    files = issue().write(tmp_path / "keys")
    files["NINEFOLD_SIGN_COMMAND"] = "false"
    del files["NINEFOLD_SIGN_KEY"]
    context = PipelineContext(tmp_path / "job", prompt="a house", seed=7)
    run(FULL.build(with_settings(fake_engines(), **files)).execute(context))
    assert context.error is not None
    assert "NINEFOLD_SIGN_COMMAND: expected a signature" in context.error.message
    assert "generated_finished.png" in files_in(tmp_path / "job")
    assert not [name for name in files_in(tmp_path / "job") if name.startswith("outputs/")]


def test_a_file_that_cannot_be_signed_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = FileSigner.sign

    def but_webp(self: FileSigner, data: bytes, claim: Any) -> Any:
        if claim.media_type == "image/webp":
            raise SigningError("the time stamp authority gave none. Try again.")
        return sign(self, data, claim)

    monkeypatch.setattr(FileSigner, "sign", but_webp)
    context = published(tmp_path)
    formats = [output.format for output in context[OUTPUTS]]
    assert formats == ["png", "jpeg", "avif", "webp"]  # the last is the thumbnail
    (warning,) = context.metadata["publisher"]["warnings"]
    assert warning == (
        "outputs/poster-7.webp was left out: the time stamp authority gave none. Try again."
    )


def test_a_format_without_a_place_for_it_is_written_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileSigner, "can_sign", lambda self, media_type: media_type != "image/webp")
    config = only("prompt", "text_to_image", formats=["png", "webp"])
    context = published(tmp_path, config)
    assert len(context[OUTPUTS]) == 2
    (warning,) = context.metadata["publisher"]["warnings"]
    assert warning == "outputs/job.webp is not signed: webp has no place for that."
    assert context.metadata["publisher"]["signed"]["files"] == ["outputs/job.png"]


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, count = write_atomic, iter(range(100))

    def full(path: Path, data: bytes) -> None:
        if path.parent.name == "outputs" and next(count) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr("ninefold.files.store.write_atomic", full)
    context = PipelineContext(tmp_path, prompt="a house", seed=7)
    run(FULL.build(fake_engines()).execute(context))
    assert context.error is not None
    assert "No space left" in context.error.message
    outputs = [name for name in files_in(tmp_path) if name.startswith("outputs/")]
    assert outputs == ["outputs/poster-7.png"]
    assert validation((tmp_path / outputs[0]).read_bytes(), "image/png") == ("Valid", UNTRUSTED)
