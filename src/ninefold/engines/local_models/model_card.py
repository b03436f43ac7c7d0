"""What people wrote of a model: in the metadata of its file, beside it, and in its README.

Metadata of safetensors files is that of the model metadata standard (`modelspec.*`,
https://github.com/Stability-AI/ModelSpec) and of kohya's trainer (`ss_*`). Beside files lie
`NAME.civitai.info` and `NAME.json`, as AUTOMATIC1111 and its extensions write them. All of it was
written by strangers: texts are cut, and rid of what is no text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

#: Most characters of a text, and most words that set a LoRA off.
_LONGEST, _MOST_WORDS = 300, 20
#: Most tags of a LoRA's training pictures; of each, it is on at least this part of them.
_MOST_TAGS, _COMMON = 10, 0.3
#: Bytes of a file beside a model that are read.
_MOST_BYTES = 1 << 20
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class ModelCard:
    """Texts about a model; empty where nobody wrote any."""

    title: str = ""
    author: str = ""
    license: str = ""
    description: str = ""
    #: What it was made from or for, in its maker's words.
    base: str = ""
    #: Words that set a LoRA or an embedding off.
    triggers: tuple[str, ...] = ()
    #: The commonest tags of the pictures that it was trained on.
    tags: tuple[str, ...] = ()
    #: `epsilon`, `v_prediction` or as its maker calls it.
    prediction_type: str = ""


def read_model_card(path: Path, metadata: Mapping[str, str]) -> ModelCard:
    """What is written of the model at `path`, a file or a folder, whose header has `metadata`."""
    beside = [_sidecar(path), _front_matter(path)]
    sources = [_modelspec(metadata), _kohya(metadata), *beside]

    def first(name: str) -> str:
        return next((text for source in sources if (text := clean(source.get(name)))), "")

    triggers = (word for source in sources for word in source.get("triggers", ()))
    return ModelCard(
        title=first("title"),
        author=first("author"),
        license=first("license"),
        description=first("description"),
        base=first("base"),
        triggers=tuple(dict.fromkeys(filter(None, map(clean, triggers))))[:_MOST_WORDS],
        tags=_common_tags(metadata.get("ss_tag_frequency", "")),
        prediction_type=_prediction(first("prediction_type")),
    )


def clean(text: Any) -> str:
    """A text as one line of what can be printed, cut where it is long."""
    if isinstance(text, list | tuple):
        text = ", ".join(str(item) for item in text)
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _modelspec(metadata: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: metadata.get(f"modelspec.{name}")
        for name in ("title", "author", "license", "description", "prediction_type")
    }
    found["base"] = metadata.get("modelspec.architecture")
    found["prediction_type"] = found["prediction_type"] or metadata.get("modelspec.predict_key")
    found["triggers"] = _words(metadata.get("modelspec.trigger_phrase"))
    # GGUF files name these by their own standard.
    for name in ("title", "author", "license", "description"):
        key = "name" if name == "title" else name
        found[name] = found[name] or metadata.get(f"general.{key}")
    return found


def _kohya(metadata: Mapping[str, str]) -> dict[str, Any]:
    base = metadata.get("ss_base_model_version") or metadata.get("ss_sd_model_name")
    flag = metadata.get("ss_v_parameterization") or metadata.get("ss_v_pred")
    return {
        "title": metadata.get("ss_output_name"),
        "base": base,
        "description": metadata.get("ss_training_comment"),
        "prediction_type": "v_prediction" if str(flag).lower() in ("true", "1") else None,
    }


def _sidecar(path: Path) -> dict[str, Any]:
    """The files beside a single file that extensions of AUTOMATIC1111 write."""
    if path.is_dir():
        return {}
    found: dict[str, Any] = {}
    info = _json(path.with_name(f"{path.stem}.civitai.info"))
    model = info.get("model")
    if isinstance(model, Mapping):
        found["title"] = model.get("name")
    found["base"] = info.get("baseModel")
    found["triggers"] = _words(info.get("trainedWords"))
    own = _json(path.with_suffix(".json"))
    found["base"] = found["base"] or own.get("sd version")
    found["description"] = own.get("description")
    found["triggers"] += _words(own.get("activation text"))
    return found


def _front_matter(path: Path) -> dict[str, Any]:
    """The YAML at the top of the README in a model's folder."""
    folder = path if path.is_dir() else path.parent
    if path.is_file() and (folder / "model_index.json").is_file():
        return {}
    found = _FRONT_MATTER.match(_text(folder / "README.md"))
    if found is None:
        return {}
    import yaml

    try:
        content = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(content, Mapping):
        return {}
    license_name = content.get("license_name") or content.get("license")
    return {
        "license": license_name,
        "base": content.get("base_model"),
        "triggers": _words(content.get("instance_prompt")),
        "author": content.get("author"),
    }


def _common_tags(text: str) -> tuple[str, ...]:
    """The commonest of kohya's `ss_tag_frequency`: by set of pictures, how often each tag is."""
    with suppress(ValueError, RecursionError, AttributeError, TypeError):
        count: Counter[str] = Counter()
        for tags in json.loads(text).values():
            for tag, times in tags.items():
                count[clean(tag)] += int(times)
        most = max(count.values(), default=0)
        common = [tag for tag, times in count.most_common(_MOST_TAGS) if times >= _COMMON * most]
        return tuple(filter(None, common))
    return ()


def _prediction(text: str) -> str:
    """The standard says `v`, diffusers `v_prediction`."""
    return {"v": "v_prediction", "v-prediction": "v_prediction"}.get(text.lower(), text)


def _words(value: Any) -> list[str]:
    """A list of words and phrases, or one text with commas between."""
    given: Iterable[Any] = value if isinstance(value, list) else (value,)
    texts = (item.split(",") for item in given if isinstance(item, str))
    return [word.strip() for word in chain.from_iterable(texts) if word.strip()]


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, Mapping) else {}


def _text(path: Path) -> str:
    """The beginning of a text file; empty where it cannot be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
