"""Export a refined decoder into the models whose tokens it decodes:

    python -m training.refinement.export --tokenizer runs/fashion-decoder --run runs/fashion-refined \\
        --models models/fashion-ar models/fashion-sar

Takes the snapshot that the log has the least distances of, on validation images. Writes token_decoder.onnx, compares it
with torch, and notes its digest in model.toml. The diversity baseline has to be measured again.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from training import loop
from training.onnx_files import check_against_torch, record_digests, write_onnx
from training.refinement.networks import RefinedDecoder
from training.tokenizer.networks import NUM_CODES, NUM_TOKENS
from training.tokenizer.train import load_tokenizer
from training.transformer.export import TokenDecoder

FILE = "token_decoder.onnx"


def best_step(run: Path) -> int:
    """Return the snapshot whose images are nearest to the validation images, restored and drawn ones together."""
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    measured: dict[int, float] = {
        line["step"]: line["restored_fid"] + line["drawn_fid"] for line in log if "drawn_fid" in line
    }
    if not measured:
        raise SystemExit(f"error: {run} has measured no snapshot yet")
    return min(measured, key=lambda step: measured[step])


def export(tokenizer_run: Path, run: Path, models: list[Path]) -> None:
    """Write the decoder of the best snapshot into the models' folders."""
    step = best_step(run)
    decoder = RefinedDecoder(load_tokenizer(loop.newest(tokenizer_run, "ema-*.safetensors")).decoder)
    decoder.load_state_dict(load_file(run / f"decoder-{step:06d}.safetensors"))
    served = TokenDecoder(decoder).cpu().eval().requires_grad_(False)
    tokens = torch.randint(NUM_CODES, (64, NUM_TOKENS), generator=torch.Generator().manual_seed(0))
    first = models[0] / FILE
    write_onnx(served, (tokens[:2],), ("tokens",), ("image",), first)
    check_against_torch(served, [(tokens[:size],) for size in (1, 2, 64)], first)
    print(f"step {step}")
    for folder in models:
        if folder != models[0]:
            shutil.copyfile(first, folder / FILE)
        files = ("model.safetensors", "token_encoder.onnx", FILE)
        record_digests(folder / "model.toml", [folder / file for file in files])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the decoder's first training")
    parser.add_argument("--run", type=Path, required=True, help="folder of the refinement's run")
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="folders of models of these tokens")
    options = parser.parse_args()
    export(options.tokenizer, options.run, options.models)


if __name__ == "__main__":
    main()
