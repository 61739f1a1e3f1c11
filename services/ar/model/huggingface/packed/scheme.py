"""Which packing a config.json states in `quantization_config`, and whether it is one that is read here.

- `compressed-tensors` with the format `pack-quantized`: what llm-compressor writes.
- `gptq`: what AutoGPTQ and GPTQModel write (Frantar et al. 2022).
- `awq` in the version `gemm`: what AutoAWQ writes (Lin et al. 2023).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services.ar.model.fields import Fields, shortened
from tandem.shared.models import ModelError

Format = Literal["compressed", "gptq", "awq"]

_ACCEPTED = (
    "compressed-tensors (pack-quantized), gptq and awq (gemm), of weights alone, in 4 or 8 bits, and of 4 bits for awq"
)
_MAX_GROUP = 65_536


@dataclass(frozen=True)
class Scheme:
    """How the packed matrices of a checkpoint are to be read."""

    format: Format
    num_bits: int
    """4 or 8."""
    is_symmetric: bool
    """Without zero points of its own (compressed): zero is the middle of the steps."""
    zero_offset: int = 0
    """What a stored zero point lacks: 1 in the first version of GPTQ's format."""

    @property
    def per_word(self) -> int:
        """How many steps an integer of 32 bits holds."""
        return 32 // self.num_bits


def scheme_of(file: Path, raw: Mapping[str, Any]) -> Scheme | None:
    """Return what config.json states, None for a checkpoint of floats. Raises ModelError for other packings."""
    stated = raw.get("quantization_config", raw.get("compression_config"))
    if stated is None:
        return None
    if not isinstance(stated, dict):
        raise ModelError(f"{file}: quantization_config is {shortened(stated)}; accepted: an object")
    method = stated.get("quant_method")
    if method == "compressed-tensors":
        return _compressed(file, stated)
    if method == "gptq":
        return _gptq(file, stated)
    if method == "awq":
        return _awq(file, stated)
    raise _refused(file, "quant_method", method)


def _compressed(file: Path, stated: Mapping[str, Any]) -> Scheme:
    if stated.get("kv_cache_scheme") is not None:
        raise _refused(file, "kv_cache_scheme", stated["kv_cache_scheme"])
    groups = stated.get("config_groups")
    if not isinstance(groups, dict) or not groups or not all(isinstance(each, dict) for each in groups.values()):
        raise _refused(file, "config_groups", groups)
    found = {_compressed_group(file, stated, group) for group in groups.values()}
    if len(found) > 1:
        raise ModelError(
            f"{file}: quantization_config.config_groups: {len(found)} different ones; accepted: one scheme"
        )
    return found.pop()


def _compressed_group(file: Path, stated: Mapping[str, Any], group: Mapping[str, Any]) -> Scheme:
    for key in ("input_activations", "output_activations"):
        if group.get(key) is not None:
            raise _refused(file, key, group[key])
    packing = group.get("format") or stated.get("format")
    if packing != "pack-quantized":
        raise _refused(file, "format", packing)
    weights = group.get("weights")
    if not isinstance(weights, dict):
        raise _refused(file, "weights", weights)
    for key, wanted in (("type", ("int",)), ("strategy", ("group", "channel"))):
        if weights.get(key) not in wanted:
            raise _refused(file, f"weights.{key}", weights.get(key))
    is_symmetric = weights.get("symmetric")
    if not isinstance(is_symmetric, bool):
        raise _refused(file, "weights.symmetric", is_symmetric)
    return Scheme("compressed", _bits(file, weights.get("num_bits"), (4, 8)), is_symmetric)


def _gptq(file: Path, stated: Mapping[str, Any]) -> Scheme:
    layout = stated.get("checkpoint_format") or "gptq"
    if layout not in ("gptq", "gptq_v2"):
        raise _refused(file, "checkpoint_format", layout)
    _check_group_size(file, stated)
    num_bits = _bits(file, stated.get("bits"), (4, 8))
    return Scheme("gptq", num_bits, is_symmetric=False, zero_offset=1 if layout == "gptq" else 0)


def _awq(file: Path, stated: Mapping[str, Any]) -> Scheme:
    version = stated.get("version") or "gemm"
    if not isinstance(version, str) or version.lower() != "gemm":
        raise _refused(file, "version", version)
    if stated.get("zero_point", True) is not True:
        raise _refused(file, "zero_point", stated["zero_point"])
    _check_group_size(file, stated)
    bits = stated.get("bits", stated.get("w_bit"))
    return Scheme("awq", _bits(file, bits, (4,)), is_symmetric=False)


def _bits(file: Path, value: object, accepted: tuple[int, ...]) -> int:
    if value not in accepted or isinstance(value, bool) or not isinstance(value, int):
        raise _refused(file, "the number of bits", value)
    return value


def _check_group_size(file: Path, stated: Mapping[str, Any]) -> None:
    """The size follows from the tensors; -1 stands for all inputs."""
    key = "group_size" if "group_size" in stated else "q_group_size"
    Fields(file, {"quantization_config.group_size": stated.get(key)}).integer(
        "quantization_config.group_size", -1, _MAX_GROUP
    )


def _refused(file: Path, key: str, value: object) -> ModelError:
    return ModelError(f"{file}: quantization_config: {key} {shortened(value)} is not supported; accepted: {_ACCEPTED}")
