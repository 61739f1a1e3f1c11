"""Checkpoints whose matrices others have rounded to 4 or 8 bits and packed into integers of 32.

Which packing there is, config.json states in `quantization_config`:
- `compressed-tensors` with the format `pack-quantized`: what llm-compressor writes.
- `gptq`: what AutoGPTQ and GPTQModel write (Frantar et al. 2022).
- `awq` in the version `gemm`: what AutoAWQ writes (Lin et al. 2023).

With q the stored steps, z the zero points and s the scales of groups of inputs, a weight is s * (q - z): the kernel's
scale * step + minimum with the minimum -s * z. Groups of more than 32 inputs give their scale to each 32 of them.
Scales and minima become float16, which changes them by at most one part in 2,048.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from services.ar.model.arrays import Array, Shape
from services.ar.model.fields import Fields, shorten
from services.ar.model.quantised import GROUP, QuantisedTensor, StoredTensor, as_array, pack_nibbles, quantise
from services.ar.model.tensor_check import Source
from tandem.shared.models import ModelError

_ACCEPTED = (
    "compressed-tensors (pack-quantized), gptq and awq (gemm), of weights alone, in 4 or 8 bits, and of 4 bits for awq"
)
_BITS = "the number of bits"
_MAX_GROUP = 65_536
_MIDDLE_OF_8_BITS = 128
_IN_ORDER = (0, 1, 2, 3, 4, 5, 6, 7)
_OPTIONAL = ("weight_shape", "weight_g_idx", "g_idx")
"""May be there beside a module's tensors: the shape, which follows from the others, and the group of each input."""


@dataclass(frozen=True)
class Scheme:
    """How the packed matrices of a checkpoint are to be read. Zero points are packed by outputs in all formats."""

    names: tuple[str, str, str]
    """What a module's tensors are called: the steps, the scales, and the zero points where there are any."""
    num_bits: int
    """4 or 8."""
    has_inputs_first: bool = False
    """Whether its tensors are [inputs or groups, outputs]."""
    packs_outputs: bool = False
    """Whether an integer has the steps of several outputs, not of inputs."""
    places: tuple[int, ...] = _IN_ORDER
    """Which of an integer's eight steps each of eight in turn is."""
    is_symmetric: bool = False
    """Without zero points of its own: zero is the middle of the steps."""
    zero_offset: int = 0
    """What a stored zero point lacks: 1 in the first version of GPTQ's format."""

    @property
    def per_word(self) -> int:
        """How many steps an integer of 32 bits holds."""
        return 32 // self.num_bits

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What a module's packed tensors are called."""
        return self.names[:2] if self.is_symmetric else self.names


COMPRESSED = partial(Scheme, ("weight_packed", "weight_scale", "weight_zero_point"))
GPTQ = partial(Scheme, ("qweight", "scales", "qzeros"), has_inputs_first=True)
AWQ = partial(GPTQ, packs_outputs=True, places=(0, 4, 1, 5, 2, 6, 3, 7))  # see AutoAWQ's packing_utils.py


def scheme_of(file: Path, raw: Mapping[str, Any]) -> Scheme | None:
    """Return what config.json states, None for a checkpoint of floats. Raises ModelError for other packings."""
    stated = raw.get("quantization_config", raw.get("compression_config"))
    if stated is None:
        return None
    if not isinstance(stated, dict):
        raise ModelError(f"{file}: quantization_config is {shorten(stated)}; accepted: an object")
    accept = partial(_accept, file)
    method = accept("quant_method", stated.get("quant_method"), "compressed-tensors", "gptq", "awq")
    if method == "compressed-tensors":
        return _compressed(file, stated)
    bits = stated.get("bits", stated.get("w_bit"))
    if method == "gptq":
        version = accept("checkpoint_format", stated.get("checkpoint_format") or "gptq", "gptq", "gptq_v2")
        scheme = GPTQ(accept(_BITS, bits, 4, 8), zero_offset=int(version == "gptq"))
    else:
        version = stated.get("version") or "gemm"
        if str(version).lower() != "gemm":
            raise _refused(file, "version", version)
        accept("zero_point", stated.get("zero_point", True), True)
        scheme = AWQ(accept(_BITS, bits, 4))
    # The size follows from the tensors; -1 stands for all inputs.
    size = stated.get("group_size", stated.get("q_group_size"))
    Fields(file, {"quantization_config.group_size": size}).integer("quantization_config.group_size", -1, _MAX_GROUP)
    return scheme


