"""The keys that files are signed with: in a file, behind a command, or of a caller's own."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from ninefold.core.errors import SigningError
from ninefold.core.signing import SigningKey, SigningSettings
from ninefold.files.scrub import scrub_text
from ninefold.files.signing.certificates import Chain, belongs, read_key, sign_with
from ninefold.files.signing.command import run_command
from ninefold.files.signing.self_made import SelfMadeKey

#: Bytes of PEM files.
_MAX_BYTES = 1 << 20
_MOST_SHOWN = 300


@dataclass(frozen=True)
class CallbackKey:
    """A key that is kept elsewhere, and a function that has it sign: for KMS and HSM.

    `certificates` is the chain as PEM, the key's own first. The function gets the bytes to be
    signed, not their hash; ECDSA signatures may be in DER.
    """

    certificates: str
    signed: Callable[[bytes], bytes]

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`; raises `SigningError` where the function raises anything."""
        try:
            return self.signed(data)
        except Exception as error:
            said = f"{type(error).__name__}: {scrub_text(str(error))[:_MOST_SHOWN]}"
            raise SigningError(f"the key could not sign: {said}. Mend what it signs by.") from None


@dataclass(frozen=True)
class FileKey:
    """A key in a PEM file, read anew for each signature and kept nowhere else."""

    certificate_file: Path
    key_file: Path

    @property
    def certificates(self) -> str:
        """The chain as PEM; raises `SigningError`."""
        return _chain_in(self.certificate_file).pem

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`; raises `SigningError`."""
        return sign_with(_key_in(self.key_file), data)

    def problems(self, chain: Chain) -> Iterator[str]:
        """Whether the key is there, and the one that the chain speaks for."""
        try:
            key = _key_in(self.key_file)
        except SigningError as error:
            yield str(error)
            return
        if not belongs(key, chain):
            yield (
                f"{self.key_file.name}: expected the key of the certificate of {chain.subject!r}, "
                "got another one. Give the key and the certificate that belong together."
            )


@dataclass(frozen=True)
class CommandKey:
    """A key behind a command: bytes on its standard input, the signature on its output."""

    certificate_file: Path
    command: str
    seconds: float

    @property
    def certificates(self) -> str:
        """The chain as PEM; raises `SigningError`."""
        return _chain_in(self.certificate_file).pem

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`; raises `SigningError`."""
        words = self._words()
        program = Path(words[0]).name
        try:
            code, out, errors = run_command(words, data, self.seconds)
        except TimeoutError:
            raise SigningError(
                f"NINEFOLD_SIGN_COMMAND: {program} gave no signature within {self.seconds:g} s. "
                "Mend it, or give it longer with NINEFOLD_SIGN_SECONDS."
            ) from None
        except OSError as error:
            raise SigningError(
                f"NINEFOLD_SIGN_COMMAND: {program} cannot be run: {error.strerror or error}."
            ) from None
        if code or not out:
            said = scrub_text(errors.decode("utf-8", "replace")).strip()[-_MOST_SHOWN:]
            raise SigningError(
                f"NINEFOLD_SIGN_COMMAND: expected a signature on the output of {program}, got "
                f"exit code {code} and {len(out)} bytes"
                f"{f' ({said})' if said else ''}. Try it by hand: bytes in, signature out."
            )
        return out

    def problems(self, chain: Chain) -> Iterator[str]:
        """Whether the command is there; it is not run."""
        try:
            words = self._words()
        except SigningError as error:
            yield str(error)
            return
        if shutil.which(words[0]) is None:
            name = Path(words[0]).name
            yield f"NINEFOLD_SIGN_COMMAND: no program is called {name!r}. Install it."

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise SigningError(f"NINEFOLD_SIGN_COMMAND: {error}; mend its quotes.") from None
        if not words:
            raise SigningError("NINEFOLD_SIGN_COMMAND: expected a command, got blanks.")
        return words


def key_for(
    settings: SigningSettings, folder: Path | None, given: SigningKey | None = None
) -> SigningKey:
    """The key that files are signed with: the one `given`, the settings', or one that is made and
    kept in `folder`."""
    if given is not None:
        return given
    certificate = settings.sign_certificate
    if certificate is not None and settings.sign_key is not None:
        return FileKey(certificate, settings.sign_key)
    if certificate is not None and settings.sign_command is not None:
        return CommandKey(certificate, settings.sign_command, settings.sign_seconds)
    return SelfMadeKey(folder)


def chain_of(key: SigningKey) -> Chain:
    """The certificates that speak for a key; raises `SigningError`."""
    return Chain.from_pem(key.certificates.encode(), "certificate")


def key_problems(key: SigningKey) -> Iterator[str]:
    """What would stop signing, as far as that is known before anything is signed; makes nothing."""
    try:
        chain = key.existing if isinstance(key, SelfMadeKey) else chain_of(key)
    except SigningError as error:
        yield str(error)
        return
    if chain is None:
        return
    yield from chain.problems()
    if isinstance(key, FileKey | CommandKey):
        yield from key.problems(chain)


def readable_by_others(path: Path) -> bool:
    """Whether more than a key file's owner may read it."""
    try:
        return os.name != "nt" and bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


# Messages name files without their folders: clients of a service may see them.


def _chain_in(path: Path) -> Chain:
    return Chain.from_pem(_read(path, "NINEFOLD_SIGN_CERTIFICATE"), path.name)


def _key_in(path: Path) -> PrivateKeyTypes:
    return read_key(_read(path, "NINEFOLD_SIGN_KEY"), path.name)


def _read(path: Path, setting: str) -> bytes:
    try:
        # A pipe would wait for a writer, and could be read once.
        if not stat.S_ISREG(path.stat().st_mode):
            raise SigningError(
                f"{path.name}: expected a PEM file, got a folder, pipe or device. Mend {setting}."
            )
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SigningError(
            f"{path.name}: cannot be read: {error.strerror or error}. Mend {setting}."
        ) from None
    if len(data) > _MAX_BYTES:
        raise SigningError(
            f"{path.name}: expected a PEM file of at most {_MAX_BYTES:,} bytes. Mend {setting}."
        )
    return data
