"""How a diffusion model is named: what it is, at which revision, in which precision, with whose
components.

    folder/of/a/model            a diffusers folder; `folder/of/a/model:bf16` for one precision
    model.safetensors            a single file
    owner/name                   a model of the hub
    owner/name@v1.1:fp16         one revision (a branch, a tag or a commit), one precision
    flux.gguf|owner/name         a single file, and where its other components come from
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.core.paths import expand_home

_HUB_NAME = re.compile(
    r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)"
    r"(?:@(?P<revision>[\w][\w./-]*))?(?::(?P<variant>\w+))?"
)
_VARIANT = re.compile(r"(?P<path>.+):(?P<variant>\w+)", re.DOTALL)
_WITH = "|"


@dataclass(frozen=True)
class HubName:
    """A repository of the hub."""

    repository: str
    #: A branch, a tag or a commit; None for the main branch.
    revision: str | None = None
    #: The precision that its files are named by, such as `fp16`; None for what suits.
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubName | None:
        """Read `owner/name@revision:variant`; None for any other text."""
        found = _HUB_NAME.fullmatch(text)
        return None if found is None else cls(**found.groupdict())

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.repository}{at}{_ending(self.variant)}"


@dataclass(frozen=True)
class LocalPath:
    """A folder or a file that is there."""

    path: Path
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> LocalPath | None:
        """Read a path, of a folder with a variant too; None where there is nothing."""
        path = expand_home(text)
        if _exists(path):
            return cls(path)
        found = _VARIANT.fullmatch(text)
        if found is not None and (folder := expand_home(found["path"])).is_dir():
            return cls(folder, found["variant"])
        return None


def with_components(model: str, components: str | None) -> str:
    """One text for a model and where the components come from that it lacks."""
    return f"{model}{_WITH}{components}" if components else model


def split_components(reference: str) -> tuple[str, str | None]:
    """The model of a reference, and where its other components come from.

    Raises `ModelError` for one that names no model, or components twice.
    """
    if _WITH not in reference or _exists(expand_home(reference)):
        return reference, None
    model, _, components = reference.partition(_WITH)
    if not model or not components or _WITH in components:
        raise ModelError(
            f"{reference!r}: expected a model, or a model and its components as MODEL|COMPONENTS."
        )
    return model, components


def model_of(reference: str) -> str:
    """The model of a reference, whatever it says of components."""
    return reference if _exists(expand_home(reference)) else reference.partition(_WITH)[0]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than names may be, or with a null byte
        return False


def _ending(variant: str | None) -> str:
    return f":{variant}" if variant else ""
