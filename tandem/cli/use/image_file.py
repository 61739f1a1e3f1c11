"""Where a command writes images: the format by the file's name, and the folder if it is the user's own."""

from pathlib import Path

import typer
from PIL import Image

from tandem.shared.errors import ExpectedError

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def check_image_file(path: Path) -> Path:
    """Return the path if an image can be written there. Raises BadParameter, before any work is done.

    Missing folders are made, but none at the root of the file system: that is a typing mistake.
    """
    if path.suffix.lower() not in FORMATS:
        accepted = ", ".join(FORMATS)
        raise typer.BadParameter(f"{path}: the name must end in one of {accepted}", param_hint="--out")
    folder = path.parent.resolve()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if nearest != folder and nearest == Path(folder.anchor):
        raise typer.BadParameter(f"there is no folder {path.parent}", param_hint="--out")
    return path


def save_image(image: Image.Image, path: Path) -> None:
    """Write the image in the format that the file's name says. Raises OSError, ExpectedError."""
    image_format = FORMATS[path.suffix.lower()]
    if image_format == "JPEG" and image.mode == "RGBA":
        raise ExpectedError(f"{path}: JPEG has no transparency, and these images have; accepted: .png, .webp")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format=image_format)
