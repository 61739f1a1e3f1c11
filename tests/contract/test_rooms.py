"""A folder is a room of at most 16 source files, a file has at most 300 lines."""

from collections import Counter
from pathlib import Path

from tests.contract.source import PACKAGES, ROOT

MOST_FILES = 16
MOST_LINES = 300
SUFFIXES = (".py", ".cpp", ".h", ".js")


def sources() -> list[Path]:
    """Return the source files of all packages, without generated stubs and what only names a package."""
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*"))
        if path.suffix in SUFFIXES and "_pb2" not in path.name and path.name != "__init__.py"
    ]


def test_a_room_is_not_crowded():
    rooms = Counter(path.parent.relative_to(ROOT).as_posix() for path in sources())
    assert {room: count for room, count in rooms.items() if count > MOST_FILES} == {}


def test_a_file_has_one_noun_s_length():
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources()}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_every_room_of_python_is_a_package():
    rooms = {path.parent for path in sources() if path.suffix == ".py"} - {ROOT / "examples", ROOT / "tandem"}
    assert [str(room) for room in sorted(rooms) if not (room / "__init__.py").exists()] == []
