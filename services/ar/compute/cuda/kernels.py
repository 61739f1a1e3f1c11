"""Triton kernels: writing to the blocks of the KV cache, and attention that reads them where they lie.

What is written is finite, whatever the model computed: the next sequence that has a block must not meet NaN. `write`
notes of which rows that is not so.

A program of `attend` takes a tile: some tokens of one sequence with all query heads of one key head, so that a key is
read once for all of them. One kernel does for prompts and for decode steps. Where tiles are few, the keys of each are
split over several programs, and `combine` puts together what they found (Dao et al. 2023, Flash-Decoding).
"""

import triton
import triton.language as tl


@triton.jit
def saturated(x, LARGEST: tl.constexpr):
    x = tl.where(x == x, x, 0.0)
    return tl.minimum(tl.maximum(x, -LARGEST), LARGEST)


@triton.jit
def write(
    keys_ptr,  # [H_kv, slots, D]
    values_ptr,
    key_ptr,  # [T, H_kv, D]
    value_ptr,
    query_ptr,  # [T, H, D], only looked at
    slots_ptr,  # [T]
    is_finite_ptr,  # [T] uint8, set to 0 where query, key or value is NaN or infinite
    head_stride,
    key_stride,
    value_stride,
    query_stride,
    slot_stride,
    LARGEST: tl.constexpr,  # finite number of the cache's type
    HEAD_DIM: tl.constexpr,
    PADDED_DIM: tl.constexpr,
    GROUP: tl.constexpr,  # query heads of a key head
):
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1).to(tl.int64)
    dims = tl.arange(0, PADDED_DIM)
    inside = dims < HEAD_DIM
    slot = tl.load(slots_ptr + row * slot_stride).to(tl.int64)
    to = head * head_stride + slot * HEAD_DIM + dims
    key = tl.load(key_ptr + row * key_stride + head * HEAD_DIM + dims, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(value_ptr + row * value_stride + head * HEAD_DIM + dims, mask=inside, other=0.0).to(tl.float32)
    tl.store(keys_ptr + to, saturated(key, LARGEST).to(keys_ptr.dtype.element_ty), mask=inside)
    tl.store(values_ptr + to, saturated(value, LARGEST).to(values_ptr.dtype.element_ty), mask=inside)
    is_finite = (tl.abs(key) <= LARGEST) & (tl.abs(value) <= LARGEST)
    for number in tl.static_range(GROUP):
        query_at = row * query_stride + (head * GROUP + number) * HEAD_DIM
        query = tl.load(query_ptr + query_at + dims, mask=inside, other=0.0).to(tl.float32)
        is_finite = is_finite & (tl.abs(query) <= LARGEST)
    tl.store(is_finite_ptr + row, 0, mask=tl.min(is_finite.to(tl.int32), 0) == 0)


@triton.jit(do_not_specialize=["num_tiles"])
def attend(
    out_ptr,  # [T, H, D]; with splits float32 [splits, T, H, D]
    sums_ptr,  # with splits float32 [splits, T, H]: log2 of what the softmax divides by
    query_ptr,  # [T, H, D]
    keys_ptr,  # [H_kv, slots, D]
    values_ptr,
    positions_ptr,  # [T]
    tables_ptr,  # [sequences, max_blocks]
    tiles_ptr,  # [tiles, 3]: first row, number of rows, sequence; not read for single rows, each a tile of its own
    num_tiles,
    query_stride,
    head_stride,
    position_stride,
    table_stride,
    scale,  # times log2(e)
    HEAD_DIM: tl.constexpr,
    PADDED_DIM: tl.constexpr,
    GROUP: tl.constexpr,  # query heads of a key head
    BLOCK_SIZE: tl.constexpr,
    WINDOW: tl.constexpr,  # 0: none
    NUM_ROWS: tl.constexpr,
    NUM_KEYS: tl.constexpr,
    NUM_SPLITS: tl.constexpr,
    IS_SINGLE: tl.constexpr,
):
    tile, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    if IS_SINGLE:
        first_row, num_tile_tokens, sequence = tile, 1, tile
    else:
        first_row = tl.load(tiles_ptr + 3 * tile)
        num_tile_tokens = tl.load(tiles_ptr + 3 * tile + 1)
        sequence = tl.load(tiles_ptr + 3 * tile + 2)
    first_position = tl.load(positions_ptr + first_row * position_stride).to(tl.int32)

    rows = tl.arange(0, NUM_ROWS)
    dims = tl.arange(0, PADDED_DIM)
    is_row = rows // GROUP < num_tile_tokens
    is_dim = dims < HEAD_DIM
    positions = first_position + rows // GROUP
    tokens = (first_row + rows // GROUP).to(tl.int64)
    heads = head * GROUP + rows % GROUP
    query = tl.load(
        query_ptr + (tokens * query_stride + heads * HEAD_DIM)[:, None] + dims[None, :],
        mask=is_row[:, None] & is_dim[None, :],
        other=0.0,
    )

    begin = 0
    if WINDOW > 0:
        begin = tl.maximum(first_position - WINDOW + 1, 0)
    end = first_position + num_tile_tokens
    share = tl.cdiv(tl.cdiv(end - begin, NUM_SPLITS), NUM_KEYS) * NUM_KEYS
    begin += split * share
    end = tl.minimum(end, begin + share)

    table_ptr = tables_ptr + sequence.to(tl.int64) * table_stride
    keys_ptr += head.to(tl.int64) * head_stride
    values_ptr += head.to(tl.int64) * head_stride
    most = tl.full([NUM_ROWS], float("-inf"), tl.float32)
    total = tl.zeros([NUM_ROWS], tl.float32)
    out = tl.zeros([NUM_ROWS, PADDED_DIM], tl.float32)
    for first_key in range(begin, end, NUM_KEYS):
        places = first_key + tl.arange(0, NUM_KEYS)
        is_key = places < end
        block = tl.load(table_ptr + places // BLOCK_SIZE, mask=is_key, other=0).to(tl.int64)
        at = (block * BLOCK_SIZE + places % BLOCK_SIZE) * HEAD_DIM
        key = tl.load(keys_ptr + at[None, :] + dims[:, None], mask=is_key[None, :] & is_dim[:, None], other=0.0)
        scores = tl.dot(query, key, input_precision="ieee") * scale
        is_visible = is_key[None, :] & (places[None, :] <= positions[:, None])
        if WINDOW > 0:
            is_visible = is_visible & (places[None, :] > positions[:, None] - WINDOW)
        scores = tl.where(is_visible, scores, float("-inf"))
        most_now = tl.maximum(most, tl.max(scores, 1))
        # A row that has seen no key yet has -inf here, and -inf minus itself is no number.
        base = tl.where(most_now == float("-inf"), 0.0, most_now)
        weights = tl.exp2(scores - base[:, None])
        shrink = tl.exp2(most - base)
        value = tl.load(values_ptr + at[:, None] + dims[None, :], mask=is_key[:, None] & is_dim[None, :], other=0.0)
        out = out * shrink[:, None] + tl.dot(weights.to(value.dtype), value, input_precision="ieee")
        total = total * shrink + tl.sum(weights, 1)
        most = most_now

    out = out / tl.where(total == 0.0, 1.0, total)[:, None]
    at = tokens * (tl.num_programs(1) * GROUP) + heads
    if NUM_SPLITS > 1:
        at += split.to(tl.int64) * num_tiles * (tl.num_programs(1) * GROUP)
        tl.store(sums_ptr + at, most + tl.log2(tl.where(total == 0.0, 1.0, total)), mask=is_row)
    out_ptrs = out_ptr + (at * HEAD_DIM)[:, None] + dims[None, :]
    tl.store(out_ptrs, out.to(out_ptr.dtype.element_ty), mask=is_row[:, None] & is_dim[None, :])


@triton.jit(do_not_specialize=["num_rows"])
def combine(
    out_ptr,  # [T, H, D]
    parts_ptr,  # float32 [splits, T, H, D]
    sums_ptr,  # float32 [splits, T, H]
    num_rows,  # T * H
    HEAD_DIM: tl.constexpr,
    PADDED_DIM: tl.constexpr,
    NUM_SPLITS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    dims = tl.arange(0, PADDED_DIM)
    is_dim = dims < HEAD_DIM
    at = row + tl.arange(0, NUM_SPLITS).to(tl.int64) * num_rows
    sums = tl.load(sums_ptr + at)  # -inf where a split had no keys; the first one always has
    weights = tl.exp2(sums - tl.max(sums, 0))
    parts = tl.load(parts_ptr + (at * HEAD_DIM)[:, None] + dims[None, :], mask=is_dim[None, :], other=0.0)
    out = tl.sum(parts * weights[:, None], 0) / tl.sum(weights, 0)
    tl.store(out_ptr + row * HEAD_DIM + dims, out.to(out_ptr.dtype.element_ty), mask=is_dim)


@triton.jit
def rotate(
    x_ptr,  # [T, H, D], changed in place
    cos_ptr,  # [T, D]
    sin_ptr,
    row_stride,
    HEAD_DIM: tl.constexpr,
    PADDED_HALF: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    half: tl.constexpr = HEAD_DIM // 2
    dims = tl.arange(0, PADDED_HALF)
    inside = dims < half
    first_ptrs = x_ptr + row * row_stride + tl.program_id(1) * HEAD_DIM + dims
    first = tl.load(first_ptrs, mask=inside).to(tl.float32)
    second = tl.load(first_ptrs + half, mask=inside).to(tl.float32)
    # Both halves of a table are alike.
    cos = tl.load(cos_ptr + row * HEAD_DIM + dims, mask=inside).to(tl.float32)
    sin = tl.load(sin_ptr + row * HEAD_DIM + dims, mask=inside).to(tl.float32)
    tl.store(first_ptrs, (first * cos - second * sin).to(x_ptr.dtype.element_ty), mask=inside)
    tl.store(first_ptrs + half, (second * cos + first * sin).to(x_ptr.dtype.element_ty), mask=inside)


@triton.jit
def gate(
    out_ptr,  # [T, W]
    gate_up_ptr,  # [T, 2 * W]
    width,
    NUM_VALUES: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    places = tl.program_id(1) * NUM_VALUES + tl.arange(0, NUM_VALUES)
    inside = places < width
    gate_ptrs = gate_up_ptr + row * 2 * width + places
    values = tl.load(gate_ptrs, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_ptrs + width, mask=inside, other=0.0).to(tl.float32)
    tl.store(
        out_ptr + row * width + places, (values * tl.sigmoid(values) * up).to(out_ptr.dtype.element_ty), mask=inside
    )
