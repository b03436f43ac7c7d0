"""The nine stages, in their default order, and optional ones."""

from ninefold.stages.detailer import DetailerStage
from ninefold.stages.finisher import FinisherStage
from ninefold.stages.inspector import InspectorStage
from ninefold.stages.matte import MatteStage
from ninefold.stages.parameters import SamplingParams
from ninefold.stages.prompt import PromptStage
from ninefold.stages.publisher import PublisherStage
from ninefold.stages.refiner import RefinerStage
from ninefold.stages.restorer import RestorerStage
from ninefold.stages.text_to_image import TextToImageStage
from ninefold.stages.upscaler import UpscalerStage

#: The default order; the only place where it is written.
STAGES = (
    PromptStage,
    TextToImageStage,
    RefinerStage,
    DetailerStage,
    UpscalerStage,
    RestorerStage,
    FinisherStage,
    InspectorStage,
    PublisherStage,
)

#: What a config may add; where it stands is the config's to say.
OPTIONAL = (MatteStage,)

__all__ = [
    "OPTIONAL",
    "STAGES",
    "DetailerStage",
    "FinisherStage",
    "InspectorStage",
    "MatteStage",
    "PromptStage",
    "PublisherStage",
    "RefinerStage",
    "RestorerStage",
    "SamplingParams",
    "TextToImageStage",
    "UpscalerStage",
]
