"""Real digits beside those that both models draw, a row a class. Needs `tandem up` with both models.

python -m examples.digits.picture --reference my-models/digits.npz --out digits.png
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from examples.digits.data import NUM_CLASSES
from tandem.client import DEFAULT_ADDRESS, TandemClient
from tandem.client.images import grid

COLUMNS = 10
SEED = 1

Row = npt.NDArray[np.uint8]
"""Images of one class [COLUMNS, 8, 8, 1]."""


def real(reference: Path, label: int) -> Row:
    """Return the first test images of a class."""
    with np.load(reference) as file:
        chosen: Row = file["test_images"][file["test_labels"] == label]
    return chosen[:COLUMNS, ..., None]


def in_one_pass(client: TandemClient, label: int) -> Row:
    return client.sample(COLUMNS, model="digits-gan", labels=label, seed=SEED).to_uint8()


def in_sequence(client: TandemClient, label: int) -> Row:
    drawn = client.complete(label=label, model="digits-ar", n=COLUMNS, seed=SEED)
    assert drawn.images is not None  # noqa: S101  an image model's replies have images
    return drawn.images.to_uint8()


def side_by_side(columns: dict[str, list[Row]]) -> Figure:
    """Return a figure of grids under their titles, dark on white; each has a row a class."""
    figure = Figure(figsize=(3.6 * len(columns), 3.7), facecolor="white")
    figure.set_layout_engine("constrained", wspace=0.1)
    for axes, (title, rows) in zip(figure.subplots(1, len(columns)), columns.items(), strict=True):
        axes.imshow(grid(np.concatenate(rows), COLUMNS, padding=2)[..., 0], cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="the digits.npz that the training wrote")
    parser.add_argument("--out", type=Path, required=True, help="where the image goes")
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help="where the gateway is")
    options = parser.parse_args()
    classes = range(NUM_CLASSES)
    with TandemClient(options.address) as client:
        columns = {
            "real": [real(options.reference, label) for label in classes],
            "in one pass": [in_one_pass(client, label) for label in classes],
            "pixel after pixel": [in_sequence(client, label) for label in classes],
        }
    side_by_side(columns).savefig(options.out, dpi=100)
    print(options.out)


if __name__ == "__main__":
    main()
