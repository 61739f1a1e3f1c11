"""Export a trained sequential image model: `python -m training.transformer.export`, see --help.

Writes what serves: config.json and model.safetensors under Hugging Face's names (a Llama), token_encoder.onnx (image to
tokens) and token_decoder.onnx (tokens to image), and samples.png. Both ONNX files are compared with torch; digests go
into model.toml, which is written if there is none.
"""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from services.ar.model.tensor_check import expected_shapes
from services.ar.model.weights import parameter_names
from training import loop
from training.image_kind import ImageKind
from training.model_files import Example, image_table, noise_images, write_model_toml, write_onnx
from training.tokenizer.networks import FIRST_CLASS_TOKEN, NUM_CODES, from_tokens, quantise, to_tokens
from training.tokenizer.train import Autoencoder, load_tokenizer
from training.transformer.train import config_of, write_samples

TOML = """kind = "transformer"
modality = "image"
licence = "NOASSERTION"
description = "Class-conditional {data_set} in {tokens} tokens, one after another"
huggingface = "."

{image}
[image_tokens]
grid = [{grid[0]}, {grid[1]}]
num_codes = {codes}
first_class_token = {first_class_token}
decoder = "token_decoder.onnx"
encoder = "token_encoder.onnx"
"""


class TokenEncoder(nn.Module):
    """Image [B, C, H, W] in -1..1 to tokens [B, T]."""

    def __init__(self, tokenizer: Autoencoder) -> None:
        super().__init__()
        self.encoder = tokenizer.encoder

    def forward(self, image: Tensor) -> Tensor:
        return to_tokens(quantise(self.encoder(image)))


class TokenDecoder(nn.Module):
    """Tokens [B, T] to an image [B, C, H, W] in -1..1."""

    def __init__(self, decoder: nn.Module, grid: tuple[int, int]) -> None:
        super().__init__()
        self.decoder = decoder
        self.grid = grid

    def forward(self, tokens: Tensor) -> Tensor:
        return self.decoder(from_tokens(tokens, self.grid))  # type: ignore[no-any-return]


def huggingface_config(config: ModelConfig) -> dict[str, object]:
    """Return the config.json of a Llama of that shape."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_context_tokens,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.ties_embeddings,
        "hidden_act": "silu",
    }


def huggingface_tensors(state: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Return our weights under Hugging Face's names, the stacked matrices taken apart."""
    shapes, tensors, starts = expected_shapes(config), {}, Counter[str]()
    for ours, theirs, _ in parameter_names(config):
        if theirs in shapes:
            start, num_rows = starts[ours], shapes[theirs][0]
            tensors[theirs] = state[ours][start : start + num_rows].contiguous()
            starts[ours] += num_rows
    return tensors


def export_tokenizer(tokenizer: Autoencoder, folder: Path) -> list[Path]:
    """Write both halves of the tokenizer and return their files."""
    tokenizer, kind = tokenizer.cpu(), tokenizer.kind
    encoder, decoder = TokenEncoder(tokenizer).eval(), TokenDecoder(tokenizer.decoder, kind.grid).eval()
    encoder_file, decoder_file = folder / "token_encoder.onnx", folder / "token_decoder.onnx"
    write_onnx(encoder, partial(noise_images, kind), encoder_file, inputs=("image",), outputs=("tokens",))
    write_onnx(decoder, token_rows(kind), decoder_file, inputs=("tokens",), outputs=("image",))
    return [encoder_file, decoder_file]


def token_rows(kind: ImageKind) -> Example:
    """Return what a decoder is compared with torch by: so many rows of any tokens."""
    source = torch.Generator().manual_seed(0)
    return lambda count: (torch.randint(NUM_CODES, (count, kind.num_tokens), generator=source),)


def load_trained(state: dict[str, Tensor], config: ModelConfig) -> Transformer:
    """Return the transformer of a snapshot."""
    model = Transformer(config)
    model.load_state_dict(state, strict=False)  # the head is the embedding
    model.prepare(config.max_context_tokens)
    return model


def write_transformer(state: dict[str, Tensor], config: ModelConfig, folder: Path) -> Path:
    """Write config.json and the weights; return the weights' file."""
    path = folder / "model.safetensors"
    save_file(huggingface_tensors(state, config), path, {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(huggingface_config(config), indent=2) + "\n")
    return path


def toml_of(kind: ImageKind) -> str:
    """Return the model.toml of a transformer of such images."""
    return TOML.format(
        data_set=kind.data_set,
        tokens=kind.num_tokens,
        image=image_table(kind),
        grid=kind.grid,
        codes=NUM_CODES,
        first_class_token=FIRST_CLASS_TOKEN,
    )


def export(run: Path, tokenizer_run: Path, folder: Path) -> None:
    """Write what serves into a model's folder: the best snapshot on validation images and the newest tokenizer."""
    kind = ImageKind.of(run)
    folder.mkdir(parents=True, exist_ok=True)
    state = load_file(loop.best(run, "model-*.safetensors", "validation_bits"))
    weights = write_transformer(state, config_of(kind), folder)
    tokenizer = load_tokenizer(loop.newest(tokenizer_run, "ema-*.safetensors"))
    write_samples(load_trained(state, config_of(kind)).to(loop.device()), tokenizer, folder / "samples.png")
    halves = export_tokenizer(tokenizer, folder)
    write_model_toml(folder, toml_of(kind), [weights, *halves])


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(
        __doc__,
        run="folder of the transformer's training run",
        tokenizer="folder of the tokenizer's training run",
        model="folder of the model in the repository",
    )
    options = parser.parse_args(argv)
    export(options.run, options.tokenizer, options.model)


if __name__ == "__main__":
    main()
