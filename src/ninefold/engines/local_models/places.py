"""Where models lie: in folders as people sort them, as AUTOMATIC1111, Forge, ComfyUI and others lay
them out, and in the cache of the Hugging Face hub.

One rule for all of them: a folder whose name is a tool's name for a kind of model holds models of
that kind, down to the next such name. What is in no such folder is recognised by its header alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ninefold.core.paths import ending, expand_home

Kind = Literal[
    "diffusion",
    "lora",
    "control",
    "vae",
    "text_encoder",
    "embedding",
    "upscaler",
    "detector",
    "other",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Endings of files that may be models.
SUFFIXES = frozenset({".safetensors", ".gguf", ".onnx", ".ckpt", ".pt", ".pth", ".bin"})
#: Endings by which alone nobody would take a file for a model.
_VAGUE = frozenset({".bin"})
#: Files that make a folder one model.
INDEX, CONFIG, ADAPTER = "model_index.json", "config.json", "adapter_config.json"

#: What tools keep in a folder of this name, in lower case.
_FOLDERS: Mapping[Kind, tuple[str, ...]] = {
    "diffusion": ("stable-diffusion", "checkpoints", "diffusion_models", "unet", "diffusers"),
    "lora": ("lora", "loras", "lycoris"),
    "control": ("controlnet", "t2i_adapter", "ipadapter", "ip_adapter", "xlabs"),
    "vae": ("vae",),
    "text_encoder": ("text_encoders", "text_encoder", "clip"),
    "embedding": ("embeddings", "textual_inversion"),
    "upscaler": (
        *("upscale_models", "upscalers", "esrgan", "realesrgan", "bsrgan", "scunet"),
        *("swinir", "dat", "hat"),
    ),
    "detector": ("ultralytics", "adetailer", "detectors"),
}
KIND_OF_FOLDER: Mapping[str, Kind] = {
    name: kind for kind, names in _FOLDERS.items() for name in names
}
#: Folders of tools with models that nothing here runs, or with none.
_PASSED_OVER = frozenset(
    {
        *("vae-approx", "vae_approx", "taesd", "hypernetworks", "hypernetwork", "gligen", "sams"),
        *("codeformer", "gfpgan", "facerestore_models", "facedetection", "ldsr", "deepbooru"),
        *("clip_vision", "style_models", "photomaker", "insightface", "karlo", "opennsfw"),
        *("animatediff_models", "animatediff_motion_lora", "model_patches", "audio_encoders"),
        *("controlnetpreprocessor", "latent_upscale_models", "blip", "torch_deepdanbooru"),
        *("node_modules", "site-packages", "__pycache__", "venv", "output", "outputs", "input"),
    }
)
#: Where tools keep models, below the folder that they are installed in.
_IN_TOOLS = ("models", "Models", "embeddings", "extensions/sd-webui-controlnet/models")
_CONTROL_EXTENSION = "extensions/sd-webui-controlnet/models"
#: ComfyUI's file of further folders.
_MORE_FOLDERS = "extra_model_paths.yaml"


@dataclass(frozen=True)
class Place:
    """Where a model lies, and what its surroundings say of it."""

    #: A file, or the folder of one model.
    path: Path
    #: Its path below the folder that it was looked for in, without the ending; `owner/name` of a
    #: repository in the hub's cache.
    name: str
    #: The folder that was searched, as people call it.
    source: str
    #: The kind that its folder is for; None where that says nothing.
    hint: Kind | None = None
    #: Whether `name` is that of a repository.
    from_hub: bool = False

    @property
    def stem(self) -> str:
        """The last part of the name."""
        return self.name if self.from_hub else self.name.rpartition("/")[2]


@dataclass
class Search:
    """One look through folders: what was found, and what a later look would have to compare."""

    places: list[Place] = field(default_factory=list)
    #: The folders looked into, with their times of change; None for one that is not there.
    looked_into: dict[Path, int | None] = field(default_factory=dict)
    #: What could not be looked into, in sentences.
    problems: list[str] = field(default_factory=list)

    def is_current(self) -> bool:
        """Whether no folder has changed since."""
        return all(_changed(folder) == known for folder, known in self.looked_into.items())

    def watch(self, path: Path) -> None:
        """Let a change of this folder or file end what was found."""
        self.looked_into[path] = _changed(path)

    def walk(self, folder: Path, source: str, hint: Kind | None = None) -> None:
        """Look through a folder of models, of one kind where `hint` says so; it may be missing."""
        with self.reported(folder):
            self._walk(folder, folder, source, hint)

    def folder(self, root: Path, source: str) -> None:
        """Look through a folder of whatever layout."""
        self.watch(root)
        with self.reported(root):
            self._folder(root, source)

    @contextmanager
    def reported(self, folder: Path) -> Iterator[None]:
        """Leave out what of a folder cannot be looked into, and say so, rather than all others."""
        try:
            yield
        except (OSError, ValueError, RecursionError) as error:
            self._report(folder, error)

    def _report(self, folder: Path, error: Exception) -> None:
        reason = (isinstance(error, OSError) and error.strerror) or error
        problem = f"{folder} cannot be read: {reason}."
        if problem not in self.problems:
            self.problems.append(problem)

    def _folder(self, root: Path, source: str) -> None:
        if not root.is_dir():
            self.problems.append(f"{root} is no folder, so no models are looked up there.")
            return
        self._more_folders(root / _MORE_FOLDERS, source)
        cache = next((at for at in (root, root / "hub") if any(at.glob("models--*"))), None)
        if _is_model(root, {path.name for path in root.iterdir()}):
            self.places.append(Place(root, root.name, source))
        elif cache is not None:
            self._hub_cache(cache)
        elif _is_tool(root):
            for below in _IN_TOOLS:
                hint = KIND_OF_FOLDER.get(below)
                if below == _CONTROL_EXTENSION:
                    hint = "control"
                self.walk(root / below, source, hint)
        else:
            self.walk(root, source, KIND_OF_FOLDER.get(root.name.lower()))

    def _walk(
        self,
        folder: Path,
        base: Path,
        source: str,
        hint: Kind | None,
        above: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """Everything below a folder; names are paths below `base`. Links are followed, but not
        round in a circle."""
        try:
            stat = folder.stat()
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except FileNotFoundError:
            self.looked_into[folder] = None
            return
        except (OSError, ValueError) as error:  # a path with a null byte
            self.watch(folder)
            self._report(folder, error)
            return
        self.looked_into[folder] = _moment(stat)
        names = {entry.name for entry in entries}
        if "pyvenv.cfg" in names or (stat.st_dev, stat.st_ino) in above:
            return
        if folder != base and _is_model(folder, names):
            self.places.append(Place(folder, _name(folder, base), source, hint))
            return
        files = {Path(name).stem for name in names if ending(name) in SUFFIXES}
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith(".") or entry.name.lower() in _PASSED_OVER:
                continue
            if is_folder(entry):
                # The configs of a single file lie in a folder of its name beside it.
                if entry.name in files and is_file(path / INDEX):
                    continue
                kind = KIND_OF_FOLDER.get(entry.name.lower())
                within = path if kind is not None else base
                inside = (*above, (stat.st_dev, stat.st_ino))
                self._walk(path, within, source, kind or hint, inside)
            elif _may_be_model(path, hint) and is_file(entry):
                name = _name(path, base).removesuffix(path.suffix)
                self.places.append(Place(path, name, source, hint))

    def _hub_cache(self, cache: Path) -> None:
        """The repositories in a cache of the hub, by name, with the revision but for `main`."""
        self.watch(cache)
        for repository in sorted(cache.glob("models--*")):
            name = repository.name.removeprefix("models--").replace("--", "/")
            snapshots: dict[str, Path] = {}
            with self.reported(repository):
                snapshots = self._snapshots(repository)
            for revision, snapshot in sorted(snapshots.items()):
                shown = name if revision == "main" else f"{name}@{revision}"
                with self.reported(snapshot):
                    self._snapshot(snapshot, shown)

    def _snapshots(self, repository: Path) -> dict[str, Path]:
        refs, snapshots = repository / "refs", repository / "snapshots"
        found: dict[str, Path] = {}
        for folder in (refs, snapshots):
            self.watch(folder)
        for ref in refs.rglob("*") if refs.is_dir() else ():
            if is_file(ref):
                self.watch(ref)
                commit = ref.read_text(encoding="utf-8", errors="replace").strip()
                with self.reported(snapshots / commit):
                    if commit and (snapshots / commit).is_dir():
                        found[ref.relative_to(refs).as_posix()] = snapshots / commit
        known = set(found.values())
        for snapshot in sorted(snapshots.glob("*")):
            with self.reported(snapshot):
                if snapshot.is_dir() and snapshot not in known:
                    found[snapshot.name] = snapshot
        return found

    def _snapshot(self, snapshot: Path, name: str) -> None:
        self.watch(snapshot)
        files = {path.name for path in snapshot.iterdir()}
        if _is_model(snapshot, files):
            self.places.append(Place(snapshot, name, "hub", from_hub=True))
            return
        found = Search()
        found.walk(snapshot, "hub")
        self.looked_into |= found.looked_into
        self.problems += found.problems
        for place in found.places:
            self.places.append(Place(place.path, f"{name}/{place.name}", "hub", place.hint))

    def _more_folders(self, file: Path, source: str) -> None:
        """The folders that ComfyUI's `extra_model_paths.yaml` names."""
        if not is_file(file):
            return
        self.watch(file)
        try:
            import yaml

            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0]
            self.problems.append(f"{file} cannot be read, so its folders are left out: {line}.")
            return
        sections = content.values() if isinstance(content, Mapping) else ()
        for section in sections:
            if isinstance(section, Mapping):
                for kind, folder in _folders_of(section, file.parent):
                    self.walk(folder, source, kind)


