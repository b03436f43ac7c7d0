"""Models of the Hugging Face hub: in its cache on this machine, or fetched where that is allowed.

Nothing here asks the network unless `fetch` is called.
"""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ninefold.core.errors import ModelError
from ninefold.engines.configs import read_json
from ninefold.engines.file_memory import size_and_time
from ninefold.engines.hub_download import HubRepository, Report
from ninefold.engines.layouts import Layout, Precision, read_index
from ninefold.engines.references import HubName
from ninefold.engines.weight_files import pick, weight_files

INDEX = "model_index.json"
#: What a component needs beside its weights, such as words of tokenizers and chat templates.
_BESIDE_WEIGHTS = re.compile(r".*\.(json|txt|jinja|model)")
#: Below a repository in the cache, the folders and files that change with what it holds.
_KEPT_IN = ("refs/*", "snapshots/*", "snapshots/*/*")
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


def cache_state() -> Hashable:
    """Equal for as long as no file was added to the hub's cache or left it; a second behind."""
    from huggingface_hub import constants

    return _cache_state(Path(constants.HF_HUB_CACHE).expanduser(), int(time.monotonic()))


@lru_cache(maxsize=1)
def _cache_state(home: Path, _second: int) -> Hashable:
    folders = (path for part in _KEPT_IN for path in home.glob(f"models--*/{part}"))
    return tuple((str(path), size_and_time(path)) for path in sorted(folders))


def find(name: HubName, *, allow_download: bool, precision: Precision) -> Path:
    """The folder of a model: of the cache, fetched or completed first where that is allowed.

    What is there is used where the hub does not answer. Raises `ModelError` that says why it
    cannot be had and what to do.
    """
    folder = cached_folder(name)
    if allow_download:
        try:
            return fetch(name, precision)
        except ModelError:
            if folder is None:
                raise
    if folder is None:
        raise ModelError(f"{name} is not on this machine. {how_to_fetch(name)}")
    return folder


def fetch(
    name: HubName,
    precision: Precision,
    report: Report = lambda *_: None,
    *,
    without: frozenset[str] = frozenset(),
) -> Path:
    """Download what a model needs, in one precision, and return its folder.

    What is in the cache already is not fetched again, and of the components `without` no weights.
    Raises `ModelError`.
    """
    repository = HubRepository.look_up(name, report)
    if INDEX not in repository.files:
        raise ModelError(f"{name} is no diffusers model: it has no {INDEX}.")
    return repository.fetch(pipeline_files(repository, precision, without))


def pipeline_files(
    repository: HubRepository, precision: Precision, without: frozenset[str] = frozenset()
) -> Iterator[str]:
    """The files of a repository that its pipeline is read from; raises `ModelError`."""
    name = repository.name
    with TemporaryDirectory() as folder:  # the model shows in the cache when it is whole
        (Path(folder) / INDEX).write_bytes(repository.read(INDEX))
        layout = read_index(Path(folder), str(name))
    return needed_files(repository.files, layout, str(name), precision, name.variant, without)


def needed_files(
    files: Iterable[str],
    layout: Layout,
    where: str,
    precision: Precision,
    variant: str | None = None,
    without: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """Of all files of a repository, those that the pipeline is read from: weights once, in the
    precision that suits by their names. Raises `ModelError` where some are missing."""
    by_folder: dict[str, list[str]] = {}
    for file in files:
        path = PurePosixPath(file)
        by_folder.setdefault(path.parent.as_posix(), []).append(path.name)
    yield INDEX
    names = frozenset(component.name for component in layout.components)
    for component in layout.components:
        there = by_folder.get(component.name, [])
        yield from (f"{component.name}/{name}" for name in there if _BESIDE_WEIGHTS.fullmatch(name))
        if not component.is_network or component.name in without:
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


def cached_tokenizer(kind: str, words: int) -> Path | None:
    """The folder of a tokenizer (`CLIP`, `T5`) of any model in the hub's cache that knows as many
    words as an encoder has, or hardly fewer; None where there is none."""
    from huggingface_hub import constants

    snapshots = Path(constants.HF_HUB_CACHE).expanduser().glob("models--*/snapshots/*")
    for snapshot in sorted(snapshots):
        for folder in (snapshot, *sorted(snapshot.glob("tokenizer*"))):
            config = folder / "tokenizer_config.json"
            if not config.is_file():
                continue
            try:
                name = str(read_json(config).get("tokenizer_class", ""))
                if name.startswith(kind) and _knows(folder, words):
                    return folder
            except ModelError:  # damaged, and of another model
                continue
    return None


def _knows(folder: Path, words: int) -> bool:
    if (vocabulary := folder / "vocab.json").is_file():
        return len(read_json(vocabulary)) == words
    if (whole := folder / "tokenizer.json").is_file():
        model = read_json(whole).get("model")
        count = len(model.get("vocab", ())) if isinstance(model, dict) else 0
        return words - 256 <= count <= words
    return False
