"""Export a refined decoder into the models whose tokens it decodes:

    python -m training.refinement.export --tokenizer runs/fashion-decoder --run runs/fashion-refined \\
        --models models/fashion-ar models/fashion-sar

Takes the snapshot that the log has the least distances of, on validation images. Writes token_decoder.onnx, compares it
with torch, and notes its digest in model.toml. The diversity baseline has to be measured again. A model whose encoder
makes other tokens than the tokenizer's run is refused before anything is written.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file

from training import loop
from training.model_files import noise_images, record_digests, write_onnx
from training.refinement.networks import RefinedDecoder
from training.tokenizer.train import Autoencoder, load_tokenizer
from training.transformer.export import TokenDecoder, TokenEncoder, token_rows

FILE = "token_decoder.onnx"
NUM_COMPARED = 64
"""Images, of noise, from which two encoders of other weights make other tokens nearly everywhere."""
MIN_EQUAL_TOKENS = 0.99
"""Share from which on two encoders are the same: runtimes may round what lies between two levels differently."""


@torch.no_grad()
def check_tokens(tokenizer: Autoencoder, models: list[Path]) -> None:
    """End the command if one of the models has tokens of another tokenizer."""
    (image,) = noise_images(tokenizer.kind, NUM_COMPARED)
    expected = TokenEncoder(tokenizer)(image).numpy()
    for folder in models:
        file = folder / "token_encoder.onnx"
        if not file.exists():
            raise SystemExit(f"error: {folder} has no {file.name}, which tells whose tokens it has")
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
        if found.shape != expected.shape or np.mean(found == expected) < MIN_EQUAL_TOKENS:
            raise SystemExit(f"error: the tokens of {folder} are not those of the tokenizer; nothing was written")


def export(tokenizer_run: Path, run: Path, models: list[Path]) -> None:
    """Write the decoder of the best snapshot into the models' folders."""
    weights = loop.best(run, "decoder-*.safetensors", "_fid")
    tokenizer = load_tokenizer(loop.newest(tokenizer_run, "ema-*.safetensors")).cpu()
    check_tokens(tokenizer, models)
    decoder = RefinedDecoder(tokenizer.decoder)
    decoder.load_state_dict(load_file(weights))
    served = TokenDecoder(decoder, decoder.kind.grid).cpu().eval().requires_grad_(False)
    first = models[0] / FILE
    write_onnx(served, token_rows(decoder.kind), first, inputs=("tokens",), outputs=("image",))
    print(weights.name)
    for folder in models:
        if folder != models[0]:
            shutil.copyfile(first, folder / FILE)
        record_digests(folder / "model.toml", [folder / FILE])


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(
        __doc__, tokenizer="folder of the decoder's first training", run="folder of the refinement's run"
    )
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="folders of models of these tokens")
    options = parser.parse_args(argv)
    export(options.tokenizer, options.run, options.models)


if __name__ == "__main__":
    main()
