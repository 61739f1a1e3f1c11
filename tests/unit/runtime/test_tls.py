"""PEM files that cannot be used are named, with what is wrong, at the start."""

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from runtime.tls import Identity, TlsFileError, read_channel_tls, read_identity, read_server_tls
from tests.certificates import Authority

CERT, KEY = "tls_cert", "tls_key"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "ours")


@pytest.fixture
def good(authority) -> Identity:
    return authority.issue("server")


def encrypted(path):
    key = load_pem_private_key(path.read_bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def test_a_file_that_is_of_no_use_is_named_with_what_is_wrong(authority, good, tmp_path):
    path, other = tmp_path / "x.pem", authority.issue("other").key
    no_certificate = r"^tls_cert: .*x\.pem: there is no certificate in PEM format in it$"
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for content in ("", "hello", broken, good.cert.read_text()[:200]):
        path.write_text(content)
        with pytest.raises(TlsFileError, match=no_certificate):
            Identity(path, good.key).check(CERT, KEY)
        with pytest.raises(TlsFileError, match=no_certificate.replace(CERT, "tls_client_ca")):
            read_server_tls(good, "tls_client_ca", path)
    path.write_bytes(encrypted(good.key))
    for key, reason in (
        (other, f"the key does not belong to the certificate in {good.cert}$"),
        (path, "the key is encrypted"),
        (good.cert, "there is no private key in PEM format in it$"),
    ):
        with pytest.raises(TlsFileError, match=f"^tls_key: {key}: {reason}"):
            Identity(good.cert, key).check(CERT, KEY)


def test_a_certificate_with_comments_in_any_encoding(good, tmp_path):
    path = tmp_path / "x.pem"
    path.write_bytes(b"subject=CN=\xfcber\n" + good.cert.read_bytes())
    Identity(path, good.key).check(CERT, KEY)


def test_halves_of_a_pair(good, authority):
    with pytest.raises(ValueError, match=r"^tls_key: not set, but tls_cert is"):
        read_identity(CERT, good.cert, KEY, None)
    with pytest.raises(ValueError, match=r"^tls_cert: not set, but tls_key is"):
        read_identity(CERT, None, KEY, good.key)
    with pytest.raises(ValueError, match=r"^tls_client_ca: set, but the server has no certificate"):
        read_server_tls(None, "tls_client_ca", authority.ca)
    with pytest.raises(ValueError, match=r"^backend_ca: not set, but a certificate to show is"):
        read_channel_tls("backend_ca", None, good)
