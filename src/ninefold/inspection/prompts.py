"""The prompts of a file as ours, with the LoRAs and embeddings that they and the file name."""

from __future__ import annotations

from ninefold.core.errors import UserError
from ninefold.core.values import Lora
from ninefold.files.readers.generation import Generation, UsedLora
from ninefold.files.readers.values import file_stem
from ninefold.inspection.findings import Findings
from ninefold.inspection.model_finder import FoundModel
from ninefold.prompts import resolve
from ninefold.prompts.conversion import Dialect, convert
from ninefold.prompts.loras import LORA_TAG, tag_content
from ninefold.slots import MAX_PROMPT


def image_prompts(said: Generation, findings: Findings) -> tuple[str | None, str | None]:
    """The image's prompt, with a tag for each LoRA that it does not name yet, and the negative
    one."""
    text = converted(said.prompt, said.dialect, "prompt", findings)
    negative = converted(said.negative_prompt, said.dialect, "negative prompt", findings)
    named = _tagged(text, said, findings)
    for name, found in named.items():
        if found.here not in (None, name):
            text = text.replace(f"<lora:{name}:", f"<lora:{found.here}:")
    tags = (_tag(lora, findings) for lora in said.loras if lora.name not in named)
    prompt = _within_limit(
        " ".join(filter(None, (text, *tags))).replace("\0", ""), "prompt", findings
    )
    for item in said.embeddings:
        findings.find("embedding", item.name, item.hash)
    return prompt or None, negative or None


def converted(text: str, dialect: Dialect, name: str, findings: Findings) -> str:
    """A prompt in our syntax; empty where it cannot be taken, which `findings` then say."""
    if not _within_limit(text, name, findings):
        return ""
    negative = "negative" in name
    if negative:  # where no tool reads a LoRA's tag
        findings.left_out += [f"{match[0]} in the {name}" for match in LORA_TAG.finditer(text)]
        text = LORA_TAG.sub("", text)
    found = convert(text.replace("\0", ""), dialect)
    findings.left_out += found.left_out
    for embedding in found.embeddings:
        findings.find("embedding", embedding)
    if not _within_limit(found.text, f"{name}, once escaped", findings):
        return ""
    try:
        resolved = resolve(found.text, seed=0, where=name, negative=negative)
    except UserError as error:  # too much work, perhaps
        findings.left_out.append(str(error))
        return ""
    findings.notes += resolved.warnings
    return found.text


def _within_limit(text: str, name: str, findings: Findings) -> str:
    """The text, or an empty one where it is too long."""
    if len(text) <= MAX_PROMPT:
        return text
    findings.left_out.append(
        f"{name}: it has {len(text):,} characters, of which at most {MAX_PROMPT:,} can be taken"
    )
    return ""


def _tagged(prompt: str, said: Generation, findings: Findings) -> dict[str, FoundModel]:
    """The LoRAs that a converted prompt names, looked up."""
    hashes = {lora.name: lora.hash for lora in said.loras}
    try:
        loras = resolve(prompt, seed=0).loras if prompt else ()
    except UserError:  # said already
        return {}
    return {
        lora.name: findings.find("lora", lora.name, hashes.get(lora.name, "")) for lora in loras
    }


def _tag(lora: UsedLora, findings: Findings) -> str:
    """A tag for a LoRA that the prompt does not name; empty where none can hold it."""
    found = findings.find("lora", lora.name, lora.hash)
    name = found.here or file_stem(lora.name) or lora.name
    if lora.weight is None:
        findings.notes.append(f"LoRA {lora.name!r}: its weight is not in the file; 1 was taken.")
    weight = 1.0 if lora.weight is None else lora.weight
    tag = f"<lora:{tag_content(Lora(name, weight, lora.text_encoder_weight))}>"
    try:
        read = [item.name for item in resolve(f"a{tag}", seed=0).loras]
    except UserError as error:
        findings.left_out.append(f"LoRA {lora.name}: {error}")
        return ""
    if read != [name]:
        findings.left_out.append(f"LoRA {lora.name}: no tag can hold its name")
        return ""
    return tag
