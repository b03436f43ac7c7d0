"""Every error that ninefold raises on purpose.

    NinefoldError
    ├── UserError                 what the caller can mend; the message says how
    │   ├── InputError            (ValueError) a prompt, image, mask or file that cannot be used
    │   │   └── StageInputError   a stage lacks one of its inputs
    │   ├── ConfigError           (ValueError) parameters, presets, config files
    │   │   └── WiringError       stages that cannot follow one another
    │   ├── ModelError            a model that is unknown, unreadable or refused
    │   └── StorageError          a folder that cannot be written, a full disk
    ├── StageError                a stage failed while it ran; the cause is chained
    └── ContractError             a bug in a stage: it touched what it did not declare
        └── UnknownSlotError      (KeyError) a key that no slot declares

`Rewind` (core/pipeline.py) and `Cancelled` (core/progress.py) are control flow, not errors.
"""

from __future__ import annotations

from collections.abc import Sequence


class NinefoldError(Exception):
    """Base of every deliberate error."""


class UserError(NinefoldError):
    """Something that the caller can mend."""


class InputError(UserError, ValueError):
    """A prompt, image, mask or file that cannot be used."""


class StageInputError(InputError):
    """A stage lacks an input; names the stage, the slot and the remedy."""

    def __init__(self, stage: str, slot: str, remedy: str) -> None:
        super().__init__(f"{stage}: no {slot!r} in the context. {remedy}")
        self.stage = stage
        self.slot = slot
        self.remedy = remedy


class ConfigError(UserError, ValueError):
    """One or more problems in parameters or a config, told at once."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class WiringError(ConfigError):
    """Stages that cannot follow one another."""


class ModelError(UserError):
    """A model that is unknown, unreadable, changed or refused."""


class StorageError(UserError, OSError):
    """A folder that cannot be written or a disk that is full."""


class StageError(NinefoldError):
    """A stage failed while it ran."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage = stage


class ContractError(NinefoldError):
    """A stage touched what it did not declare: a bug in the stage."""


class UnknownSlotError(ContractError, KeyError):
    """A key that no slot declares."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])
