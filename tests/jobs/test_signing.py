"""Jobs whose files are signed: their key and manifests lie in the data folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ninefold import ConfigError, PipelineConfig
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.files.decode import decode
from ninefold.files.manifest_store import KEYS, MANIFESTS, ManifestStore
from ninefold.jobs import Job
from ninefold.testing import fake_engines
from tests.certificates import issue, validation
from tests.files.claims import UNTRUSTED
from tests.jobs.conftest import INPUT, Place
from tests.support import run

SIGNED = PipelineConfig.parse(
    {
        "stages": [
            {"stage": "prompt"},
            {"stage": "text_to_image"},
            {"stage": "publisher", "params": {"sign": True}},
        ]
    }
)


def signed_file(place: Place, job: Job) -> bytes:
    (output,) = job.outputs
    return (place.data / "jobs" / job.id / output.name).read_bytes()


def test_a_rerun_signs_anew_and_the_cache_keeps_what_was_signed(here: Place) -> None:
    async def scenario() -> None:
        async with here.jobs() as jobs:
            first = await jobs.wait((await jobs.submit(SIGNED, INPUT)).id, 60)
            cached = await jobs.wait((await jobs.submit(SIGNED, INPUT)).id, 60)
            anew = await jobs.wait((await jobs.submit(SIGNED, INPUT, cache=False)).id, 60)
            files = [signed_file(here, job) for job in (first, cached, anew)]
        for data in files:
            assert validation(data, "image/png") == ("Valid", UNTRUSTED)
        assert files[0] == files[1] != files[2]
        identifiers = {job.metadata["publisher"]["identifier"] for job in (first, cached, anew)}
        store = ManifestStore(here.data / MANIFESTS)
        assert {item.hex() for item in store.identifiers()} == identifiers
        assert len(identifiers) == 1

    run(scenario())


def test_a_rerun_of_the_publisher_signs_the_same_pixels_anew(here: Place) -> None:
    async def scenario() -> None:
        async with here.jobs() as jobs:
            # Else the rerun gets the signed file of before from the cache.
            first = await jobs.wait((await jobs.submit(SIGNED, INPUT, cache=False)).id, 60)
            store = ManifestStore(here.data / MANIFESTS)
            (identifier,) = store.identifiers()
            before = store.find(identifier)
            child = await jobs.rerun(first.id, from_stage="publisher")
            again = await jobs.wait(child.id, 60)
            assert "text_to_image" in again.reused
            files = [signed_file(here, job) for job in (first, again)]
        assert files[0] != files[1]
        assert validation(files[1], "image/png") == ("Valid", UNTRUSTED)
        assert np.array_equal(decode(files[0]), decode(files[1]))
        assert list(store.identifiers()) == [identifier]
        after = store.find(identifier)
        assert before is not None
        assert after is not None
        assert first.id in before.record.decode()
        assert again.id in after.record.decode()
        (kept,) = after.c2pa.values()
        assert kept in files[1]

    run(scenario())


def test_another_certificate_is_no_matter_for_the_cache(here: Place, tmp_path: Path) -> None:
    issued = issue()
    settings = read_settings(SigningSettings, issued.write(tmp_path / "keys"))

    async def scenario() -> None:
        async with here.jobs() as jobs:
            await jobs.wait((await jobs.submit(SIGNED, INPUT)).id, 60)
        engines = replace(fake_engines(), signing=settings)
        async with here.jobs(engines=engines) as jobs:
            job = await jobs.wait((await jobs.submit(SIGNED, INPUT)).id, 60)
            data = signed_file(here, job)
        assert job.metadata["text_to_image"]["cached"] is True
        assert "cached" not in job.metadata["publisher"]
        assert validation(data, "image/png", issued.anchor) == ("Trusted", [])
        kept = [path for path in here.data.rglob("*") if path.is_file()]
        secret = (tmp_path / "keys" / "key.pem").read_bytes().splitlines()[1]
        own = here.data / KEYS / "self-made.pem"
        assert not [path for path in kept if path != own and secret in path.read_bytes()]
        holders = [path for path in kept if b"PRIVATE KEY" in path.read_bytes()]
        assert holders == [own]

    run(scenario())


def test_an_expired_certificate_is_refused_when_it_is_submitted(
    here: Place, tmp_path: Path
) -> None:
    settings = read_settings(SigningSettings, issue(days=(-9, -1)).write(tmp_path / "keys"))

    async def scenario() -> None:
        async with here.jobs(engines=replace(fake_engines(), signing=settings)) as jobs:
            with pytest.raises(ConfigError, match=r"publisher\.sign: .* expired on"):
                await jobs.submit(SIGNED, INPUT)
        assert not (here.data / "jobs").exists() or not list((here.data / "jobs").iterdir())

    run(scenario())
