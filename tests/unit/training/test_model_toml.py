"""Digests in model.toml: one file's is added or renewed, and those of the other files stay."""

import tomllib

from tandem.shared.models import sha256_of
from training.model_toml import record_digests, with_digest

TOP = 'kind = "gan"\n\n[image]\nshape = [1, 1, 1]\n'


def test_a_digest_is_added_then_renewed_and_others_stay(tmp_path):
    first, second = tmp_path / "a.onnx", tmp_path / "b.json"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    before, other = sha256_of(first), sha256_of(second)
    once = with_digest(TOP, first)
    assert once == f'{TOP}\n[files]\n"a.onnx" = "{before}"\n'
    both = with_digest(once, second)
    assert both == f'{TOP}\n[files]\n"b.json" = "{other}"\n"a.onnx" = "{before}"\n'
    first.write_bytes(b"3")
    assert with_digest(both, first) == both.replace(before, sha256_of(first))


def test_an_export_renews_its_own_digests_and_keeps_those_of_what_was_measured(tmp_path):
    toml, files = tmp_path / "model.toml", [tmp_path / name for name in ("a.onnx", "b.onnx", "costs.json")]
    for file in files:
        file.write_bytes(file.name.encode())
    costs = sha256_of(files[2])
    toml.write_text(
        f'kind = "gan"\n\n[files]\n"costs.json" = "{costs}"\n"a.onnx" = "older"\n\n[image]\nshape = [1, 1, 1]\n'
    )
    record_digests(toml, files[:2])
    found = tomllib.loads(toml.read_text())
    assert found["files"] == {file.name: sha256_of(file) for file in files}
    assert found["image"] == {"shape": [1, 1, 1]}
