"""LoRAs: found by name, read in every form that they come in, put on a pipeline for one call.

`files.py` finds them, `identify.py` says from the header alone what one is for, and
`few_steps.py` which were distilled. `reading.py` puts a
file's tensors in order, `layers.py` finds the layers that they are for, `adapters.py` is what each
form adds to a layer, and `applying.py` adds it while a call runs.
"""

from ninefold.engines.loras.few_steps import FewSteps, few_steps
from ninefold.engines.loras.files import LoraFile, find_loras, known_lora, lora_files
from ninefold.engines.loras.identify import LoraInfo, check_fit, identify_lora

__all__ = [
    "FewSteps",
    "LoraFile",
    "LoraInfo",
    "check_fit",
    "few_steps",
    "find_loras",
    "identify_lora",
    "known_lora",
    "lora_files",
]
