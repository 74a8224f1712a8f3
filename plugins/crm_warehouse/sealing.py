"""Secrets at rest: AES-256-GCM under a key from the environment.

A sealed text is ``aes256gcm.<key id>.<nonce and ciphertext>``. It opens only for the
purpose it was sealed for, such as ``connections|genius_default``, so that an entry
moved to another place is refused like a changed one. Of several keys the first seals
and all open: to rotate, put a new one in front, seal anew, drop the old one.
"""

import base64
import binascii
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crm_warehouse.connections.lookup import KEY_VARIABLE
from crm_warehouse.connections.model import Connection, parse_connection
from crm_warehouse.errors import ConfigurationError

_PREFIX = "aes256gcm"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class Sealer:
    """Seals and opens texts.

    Args:
        keys: 32 bytes each; the first one seals.
    """

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._sealing_id = next(iter(self._ciphers))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Sealer":
        """Sealer with the keys of ``CRM_WAREHOUSE_SEALING_KEY``.

        Raises:
            ConfigurationError: The variable is unset or holds no usable key.
        """
        texts = [part.strip() for part in environ.get(KEY_VARIABLE, "").split(",")]
        if texts == [""]:
            raise ConfigurationError(
                f"{KEY_VARIABLE} is not set: give it 32 random bytes in base64, "
                "e.g. of `openssl rand -base64 32`"
            )
        return cls([_key(position, text) for position, text in enumerate(texts, 1)])

    def seal(self, text: str, purpose: str) -> str:
        """Encrypt ``text`` so that it opens for ``purpose`` only."""
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bound(self._sealing_id, purpose)
        sealed = self._ciphers[self._sealing_id].encrypt(nonce, text.encode(), bound)
        body = base64.urlsafe_b64encode(nonce + sealed).decode()
        return f"{_PREFIX}.{self._sealing_id}.{body}"

    def open(self, sealed: str, purpose: str) -> str:
        """Decrypt what :meth:`seal` gave.

        Raises:
            ConfigurationError: Another key is needed, or the text was changed, cut or
                sealed for another purpose.
        """
        prefix, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if prefix != _PREFIX or not body:
            raise ConfigurationError(f"{purpose}: is no sealed text")
        if key_id not in self._ciphers:
            raise ConfigurationError(
                f"{purpose}: was sealed with key {key_id}, but {KEY_VARIABLE} holds "
                f"{', '.join(self._ciphers)}; add that key, or seal anew"
            )
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            nonce, cipher = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            bound = _bound(key_id, purpose)
            return self._ciphers[key_id].decrypt(nonce, cipher, bound).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise ConfigurationError(
                f"{purpose}: was changed after sealing, or sealed for something else; "
                "seal anew"
            ) from None


def seal_connections(
    connections: Iterable[Connection],
    path: Path,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write connections to a file that only its owner reads, whole or not at all.

    Raises:
        ConfigurationError: There is no key, or the file cannot be written.
    """
    sealer = Sealer.from_environment(environ)
    entries = {
        connection.id: sealer.seal(connection.as_json(), _purpose(connection.id))
        for connection in connections
    }
    text = json.dumps(entries, indent=2, sort_keys=True) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_atomically(path, text)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written: {error.strerror}"
        ) from None


def open_connections(
    path: Path, environ: Mapping[str, str] = os.environ
) -> dict[str, Connection]:
    """Connections by id of a file that :func:`seal_connections` wrote.

    Raises:
        ConfigurationError: The file is missing, damaged, or of another key.
    """
    sealer = Sealer.from_environment(environ)
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        entries = None
    if not isinstance(entries, dict):
        raise ConfigurationError(
            f"{path}: is damaged; run `python -m crm_warehouse connections export`"
        )
    opened: dict[str, Connection] = {}
    for conn_id, sealed in entries.items():
        try:
            text = sealer.open(str(sealed), _purpose(conn_id))
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None
        opened[conn_id] = parse_connection(conn_id, text, f"{path}: {conn_id}")
    return opened


def _purpose(conn_id: str) -> str:
    return f"connections|{conn_id}"


def _bound(key_id: str, purpose: str) -> bytes:
    return f"{_PREFIX}|{key_id}|{purpose}".encode()


def _key(position: int, text: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"{KEY_VARIABLE}: key {position} is not {_KEY_BYTES} bytes in base64; make "
            "one with `openssl rand -base64 32`"
        )
    return key


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"crm_warehouse sealing key id|" + key).hexdigest()[:8]


def _write_atomically(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink()
        raise
