"""Opens a GGUF file: config, tokenizer and tensors, all checked before weights are read.

Tensors get Hugging Face's names; those of a few bits stay as they are stored. llama.cpp stores a llama's query and key
projections with interleaved rotary pairs; here they get their half-split order back. Other architectures are stored
half-split.
"""

from collections import Counter
from functools import partial
from math import prod
from pathlib import Path

from services.ar.model.arrays import Array
from services.ar.model.checkpoint import MAX_TEMPLATE_CHARACTERS, Checkpoint
from services.ar.model.fields import Fields, shorten
from services.ar.model.gguf.config import ROPE_FACTORS, architecture_of, config_from_gguf
from services.ar.model.gguf.file import read_gguf
from services.ar.model.gguf.tokenizer import read_tokenizer, read_tokens
from services.ar.model.quantised import StoredTensor, Weights, rearrange
from services.ar.model.tensor_check import Source, check_sources, read_sources
from services.ar.model.tokenizer_file import check_tokenizer
from tandem.shared.models import ModelError

_LLAMA = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OWN_NAMES = {
    "phi3": {"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"},
    "gemma3": {"post_attention_norm": "attention_output_norm", "post_ffw_norm": "mlp_output_norm"},
}
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def open_gguf(path: Path) -> Checkpoint:
    """Open a GGUF file. Raises ModelError if it is damaged or of another architecture or tokenizer."""
    file = read_gguf(path)
    config, architecture = config_from_gguf(file), architecture_of(file)
    weights = [tensor for tensor in file.tensors if tensor.name != ROPE_FACTORS]
    num_heads = {"attn_q": config.num_heads, "attn_k": config.num_kv_heads} if architecture == "llama" else {}
    sources = {
        _llama_name(path, architecture, tensor.name): Source(tensor.shape, partial(_open, tensor, num_heads))
        for tensor in weights
    }
    check_sources(path, config, sources)
    found, tokens = read_tokenizer(file), read_tokens(file)
    check_tokenizer(path, found.tokenizer, config.vocab_size)
    fields = Fields(path, file.values)
    special = {
        name: fields.optional_integer(f"tokenizer.ggml.{name}_token_id", 0, config.vocab_size - 1)
        for name in ("bos", "eos")
    }
    return Checkpoint(
        config=config,
        tokenizer=found.tokenizer,
        read_tensors=partial(read_sources, config, sources),
        dtype=_dtype(weights),
        eos_token_ids=found.end_token_ids,
        bos_token_id=special["bos"] if found.has_bos else None,
        chat_template=fields.optional_text("tokenizer.chat_template", MAX_TEMPLATE_CHARACTERS),
        special_tokens={f"{name}_token": tokens[id_] for name, id_ in special.items() if id_ is not None},
    )


def _dtype(tensors: list[StoredTensor]) -> str:
    """Return what most weights of the layers' matrices are stored in."""
    num_weights: Counter[str] = Counter()
    for tensor in tensors:
        if len(tensor.shape) > 1 and tensor.name.startswith("blk."):
            num_weights[tensor.format.replace("q4_0", "int4")] += prod(tensor.shape)
    return num_weights.most_common(1)[0][0] if num_weights else "float32"


def _open(tensor: StoredTensor, num_heads: dict[str, int]) -> Weights:
    """Return a tensor; `num_heads` names those of which the rows of a head are in llama.cpp's order."""
    kind, weights = tensor.name.split(".")[-2], tensor.weights()
    return rearrange(weights, partial(_unpermute, num_heads=num_heads[kind])) if kind in num_heads else weights


def _unpermute(rows: Array, num_heads: int) -> Array:
    pairs = rows.reshape(num_heads, -1, 2, *rows.shape[1:])  # [H, D / 2, 2, in]
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def _llama_name(file: Path, architecture: str, name: str) -> str:
    """Return a Llama's name of a tensor. Raises ModelError if the architecture has none of that name."""
    of_layer = _LLAMA | _OWN_NAMES.get(architecture, {})
    match name.split("."):  # "blk", "7", "attn_q", "weight" or "output_norm", "weight"
        case "blk", layer, kind, what if kind in of_layer and layer.isdecimal():
            return f"model.layers.{layer}.{of_layer[kind]}.{what}"
        case kind, what if kind in _TOP:
            return f"{_TOP[kind]}.{what}"
    article = "an" if architecture[0] in "aeiou" else "a"
    raise ModelError(f"{file}: unexpected tensor {shorten(name)}; {article} {architecture} model has none of that name")