def _folders_of(section: Mapping[Any, Any], beside: Path) -> Iterator[tuple[Kind | None, Path]]:
    """The folders of one section, each with its kind; paths start at the section's `base_path`."""
    base = beside / _expanded(section.get("base_path") or "")
    for key, value in section.items():
        name = str(key).lower()
        if name in ("base_path", "is_default", "custom_nodes", *_PASSED_OVER):
            continue
        for line in str(value).splitlines() if isinstance(value, str) else ():
            if line.strip():
                yield KIND_OF_FOLDER.get(name), base / _expanded(line.strip())


def _expanded(text: Any) -> Path:
    return expand_home(os.path.expandvars(str(text)))


def _is_tool(root: Path) -> bool:
    """Whether a program is installed there, so that only its folders of models are of interest."""
    return any(root.glob("*.py")) and any((root / name).is_dir() for name in _IN_TOOLS)


def _is_model(folder: Path, names: set[str]) -> bool:
    """Whether a folder is one model: of diffusers, of transformers, or a LoRA of peft."""
    if INDEX in names or ADAPTER in names:
        return True
    return CONFIG in names and any(
        name.startswith(("model", "diffusion_pytorch_model", "pytorch_model"))
        and ending(name) in (".safetensors", ".bin")
        for name in names
    )


def _may_be_model(path: Path, hint: Kind | None) -> bool:
    return ending(path) in SUFFIXES and (ending(path) not in _VAGUE or hint is not None)


def is_folder(entry: os.DirEntry[str] | Path) -> bool:
    """Whether it is a folder; it is none where that cannot be found out."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_file(entry: os.DirEntry[str] | Path) -> bool:
    """Whether it is a file; it is none where that cannot be found out, as of a link to itself."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _name(path: Path, base: Path) -> str:
    """The path below `base` as text; what is no UTF-8, or would move a terminal's cursor rather
    than be printed, is shown as a mark."""
    text = os.fsencode(path.relative_to(base).as_posix()).decode("utf-8", "replace")
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _changed(path: Path) -> int | None:
    try:
        return _moment(path.stat())
    except (OSError, ValueError):
        return None


def _moment(stat: os.stat_result) -> int:
    """When a folder last changed, or who may read it."""
    return max(stat.st_mtime_ns, stat.st_ctime_ns)
