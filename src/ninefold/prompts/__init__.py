"""The language of prompts: pure text, no model. Every prompt of every stage is read here.

A stage that takes a prompt resolves it, and tells the user what there is to tell:

    resolved = resolve(
        self.params.prompt, seed=context[SEED], wildcards=wildcards, where="detailer.prompt"
    )
    for warning in resolved.warnings:
        context.warn(self.name, warning)
    paint(resolved.text, resolved.loras)

`resolve` raises `InputError` that names the place for everything that some choice would stumble
over, whatever is chosen with this seed; so a stage's `problems` may call it with any seed. It takes
bounded time and memory whatever the text. `where` names the prompt for the user, and gives each
prompt of a run choices of its own.

`Wildcards(choices, folder)` is what `__name__` stands for: the config's choices by name, and a
folder of files. It may be handed on and shared.

Variants, wildcards, variables and LoRA tags are resolved first (`parser`, `tree`, `resolving`);
attention weights and BREAK concern the text encoder alone, stay in the text and are read by the
engines (`weights`). Both read the same escapes.
"""

from __future__ import annotations

from ninefold.prompts.listing import TooManyVariantsError, count_variants, list_variants
from ninefold.prompts.other_syntax import OTHER_SYNTAX
from ninefold.prompts.parser import parse_prompt_tree
from ninefold.prompts.resolved import ResolvedPrompt, possible_loras, resolve, resolve_parts
from ninefold.prompts.wildcards import Wildcards
from ninefold.prompts.writing import escape

__all__ = [
    "OTHER_SYNTAX",
    "ResolvedPrompt",
    "TooManyVariantsError",
    "Wildcards",
    "count_variants",
    "escape",
    "list_variants",
    "parse_prompt_tree",
    "possible_loras",
    "resolve",
    "resolve_parts",
]
