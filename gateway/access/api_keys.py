"""API keys: a file of their hashes and budgets, written by operators; `tandem keys new` makes keys and entries.

A key is 256 random bits, so it cannot be guessed, and one round of SHA-256 protects it as well as a slow hash
would; those are for passwords, which people choose. The keys themselves are nowhere at rest.
"""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.access.budget import IMAGE, REQUEST, TOKEN
from tandem.shared.errors import ExpectedError
from tandem.shared.validation_errors import describe_errors

_SCHEME = "bearer"
_CALLER_ID_DOMAIN = b"tandem caller id\0"

PerMinute = Annotated[int, Field(ge=1, le=1_000_000_000)]


class ApiKeysFileError(ExpectedError):
    """Expected error: the operator must mend the file."""


class ApiKey(BaseModel):
    """An entry of the file: who has the key, its hash, and what it may have a minute; a budget left out is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(repr=False)
    requests_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None
    images_per_minute: PerMinute | None = None

    def caller_id(self) -> str:
        """Return the key's identifier for backends: 32 hexadecimal digits, the same for as long as the key is.

        They show neither name nor key, and without the key, or this file, they cannot be guessed.
        """
        return hashlib.sha256(_CALLER_ID_DOMAIN + bytes.fromhex(self.sha256)).hexdigest()[:32]

    def per_minute(self) -> Mapping[str, int]:
        """Return the budgets by unit."""
        limits = {REQUEST: self.requests_per_minute, TOKEN: self.tokens_per_minute, IMAGE: self.images_per_minute}
        return {unit: limit for unit, limit in limits.items() if limit is not None}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keys: Annotated[list[ApiKey], Field(min_length=1)]


def load_api_keys(path: Path) -> tuple[ApiKey, ...]:
    """Return the entries of the file. Raises ApiKeysFileError, which never shows a value: it might be a key."""
    try:
        keys = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).keys
    except OSError as error:
        raise ApiKeysFileError(f"api_keys_file: {path}: {(error.strerror or str(error)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ApiKeysFileError(f"api_keys_file: {path}: this is not TOML: {error}") from None
    except ValidationError as error:
        raise ApiKeysFileError(f"api_keys_file: {path}: {describe_error(error)}") from None
    for attribute in ("name", "sha256"):
        seen = [getattr(key, attribute) for key in keys]
        if twice := next((key for key in keys if seen.count(getattr(key, attribute)) > 1), None):
            raise ApiKeysFileError(f"api_keys_file: {path}: two entries have the {attribute} of {twice.name!r}")
    return tuple(keys)


def find(keys: Sequence[ApiKey], secret: str) -> ApiKey | None:
    """Return the entry of a key; looks at all of them, each in constant time, so that the time reveals nothing."""
    digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def bearer(authorization: Sequence[str]) -> str | None:
    """Return the key that an authorization header, or metadata, carries; None without one, or with several."""
    if len(authorization) != 1:
        return None
    scheme, _, secret = authorization[0].strip().partition(" ")
    return secret.strip() if scheme.lower() == _SCHEME else None


def describe_error(error: ValidationError) -> str:
    """Return what is wrong with entries, and what is accepted; not their values."""
    return describe_errors(error, _ACCEPTED)


_ACCEPTED: Mapping[int | str, str] = {
    "name": "accepted: 1 to 64 letters, digits and . _ @ -",
    "sha256": "accepted: 64 hexadecimal digits, lower case: the SHA-256 of the key; `tandem keys new` prints an entry",
}
