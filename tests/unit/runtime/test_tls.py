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


@pytest.mark.parametrize(
    "content", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "half"]
)
def test_what_is_no_certificate(good, tmp_path, content):
    path = tmp_path / "x.pem"
    path.write_text(good.cert.read_text()[:200] if content == "half" else content)
    with pytest.raises(TlsFileError, match=r"^tls_cert: .*x\.pem: there is no certificate in PEM format in it$"):
        Identity(path, good.key).check(CERT, KEY)
    with pytest.raises(TlsFileError, match=r"^tls_client_ca: .*x\.pem: there is no certificate in PEM format in it$"):
        read_server_tls(good, "tls_client_ca", path)


def test_a_certificate_with_comments_in_any_encoding(good, tmp_path):
    path = tmp_path / "x.pem"
    path.write_bytes(b"subject=CN=\xfcber\n" + good.cert.read_bytes())
    Identity(path, good.key).check(CERT, KEY)


def test_a_key_to_another_certificate(good, authority):
    other = authority.issue("other")
    with pytest.raises(TlsFileError) as caught:
        Identity(good.cert, other.key).check(CERT, KEY)
    assert str(caught.value) == f"tls_key: {other.key}: the key does not belong to the certificate in {good.cert}"


def test_a_key_with_a_passphrase(good, tmp_path):
    path = tmp_path / "x.key"
    path.write_bytes(encrypted(good.key))
    with pytest.raises(TlsFileError, match=r"^tls_key: .*x\.key: the key is encrypted"):
        Identity(good.cert, path).check(CERT, KEY)


def test_what_is_no_key(good):
    with pytest.raises(TlsFileError, match=r"^tls_key: .*: there is no private key in PEM format in it$"):
        Identity(good.cert, good.cert).check(CERT, KEY)


def test_halves_of_a_pair(good, authority):
    with pytest.raises(ValueError, match=r"^tls_key: not set, but tls_cert is"):
        read_identity(CERT, good.cert, KEY, None)
    with pytest.raises(ValueError, match=r"^tls_cert: not set, but tls_key is"):
        read_identity(CERT, None, KEY, good.key)
    with pytest.raises(ValueError, match=r"^tls_client_ca: set, but the server has no certificate"):
        read_server_tls(None, "tls_client_ca", authority.ca)
    with pytest.raises(ValueError, match=r"^backend_ca: not set, but a certificate to show is"):
        read_channel_tls("backend_ca", None, good)
