"""Headers with a vocabulary and nothing else."""

from pathlib import Path

import numpy as np

from services.ar.model.gguf.file import GgufFile

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def file_with(tokens: dict[str, int], **values: object) -> GgufFile:
    """Return a file with these tokens and their kinds, and other values of tokenizer.ggml."""
    all_values = {"tokens": list(tokens), "token_type": np.array(list(tokens.values()), np.int32)} | values
    return GgufFile(Path("some.gguf"), {f"tokenizer.ggml.{key}": value for key, value in all_values.items()}, [])
