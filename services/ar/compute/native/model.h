// A model and a step of it as the kernel is given them; headers.py reads these structs.
#pragma once

#include "products/matrix.h"

namespace tandem {

// How keys and values are held: attention/float_cache.h and byte_cache.h.
enum CacheFormat : int32_t { kFloatCache, kHalfCache, kByteCache };

struct Layer {
  const float* attention_norm;
  const float* mlp_norm;
  const float* query_norm;  // [head_dim] or null, as key_norm
  const float* key_norm;
  const float* attention_output_norm;  // [hidden_size] or null, as mlp_output_norm
  const float* mlp_output_norm;
  const float* cos;  // [positions][head_dim]
  const float* sin;
  int32_t sliding_window;  // 0: none
  Matrix qkv;
  Matrix out;
  Matrix gate_up;  // panels of gate and up in turn
  Matrix down;
  void* keys;
  void* values;
  void* key_scales;  // of a byte cache, as value_scales
  void* value_scales;
};

struct Model {
  int32_t num_layers;
  int32_t num_heads;
  int32_t num_kv_heads;
  int32_t head_dim;
  int32_t hidden_size;
  int32_t num_blocks;
  int32_t block_size;
  CacheFormat cache_format;
  int32_t max_rows;
  int32_t max_context_tokens;
  int32_t fine_positions;  // rows at positions below it are fine, see products/activations.h
  float norm_eps;
  float embedding_scale;
  int32_t has_gelu;  // else SiLU
  const float* norm;
  const Layer* layers;
  Matrix embedding;
  Matrix head;
};

struct Step {
  int32_t num_rows;
  int32_t num_logits;
  const int32_t* token_ids;     // [num_rows]
  const int32_t* positions;     // [num_rows]
  const int32_t* tables;        // [num_rows], where a row's block table begins in block_tables
  const int32_t* block_tables;  // one after another
  const int32_t* logits_rows;   // [num_logits], the rows whose logits are wanted, in ascending order
  float* logits;                // [num_logits][head.num_outputs]
  // [num_rows], 1 before the step. 0 after it if a row's query, key or value in any layer is not finite, or its last
  // hidden state or logits, if they are wanted.
  uint8_t* is_finite;
};

}  // namespace tandem
