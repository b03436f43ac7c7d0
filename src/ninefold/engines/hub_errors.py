"""Why something cannot be had from the hub, and what to do: the many errors of its client, of HTTP
and of the disk as one `ModelError`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ninefold.core.errors import ModelError
from ninefold.engines.references import HubName

#: What a disk or a quota that is full says.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def hub_errors(name: HubName) -> Iterator[None]:
    """Raise what the block raises as `ModelError` that names the repository."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # the client, HTTP and the disk raise types of their own
        raise ModelError(f"{name}: {_reason(error, name)}") from error


def _reason(error: BaseException, name: HubName) -> str:
    from huggingface_hub import constants, errors

    where = constants.ENDPOINT
    if isinstance(error, errors.GatedRepoError):
        return (
            f"the model is gated. Accept its terms at {where}/{name.repository}, and set HF_TOKEN "
            "to a token of that account."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no revision {name.revision!r}. Check it, or leave it out."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{where} has no such repository, or it is private. Check the name; for a private one "
            "set HF_TOKEN."
        )
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code in (401, 403):
        return f"{where} refuses HF_TOKEN ({error.response.status_code}). Renew it, or unset it."
    if constants.is_offline_mode():
        return "HF_HUB_OFFLINE is set, so nothing can be fetched. Unset it, or name a folder."
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return (
            f"cannot be written to {error.filename} ({error.strerror}). Free space, or set HF_HOME."
        )
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    lines = str(root).strip().splitlines() or [""]
    return (
        f"cannot be fetched from {where} ({type(root).__name__}: {lines[0][:200]}). Check the "
        "network, then try again: what has arrived is kept."
    )
