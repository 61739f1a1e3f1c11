"""The transformer of the Llama family (Llama, Mistral, Qwen2, Qwen3, Phi-3, Gemma 3), for training and serving.

Tokens come flat, [T], those of all sequences one after another; which token may look at which is the business of the
`Attention` that is passed in. Knows nothing of batches, caches or sampling.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from services.ar.model.config import ModelConfig
from services.ar.model.rotary import rotary_table


class Attention(Protocol):
    """Attends queries [T, H, D] of one layer to keys and values [T, H_kv, D] of these and earlier tokens."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor: ...


class SelfAttention(nn.Module):
    """Grouped-query attention with rotary positions; the three input projections are one matrix."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_dim = config.head_dim
        self.sizes = [n * config.head_dim for n in (config.num_heads, config.num_kv_heads, config.num_kv_heads)]
        self.qkv = nn.Linear(config.hidden_size, sum(self.sizes), bias=config.has_qkv_bias)
        self.out = nn.Linear(self.sizes[0], config.hidden_size, bias=config.has_attention_output_bias)
        self.query_norm = nn.RMSNorm(config.head_dim, config.norm_eps) if config.has_qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(config.head_dim, config.norm_eps) if config.has_qk_norm else nn.Identity()
        self.rotate = rotate

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attention: Attention) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (-1, self.head_dim))  # [T, H, D]
            for part in self.qkv(x).split(self.sizes, dim=-1)
        )
        query = self.rotate(self.query_norm(query), cos, sin)
        key = self.rotate(self.key_norm(key), cos, sin)
        return self.out(attention(self.layer, query, key, value).flatten(-2))  # type: ignore[no-any-return]


class GatedMlp(nn.Module):
    """SwiGLU, or GEGLU (both Shazeer 2020); gate and up projection are one matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=config.has_mlp_bias)
        self.activation = nn.SiLU() if config.activation == "silu" else nn.GELU(approximate="tanh")
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.has_mlp_bias)
        self.gated = gated

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.gated(self.gate_up(x), self.activation))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention and MLP, each behind a norm and around a residual, with a norm of what is added where there is one."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.hidden_size, config.norm_eps)
        self.attention = SelfAttention(config, layer)
        self.mlp_norm = nn.RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = GatedMlp(config)
        self.attention_output_norm, self.mlp_output_norm = (
            nn.RMSNorm(config.hidden_size, config.norm_eps) if config.has_output_norms else nn.Identity()
            for _ in range(2)
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attention: Attention) -> Tensor:
        x = x + self.attention_output_norm(self.attention(self.attention_norm(x), cos, sin, attention))
        return x + self.mlp_output_norm(self.mlp(self.mlp_norm(x)))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Token ids [T] at positions [T] to hidden states [T, hidden_size]; `logits` turns those into [.., vocab_size]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, index) for index in range(config.num_layers))
        self.norm = nn.RMSNorm(config.hidden_size, config.norm_eps)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.ties_embeddings:
            self.head.weight = self.embedding.weight
        self.cos: Tensor = nn.Buffer(torch.empty(0), persistent=False)
        self.sin: Tensor = nn.Buffer(torch.empty(0), persistent=False)
        self.local_cos: Tensor = nn.Buffer(torch.empty(0), persistent=False)
        self.local_sin: Tensor = nn.Buffer(torch.empty(0), persistent=False)

    def prepare(self, num_positions: int) -> None:
        """Make the rotary tables for positions 0 to num_positions - 1, on the weights' device and in their type."""
        self.cos, self.sin = self._table(num_positions, is_local=False)
        if any(self.config.local_layers):
            self.local_cos, self.local_sin = self._table(num_positions, is_local=True)

    def forward(self, token_ids: Tensor, positions: Tensor, attention: Attention) -> Tensor:
        x = self.embedding(token_ids)
        if self.config.embedding_scale != 1.0:
            x = x * self.config.embedding_scale
        table = self.cos[positions], self.sin[positions]
        has_local_layers = any(self.config.local_layers)
        local_table = (self.local_cos[positions], self.local_sin[positions]) if has_local_layers else table
        for index, layer in enumerate(self.layers):
            x = layer(x, *(local_table if self.config.is_local(index) else table), attention)
        return self.norm(x)  # type: ignore[no-any-return]

    def _table(self, num_positions: int, is_local: bool) -> tuple[Tensor, Tensor]:
        like = self.norm.weight
        cos, sin = map(torch.from_numpy, rotary_table(self.config, num_positions, is_local))
        return cos.unsqueeze(1).to(like), sin.unsqueeze(1).to(like)  # [P, 1, D]

    def logits(self, hidden: Tensor) -> Tensor:
        return self.head(hidden).float()  # type: ignore[no-any-return]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x [T, H, D] by its positions' angles: cos and sin [T, 1, D]."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def gated(gate_up: Tensor, activation: nn.Module) -> Tensor:
    """Return the activation of the first half of gate_up [T, 2 * W] times the second one."""
    gate, up = gate_up.chunk(2, dim=-1)
    return activation(gate) * up  # type: ignore[no-any-return]
