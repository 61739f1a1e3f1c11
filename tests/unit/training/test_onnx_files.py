"""Digests in model.toml: one file's is added or renewed, and those of the other files stay."""

from runtime.models import sha256_of
from training.onnx_files import with_digest

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
