"""Models of the Hugging Face hub: in its cache on this machine, or fetched where that is allowed.

Nothing here asks the network unless `fetch` is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines.layouts import Layout, Precision, read_index
from ninefold.engines.references import HubName
from ninefold.engines.weight_files import pick, weight_files

_INDEX = "model_index.json"
#: What a component needs beside its weights, such as words of tokenizers and chat templates.
_BESIDE_WEIGHTS = re.compile(r".*\.(json|txt|jinja|model)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def cached_folder(name: HubName) -> Path | None:
    """The folder of a repository in the hub's cache, whole or not; None where it is not there."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    home = Path(constants.HF_HUB_CACHE).expanduser()
    root = home / repo_folder_name(repo_id=name.repository, repo_type="model")
    revision = name.revision or constants.DEFAULT_REVISION
    try:
        commit = (root / "refs" / revision).read_text(encoding="utf-8").strip()
    except OSError:
        commit = revision if _COMMIT.fullmatch(revision) else ""
    folder = root / "snapshots" / commit
    return folder if commit and folder.is_dir() else None


def find(name: HubName, *, allow_download: bool, precision: Precision) -> Path:
    """The folder of a model: of the cache, fetched or completed first where that is allowed.

    Raises `ModelError` that says why it cannot be had and what to do.
    """
    if allow_download:
        return fetch(name, precision)
    folder = cached_folder(name)
    if folder is None:
        raise ModelError(f"{name} is not on this machine. {how_to_fetch(name)}")
    return folder


def fetch(name: HubName, precision: Precision, report: Any = None) -> Path:
    """Download what a model needs, in one precision, and return its folder.

    What is in the cache already is not fetched again. `report` is a class like tqdm's.
    Raises `ModelError`.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    with_errors = _translated(name)
    options = {"repo_id": name.repository, "revision": name.revision, "tqdm_class": report}
    first = Path(with_errors(api.snapshot_download, **options, allow_patterns=[_INDEX]))
    if not (first / _INDEX).is_file():
        raise ModelError(f"{name} is no diffusers model: it has no {_INDEX}.")
    layout = read_index(first, str(name))
    files = with_errors(
        api.list_repo_files, repo_id=name.repository, revision=name.revision or first.name
    )
    needed = needed_files(files, layout, str(name), precision, name.variant)
    escaped = [re.sub(r"([\[*?])", r"[\1]", path) for path in needed]
    return Path(with_errors(api.snapshot_download, **options, allow_patterns=escaped))


def needed_files(
    files: Iterable[str],
    layout: Layout,
    where: str,
    precision: Precision,
    variant: str | None = None,
) -> Iterator[str]:
    """Of all files of a repository, those that the pipeline is read from: weights once, in the
    precision that suits by their names. Raises `ModelError` where some are missing."""
    by_folder: dict[str, list[str]] = {}
    for file in files:
        path = PurePosixPath(file)
        by_folder.setdefault(path.parent.as_posix(), []).append(path.name)
    yield _INDEX
    names = frozenset(component.name for component in layout.components)
    for component in layout.components:
        there = by_folder.get(component.name, [])
        yield from (f"{component.name}/{name}" for name in there if _BESIDE_WEIGHTS.fullmatch(name))
        if not component.is_network:
            continue
        place = f"{where}/{component.name}"
        chosen = pick(
            weight_files(there, place),
            lambda: precision(layout.pipeline_class, names),
            variant=variant,
        )
        if chosen is None:
            raise ModelError(f"{place}: the repository holds no weights that diffusers reads.")
        yield from (f"{component.name}/{name}" for name in chosen.names)


def how_to_fetch(name: HubName | str) -> str:
    """What to do about a model that is not on this machine."""
    return (
        f"Fetch it with `ninefold models pull {name}`, set NINEFOLD_ALLOW_DOWNLOAD=1 to have it "
        "fetched when it is needed, or name a folder."
    )


def _translated(name: HubName) -> Callable[..., Any]:
    """Calls a function of the hub's client, and raises its errors as `ModelError`."""

    def call(function: Callable[..., Any], **options: Any) -> Any:
        try:
            return function(**options)
        except Exception as error:  # the client, HTTP and the disk raise types of their own
            raise ModelError(f"{name}: {_reason(error, name)}") from error

    return call


def _reason(error: BaseException, name: HubName) -> str:
    """Why a model cannot be fetched, and what to do."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"the model is gated. Accept its terms at {constants.ENDPOINT}/{name.repository}, and "
            "set HF_TOKEN to a token of that account."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no revision {name.revision!r}. Check it, or leave it out."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{constants.ENDPOINT} has no such repository, or it is private. Check the name; for a "
            "private one set HF_TOKEN."
        )
    if constants.is_offline_mode():
        return "HF_HUB_OFFLINE is set, so nothing can be fetched. Unset it, or name a folder."
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return (
            f"cannot be written to {error.filename} ({error.strerror}). Free space, or set HF_HOME."
        )
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    lines = str(root).strip().splitlines() or [""]
    return (
        f"cannot be fetched from {constants.ENDPOINT} ({type(root).__name__}: {lines[0][:200]}). "
        "Check the network, then try again: what has arrived is kept."
    )
