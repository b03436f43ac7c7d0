"""Keep absolute paths and secrets out of files that leave the machine.

Peers have leaked both through image metadata (ComfyUI-fal-API#1, InvokeAI#1450).
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePath

_REMOVED_PATH = "[path removed]"
_REMOVED_SECRET = "[secret removed]"

# The last part of a path may be an account's name, so it stays only where it names such a file.
_FILE_SUFFIXES = frozenset(
    f".{suffix}"
    for kinds in (
        ("safetensors", "ckpt", "pt", "pth", "bin", "onnx", "gguf"),
        ("png", "jpg", "jpeg", "webp", "avif", "cube"),
        ("json", "yaml", "yml", "toml", "txt", "csv"),
    )
    for suffix in kinds
)

_WHOLE_PATH = re.compile(r"(?:file://|[A-Za-z]:[\\/]|\\\\|~[\w.-]*[\\/]|/(?!/))[^\n]*")
_PATH_IN_TEXT = re.compile(
    r"""
    (?:
        file://[^\s"'<>|,;)]+                        # a file URL
      | (?<![A-Za-z0-9])[A-Za-z]:[\\/][^\s"'<>|,;):]+    # C:\\folder\\file
      | \\\\[\w.$-]+\\[^\s"'<>|,;):]+                # a Windows share
      | (?<![\w.~/\\])~[\w.-]*/[^\s"'<>|,;):]+       # below a home
      | (?<![\w.~/\\<)\]])/(?!/)[^\s"'<>|,;):/]+/[^\s"'<>|,;):]+    # /folder/file, not and/or
    )
    """,
    re.VERBOSE,
)
_SECRET_IN_TEXT = re.compile(
    r"""
      \bhf_[A-Za-z0-9]{16,} | \bsk-[A-Za-z0-9_-]{16,} | \bgh[pousr]_[A-Za-z0-9]{16,}
    | \bgithub_pat_\w{16,} | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b | \bAIza[\w-]{30,}
    | \bxox[abeoprs]-[\w-]{8,} | \bglpat-[\w-]{16,} | \br8_[A-Za-z0-9]{30,}
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]* | \b[Bb]earer\s+[\w.~+/=-]{8,}
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----[\s\S]*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | (?<=://)[^\s/@]+@
    | (?<=[?&])(?:token|key|api_?key|access_token|sig|signature|X-Amz-[A-Za-z-]+)=[^\s&#"']+
    """,
    re.VERBOSE,
)
_SECRET_WORDS = frozenset(
    ("apikey", "authorization", "credential", "credentials", "passphrase", "password", "secret")
)
# Words with another sense ahead of a noun: A1111 has a setting `Token merging ratio`.
_SECRET_ENDINGS = frozenset(("cookie", "token"))
_KEY_OWNERS = frozenset(
    ("access", "api", "auth", "encryption", "private", "secret", "signing", "ssh")
)


def scrub_text(text: str) -> str:
    """`text` with no absolute path and nothing that looks like a key or a password.

    A path becomes its file name where that names a model, image or settings file, else
    `[path removed]`; a secret becomes `[secret removed]`. URLs stay, less what signs them in.
    """
    text = _SECRET_IN_TEXT.sub(_REMOVED_SECRET, text)
    if _WHOLE_PATH.fullmatch(text) and _names_file(text):
        return _file_name(text)  # blanks in it included
    return _PATH_IN_TEXT.sub(lambda match: _file_name(match[0]), text)


def is_secret_key(key: str) -> bool:
    """Whether a setting called `key` holds a secret: `api_key`, `hfToken`, `DB-PASSWORD`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]
    if _SECRET_WORDS.intersection(words) or _SECRET_ENDINGS.intersection(words[-1:]):
        return True
    return any(owner in _KEY_OWNERS and word in ("key", "keys") for owner, word in pairwise(words))


def _file_name(path: str) -> str:
    return _last_part(path) if _names_file(path) else _REMOVED_PATH


def _names_file(path: str) -> bool:
    return PurePath(_last_part(path)).suffix.lower() in _FILE_SUFFIXES


def _last_part(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]
