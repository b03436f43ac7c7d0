"""The certificate that ninefold makes for itself, where nobody gives it one."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ninefold.core.atomic import write_atomic
from ninefold.core.errors import SigningError, StorageError
from ninefold.files.signing.certificates import Chain, belongs, read_key, sign_with

#: Below the folder: the key with its chain, for its owner alone, and the root for everyone.
KEY_FILE, ROOT_FILE = "self-made.pem", "self-made-root.pem"
_ORGANIZATION = "ninefold, self-made"
_YEARS = 10
#: May read the key.
_OWNER_ALONE = 0o600

_log = logging.getLogger(__name__)


class SelfMadeKey:
    """A key and a certificate of ninefold's own, made when they are first asked for.

    They lie in `folder`, one file that its owner alone may read; where there is no folder, they
    last as long as the process. Once the certificate has expired another one is made.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @property
    def certificates(self) -> str:
        """The chain as PEM; raises `StorageError` and `SigningError`."""
        return self.chain.pem

    @property
    def chain(self) -> Chain:
        """The certificate, and the root that vouches for it."""
        return Chain.from_pem(self._data(), KEY_FILE)

    @property
    def existing(self) -> Chain | None:
        """What of it is there already, and usable.

        Raises `SigningError` for a damaged file, and where none could be made, as far as that is
        known.
        """
        if self.folder is None:
            return None
        try:
            data = _read(self.folder / KEY_FILE)
            if data is not None and _usable(data):
                return Chain.from_pem(data, KEY_FILE)
            _check_place(self.folder)
        except OSError as error:
            raise SigningError(_not_kept(error)) from None
        return None

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        return sign_with(read_key(self._data(), KEY_FILE), data)

    def _data(self) -> bytes:
        if self.folder is not None:
            return _kept(self.folder)
        with _making:  # or threads that sign at once would each make one, and mix them up
            return _in_memory()


_making = Lock()


@cache
def _in_memory() -> bytes:
    key, chain = make_self_signed()
    return key + chain.pem.encode()


def _kept(folder: Path) -> bytes:
    """The file in `folder`, made where it is missing or its certificate has expired."""
    path = folder / KEY_FILE
    try:
        data = _read(path)
        if data is None or not _usable(data):
            data = _make(folder, path, data)
    except OSError as error:
        raise StorageError(_not_kept(error)) from None
    _keep_root(folder, data)
    return data


def _not_kept(error: OSError) -> str:
    return (
        f"{KEY_FILE}: the key that ninefold signs with cannot be kept: "
        f"{error.strerror or error}. Make the folder writable, free some space, name another one "
        "with NINEFOLD_MARKS, or give a certificate of your own."
    )


def _check_place(folder: Path) -> None:
    """Raise OSError where `folder` cannot be made, or nothing can be written to it."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _usable(data: bytes) -> bool:
    """Whether the certificate is still valid; raises `SigningError` for a damaged file."""
    try:
        chain = Chain.from_pem(data, KEY_FILE)
        whole = belongs(read_key(data, KEY_FILE), chain)
    except SigningError:
        whole = False
    if not whole:
        raise SigningError(
            f"{KEY_FILE}: expected the key and the certificate that ninefold made, got something "
            "else. Remove the file, and ninefold makes others."
        )
    return chain.expires > datetime.now(UTC)


def _make(folder: Path, path: Path, expired: bytes | None) -> bytes:
    """Make key and certificate; of several processes that do so at once, one is heard by all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(folder, 0o700)
    key, chain = make_self_signed()
    data = key + chain.pem.encode()
    if expired is not None and _read(path) == expired:
        write_atomic(path, data, mode=_OWNER_ALONE)
    else:
        with suppress(FileExistsError):
            write_atomic(path, data, mode=_OWNER_ALONE, replace=False)
    _log.warning(
        "Published files are signed with a certificate that ninefold made for itself: readers find "
        "them whole, and by nobody they trust. To be trusted, set NINEFOLD_SIGN_CERTIFICATE; or "
        "give readers %s.",
        folder / ROOT_FILE,
    )
    return path.read_bytes()


def _keep_root(folder: Path, data: bytes) -> None:
    """Write the root beside the key where it is missing or another one's: who made the key may have
    been killed before. Signing does without, and the next signature tries again."""
    path = folder / ROOT_FILE
    root = Chain.from_pem(data, KEY_FILE).certificates[-1]
    pem = root.public_bytes(serialization.Encoding.PEM)
    with suppress(OSError):
        if _read(path) != pem:
            write_atomic(path, pem)


def make_self_signed(now: datetime | None = None) -> tuple[bytes, Chain]:
    """A new ECDSA key as PEM, and its chain: a certificate and a root, whose own key is forgotten.

    Nobody trusts the root who was not told to; all else about signatures by it is as it should be.
    """
    now = now or datetime.now(UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = _name("ninefold root"), _name("ninefold")
    base = (
        x509.CertificateBuilder()
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .issuer_name(root_name)
    )
    root = (
        base.subject_name(root_name)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        base.subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, Chain((leaf, root))


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
