"""Keep absolute paths and secrets out of files that leave the machine.

Peers have leaked both through image metadata (ComfyUI-fal-API#1, InvokeAI#1450). What a value is
decides how it is scrubbed: settings, names and messages lose every absolute path (`scrub_text`);
prompts, which must come back as they were painted, lose only what no picture is described by
(`scrub_prompt`). The name of the entry decides which is which (`is_prompt_key`).
"""

from __future__ import annotations

import re
from functools import lru_cache
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

# A message may begin with a path as well: `/home/ann/x: no such file`.
_WHOLE_PATH = re.compile(
    r"(?!.*:\s)(?:file://|[A-Za-z]:[\\/]|\\\\|~[\w.-]*[\\/]|/(?!/)[^/\n]+/)[^\n]*"
)
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
#: Paths that tell whose machine it is; in a prompt, others are words such as `/red/blue/green`.
_PRIVATE_PATH = re.compile(
    r"file:|~/|/(?:home|users|root)/|[a-z]:[\\/](?:users|documents and settings)[\\/]|\\\\",
    re.IGNORECASE,
)
# A token has a digit in one of its longer parts, is longer than any word, comes with a prefix that
# no word has, or stands where only a token does: bearers, 18th-century ones too, are people.
_SECRET_IN_TEXT = re.compile(
    r"""
      \b(?:hf|gh[pousr]|r8)_[A-Za-z0-9]{16,} | \bgithub_pat_\w{16,} | \bnf_[a-z2-7]{10}_[\w-]{16,}
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b | \bAIza[\w-]{30,} | \bglpat-[\w-]{16,}
    | \bxox[abeoprs]-\d[\w-]{9,} | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*
    | \bsk-(?=(?:[A-Za-z0-9]{0,100}[_-]){0,12}
        (?:(?=[A-Za-z]{0,99}\d)[A-Za-z0-9]{8}|[A-Za-z0-9]{20}))[\w-]{12,}
    | \bauthorization["']?\s*:\s*["']?(?:(?:basic|bearer|digest|token|api-?key)\s+)?[\w.~+/=-]{6,}
    | \bbearer\s+(?=(?:[A-Za-z0-9]{0,100}[._~+/=-]){0,12}
        (?=[A-Za-z]{0,99}\d)[A-Za-z0-9]{8})[\w.~+/=-]{8,}
    | \b(?:(?:api|access|secret)[ _-]?key|(?:access|auth)[ _-]?token|client[ _-]?secret|password)
      ["']?\s*[=:]\s*["']?(?=[\w.~+/-]{0,200}\d)[\w.~+/=-]{6,}
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----[\s\S]*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | (?<=://)(?:[^\s/@:]*:[^\s/@]+|[^\s/@]{16,})@
    | (?<=[?&])(?:token|key|api_?key|access_token|sig|signature|X-Amz-[A-Za-z-]+)=[^\s&#"']+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SECRET_WORDS = frozenset(
    ("apikey", "authorization", "credential", "credentials", "passphrase", "password", "secret")
)
# Words with another sense ahead of a noun: A1111 has a setting `Token merging ratio`.
_SECRET_ENDINGS = frozenset(("cookie", "token"))
_KEY_OWNERS = frozenset(
    ("access", "api", "auth", "encryption", "private", "secret", "signing", "ssh")
)
_PROMPT_ENDINGS = frozenset(("prompt", "prompts", "styles", "template", "texts", "wildcards"))
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)?")


def scrub_text(text: str) -> str:
    """`text` with no absolute path and nothing that looks like a key or a password.

    A path becomes its file name where that names a model, image or settings file, else
    `[path removed]`; a secret becomes `[secret removed]`. URLs stay, less what signs them in.
    """
    text = _SECRET_IN_TEXT.sub(_REMOVED_SECRET, text)
    if _WHOLE_PATH.fullmatch(text):
        return _file_name(text)  # blanks in it included
    return _PATH_IN_TEXT.sub(lambda match: _file_name(match[0]), text)


def scrub_prompt(text: str) -> str:
    """A prompt as it was painted, less keys and passwords, and paths that no picture shows.

    Those are paths below a user's folder, and paths of model, image or settings files.
    """

    def replaced(match: re.Match[str]) -> str:
        path = match[0]
        return _file_name(path) if _names_file(path) or _PRIVATE_PATH.match(path) else path

    return _PATH_IN_TEXT.sub(replaced, _SECRET_IN_TEXT.sub(_REMOVED_SECRET, text))


@lru_cache(maxsize=1024)  # the same few hundred in every file
def is_secret_key(key: str) -> bool:
    """Whether a setting called `key` holds a secret: `api_key`, `hfToken`, `DB-PASSWORD`."""
    words = _words(key)
    if _SECRET_WORDS.intersection(words) or _SECRET_ENDINGS.intersection(words[-1:]):
        return True
    return any(owner in _KEY_OWNERS and word in ("key", "keys") for owner, word in pairwise(words))


@lru_cache(maxsize=1024)
def is_prompt_key(key: str) -> bool:
    """Whether an entry called `key` holds prompts: `class_prompts`, `ADetailer prompt 2nd`."""
    words = [word for word in _words(key) if not _ORDINAL.fullmatch(word)]
    return bool(_PROMPT_ENDINGS.intersection(words[-1:]))


def _words(key: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key)
    return [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]


def _file_name(path: str) -> str:
    return _last_part(path) if _names_file(path) else _REMOVED_PATH


def _names_file(path: str) -> bool:
    return PurePath(_last_part(path)).suffix.lower() in _FILE_SUFFIXES


def _last_part(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]