def _compressed(file: Path, stated: Mapping[str, Any]) -> Scheme:
    _accept(file, "kv_cache_scheme", stated.get("kv_cache_scheme"), None)
    groups = stated.get("config_groups")
    if not isinstance(groups, dict) or not groups or not all(isinstance(group, dict) for group in groups.values()):
        raise _refused(file, "config_groups", groups)
    found = {_compressed_group(file, stated, group) for group in groups.values()}
    if len(found) > 1:
        raise ModelError(f"{file}: quantization_config.config_groups: {len(found)} different ones; accepted: one")
    return found.pop()


def _compressed_group(file: Path, stated: Mapping[str, Any], group: Mapping[str, Any]) -> Scheme:
    accept = partial(_accept, file)
    for key in ("input_activations", "output_activations"):
        accept(key, group.get(key), None)
    accept("format", group.get("format") or stated.get("format"), "pack-quantized")
    weights = group.get("weights")
    if not isinstance(weights, dict):
        raise _refused(file, "weights", weights)
    accept("weights.type", weights.get("type"), "int")
    accept("weights.strategy", weights.get("strategy"), "group", "channel")
    is_symmetric = accept("weights.symmetric", weights.get("symmetric"), True, False)
    return COMPRESSED(accept(_BITS, weights.get("num_bits"), 4, 8), is_symmetric=is_symmetric)


def _accept(file: Path, key: str, value: Any, *accepted: object) -> Any:
    """Return the value. Raises ModelError unless it is one of those accepted, True being no 1."""
    if not any(type(value) is type(one) and value == one for one in accepted):
        raise _refused(file, key, value)
    return value


def _refused(file: Path, key: str, value: object) -> ModelError:
    return ModelError(f"{file}: quantization_config: {key} {shorten(value)} is not supported; accepted: {_ACCEPTED}")


def types_of(scheme: Scheme | None) -> dict[str, tuple[str, ...]]:
    """Return the types that safetensors may give a packed tensor, by the last part of its name; others are floats."""
    if scheme is None:
        return {}
    steps, _, *zeros = scheme.suffixes
    return dict.fromkeys((steps, *zeros), ("I32",)) | dict.fromkeys(_OPTIONAL, ("I32", "I64"))


def sources_of(folder: Path, tensors: Mapping[str, StoredTensor], scheme: Scheme | None) -> dict[str, Source]:
    """Return the weights by their names; a packed matrix is unpacked when its turn comes. Raises ModelError."""
    whole = {name: Source(tensor.shape, tensor.weights) for name, tensor in tensors.items()}
    if scheme is None:
        return whole
    modules: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        module, _, suffix = name.rpartition(".")
        if suffix in (*scheme.suffixes, *_OPTIONAL):
            modules[module][suffix] = tensor
            del whole[name]
    return whole | {f"{module}.weight": _packed(folder, module, parts, scheme) for module, parts in modules.items()}


def _packed(folder: Path, module: str, parts: dict[str, StoredTensor], scheme: Scheme) -> Source:
    if missing := [f"{module}.{suffix}" for suffix in scheme.suffixes if suffix not in parts]:
        raise ModelError(f"{folder}: missing tensors: {', '.join(missing)}")
    shapes = {suffix: part.shape for suffix, part in parts.items()}
    shape = shape_of(shapes, scheme)
    if shape is None:
        raise ModelError(
            f"{folder}: {module}: shapes {shorten(shapes)} are not those of a matrix packed in {scheme.num_bits}"
            " bits with groups of a multiple of 32 inputs"
        )
    return Source(shape, lambda: unpack({suffix: as_array(part.weights()) for suffix, part in parts.items()}, scheme))


