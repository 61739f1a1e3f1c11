"""What the peers read in place of the shipped GGUF file: the same weights in other types, from the dequantised file.

A Q4_0 file that comes from one of 4 bits is rounded twice: it is there for its speed.
"""

from pathlib import Path
from typing import Any

import gguf
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType as FileType

from benchmarks.harness.backend import TEXT_MODEL
from benchmarks.harness.processes import ROOT
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository


def shipped_weights() -> Path:
    """Return the GGUF file of the text model that is measured."""
    return ModelRepository(ROOT / "models").get(TEXT_MODEL).transformer_path()


def describe_weights(gguf: Path) -> dict[str, str]:
    """Return what a result says of the model."""
    return {"model": TEXT_MODEL, "weights_sha256": sha256_of(gguf)}


def write_quantised(source: Path, target: Path, kind: Type, file_type: FileType) -> None:
    """Write `source` with every matrix as `kind` and all else as it is."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        _copy_field(writer, field)
    writer.add_file_type(file_type)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
        else:
            writer.add_tensor(tensor.name, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_field(writer: gguf.GGUFWriter, field: gguf.ReaderField) -> None:
    # The writer adds the first itself; the file type changes.
    if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
        return
    is_array = field.types[0] == gguf.GGUFValueType.ARRAY
    writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if is_array else None)


def load_dense(source: Path, dtype: str) -> Any:
    """Return transformers' model of a GGUF file, its weights unpacked; if not told, it keeps GGUF's blocks."""
    model: torch.nn.Module = transformers.AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=getattr(torch, dtype),
        quantization_config=transformers.GgufConfig(dequantize=True),
    )
    return model


def tokenizer_of(source: Path) -> Any:
    """Return the tokenizer of a GGUF file, a tokenizers.Tokenizer."""
    return transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).backend_tokenizer


def write_weights(folder: Path, source: Path) -> Path:
    """Write what peers read in place of the GGUF file, unless it is there; return its folder."""
    weights = folder / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    for kind in ("Q8_0", "Q4_0"):
        name = f"{kind.lower()}.gguf"
        target, unfinished = weights / name, weights / f"unfinished-{name}"
        if not target.exists():
            write_quantised(source, unfinished, Type[kind], FileType[f"MOSTLY_{kind}"])
            unfinished.rename(target)
    return weights
