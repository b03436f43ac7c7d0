"""Signs published files, and keeps their manifests where they are found again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ninefold.core.context import PipelineContext
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.files.formats import FORMATS, ImageFormat
from ninefold.files.manifest_store import KEYS, MANIFESTS, ManifestStore
from ninefold.stages.published_claim import Provenance

if TYPE_CHECKING:  # cryptography takes its time
    from ninefold.files.signing.sign import FileSigner


def signer_for(engines: EngineSet) -> FileSigner:
    """What signs files, as the settings of `engines` say."""
    from ninefold.files.signing.sign import FileSigner

    folder = None if engines.marks is None else engines.marks / KEYS
    return FileSigner.from_settings(engines.signing, folder, engines.signing_key)


class Signatures:
    """The signatures of one publication's files."""

    def __init__(
        self, context: PipelineContext, stage: str, signer: FileSigner, provenance: Provenance
    ) -> None:
        self._context = context
        self._stage = stage
        self._signer = signer
        self._provenance = provenance
        #: Manifest stores by the names of the files that they are in.
        self.manifests: dict[str, bytes] = {}

    def signed(self, name: str, image_format: ImageFormat, data: bytes, settings: Json) -> bytes:
        """A file with its signature; where the format has no place for one, without, and a warning.

        `settings` are the encoder's. Raises `SigningError`.
        """
        if not self._signer.can_sign(FORMATS[image_format].media_type):
            reason = f"{image_format.value} has no place for that."
            self._context.warn(self._stage, f"{name} is not signed: {reason}")
            return data
        title = name.rpartition("/")[2]
        signed = self._signer.sign(data, self._provenance.claim(title, image_format, settings))
        if signed.warning is not None:
            self._context.warn(self._stage, f"{name}: {signed.warning}")
        self.manifests[name] = signed.manifest
        return signed.data

    def described(self) -> Json:
        """What metadata says of them."""
        return self._signer.described(tuple(self.manifests))


def keep_manifest(
    context: PipelineContext,
    stage: str,
    folder: Path | None,
    identifier: bytes,
    manifest: bytes,
    c2pa: Mapping[str, bytes],
) -> None:
    """Put an image's manifests where they are found once its file has lost its own; a place that
    cannot be written is a warning."""
    if folder is None:
        return
    try:
        ManifestStore(folder / MANIFESTS).save(identifier, manifest, c2pa)
    except OSError as error:
        context.warn(
            stage,
            "the manifest could not be kept for files that lose theirs: "
            f"{error.strerror or error}. Free some space, or mend the folder.",
        )
