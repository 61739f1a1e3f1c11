"""What crosses between Python and the kernel, whose C++ includes it: see `tandem.shared.compiled.interface`.

A model's addresses, and those of a step, are of memory that outlives the call. Needs only the standard library.
"""

from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_uint64, c_void_p
from enum import IntEnum

from tandem.shared.compiled.interface import Interface, typed

LANES = 16
"""Of a vector: outputs of a panel of weights, positions of a block's keys."""
MAX_PARTS = 3

Bytes = typed(c_void_p, "const uint8_t*")
Halves = typed(c_void_p, "const uint16_t*")
Floats = typed(c_void_p, "const float*")
Ints = typed(c_void_p, "const int32_t*")


class Format(IntEnum):
    """How weights are packed; see products/matrix.h."""

    FLOAT32, BFLOAT16, INT8, INT4, FLOAT16, INT5, INT6, Q4_0 = range(8)


class CacheFormat(IntEnum):
    """How keys and values are held; see attention/float_cache.h and byte_cache.h."""

    FLOAT32, FLOAT16, INT8 = range(3)


_FORMAT = typed(c_int32, "Format")


class Part(Structure):
    """Outputs one after another that have the same format, in pairs of panels."""

    _fields_ = [("data", Bytes), ("scales", Halves), ("format", _FORMAT), ("num_pairs", c_int32)]


class Matrix(Structure):
    """Either all parts have few bits or none has.

    num_inputs and num_outputs, of all parts, are multiples of 32, filled up with weights of 0.
    """

    _fields_ = [
        ("parts", Part * MAX_PARTS),
        ("bias", Floats),  # [num_outputs] or null
        ("num_inputs", c_int32),
        ("num_outputs", c_int32),
    ]


class Rows(Structure):
    """Consecutive rows of a tensor, and where in a part they go. All that it has lies one row after another."""

    _fields_ = [
        ("steps", Bytes),  # as QuantisedTensor has them; of a format of floats the values
        ("scales", Halves),  # null for floats
        ("minima", Halves),  # null for formats that have none
        ("num_rows", c_int32),
        ("num_values", c_int32),  # of a row of floats; weights from there up to num_inputs are 0
        ("first", c_int32),  # which row of the part, or of its turn, the first of them is
        ("turn", c_int32),  # of num_turns tensors that have a panel each in turn
        ("num_turns", c_int32),
        ("num_inputs", c_int32),  # of the matrix
        ("format", _FORMAT),
        ("data", typed(c_void_p, "uint8_t*")),  # the part's
        ("to_scales", typed(c_void_p, "uint16_t*")),
    ]


_NORMS = ("attention_norm", "mlp_norm", "query_norm", "key_norm", "attention_output_norm", "mlp_output_norm")


class Layer(Structure):
    """Norms that the model has not are null; so are the scales of a cache that is not of bytes."""

    _fields_ = [
        *((norm, Floats) for norm in _NORMS),
        *((table, Floats) for table in ("cos", "sin")),  # [positions][head_dim]
        ("sliding_window", c_int32),  # 0: none
        *((matrix, Matrix) for matrix in ("qkv", "out", "gate_up", "down")),  # gate_up: a panel of each in turn
        *((tensor, c_void_p) for tensor in ("keys", "values")),
        *((tensor, typed(c_void_p, "uint16_t*")) for tensor in ("key_scales", "value_scales")),
    ]


class DraftHead(Structure):
    """Predicts tokens behind the next, see drafting.h; num_tokens 0: the model has none."""

    _fields_ = [
        *((norm, Floats) for norm in ("hidden_norm", "token_norm")),
        *((matrix, Matrix) for matrix in ("gate_up", "down", "output")),  # gate_up: a panel of each in turn
        ("token_ids", Ints),  # [num_tokens], what the rows of `output` stand for
        ("num_tokens", c_int32),
    ]


class Model(Structure):
    """Rows at positions below `fine_positions` are fine, see products/quantised.h; has_gelu 0: SiLU."""

    _fields_ = [
        *((size, c_int32) for size in ("num_layers", "num_heads", "num_kv_heads", "head_dim", "hidden_size")),
        *((size, c_int32) for size in ("num_blocks", "block_size")),
        ("cache_format", typed(c_int32, "CacheFormat")),
        *((size, c_int32) for size in ("max_rows", "max_drafts", "max_context_tokens", "fine_positions")),
        *((factor, c_float) for factor in ("norm_eps", "embedding_scale")),
        ("has_gelu", c_int32),
        ("norm", Floats),
        ("layers", typed(c_void_p, "const Layer*")),
        *((matrix, Matrix) for matrix in ("embedding", "head")),
        ("draft_head", DraftHead),
    ]


