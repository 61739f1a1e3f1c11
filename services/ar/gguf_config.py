"""Translates a GGUF file's metadata into the fields of a ModelConfig; knows names and features, no ranges."""

from runtime.models import ModelError
from services.ar.config_check import checked_config
from services.ar.fields import Fields, shortened
from services.ar.gguf_file import GgufFile
from services.ar.gguf_tokenizer import read_tokens
from services.ar.model_config import ModelConfig

_KEYS = {
    "vocab_size": "the number of tokenizer.ggml.tokens",
    "hidden_size": "llama.embedding_length",
    "intermediate_size": "llama.feed_forward_length",
    "num_layers": "llama.block_count",
    "num_heads": "llama.attention.head_count",
    "num_kv_heads": "llama.attention.head_count_kv",
    "head_dim": "llama.attention.key_length",
    "max_context_tokens": "llama.context_length",
    "norm_eps": "llama.attention.layer_norm_rms_epsilon",
    "rope_theta": "llama.rope.freq_base",
}


def config_from_gguf(file: GgufFile) -> ModelConfig:
    """Return the configuration of a file. Raises ModelError if it, or a feature of it, is not supported."""
    architecture = Fields(file.path, file.values).text("general.architecture")
    if architecture != "llama":
        raise ModelError(f"{file.path}: GGUF architecture {architecture!r} is not supported; 'llama' is")
    values: dict[str, object] = {field: file.values.get(key) for field, key in _KEYS.items()}
    values["vocab_size"] = len(read_tokens(file))
    values["ties_embeddings"] = all(tensor.name != "output.weight" for tensor in file.tensors)
    config = checked_config(Fields(file.path, values, _KEYS))
    _refuse_unsupported(file, config)
    return config


def _refuse_unsupported(file: GgufFile, config: ModelConfig) -> None:
    """Raises ModelError for features that would be computed as if they were not there."""
    supported: dict[str, tuple[object, ...]] = {
        "llama.attention.value_length": (config.head_dim,),
        "llama.rope.dimension_count": (config.head_dim,),
        "llama.rope.scaling.type": ("none",),
        "llama.rope.scale_linear": (1,),
        "llama.expert_count": (0,),
        "llama.attention.sliding_window": (0,),
    }
    for key, accepted in supported.items():
        value = file.values.get(key)
        if value is not None and not any(type(value) in (int, float, str) and value == each for each in accepted):
            raise ModelError(f"{file.path}: {key} is {shortened(value)}; accepted: {accepted[0]!r}")
