"""Models at hand, by short names: what lies in the user's folders, and what was added or pulled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.core.problems import suggest
from ninefold.engines.file_memory import FileMemory, FileStamp, memory_key
from ninefold.engines.local_models.entries import Entries
from ninefold.engines.local_models.identity import VERSION, Identity, identify
from ninefold.engines.local_models.places import SUFFIXES, Kind, Place, Search, is_folder
from ninefold.engines.references import split_components, with_components
from ninefold.engines.settings import EngineSettings

_FACT = f"identity-{VERSION}"


@dataclass(frozen=True)
class LocalModel:
    """A model at hand, and the short name that means it and no other of its kind."""

    name: str
    place: Place
    identity: Identity

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.identity.kind


class LocalModels:
    """Finds models in the folders of the settings; safe to ask from any thread.

    Folders are looked through again only where one of them has changed, and headers are read once
    for as long as their file stays as it is, by all processes together.
    """

    def __init__(self, settings: EngineSettings | None = None) -> None:
        """Nothing is looked at until it is asked for; without settings, nothing is ever."""
        self.settings = settings
        self._lock = Lock()
        self._found: _Found | None = None

    def models(self, kind: str | None = None) -> tuple[LocalModel, ...]:
        """All models, or those of a kind, by name."""
        found = self._look().models
        return tuple(model for model in found if kind in (None, model.kind))

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of all models of a kind."""
        return tuple(model.name for model in self.models(kind))

    def paths(self, kind: str) -> dict[str, Path]:
        """The paths of all models of a kind, by name."""
        return {model.name: model.place.path for model in self.models(kind)}

    def find(self, kind: str, name: str) -> LocalModel | None:
        """The model of a kind that a short name means; None where there is none.

        A name may be a file's, with its ending or without, or a path below the folder that it was
        found in. Raises `ModelError` that names all that it may mean.
        """
        found = self._look().by_name.get((kind, name), ())
        if len(found) > 1:
            raise ModelError(
                f"{name!r} may mean {len(found)} models: {', '.join(m.name for m in found)}. Name "
                "one of these, or its path."
            )
        return found[0] if found else None

    def find_all(self, kind: str, names: Iterable[str]) -> dict[str, LocalModel]:
        """The models that short names mean, by name, in one look; without those that mean none, or
        several."""
        known = self._look().by_name
        found = {name: known.get((kind, name), ()) for name in names}
        return {name: models[0] for name, models in found.items() if len(models) == 1}

    def place_of(
        self, reference: str, other_names: Collection[str]
    ) -> tuple[LocalModel | None, str]:
        """A reference to a diffusion model with the paths of what it names in short, its
        components, too; and the model that it names, unless that is one of `other_names`.

        Raises `ModelError` for a name that may mean several.
        """
        if reference in other_names:
            return None, reference
        if (model := self.find("diffusion", reference)) is not None:
            return model, str(model.place.path)  # though there be a | in the name
        name, components = split_components(reference)
        model = self.find("diffusion", name)
        if components is not None and (other := self.find("diffusion", components)) is not None:
            components = str(other.place.path)
        path = name if model is None else str(model.place.path)
        return model, with_components(path, components)

    def knows(self, kind: str, name: str) -> bool:
        """Whether a short name means a model of the kind, or several."""
        return (kind, name) in self._look().by_name

    def named(self, name: str) -> tuple[LocalModel, ...]:
        """All models of whatever kind that a short name may mean."""
        found = self._look().by_name
        return tuple(model for (_, key), models in found.items() if key == name for model in models)

    def missing(self, name: str) -> ModelError:
        """The error for a name that means no model here."""
        names = [model.name for model in self.models()]
        hint = suggest(name, names) or " `ninefold models list` shows what there is."
        return ModelError(f"no model is called {name!r}.{hint}")

    def problems(self) -> tuple[str, ...]:
        """What could not be looked through, in sentences."""
        return self._look().problems

    def _look(self) -> _Found:
        with self._lock:
            if self._found is None or not self._found.search.is_current():
                self._found = _Found.of(self.settings)
            return self._found


