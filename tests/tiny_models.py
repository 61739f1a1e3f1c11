"""Tiny random transformers and a tiny tokenizer, made on the spot: real code paths in milliseconds, no downloads."""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCAB_SIZE = 384
_SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
FAMILIES = {
    "llama": lambda: transformers.LlamaConfig(**_SHAPE, tie_word_embeddings=True),
    "llama3-rope": lambda: transformers.LlamaConfig(
        **_SHAPE,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 10_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ),
    "mistral": lambda: transformers.MistralConfig(**_SHAPE, sliding_window=16, head_dim=16),
    "qwen2": lambda: transformers.Qwen2Config(**_SHAPE),
    "qwen3": lambda: transformers.Qwen3Config(**_SHAPE, head_dim=24),
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def save_tiny_model(folder: Path, family: str = "llama") -> transformers.PreTrainedModel:
    """Write a Hugging Face directory with random float32 weights and return transformers' own model of it."""
    torch.manual_seed(5)
    config = FAMILIES[family]()
    reference = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    for name, parameter in reference.named_parameters():
        if name.endswith(".bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    reference.eval().save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return reference


def tiny_tokenizer() -> Tokenizer:
    """Return a byte-level BPE tokenizer of VOCAB_SIZE tokens; any text can be encoded, byte by byte if need be."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=["<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT], trainer)
    return tokenizer


def add_to_repository(models_dir: Path, name: str = "tiny", family: str = "llama") -> transformers.PreTrainedModel:
    """Make an entry of a model repository whose weights are a tiny random model; return transformers' model of it."""
    folder = models_dir / name
    reference = save_tiny_model(folder / "weights", family)
    lines = ['kind = "transformer"', 'modality = "text"', 'licence = "Apache-2.0"', 'huggingface = "weights"']
    (folder / "model.toml").write_text("\n".join(lines))
    return reference


_TEXT = """
The two clocks in the station had been made by the same hand, and still they never agreed. One of them counted each
second with a small sound, like somebody who lays coins on a table; the other was silent and moved its hand once a
minute, all at once. Travellers looked at the first when they were waiting and at the second when they were late.
"""