def shape_of(shapes: Mapping[str, Shape], scheme: Scheme) -> Shape | None:
    """Return (outputs, inputs) of a matrix whose tensors have these shapes by suffix, None if they do not fit."""
    if any(len(shapes[suffix]) != 2 for suffix in scheme.suffixes):
        return None
    per_word = scheme.per_word
    by_output = [shapes[suffix][:: -1 if scheme.has_inputs_first else 1] for suffix in scheme.suffixes]
    (num_outputs, num_inputs), (_, num_groups), *_ = by_output
    if scheme.packs_outputs:
        num_outputs *= per_word
    else:
        num_inputs *= per_word
    wanted = [(num_outputs, num_groups), (-(-num_outputs // per_word), num_groups)]
    fits = by_output[1:] == wanted[: len(by_output) - 1]
    has_groups = num_groups > 0 and num_inputs % num_groups == 0 and num_inputs // num_groups % GROUP == 0
    groups = next((shapes[suffix] for suffix in ("g_idx", "weight_g_idx") if suffix in shapes), (num_inputs,))
    return (num_outputs, num_inputs) if fits and has_groups and groups == (num_inputs,) else None


def unpack(tensors: Mapping[str, Array], scheme: Scheme) -> QuantisedTensor:
    """Return weights [outputs, inputs] of the tensors by suffix, whose shapes fit; in 4 bits, or in 8.

    Inputs whose groups do not follow each other (GPTQ's `desc_act`) and 8 bits with zero points are rounded to 8 bits.
    """
    steps, scales, zeros = _parts(tensors, scheme)
    num_inputs, num_groups = steps.shape[1], scales.shape[1]
    in_order = np.arange(num_inputs) // (num_inputs // num_groups)
    groups = next((tensors[suffix] for suffix in ("g_idx", "weight_g_idx") if suffix in tensors), in_order)
    with np.errstate(all="ignore"):  # a damaged scale is inf or NaN
        if np.array_equal(groups, in_order):
            halves = _repeat(scales.astype(np.float16), num_inputs)
            if scheme.num_bits == 4:
                minima = _repeat((scales * -zeros).astype(np.float16), num_inputs)
                return QuantisedTensor(pack_nibbles(steps), halves, minima, "int4")
            if (zeros == _MIDDLE_OF_8_BITS).all():
                return QuantisedTensor((steps ^ np.uint8(_MIDDLE_OF_8_BITS)).view(np.int8), halves)
        groups = groups.clip(0, num_groups - 1)
        return quantise((steps - zeros[:, groups]) * scales[:, groups])


def _parts(tensors: Mapping[str, Array], scheme: Scheme) -> tuple[Array, Array, Array]:
    """Return steps uint8 [outputs, inputs], scales and zero points float32 [outputs, groups]."""
    by_output = [tensors[suffix].T if scheme.has_inputs_first else tensors[suffix] for suffix in scheme.suffixes]
    steps, scales, *zeros = by_output
    steps = _take_apart(steps, scheme, by_outputs=scheme.packs_outputs)
    scales = np.ascontiguousarray(scales, np.float32)
    if not zeros:
        return steps, scales, np.full_like(scales, 2 ** (scheme.num_bits - 1))
    zero_points = _take_apart(zeros[0], scheme, by_outputs=True)[: len(steps)]
    return steps, scales, zero_points.astype(np.float32) + scheme.zero_offset


def _take_apart(words: Array, scheme: Scheme, by_outputs: bool) -> Array:
    """Return the steps in integers [outputs, inputs], each of which has some of outputs or inputs in turn, uint8."""
    if by_outputs:
        return np.ascontiguousarray(_take_apart(words.T, scheme, by_outputs=False).T)
    steps = np.ascontiguousarray(words).view(np.uint8)  # little-endian, as safetensors are
    if scheme.num_bits == 4:  # the lowest bits first
        steps = np.stack([steps & 15, steps >> 4], axis=-1).reshape(len(words), -1)
    if scheme.places == _IN_ORDER:
        return steps
    return steps.reshape(len(steps), -1, 8)[..., list(scheme.places)].reshape(steps.shape)


def _repeat(values: Array, num_inputs: int) -> Array:
    """Return [outputs, groups] for each 32 inputs: [outputs, inputs / 32]."""
    return values.repeat(num_inputs // GROUP // values.shape[1], axis=1)
