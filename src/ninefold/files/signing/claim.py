"""What a C2PA manifest says of an image: the actions that made it, and of what.

Source: C2PA specification 2.4, 18 (standard assertions), and the manifest definition of c2pa-rs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ninefold._version import __version__

GENERATOR = "ninefold"
#: What names begin with that only ninefold gives.
OWN_PREFIX = "io.ninefold."
#: The assertion that holds the record of how the image was made, as the text of its JSON.
RECORD_LABEL = f"{OWN_PREFIX}record"
#: The assertion that names what the watermark carries.
BINDING_LABEL = "c2pa.soft-binding"
#: The stage in an action's parameters; a model's kind and hash in an ingredient's metadata.
STAGE_KEY, KIND_KEY, HASH_KEY = (f"{OWN_PREFIX}{name}" for name in ("stage", "kind", "hash"))
#: The program that all actions are done by, as `softwareAgent`.
_AGENT = {"name": GENERATOR, "version": __version__}

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MODEL, _ANY_BYTES = "c2pa.types.model", "application/octet-stream"
_THUMBNAIL = "thumbnail.jpg"


@dataclass(frozen=True)
class Ingredient:
    """Something that the image was made of."""

    #: What actions name it by.
    id: str
    title: str
    relationship: Literal["parentOf", "inputTo"]
    #: The file: its bytes and media type, for an image; a model has none here.
    data: bytes | None = field(default=None, repr=False)
    media_type: str = _ANY_BYTES
    #: Of a model: what kind it is and its SHA-256 in hex.
    model: Mapping[str, str] = field(default_factory=dict)

    def definition(self) -> dict[str, Any]:
        """As the library takes it."""
        found: dict[str, Any] = {
            "label": self.id,
            "title": self.title,
            "relationship": self.relationship,
            "format": self.media_type,
        }
        if self.model:
            found |= {"data_types": [{"type": _MODEL}], "metadata": dict(self.model)}
        return found


@dataclass(frozen=True)
class Action:
    """Something that was done to the image."""

    action: str
    #: ISO 8601, UTC.
    when: str
    #: The stage that did it.
    stage: str
    #: IPTC's word for how the content came about, where the action brings any.
    source_type: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: Ids of what it used.
    ingredients: tuple[str, ...] = ()

    def definition(self) -> dict[str, Any]:
        """As the library takes it."""
        parameters = {STAGE_KEY: self.stage, **self.parameters}
        if self.ingredients:
            parameters["ingredientIds"] = list(self.ingredients)
        found: dict[str, Any] = {
            "action": self.action,
            "when": self.when,
            "softwareAgent": dict(_AGENT),
            "parameters": parameters,
        }
        if self.source_type is not None:
            found["digitalSourceType"] = f"{_SOURCE_TYPES}{self.source_type}"
        return found


@dataclass(frozen=True)
class SoftBinding:
    """What a watermark carries, and its name."""

    algorithm: str
    identifier: bytes


@dataclass(frozen=True)
class Claim:
    """All that is said of one file."""

    title: str
    media_type: str
    actions: tuple[Action, ...]
    ingredients: tuple[Ingredient, ...] = ()
    #: The record of how the image was made, as canonical JSON; None at metadata level `minimal`.
    record: str | None = field(default=None, repr=False)
    #: None where there is no watermark.
    watermark: SoftBinding | None = None
    #: A small JPEG file of the image.
    thumbnail: bytes | None = field(default=None, repr=False)

    def definition(self) -> dict[str, Any]:
        """The manifest definition, as the library takes it."""
        actions = {"actions": [action.definition() for action in self.actions]}
        assertions: list[dict[str, Any]] = [{"label": "c2pa.actions.v2", "data": actions}]
        if self.watermark is not None:
            block = {"scope": {}, "value": self.watermark.identifier.hex()}
            binding = {"alg": self.watermark.algorithm, "blocks": [block]}
            assertions.append({"label": BINDING_LABEL, "data": binding})
        if self.record is not None:
            # As text: the library turns lists of small numbers into base64.
            assertions.append({"label": RECORD_LABEL, "data": {"json": self.record}})
        found: dict[str, Any] = {
            "claim_generator_info": [dict(_AGENT)],
            "title": self.title,
            "format": self.media_type,
            "assertions": assertions,
            "ingredients": [item.definition() for item in self.ingredients if item.data is None],
        }
        if self.thumbnail is not None:
            found["thumbnail"] = {"format": "image/jpeg", "identifier": _THUMBNAIL}
        return found

    def resources(self) -> dict[str, bytes]:
        """What the definition names: bytes by identifier."""
        return {} if self.thumbnail is None else {_THUMBNAIL: self.thumbnail}
