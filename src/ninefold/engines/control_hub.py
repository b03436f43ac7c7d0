"""Control models of the Hugging Face hub, and what of their repositories is fetched.

owner/name                            a network in a repository of its own
owner/name@v1.1:fp16                  one revision (whose name has no `/`), one precision
owner/name/models/style.safetensors   a file or a folder in a repository
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ninefold.core.errors import ModelError
from ninefold.engines.hub import cached_folder, how_to_fetch
from ninefold.engines.hub_download import HubRepository
from ninefold.engines.ip_adapters import ENCODERS, image_encoder_folder, ip_adapter_info
from ninefold.engines.references import HubName
from ninefold.engines.settings import EngineSettings
from ninefold.engines.weight_files import pick, weight_files
from ninefold.engines.weight_headers import pickle_refused, read_safetensors

_CONFIG, _WEIGHTS = "config.json", ".safetensors"
#: No part of the path begins with a dot, so none leads out of the repository.
_REFERENCE = re.compile(r"(?P<name>[^/]+/[^/]+)(?P<inside>(?:/[\w-][\w.-]*)*)")


@dataclass(frozen=True)
class ControlInHub:
    """A repository, or a file or folder in it."""

    name: HubName
    #: A path; `.safetensors` may be left out. Empty for the repository itself.
    inside: str = ""

    @classmethod
    def parse(cls, text: str) -> ControlInHub | None:
        """Read `owner/name@revision:variant/inside`; None for any other text."""
        if (found := _REFERENCE.fullmatch(text)) is None:
            return None
        name = HubName.parse(found["name"])
        return None if name is None else cls(name, found["inside"].strip("/"))

    def __str__(self) -> str:
        return f"{self.name}/{self.inside}" if self.inside else str(self.name)

    def find(self, settings: EngineSettings) -> Path:
        """The file or folder: of the cache, fetched or completed first where that is allowed.

        What is there is used where the hub does not answer. Raises `ModelError` that says why it
        cannot be had and what to do.
        """
        folder = cached_folder(self.name)
        there = None if folder is None else self._below(folder)
        if settings.allow_download:
            try:
                repository = HubRepository.look_up(self.name)
            except ModelError:
                if there is None:
                    raise
            else:
                there = self._below(self._fetch(repository, settings))
        if there is None:
            raise ModelError(f"{self} is not on this machine. {how_to_fetch(self.name)}")
        return there

    def _below(self, folder: Path) -> Path | None:
        path = folder / self.inside
        names = (path, path.with_name(f"{path.name}{_WEIGHTS}"))
        return next((name for name in names if name.exists()), None)

    def _fetch(self, repository: HubRepository, settings: EngineSettings) -> Path:
        names = (self.inside, f"{self.inside}{_WEIGHTS}")
        file = next((name for name in names if name in repository.files), None)
        if file is None:
            return repository.fetch(self._network(repository, self.inside or ".", settings))
        if not file.endswith(_WEIGHTS):
            raise self._unfit(repository, f"expected a {_WEIGHTS} file, got {file}.")
        snapshot = repository.fetch([file, *_configs(repository, file)])
        path = snapshot / file
        if ip_adapter_info(str(self), read_safetensors(path).shapes) is not None:
            encoder = image_encoder_folder(str(self), path, settings.control)
            if encoder.is_relative_to(snapshot):
                folder = encoder.relative_to(snapshot).as_posix()
                repository.fetch(self._network(repository, folder, settings))
        return snapshot

    def _network(
        self, repository: HubRepository, folder: str, settings: EngineSettings
    ) -> Iterator[str]:
        """The configs of a network in a folder, and its weights in one precision."""
        paths = map(PurePosixPath, repository.files)
        names = [path.name for path in paths if path.parent == PurePosixPath(folder)]
        if _CONFIG not in names:
            raise self._unfit(repository, f"there is no such file, and no {_CONFIG} in it.")
        where = f"{self.name}/{folder}" if folder != "." else str(self.name)
        chosen = pick(weight_files(names, where), lambda: "float16", variant=self.name.variant)
        if chosen is None:
            raise self._unfit(repository, f"{where} holds no weights that diffusers reads.")
        if chosen.format != "safetensors" and not settings.allow_pickle:
            raise pickle_refused(f"{where}/{chosen.names[0]}")
        configs = [name for name in names if name.endswith(".json")]
        yield from ((PurePosixPath(folder) / name).as_posix() for name in (*configs, *chosen.names))

    def _unfit(self, repository: HubRepository, reason: str) -> ModelError:
        files = [path for path in repository.files if path.endswith(_WEIGHTS)]
        some = ", ".join(files[:5]) or f"no {_WEIGHTS} file"
        more = f" and {len(files) - 5} more" if len(files) > 5 else ""
        return ModelError(
            f"{self}: {reason} The repository holds {some}{more}. Name one as "
            f"{self.name.repository}/FILE, or the folder of a network."
        )


def _configs(repository: HubRepository, file: str) -> Iterator[str]:
    """The configs that say what a file is, and those of the image encoders that may go with it."""
    path = PurePosixPath(file)
    beside = [path.with_suffix(".json"), path.with_suffix("") / _CONFIG, path.with_name(_CONFIG)]
    roots = dict.fromkeys((path.parent, path.parent.parent))
    encoders = [root / name / _CONFIG for root in roots for name in ENCODERS]
    for config in dict.fromkeys((*beside, *encoders)):
        if config.as_posix() in repository.files:
            yield config.as_posix()
