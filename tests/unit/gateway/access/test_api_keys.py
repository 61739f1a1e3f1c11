"""The file of keys: what it may hold, how it is refused, how a key is found."""

import hashlib
import hmac
import re
from pathlib import Path

import pytest

from gateway.access import api_keys
from gateway.access.api_keys import ApiKey, ApiKeysFileError, find, load_api_keys

SECRET = "tdm_" + "s" * 43
HASH = hashlib.sha256(SECRET.encode()).hexdigest()


def entry(name: str, secret: str = SECRET) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(secret.encode()).hexdigest())


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    return path


def test_backends_are_told_neither_name_nor_key_nor_hash() -> None:
    told = entry("alice").caller_id()
    assert re.fullmatch("[0-9a-f]{32}", told)
    assert told not in HASH
    assert HASH not in told
    assert told == entry("renamed").caller_id()
    assert told != entry("alice", SECRET + "s").caller_id()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "keys: Field required"),
        ("keys = []", "keys: List should have at least 1 item"),
        ("nonsense", "this is not TOML"),
        (f'[[keys]]\nsha256 = "{HASH}"', "keys[0].name: accepted: 1 to 64"),
        (f'[[keys]]\nname = "a\\nb"\nsha256 = "{HASH}"', "keys[0].name: accepted: 1 to 64"),
        (f'[[keys]]\nname = "a"\nsha256 = "{SECRET}"', "keys[0].sha256: accepted: 64 hexadecimal digits"),
        (f'[[keys]]\nname = "a"\nsha256 = "{HASH.upper()}"', "keys[0].sha256: accepted: 64 hexadecimal digits, lower"),
        (f'[[keys]]\nname = "a"\nkey = "{SECRET}"', "keys[0].sha256: accepted: 64"),
        (f'[[keys]]\nname = "a"\nsha256 = "{HASH}"\nkey = "{SECRET}"', "keys[0].key: Extra inputs are not permitted"),
        (f'[[keys]]\nname = "a"\nsha256 = "{HASH}"\ntokens_per_minute = 0', "tokens_per_minute: Input should be"),
        (f'[[keys]]\nname = "a"\nsha256 = "{HASH}"\n' * 2, "two entries have the name of 'a'"),
        (f'[[keys]]\nname = "a"\nsha256 = "{HASH}"\n[[keys]]\nname = "b"\nsha256 = "{HASH}"', "the sha256 of 'a'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_the_value(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ApiKeysFileError) as caught:
        load_api_keys(path)
    message = str(caught.value)
    assert message.startswith(f"api_keys_file: {path}: ")
    assert told in message
    assert "\n" not in message
    assert not any(secret in message for secret in (SECRET, HASH, HASH.upper()))


def test_a_key_is_found_by_its_hash_alone() -> None:
    keys = [entry("a", "one"), entry("b"), entry("c", "three")]
    found = find(keys, SECRET)
    assert found is not None
    assert found.name == "b"
    for wrong in ("", SECRET[:-1], SECRET + "x", HASH, "\udc80", "ключ"):
        assert find(keys, wrong) is None


def test_every_entry_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, compare_digest = [], hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return compare_digest(one, other)

    monkeypatch.setattr(api_keys.hmac, "compare_digest", compare)
    keys = [entry("a"), entry("b", "two"), entry("c", "three")]
    find(keys, SECRET)
    assert compared == [key.sha256 for key in keys]
