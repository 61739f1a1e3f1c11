"""Digests in model.toml: one file's is added or renewed, and those of the other files stay."""

import tomllib

from tandem.shared.models import sha256_of
from training.model_files import name_file, record_digests


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


def test_a_measured_file_is_named_once_behind_its_line_with_its_digest(tmp_path):
    toml, file = tmp_path / "model.toml", tmp_path / "costs.json"
    toml.write_text('kind = "transformer"\nlicence = "MIT"\n\n[image_tokens]\nmask_token = 9\nnum_codes = 8\n')
    for content in (b"older", b"newer"):
        file.write_bytes(content)
        name_file(tmp_path, "step_costs", file.name, behind="mask_token")
        name_file(tmp_path, "diversity", file.name)
    found = tomllib.loads(toml.read_text())
    assert found.pop("files") == {file.name: sha256_of(file)}
    tokens = {"mask_token": 9, "step_costs": file.name, "num_codes": 8}
    assert found == {"kind": "transformer", "licence": "MIT", "diversity": file.name, "image_tokens": tokens}
