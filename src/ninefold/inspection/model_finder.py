"""Models that files name, among those at hand: by their hash, else by their name. No weights are
read for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ninefold.core.errors import ModelError, UserError
from ninefold.core.model_refs import ModelRef
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.file_memory import FileMemory, FileStamp, memory_key
from ninefold.engines.hashing import SHORT_ADDED_HASH, SHORT_HASH
from ninefold.files.readers.values import file_stem
from ninefold.model_catalog import described

Kind = Literal["diffusion", "lora", "embedding", "detector", "upscaler", "control"]

_REMEDY = (
    "`ninefold models add FILE` adds it, NINEFOLD_MODEL_FOLDERS names folders to look in, "
    "`ninefold models list` shows what there is."
)
_SHOWN: Mapping[Kind, str] = {"diffusion": "model", "lora": "LoRA", "control": "control model"}
#: Digits that tell a file; fewer may be another's.
_LEAST_DIGITS = 8


@dataclass(frozen=True)
class FoundModel:
    """A model that a file names, and what it is here."""

    kind: Kind
    name: str
    hash: str = ""
    #: Its name here; None where it is not at hand.
    here: str | None = None
    found_by: Literal["hash", "name"] | None = None
    #: What there is to say of it, beside that it is not at hand.
    note: str = ""

    @property
    def title(self) -> str:
        """What it is, for people."""
        known = f" (hash {self.hash[:SHORT_ADDED_HASH]})" if self.hash else ""
        return f"{_SHOWN.get(self.kind, self.kind)} {self.name or 'without a name'}{known}"

    def document(self) -> Json:
        """As JSON values, without what is empty."""
        found = {**vars(self), "at_hand": self.here is not None}
        return {key: value for key, value in found.items() if value not in (None, "")}


@dataclass(frozen=True)
class ModelFinder:
    """Looks models up. `served` are the names of a kind that may be named; by default all at
    hand. `remedy` says what to do for one that is not."""

    engines: EngineSet
    served: Callable[[ModelRef], Sequence[str]] | None = None
    remedy: str = _REMEDY

    def find(self, kind: Kind, name: str, digest: str = "") -> FoundModel:
        """The model of a name, a hash or both."""
        names = self.names(kind)
        if len(digest) >= _LEAST_DIGITS:
            for here, known in self._hashes(kind, names):
                if known.startswith(digest):
                    return FoundModel(kind, name or here, digest, here, "hash")
        plain = file_stem(name).lower()
        same = [here for here in names if name in (here, file_stem(here))]
        same = same or [here for here in names if file_stem(here).lower() == plain]
        if name and len(same) == 1:
            note = self._other(kind, same[0], digest)
            return FoundModel(kind, name, digest, same[0], "name", note)
        several = f"{kind} {name!r} may mean {', '.join(map(repr, same))}. Name one of these."
        return FoundModel(kind, name, digest, note=several if len(same) > 1 else "")

    def names(self, kind: Kind) -> Sequence[str]:
        """The models of a kind that may be named."""
        if kind == "lora":
            return self.engines.diffusion.loras()
        if kind == "embedding":
            return self.engines.diffusion.embeddings()
        return (self.served or self.engines.models)(ModelRef(kind))

    def detector_for(self, label: str) -> str | None:
        """The first detector that finds things of this label, as far as headers tell."""
        local = {model.name: model for model in self.engines.local_models.models("detector")}
        for name in self.names("detector"):
            if name in local:
                labels = local[name].identity.details.get("names", "")
                if re.search(rf"\b{re.escape(label)}\b", labels):
                    return name
                continue
            with suppress(UserError):  # built in, and small
                if label in self.engines.detection.labels(name):
                    return name
        return None

    def _hashes(self, kind: Kind, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What is remembered of files' hashes, by the models' names; and those of built-in ones."""
        local = {model.name: model for model in self.engines.local_models.models(kind)}
        for name in names:
            if name in local:
                path = local[name].place.path
                if (known := self._remembered.get(memory_key(path))) is None:
                    continue
                with suppress(ModelError):
                    if FileStamp.of(path) == known[0]:
                        yield name, known[1]
            elif kind == "diffusion":
                with suppress(ModelError):
                    yield name, described(self.engines, name).hash or "-"

    @cached_property
    def _remembered(self) -> Mapping[str, tuple[FileStamp, str]]:
        return FileMemory.of_user().recall_all("sha256")

    def _other(self, kind: Kind, here: str, digest: str) -> str:
        """What to say of a file of the same name and another hash."""
        known = dict(self._hashes(kind, [here])).get(here, "")
        if not digest or len(known) < _LEAST_DIGITS:
            return ""
        return (
            f"{here!r} here has the hash {known[:SHORT_HASH]}, the file names "
            f"{digest[:SHORT_HASH]}: it is another version, or was converted."
        )
