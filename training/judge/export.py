"""Export a trained judge to ONNX: `python -m training.judge.export --run RUN --model models/fashion-judge`.

Writes judge.onnx (input `image` [B, 1, 28, 28] in -1..1; outputs `logits` [B, 10], `features` [B, 128]), compares it
with torch and notes its SHA-256 in model.toml. From then on it is frozen: in other features all figures are others.
"""

import argparse
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from training import loop
from training.dataset import load_tensors, to_model_range
from training.judge.networks import Judge
from training.onnx_files import check_against_torch, record_digests, write_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model repository")
    options = parser.parse_args()
    judge = Judge()
    judge.load_state_dict(load_file(loop.newest(options.run, "judge-*.safetensors")))
    judge.eval().requires_grad_(False)
    examples: list[tuple[Tensor, ...]] = [
        (to_model_range(load_tensors("test")[0][:count]),) for count in (2, 1, 7, 100)
    ]
    path = options.model / "judge.onnx"
    write_onnx(judge, examples[0], ("image",), ("logits", "features"), path)
    check_against_torch(judge, examples, path)
    record_digests(options.model / "model.toml", [path])


if __name__ == "__main__":
    main()
