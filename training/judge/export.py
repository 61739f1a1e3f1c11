"""Export a trained judge to ONNX: `python -m training.judge.export --run RUN --model models/fashion-judge`.

Writes judge.onnx (input `image` [B, C, H, W] in -1..1; outputs `logits` [B, classes], `features` [B, 128]), compares it
with torch and notes its SHA-256 in model.toml, which is written if there is none. From then on it is frozen: in other
features all figures are others.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from safetensors.torch import load_file

from training import loop
from training.image_kind import ImageKind
from training.judge.train import Judge
from training.model_files import image_table, noise_images, write_model_toml, write_onnx

TOML = """kind = "judge"
modality = "image"
licence = "NOASSERTION"
description = "Classifier of {}: its features measure generators; frozen"

{}"""


def export(run: Path, folder: Path) -> None:
    """Write the run's newest judge into a model's folder."""
    kind = ImageKind.of(run)
    judge = Judge(kind)
    judge.load_state_dict(load_file(loop.newest(run, "judge-*.safetensors")))
    judge.eval().requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "judge.onnx"
    write_onnx(judge, partial(noise_images, kind), path, inputs=("image",), outputs=("logits", "features"))
    write_model_toml(folder, TOML.format(kind.data_set, image_table(kind)), [path])


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, run="folder of the training", model="folder of the model repository")
    options = parser.parse_args(argv)
    export(options.run, options.model)


if __name__ == "__main__":
    main()
