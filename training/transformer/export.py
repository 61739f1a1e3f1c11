"""Export a trained sequential image model: `python -m training.transformer.export`, see --help.

Writes what serves: config.json and model.safetensors under Hugging Face's names (a Llama), token_encoder.onnx (image to
tokens) and token_decoder.onnx (tokens to image), and samples.png. Both ONNX files are compared with torch; digests go
into model.toml.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from training import loop
from training.onnx_files import check_against_torch, record_digests, write_onnx
from training.tokenizer.networks import NUM_CODES, NUM_TOKENS, from_tokens, quantise, to_tokens
from training.tokenizer.train import Autoencoder, load_tokenizer
from training.transformer.train import CONFIG, write_samples


class TokenEncoder(nn.Module):
    """Image [B, 1, 28, 28] in -1..1 to tokens [B, NUM_TOKENS]."""

    def __init__(self, tokenizer: Autoencoder) -> None:
        super().__init__()
        self.encoder = tokenizer.encoder

    def forward(self, image: Tensor) -> Tensor:
        return to_tokens(quantise(self.encoder(image)))


class TokenDecoder(nn.Module):
    """Tokens [B, NUM_TOKENS] to an image [B, 1, 28, 28] in -1..1."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, tokens: Tensor) -> Tensor:
        return self.decoder(from_tokens(tokens))  # type: ignore[no-any-return]


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
    kv_size = config.num_kv_heads * config.head_dim
    sizes = [config.num_heads * config.head_dim, kv_size, kv_size]
    tensors = {"model.embed_tokens.weight": state["embedding.weight"], "model.norm.weight": state["norm.weight"]}
    for layer in range(config.num_layers):
        ours, theirs = f"layers.{layer}", f"model.layers.{layer}"
        parts = dict(zip("qkv", state[f"{ours}.attention.qkv.weight"].split(sizes), strict=True))
        tensors |= {f"{theirs}.self_attn.{name}_proj.weight": part for name, part in parts.items()}
        gate, up = state[f"{ours}.mlp.gate_up.weight"].chunk(2)
        tensors |= {
            f"{theirs}.self_attn.o_proj.weight": state[f"{ours}.attention.out.weight"],
            f"{theirs}.mlp.gate_proj.weight": gate,
            f"{theirs}.mlp.up_proj.weight": up,
            f"{theirs}.mlp.down_proj.weight": state[f"{ours}.mlp.down.weight"],
            f"{theirs}.input_layernorm.weight": state[f"{ours}.attention_norm.weight"],
            f"{theirs}.post_attention_layernorm.weight": state[f"{ours}.mlp_norm.weight"],
        }
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def export_tokenizer(tokenizer: Autoencoder, folder: Path) -> list[Path]:
    """Write both halves of the tokenizer and return their files."""
    tokenizer = tokenizer.cpu()
    encoder, decoder = TokenEncoder(tokenizer).eval(), TokenDecoder(tokenizer.decoder).eval()
    encoder_file, decoder_file = folder / "token_encoder.onnx", folder / "token_decoder.onnx"
    source = torch.Generator().manual_seed(0)
    image = torch.rand((64, 1, 28, 28), generator=source) * 2 - 1
    tokens = torch.randint(NUM_CODES, (64, NUM_TOKENS), generator=source)
    write_onnx(encoder, (image[:2],), ("image",), ("tokens",), encoder_file)
    write_onnx(decoder, (tokens[:2],), ("tokens",), ("image",), decoder_file)
    check_against_torch(encoder, [(image[:size],) for size in (1, 2, 64)], encoder_file)
    check_against_torch(decoder, [(tokens[:size],) for size in (1, 2, 64)], decoder_file)
    return [encoder_file, decoder_file]


def trained(state: dict[str, Tensor]) -> Transformer:
    """Return the transformer of a snapshot."""
    model = Transformer(CONFIG)
    model.load_state_dict(state, strict=False)  # the head is the embedding
    model.prepare(CONFIG.max_context_tokens)
    return model


def export(run: Path, tokenizer_run: Path, folder: Path) -> None:
    """Write all that serves the newest snapshots of both runs into a model's folder."""
    state = load_file(loop.newest(run, "model-*.safetensors"))
    save_file(huggingface_tensors(state, CONFIG), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(huggingface_config(CONFIG), indent=2) + "\n")
    tokenizer = load_tokenizer(loop.newest(tokenizer_run, "ema-*.safetensors"))
    write_samples(trained(state).to(loop.device()), tokenizer, folder / "samples.png")
    halves = export_tokenizer(tokenizer, folder)
    record_digests(folder / "model.toml", [folder / "model.safetensors", *halves])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the transformer's training run")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer's training run")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model in the repository")
    options = parser.parse_args()
    export(options.run, options.tokenizer, options.model)


if __name__ == "__main__":
    main()
