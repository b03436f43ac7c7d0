"""Every error that ninefold raises on purpose: those of other modules stand with their file.

    NinefoldError
    ├── UserError                     what the caller can mend; the message says how
    │   ├── InputError                (ValueError) a prompt, image, mask or file that cannot be used
    │   │   ├── StageInputError       a stage lacks one of its inputs
    │   │   ├── NotFoundError         a job, group or upload that is not there
    │   │   ├── ConflictError         it cannot be as things are: a key used before, a job that runs
    │   │   ├── TooManyVariantsError  prompts/listing.py: a prompt with more than may be listed
    │   │   ├── PromptSyntaxError     prompts/errors.py: text that cannot be read as a prompt
    │   │   ├── RefusedAddressError   server/webhooks/addresses.py: where no webhook may go
    │   │   └── UnresolvedError       server/webhooks/addresses.py: a host without an address
    │   ├── QueueFullError            as many jobs wait as may
    │   ├── ConfigError               (ValueError) parameters, presets, config files
    │   │   ├── WiringError           stages that cannot follow one another
    │   │   └── SetupError            settings of the machine, which no caller of a service can mend
    │   ├── ModelError                a model that is unknown, unreadable or refused
    │   │   ├── MemoryFullError       engines/memory.py: even the last saving step is not enough
    │   │   └── CutShortError         engines/weight_headers.py: a file shorter than its header says
    │   ├── SigningError              a key, certificate or time stamp that cannot be used
    │   │   └── LibraryError          files/signing/sign.py: what the library cannot sign
    │   ├── StorageError              (OSError) a folder that cannot be written, a full disk
    │   ├── UnauthorizedError         server/problems.py: no key, or a wrong one
    │   ├── ForbiddenError            server/problems.py: a key that may not do this
    │   │   └── CsrfError             server/problems.py: a change that another page may have sent
    │   ├── TooLargeError             server/problems.py: a body above its limit
    │   ├── TooSlowError              server/problems.py: a body that did not arrive in time
    │   ├── UnsupportedMediaError     server/problems.py: a body in a form that is not taken
    │   ├── UnsatisfiableRangeError   server/problems.py: parts of a file that it has not
    │   ├── RateLimitedError          server/problems.py: requests above the key's rate
    │   └── BusyError                 server/problems.py: more than the server can do now
    ├── StageError                    a stage failed while it ran; the cause is chained
    ├── JobFailedError                jobs/serializer.py: a job ended in failure
    ├── ServiceError                  client/errors.py: a service refused, or did not answer
    │   ├── UnreachableError          client/errors.py: no answer came
    │   ├── RefusedError              client/errors.py: the request cannot be fulfilled
    │   ├── UnauthorizedError         client/errors.py: no key, a wrong one, or not for this
    │   ├── NotFoundError             client/errors.py: not there, or another's
    │   ├── ConflictError             client/errors.py: it cannot be as things are
    │   └── BusyError                 client/errors.py: too much to do, or away
    └── ContractError                 a bug in a stage: it touched what it did not declare
        └── UnknownSlotError          (KeyError) a key that no slot declares

`control_flow.py` holds exceptions that are no errors.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Sequence

from ninefold.core.values import Failure

#: Class names of what runtimes raise when a device is out of memory or in trouble; their modules
#: are imported by engines alone.
_DEVICE_TROUBLE = frozenset({"OutOfMemoryError", "AcceleratorError"})


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


class NotFoundError(InputError):
    """A job, a group or an upload that is not there, or not for the one who asks."""


class ConflictError(InputError):
    """Something that cannot be as things are: a key used for another job, a job that runs."""


class QueueFullError(UserError):
    """As many jobs wait and run as may; the same may succeed once some have ended."""


class ConfigError(UserError, ValueError):
    """One or more problems in parameters or a config, reported at once."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class WiringError(ConfigError):
    """Stages that cannot follow one another."""


class SetupError(ConfigError):
    """Problems of which some are the machine's, such as a signing key that cannot be read: whoever
    runs it can mend them, and no caller of a service."""

    def __init__(self, problems: Sequence[str], setup: Collection[str]) -> None:
        super().__init__(problems)
        #: Those of `problems` that are the machine's.
        self.setup = frozenset(setup)


class ModelError(UserError):
    """A model that is unknown, unreadable, changed or refused."""


class SigningError(UserError):
    """A key, a certificate or a time stamp authority that cannot be used to sign with."""


class StorageError(UserError, OSError):
    """A folder that cannot be written or a disk that is full."""

    def __init__(self, message: str, *, public: str | None = None) -> None:
        """`public` says it without telling where on the machine or its network."""
        super().__init__(message)
        #: What clients of a service are told.
        self.public = message if public is None else public


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


def failure_of(error: BaseException, stage: str | None = None) -> Failure:
    """An exception as the record of why a run stopped."""
    mendable = isinstance(error, UserError)
    transient = isinstance(error, OSError | MemoryError) or type(error).__name__ in _DEVICE_TROUBLE
    bug = not (mendable or transient or isinstance(error, StageError))
    return Failure(
        str(error) or type(error).__name__,
        stage or getattr(error, "stage", None),
        type(error).__name__,
        mendable,
        transient,
        "".join(traceback.format_exception(error)) if bug else "",
    )
