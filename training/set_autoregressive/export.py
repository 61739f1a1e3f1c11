"""Export a trained set-autoregressive image model: `python -m training.set_autoregressive.export`, see --help.

Writes what serves: config.json and model.safetensors under Hugging Face's names (a Llama), the token networks of the
model whose tokens it has learnt, unchanged, and the digests in model.toml, which is written if there is none.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file

from tandem.shared.models import Model, ModelError, ModelRepository
from training import loop
from training.image_kind import ImageKind
from training.model_files import write_model_toml
from training.set_autoregressive.tokens import halton_order, mask_token
from training.set_autoregressive.train import config_of
from training.transformer.export import toml_of, write_transformer


def export(run: Path, tokenizer: Model, folder: Path) -> None:
    """Write all that serves the snapshot of a run that is best on validation images into a model's folder."""
    kind = ImageKind.of(run)
    folder.mkdir(parents=True, exist_ok=True)
    weights = write_transformer(
        load_file(loop.best(run, "model-*.safetensors", "validation_bits")), config_of(kind), folder
    )
    own = f"mask_token = {mask_token(kind)}\norder = {halton_order(*kind.grid)}\n"
    toml = toml_of(kind).replace("one after another", "in any number of steps") + own
    write_model_toml(folder, toml, [weights, *copy_tokenizer(tokenizer, folder)])


def copy_tokenizer(tokenizer: Model, folder: Path) -> list[Path]:
    """Copy both token networks of a model into `folder`; return the copies."""
    tokens = tokenizer.spec.image_tokens
    if tokens is None or tokens.encoder is None:
        raise ModelError(f"{tokenizer.name}: has no token encoder and decoder")
    return [shutil.copyfile(tokenizer.path(file), folder / file) for file in (tokens.encoder, tokens.decoder)]


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, run="folder of the training run", model="folder of the model in the repository")
    parser.add_argument("--tokenizer", default="fashion-ar", help="released model whose token networks are copied")
    options = parser.parse_args(argv)
    export(options.run, ModelRepository(options.model.parent).get(options.tokenizer), options.model)


if __name__ == "__main__":
    main()