@dataclass(frozen=True)
class _Found:
    """What one look through the folders came to."""

    search: Search
    models: tuple[LocalModel, ...]

    @classmethod
    def of(cls, settings: EngineSettings | None) -> _Found:
        search = Search()
        if settings is None:
            return cls(search, ())
        entries = Entries(settings.library)
        search.watch(entries.folder)
        with search.reported(entries.folder):
            search.places += [entry.place for entry in entries.all()]
        search.walk(settings.loras, "loras", "lora")
        search.walk(settings.control, "control", "control")
        search.walk(settings.embeddings, "embeddings", "embedding")
        for source, folder in _sources(settings.model_folders):
            search.folder(folder, source)
        identities = _identities(search.places, allow_pickle=settings.allow_pickle)
        models = _named(_distinct(identities))
        return cls(search, tuple(sorted(models, key=lambda model: (model.kind, model.name))))

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self.search.problems)

    @cached_property
    def by_name(self) -> Mapping[tuple[str, str], tuple[LocalModel, ...]]:
        """The models that each text may mean, by kind; its very own name goes before all else."""
        found: dict[tuple[str, str], dict[str, LocalModel]] = defaultdict(dict)
        for model in self.models:
            for text in _texts(model.place):
                found[model.kind, text][model.name] = model
        for model in self.models:
            found[model.kind, model.name] = {model.name: model}
        return {key: tuple(models.values()) for key, models in found.items()}


def _sources(folders: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """The folders with what they are called: their names, numbered where one comes again."""
    count: dict[str, int] = defaultdict(int)
    for folder in dict.fromkeys(folders):
        name = folder.absolute().name
        count[name] += 1
        yield (name if count[name] == 1 else f"{name}-{count[name]}"), folder


def _identities(places: list[Place], *, allow_pickle: bool) -> Iterator[tuple[Place, Identity]]:
    """What each is: as it is remembered, or as its header says."""
    memory = FileMemory.of_user()
    remembered = memory.recall_all(_FACT)
    read: list[tuple[Path, FileStamp, str]] = []
    for place in places:
        if is_folder(place.path):  # several files, whose headers are small
            yield place, identify(place, allow_pickle=allow_pickle)
            continue
        try:
            stamp = FileStamp.of(place.path)
        except ModelError:  # gone meanwhile, or a link to nowhere
            continue
        known = remembered.get(memory_key(place.path))
        if known is not None and known[0] == stamp:
            try:
                yield place, Identity.from_json(known[1])
                continue
            except ValueError:
                pass
        found = identify(place, allow_pickle=allow_pickle)
        read.append((place.path, stamp, found.to_json()))
        yield place, found
    memory.remember_all(_FACT, read)


def _distinct(found: Iterator[tuple[Place, Identity]]) -> Iterator[tuple[Place, Identity]]:
    """Each file once, wherever links to it lie."""
    seen = set[object]()
    for place, identity in found:
        try:
            stat = place.path.stat()
        except OSError:
            continue
        key = (stat.st_dev, stat.st_ino)
        if key not in seen:
            seen.add(key)
            yield place, identity


def _named(found: Iterator[tuple[Place, Identity]]) -> Iterator[LocalModel]:
    """Each with the shortest of its texts that no other of its kind may be called by."""
    models = list(found)
    count: dict[tuple[str, str], int] = defaultdict(int)
    for place, identity in models:
        for text in _texts(place):
            count[identity.kind, text] += 1
    for place, identity in models:
        texts = _texts(place)
        free = (text for text in texts if count[identity.kind, text] == 1)
        yield LocalModel(next(free, texts[-1]), place, identity)


def _texts(place: Place) -> tuple[str, ...]:
    """What a model may be called, shortest first."""
    suffix = place.path.suffix if ending(place.path) in SUFFIXES else ""
    names = [place.stem, f"{place.stem}{suffix}", place.name, f"{place.name}{suffix}"]
    longer = [f"{place.source}/{place.name}", f"{place.source}/{place.name}{suffix}"]
    return tuple(dict.fromkeys([*names, *longer]))
