"""Schemathesis over the OpenAPI document of a real server: `python -m tests.server.fuzz.run`.

All checks, in all phases: examples, boundaries, random data, and chains of calls. The server runs
jobs on the fake engines; jobs, groups, uploads and a key are there before it begins.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from tests.forked import ROOT, output
from tests.server.conftest import png
from tests.server.process import ServerProcess, server

HERE = Path(__file__).resolve().parent
#: Limits that random calls should not run into, and small work.
SETTINGS = {
    "NINEFOLD_RATE": "1000000",
    "NINEFOLD_BURST": "1000000",
    "NINEFOLD_MAX_QUEUED": "1000000",
    "NINEFOLD_MAX_QUEUED_PER_KEY": "1000000",
    "NINEFOLD_MAX_GROUP": "3",
    "NINEFOLD_MAX_OUTPUT_PIXELS": str(2**20),
    "NINEFOLD_WEBHOOK_ALLOW": "127.0.0.0/8",
    "OPENBLAS_NUM_THREADS": "1",
}
#: Jobs and uploads that `DELETE` may take away.
DISPOSABLE = 6


def fuzz(
    examples: int, arguments: Sequence[str] = (), *, shown: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run it with `examples` per operation; its output, kept or `shown`, has every failure."""
    with tempfile.TemporaryDirectory(prefix="nf-fuzz-") as name:
        data = Path(name) / "data"
        key = _ninefold("keys", "create", "fuzz", "--scope", "admin", "--data", str(data))
        with server(data, environment=SETTINGS) as there:
            ids = _filled(there, key)
            command = [
                *(str(Path(sys.executable).with_name("schemathesis")), "--no-color"),
                *("--config-file", str(HERE / "schemathesis.toml"), "run"),
                f"{there.url}/openapi.json",
                *("--checks", "all", "--max-examples", str(examples)),
                *("--header", f"Authorization: Bearer {key}"),
                *("--seed", "1", "--request-timeout", "120", "--continue-on-failure"),
                *("--generation-database", "none", "--suppress-health-check", "all"),
                *arguments,
            ]
            environment = {
                **os.environ,
                "FUZZ_IDS": json.dumps(ids),
                "SCHEMATHESIS_HOOKS": "tests.server.fuzz.hooks",
                "PYTHONPATH": os.pathsep.join(
                    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
                ),
            }
            return subprocess.run(
                command,
                cwd=name,
                env=environment,
                capture_output=not shown,
                text=True,
                check=False,
            )


def _filled(there: ServerProcess, key: str) -> dict[str, list[str]]:
    """Real things, by what the API calls their ids."""
    with there.client(headers={"Authorization": f"Bearer {key}"}) as client:
        uploads = [_upload(client, seed) for seed in range(DISPOSABLE + 1)]
        mask = _upload(client, 99, "mask")
        asked = {
            "preset": "draft",
            "input": {"prompt": "a red house", "seed": 7},
            "webhook": {"url": "http://127.0.0.1:9/"},
        }
        jobs = [_ended(client, client.post("/v1/jobs", json=asked)) for _ in range(DISPOSABLE + 2)]
        several = {"preset": "draft", "inputs": [{"prompt": "a tent"}], "count": 2}
        several["webhook"] = asked["webhook"]
        group = client.post("/v1/groups", json=several).json()
        for job in group["jobs"]:
            _ended(client, httpx2.Response(202, json=job))
        models = [model["id"] for model in client.get("/v1/models").json()["data"]]
        pictures = [base64.b64encode(png(seed=seed)).decode() for seed in range(2)]
        files = [item["name"] for item in (*jobs[0]["artifacts"], *jobs[0]["outputs"])]
        return {
            "job_id": [job["id"] for job in jobs[:2]],
            "delete_job_id": [job["id"] for job in jobs[2:]],
            "group_id": [group["id"]],
            "upload_id": uploads[:1],
            "delete_upload_id": uploads[1:],
            "name": files,
            "model": models,
            "body_preset": ["draft"],
            "body_model": models,
            "body_image": uploads[:1],
            "body_mask": [mask],
            "sdapi_image": pictures,
            "sdapi_data": pictures,
            "sdapi_init_images": pictures,
            "sdapi_mask": pictures,
        }


def _upload(client: httpx2.Client, seed: int, kind: str = "image") -> str:
    files = {"file": ("picture.png", png(seed=seed))}
    answer = client.post("/v1/uploads", files=files, data={"kind": kind})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _ended(client: httpx2.Client, answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    job = f"/v1/jobs/{answer.json()['id']}"
    client.get(f"{job}/events")
    found: dict[str, Any] = client.get(job).json()
    return found


def _ninefold(*arguments: str) -> str:
    return output(["-m", "ninefold", *arguments]).strip()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="per operation")
    options, others = parser.parse_known_args()
    begun = time.monotonic()
    done = fuzz(options.examples, others, shown=True)
    print(f"{time.monotonic() - begun:.0f} s, {options.examples} examples an operation")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
