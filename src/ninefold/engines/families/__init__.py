"""What is known of families of diffusion models: one table, read by everything that depends on it.

`family.py` says what a family is, `lookup.py` finds one by a pipeline class, and the modules beside
them hold the table: `stable_diffusion.py`, `kandinsky.py`, `flux.py`, `transformers.py`.
"""

from ninefold.engines.families.family import (
    TASKS,
    Configs,
    Family,
    Guidance,
    Mark,
    Task,
    Variant,
)
from ninefold.engines.families.lookup import FAMILIES, family_in_table, family_of_class

__all__ = [
    "FAMILIES",
    "TASKS",
    "Configs",
    "Family",
    "Guidance",
    "Mark",
    "Task",
    "Variant",
    "family_in_table",
    "family_of_class",
]
