"""`tandem models add`: a language model from a file, a folder or Hugging Face's hub into the repository."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.options import MODELS_DIR, ModelsDir
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.formats import number
from tandem.shared.errors import ExpectedError
from tandem.shared.model_spec import SamplingSpec
from tandem.shared.models import NAME_PATTERN, NAMES
from tandem.shared.validation_errors import explain_errors

if TYPE_CHECKING:
    from services.ar.model.checkpoint import Checkpoint, Cost

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ("*.safetensors", "*.json", "*.jinja")
_EXAMPLE_TOKENS = 16_384  # the default size of the servers' cache


def add(
    terminal: Terminal,
    source: Annotated[
        str, typer.Argument(help="A GGUF file, a Hugging Face directory, or the id of a model on its hub (OWNER/NAME).")
    ],
    name: Annotated[
        str | None, typer.Option(help=r"Name of the model's folder.  \[default: made of the source's]")
    ] = None,
    licence: Annotated[str, typer.Option(help="SPDX licence of the weights.")] = "unknown",
    models_dir: ModelsDir = MODELS_DIR,
) -> None:
    """Add a language model: open it, read all of its weights once, say what it takes, and write its model.toml.

    The weights stay where they are. Files, tokenizers and chat templates that the servers would refuse are refused
    here, in the same words. The model computes nothing yet: `tandem models check` tries that.
    """
    need_packages("servers", "gguf", "safetensors", "tokenizers", "jinja2")
    path = _weights(source, terminal)
    if name is not None and not NAME_PATTERN.fullmatch(name):
        raise ExpectedError(f"--name is {name!r}; accepted: {NAMES}")
    folder = models_dir / (name or _name_of(source, path))
    if folder.exists():
        raise ExpectedError(f"{folder}: is there already; --name gives another name")
    from services.ar.codecs.text_codec import TextCodec
    from services.ar.model.checkpoint import cost_of
    from services.ar.model.weights import open_checkpoint

    checkpoint = open_checkpoint(path)
    if checkpoint.tokenizer is None:
        raise ExpectedError(f"{path}: has no tokenizer.json, which a language model needs")
    TextCodec(checkpoint, checkpoint.config.max_context_tokens).start()  # raises what is wrong with the template
    text = _model_toml(path, licence, source) + _recommended_sampling(path)
    terminal.note(f"reading the weights of {path}")
    cost = cost_of(checkpoint)
    _write(folder, text)
    typer.echo(_in_words(checkpoint, cost))
    typer.echo(f"{folder}: serve it with `tandem up --models-dir {models_dir} --sequential-model {folder.name}`")


def _weights(source: str, terminal: Terminal) -> Path:
    """Return where the weights are; those of the hub are fetched into its cache. Raises ExpectedError."""
    path = Path(source).expanduser()
    if path.exists():
        # A link to a file keeps its name: the file itself may have none that tells its format, as in the hub's cache.
        return path.resolve() if path.is_dir() else path.parent.resolve() / path.name
    if not _HUB_ID.fullmatch(source):
        raise ExpectedError(f"{source}: no such file or folder, and no id of the form OWNER/NAME")
    need_packages("servers", "huggingface_hub")
    from huggingface_hub import snapshot_download

    terminal.note(f"fetching {source} from Hugging Face's hub")
    try:
        return Path(snapshot_download(source, allow_patterns=list(_HUB_FILES)))
    except Exception as error:  # of the hub's client, of its HTTP library, and of the operating system
        why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise ExpectedError(
            f"{source}: could not be fetched from Hugging Face's hub ({why}); without a network, copy the model "
            "here by other means and give its path"
        ) from None


def _name_of(source: str, path: Path) -> str:
    """Return a name made of what the user wrote, or of where that leads, as for `.`. Raises ExpectedError."""
    for given in (Path(source).name, path.name):
        stem = given.lower().removesuffix(".gguf")
        if name := re.sub(r"[^a-z0-9._-]+", "-", stem)[:64].strip("-._"):
            return name
    raise ExpectedError(f"no name for the model can be made of {path.name!r}; give one with --name: {NAMES}")


def _write(folder: Path, text: str) -> None:
    """Make the folder with its whole model.toml, or neither, whatever ends that early. Raises ExpectedError."""
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise ExpectedError(f"{folder}: model.toml is UTF-8, and the path of the weights is not; rename them") from None
    try:
        folder.mkdir(parents=True)
        try:
            part = folder / "model.toml.part"  # so that others never read a half of it
            part.write_bytes(content)
            part.replace(folder / "model.toml")
        except BaseException:  # Ctrl-C is one
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise ExpectedError(f"{folder}: cannot be written: {error.strerror}") from None


def _model_toml(path: Path, licence: str, source: str) -> str:
    kind = "huggingface" if path.is_dir() else "gguf"
    values = {"kind": "transformer", "modality": "text", "licence": licence, "description": f"Added from {source}"}
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in {**values, kind: str(path)}.items())
    return "".join(lines)


def _recommended_sampling(path: Path) -> str:
    """Return the table of what generation_config.json recommends, empty if it says nothing that can be taken."""
    from services.ar.model.fields import read_object

    found = read_object(path / "generation_config.json", is_optional=True) if path.is_dir() else {}
    if found.get("do_sample") is False:
        return ""
    numbers = {name: found[name] for name in SamplingSpec.model_fields if type(found.get(name)) in (int, float)}
    with explain_errors(f"{path / 'generation_config.json'}: "):
        values = SamplingSpec(**numbers).model_dump(exclude_none=True)
    return "".join(("\n[sampling]\n", *(f"{name} = {value}\n" for name, value in values.items()))) if values else ""


def _in_words(checkpoint: Checkpoint, cost: Cost) -> str:
    cache = cost.cache_of_a_token * _EXAMPLE_TOKENS
    chat = "a chat template" if checkpoint.chat_template else "no chat template"
    return (
        f"{number(cost.num_weights / 1e6)} M weights, mostly {checkpoint.dtype}:"
        f" {number(cost.weights / 1e6)} MB in memory; KV cache {number(cost.cache_of_a_token / 1024)} KiB a token,"
        f" {number(cache / 1e6)} MB for {_EXAMPLE_TOKENS:,}; "
        f"contexts of up to {checkpoint.config.max_context_tokens:,} tokens; {chat}"
    )
