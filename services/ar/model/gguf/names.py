"""What GGUF calls the tensors of each architecture, and what a Llama's are called in Hugging Face's files."""

from pathlib import Path

from services.ar.model.fields import shortened
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


def llama_name(file: Path, architecture: str, name: str) -> str:
    """Return a Llama's name of a tensor. Raises ModelError if the architecture has none of that name."""
    of_layer = _LLAMA | _OWN_NAMES.get(architecture, {})
    match name.split("."):  # "blk", "7", "attn_q", "weight" or "output_norm", "weight"
        case "blk", layer, kind, what if kind in of_layer and layer.isdecimal():
            return f"model.layers.{layer}.{of_layer[kind]}.{what}"
        case kind, what if kind in _TOP:
            return f"{_TOP[kind]}.{what}"
    article = "an" if architecture[0] in "aeiou" else "a"
    raise ModelError(
        f"{file}: unexpected tensor {shortened(name)}; {article} {architecture} model has none of that name"
    )
