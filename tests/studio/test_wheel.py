"""The wheel: it has the studio in it, and serves it where there is no Node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2 as httpx
import pytest

from ninefold.server.studio import BUILD

ROOT = Path(__file__).resolve().parents[2]


def test_a_wheel_serves_the_studio_without_node(tmp_path: Path) -> None:
    if not (BUILD / "index.html").is_file():
        pytest.skip("needs a build of the studio: make studio")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run([*pip, *wheel], check=True)
    (file,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(file).namelist()
    assert "ninefold/studio/index.html" in names
    assert not [name for name in names if "node_modules" in name or name.endswith((".ts", ".tsx"))]
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(file)], check=True)

    code = "import sys; from ninefold.cli import main; sys.exit(main(sys.argv[1:]))"
    data = str(tmp_path / "data")
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--port", "0", "--data", data, "--no-worker"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "PATH": ""},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        match = re.search(r"ninefold serves (\S+)", process.stderr.readline())
        assert match is not None, process.stderr.read()
        answer = httpx.get(f"{match[1]}/studio/", timeout=60)
        script = re.search(r'src="(/studio/assets/[^"]+\.js)"', answer.text)
        assert script is not None, answer.text
        assert httpx.get(match[1] + script[1], timeout=60).status_code == 200
        assert (
            str(site)
            in subprocess.run(
                [sys.executable, "-c", "import ninefold; print(ninefold.__file__)"],
                env={**os.environ, "PYTHONPATH": str(site)},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
    finally:
        process.terminate()
        process.wait(60)
        assert process.stderr is not None
        process.stderr.close()
