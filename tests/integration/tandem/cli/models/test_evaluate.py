"""`tandem models evaluate` as a process: the table, the files, and one line for each thing that can be wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.tandem.cli.commands import Ended, run, run_each, tandem
from tests.unit.tandem.measure.quality.small_world import SmallGateway, small_gateway, write_judge, write_reference


@pytest.fixture
async def small() -> AsyncIterator[SmallGateway]:
    async with small_gateway() as running:
        yield running


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A model repository with the judge and the parallel model's entry; the reference data lies beside it."""
    models_dir = tmp_path / "models"
    write_judge(models_dir / "small-judge")
    (models_dir / "small-gan").mkdir()
    lines = ['kind = "gan"', 'modality = "image"', 'licence = "MIT"', "[files]"]
    lines += [f'"generator.onnx" = "{"0" * 64}"', f'"notes.json" = "{"1" * 64}"']
    (models_dir / "small-gan" / "model.toml").write_text("\n".join(lines))
    write_reference(tmp_path / "lines.npz")
    return models_dir


async def evaluate(gateway: SmallGateway, models_dir: Path, *words: str) -> Ended:
    """Run the command in the folder that holds the models."""
    return await run(*tandem(*words_for(models_dir, gateway.address, *words)), folder=models_dir.parent)


def words_for(models_dir: Path, address: str, *words: str) -> tuple[str, ...]:
    fixed = ("--judge", str(models_dir / "small-judge"), "--reference", str(models_dir.parent / "lines.npz"))
    return ("models", "evaluate", *words, *fixed, "--models-dir", str(models_dir), "--address", address)


async def test_it_prints_tables_and_writes_files(small: SmallGateway, models_dir: Path, tmp_path: Path) -> None:
    words = ("--num-samples", "90", "--seed", "3", "--truncation", "2")
    ended = await evaluate(small, models_dir, "small-gan", *words)
    assert ended.code == 0, ended.err
    # Not into the model's folder: that would replace the released model's own evaluation.
    assert not (models_dir / "small-gan" / "evaluation.json").exists()
    folder = tmp_path / "out" / "evaluation" / "small-gan"
    found = json.loads((folder / "evaluation.json").read_text())
    assert (folder / "evaluation.png").is_file()
    assert (found["seed"], found["sampling"]) == (3, {"truncation": 2.0})
    assert found["weights_sha256"] == {"generator.onnx": "0" * 64}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in ended.out.splitlines() if "|" in line]
    assert ["metric", "small-gan", "real images"] in rows
    assert ["accuracy", "1.000", "1.000"] in rows
    assert ["FID", f"{found['model']['fid']:.3f}", f"{found['floor']['fid']:.3f}"] in rows
    assert any(row[0] == "left" for row in rows)
    assert "seed 3" in ended.out
    assert "truncation 2" in ended.out
    assert "out/evaluation/small-gan/evaluation.json" in ended.out
    assert ended.err.startswith("of fewer than 2,000 images recall and coverage are too low")


async def test_what_is_wrong_is_named_in_one_line(small: SmallGateway, models_dir: Path) -> None:
    enough = ["--num-samples", "90"]
    cases = (
        (["--num-samples", "91"], small.address, "num-samples: 91 is not accepted; accepted: a multiple of 3"),
        ([*enough, "--temperature", "0.5"], small.address, "temperature: 0.5 is not accepted; accepted: truncation"),
        ([*enough, "--top-p", "0.5"], small.address, "top_p: 0.5"),
        (enough, "127.0.0.1:1", "no Tandem gateway at 127.0.0.1:1; start one with `tandem up`"),
    )
    commands = (words_for(models_dir, address, "small-gan", *words) for words, address, _ in cases)
    for ended, (_, _, part) in zip(await run_each(*commands, folder=models_dir.parent), cases, strict=True):
        assert ended.code == 1
        assert part in ended.err
        assert len(ended.err.splitlines()) == 1
    assert not (models_dir / "small-gan" / "evaluation.json").exists()
