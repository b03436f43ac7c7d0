"""Diffusion requests that were checked, and which of them may share a call."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ninefold.engines.control_call import PreparedControl
from ninefold.engines.diffusion import ImageToImage, Inpaint, ModelInfo, TextToImage
from ninefold.engines.embeddings import Inversion
from ninefold.engines.loras import LoraFile

#: Fields that differ from image to image within one call.
_OWN = frozenset(
    {"model", "prompt", "negative_prompt", "seed", "image", "mask", "references", "latents"}
)


@dataclass(frozen=True)
class PreparedRequest:
    """A checked request, the model that it names and the LoRA files that it asks for."""

    request: TextToImage
    info: ModelInfo
    loras: tuple[LoraFile, ...]
    control: tuple[PreparedControl, ...] = ()
    #: Textual inversions that its prompts name.
    inversions: tuple[Inversion, ...] = ()
    #: What of it does not act, as far as is known before it is run.
    warnings: tuple[str, ...] = ()

    def in_common(self) -> object:
        """What requests for one model must agree in to share a call."""
        request = self.request
        if request.quality != "lossless":
            return object()  # which steps are left out must not hang on others
        names = [item.name for item in fields(request) if item.name not in _OWN]
        kept = isinstance(request, ImageToImage) and keeps_all(request)
        values = [getattr(request, name) for name in names]
        control = [item.in_common() for item in self.control]
        return type(request), values, kept, self.info, self.loras, control


def keeps_all(request: ImageToImage) -> bool:
    """Whether nothing of the source may change."""
    return request.strength <= 0 or (isinstance(request, Inpaint) and not request.mask.any())