class Step(Structure):
    """A step's tokens. The block tables of its sequences follow one another."""

    _fields_ = [
        ("num_rows", c_int32),
        ("num_logits", c_int32),
        # [num_rows]; positions: in the sequence, text_positions: where in the text, for the rotary angles
        *((column, Ints) for column in ("token_ids", "positions", "text_positions")),
        ("tables", Ints),  # [num_rows], where a row's block table begins
        ("block_tables", Ints),
        ("logits_rows", Ints),  # [num_logits], the rows whose logits are wanted, in ascending order
        ("logits", typed(c_void_p, "float*")),  # [num_logits][head.num_outputs]
        # [num_rows], 1 before the step. 0 after it if a row's query, key or value in any layer is not finite, or its
        # last hidden state or logits, if they are wanted.
        ("is_finite", typed(c_void_p, "uint8_t*")),
        ("hidden", typed(c_void_p, "float*")),  # [num_logits][hidden_size], the last hidden states; null: not wanted
    ]


class Sampling(Structure):
    """What the tokens of one sequence are sampled by; ranges as in ar.proto."""

    _fields_ = [
        *((name, c_double) for name in ("temperature", "top_p", "min_p")),
        *((name, c_uint64) for name in ("seed", "choice")),
        ("top_k", c_int32),  # 0: all
        ("top_logprobs", c_int32),  # -1: no log-probability is wanted
        ("has_penalties", c_int32),
        *((f"{name}_penalty", c_float) for name in ("repetition", "presence", "frequency")),
        ("num_biases", c_int32),
        ("bias_ids", Ints),
        ("biases", Floats),
    ]


class Row(Structure):
    """A token to be sampled, behind `history` and the tokens `drafted`."""

    _fields_ = [
        ("sampling", typed(c_void_p, "const Sampling*")),
        ("logits_row", c_int32),  # of the logits
        ("position", c_int32),  # of its token in the output
        ("forced", c_int32),  # the token that stands there already; -1: none
        ("num_history", c_int32),
        ("num_prompt", c_int32),  # of the history, the tokens before the output
        ("num_drafted", c_int32),
        ("num_ruled_out", c_int32),
        ("history", Ints),
        ("drafted", Ints),
        ("ruled_out", Ints),  # tokens that are not to be chosen if there is another
        ("allowed", Bytes),  # a bit for each token, the first in the lowest bit of the first byte; null: any
    ]


class Draft(Structure):
    """What is to be predicted behind the rows of one sequence, which check what was `drafted`."""

    _fields_ = [
        ("first_row", c_int32),  # of Samples.rows
        ("num_rows", c_int32),  # at most num_drafted + 1: a mask may leave fewer
        ("num_drafted", c_int32),
        ("num_wanted", c_int32),
        ("least_chance", c_double),  # of all that is predicted to hold
        ("drafted", Ints),
        ("predicted", typed(c_void_p, "int32_t*")),  # [num_wanted], -1 behind the last that is likely enough
    ]


class Samples(Structure):
    """Rows, and where what is sampled goes; of the vocabulary the first `num_tokens` can be output."""

    _fields_ = [
        *((size, c_int32) for size in ("num_rows", "num_tokens", "max_alternatives")),
        ("rows", typed(c_void_p, "const Row*")),
        ("token_ids", typed(c_void_p, "int32_t*")),  # [num_rows]
        ("logprobs", typed(c_void_p, "float*")),  # [num_rows], of rows that want one
        ("alternative_ids", typed(c_void_p, "int32_t*")),  # [num_rows][max_alternatives], the best first
        ("alternative_logprobs", typed(c_void_p, "float*")),
        ("num_drafts", c_int32),
        ("drafts", typed(c_void_p, "const Draft*")),
    ]


INTERFACE = Interface(
    "tandem_",
    {
        "instruction_set": (c_char_p,),
        "pack": (None, POINTER(Rows)),
        "open": (c_void_p, POINTER(Model), c_int32),
        "run": (None, c_void_p, POINTER(Step), POINTER(Samples)),
        "sample": (None, Floats, c_int64, POINTER(Samples), c_int32),
        "close": (None, c_void_p),
    },
    structures=(Part, Matrix, Rows, Layer, DraftHead, Model, Step, Sampling, Row, Draft, Samples),
    numbers={Format: "int32_t", CacheFormat: "int32_t"},
    constants={"lanes": LANES},
)
