"""Damage to a Hugging Face directory: to values of its JSON files and headers, to plain bytes, to whole files."""

import json
import shutil
from pathlib import Path
from random import Random

from tests.model_fuzz import bytes_mutation, json_mutation

_DEEP = b"[" * 200_000
_HUGE = 3 * 1024**3  # bytes of a file with a hole


def mutate(source: Path, target: Path, random: Random) -> str:
    """Write `source` to `target` with one to three damages; return what they are."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    done = [_damage_file(_choose(target, random), random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    return f"{source.name}: {'; '.join(done)}"


def _choose(folder: Path, random: Random) -> Path:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.stat().st_size < _HUGE)
    weights = [4 if path.name == "config.json" else 1 for path in files]
    return random.choices(files, weights)[0]


def _damage_file(path: Path, random: Random) -> str:
    chance = random.random()
    if chance < 0.1:
        return f"{path.name} {_replace(path, random)}"
    if chance < 0.75:
        try:
            change = _damage_header if path.suffix == ".safetensors" else _damage_json
            return f"{path.name} {change(path, random)}"
        except (ValueError, RecursionError):
            pass  # damaged before
    data, what = bytes_mutation.damage(path.read_bytes(), random, 16_384)
    path.write_bytes(data)
    return f"{path.name}: {what}"


def _damage_json(path: Path, random: Random) -> str:
    value, what = json_mutation.damage(json.loads(path.read_bytes()), random)
    path.write_bytes(_as_json(value))
    return what


def _damage_header(path: Path, random: Random) -> str:
    """Damage the JSON of a safetensors header, and leave its length right, or damage the length."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    if random.random() < 0.2:
        length = random.choice(bytes_mutation.EXTREMES)
        path.write_bytes(bytes_mutation.put(data, 0, 8, length))
        return f"has a header of {length} bytes"
    value, what = json_mutation.damage(json.loads(data[8 : 8 + size]), random)
    header = _as_json(value)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
    return what


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def _replace(path: Path, random: Random) -> str:
    path.unlink()
    match random.choice(("gone", "empty", "a folder", "deep", "huge")):
        case "empty":
            path.touch()
            return "is empty"
        case "a folder":
            path.mkdir()
            return "is a folder"
        case "deep":
            path.write_bytes(_DEEP)
            return "is deeply nested"
        case "huge":
            with path.open("wb") as file:
                file.truncate(_HUGE)
            return "is huge"
    return "is gone"
