"""Puts the studio into wheels and source distributions: a build hook of hatchling.

A build that lies there already is taken. Where there is none, it is made, with Node at hand;
without Node the wheel has no studio, and its server's page says so. With NINEFOLD_STUDIO=required,
that stops the build instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StudioBuildHook(BuildHookInterface):
    """Builds the studio where its files are missing."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, unless the installation is of a checkout that is worked on."""
        if version == "editable":
            return
        root = Path(self.root)
        if not (root / "src/ninefold/studio/index.html").is_file():
            npm = shutil.which("npm")
            if npm is not None:
                for command in ([npm, "ci", "--silent"], [npm, "run", "--silent", "build"]):
                    subprocess.run(command, cwd=root / "studio", check=True)
            elif os.environ.get("NINEFOLD_STUDIO") == "required":
                raise RuntimeError(
                    "npm is not installed, so the studio cannot be built. Install Node 20.19 or "
                    "newer."
                )
            else:
                self.app.display_warning("npm is not installed: this wheel has no studio.")
                return
        build_data["artifacts"].append("src/ninefold/studio/**")
