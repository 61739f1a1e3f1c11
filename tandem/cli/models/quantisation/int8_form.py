"""The int8 form of a model: a file in its folder, and a table in its model.toml that says what is lost.

The table is added at the end of model.toml, and the rest stays as it was written.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from services.common.whole_file import write_whole
from tandem.shared.errors import ExpectedError
from tandem.shared.file_hashes import sha256_of
from tandem.shared.model_spec import Int8Spec
from tandem.shared.models import Model

if TYPE_CHECKING:
    from tandem.cli.models.quantisation.quantisation import Loss

FILE = "generator-int8.onnx"
TABLE = "int8"
_HEADING = re.compile(rf"""\s*\[\s*(["']?){TABLE}\1\s*\]\s*(#.*)?""")


def add_int8_form(model: Model, generator: Path, loss: Loss, num_images: int) -> None:
    """Add a generator in int8 to the model's folder, in the place of one that was there.

    Raises ExpectedError, also if model.toml would become unreadable; then all stays as it was.
    """
    assert model.spec.generator is not None  # noqa: S101  it has just been quantised
    spec = Int8Spec(
        generator=FILE,
        sha256=sha256_of(generator),
        float32_sha256=sha256_of(model.path(model.spec.generator)),
        rms_difference=round(loss.rms_difference, 5),
        fid=tuple(round(fid, 4) for fid in loss.quantised),
        float32_fid=tuple(round(fid, 4) for fid in loss.original),
        num_images=num_images,
    )
    file, toml = model.folder / FILE, model.folder / "model.toml"
    try:
        table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in spec.model_dump().items())
        text = f"{without_int8_form(toml.read_text()).rstrip()}\n\n[{TABLE}]\n{table}"
        tomllib.loads(text)
        shutil.copyfile(generator, file)
        write_whole(toml, text)
    except tomllib.TOMLDecodeError:
        raise ExpectedError(f"{toml}: its {TABLE} is not a table of its own; remove it and try again") from None
    except OSError as error:
        if model.spec.int8 is None:
            file.unlink(missing_ok=True)
        raise ExpectedError(f"{model.folder}: cannot be written: {error.strerror}") from None


def without_int8_form(toml: str) -> str:
    """Return a model.toml without the table of the int8 form."""
    kept, is_in_table = [], False
    for line in toml.splitlines(keepends=True):
        is_in_table = bool(_HEADING.fullmatch(line.rstrip())) or (is_in_table and not line.lstrip().startswith("["))
        kept += [] if is_in_table else [line]
    return "".join(kept)
