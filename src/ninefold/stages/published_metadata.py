"""What published files say of a context in the words of others: infotext and XMP."""

from __future__ import annotations

from ninefold._version import __version__
from ninefold.core.context import PipelineContext
from ninefold.engines.generation_record import passes
from ninefold.files.a1111 import ImageHistory, detail_record, infotext_of, upscale_record
from ninefold.files.infotext import Infotext
from ninefold.files.xmp import DigitalSourceType, Xmp
from ninefold.slots import NEGATIVE_PROMPT, PROMPT, SEED


def infotext_for(context: PipelineContext) -> Infotext | None:
    """What was done to the image, in A1111's terms; None where that is too little to tell."""
    made = passes(context.metadata)
    details = (
        detail_record(entry)
        for name, entry in context.metadata.items()
        if name.partition("_")[0] == "detailer"
    )
    return infotext_of(
        ImageHistory(
            prompt=context.get(PROMPT) or "",
            negative_prompt=context.get(NEGATIVE_PROMPT) or "",
            seed=context.get(SEED),
            first=next(iter(made.values()), None),
            refiner=made.get("refiner"),
            restorer=made.get("restorer"),
            upscale=upscale_record(context.metadata.get("upscaler", {})),
            details=[record for record in details if record is not None],
            loras={lora.name: lora.hash for record in made.values() for lora in record.loras},
            embeddings={
                item.name: item.hash for record in made.values() for item in record.embeddings
            },
            version=f"ninefold {__version__}",
        )
    )


def xmp_for(context: PipelineContext) -> Xmp:
    """That a model made or changed the image, in IPTC's terms."""
    made = context.metadata.get("text_to_image")
    photo = made is None or "source" in made
    kind = DigitalSourceType.TRAINED
    if photo:
        painted = bool(passes(context.metadata))
        kind = DigitalSourceType.COMPOSITE if painted else DigitalSourceType.ENHANCED
    return Xmp(kind, system="ninefold", system_version=__version__)
