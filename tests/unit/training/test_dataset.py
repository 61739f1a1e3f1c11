"""What is trained on, what is held out, and in which order."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from tandem.measure.quality.fashion_mnist import DEFAULT_FOLDER, load_split
from training.dataset import load, shuffled_batches, to_model_range, to_pixels, write_sheet
from training.image_kind import FASHION


def first(count: int, first_step: int = 0, seed: int = 0) -> list[list[int]]:
    return [batch.tolist() for batch in itertools.islice(shuffled_batches(10, 3, seed, first_step), count)]


def test_the_order_depends_on_seed_and_step_alone():
    whole = first(12)
    assert sorted(map(len, whole)) == [3] * 12
    assert len({index for batch in whole[:3] for index in batch}) == 9
    assert first(5, first_step=7) == whole[7:]
    assert first(12, seed=1) != whole
    assert whole[:3] != whole[3:6]


def test_pixels_survive_the_model_range():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_pixels(to_model_range(pixels)), pixels)
    assert to_pixels(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_what_is_held_out_is_no_part_of_the_training_and_has_each_class_as_often(tmp_path):
    labels = np.repeat([0, 1, 2], [360, 180, 180])
    images = np.arange(720).reshape(-1, 1, 1, 1).repeat(8, 1).repeat(9, 2) // np.array([3, 1, 1])
    path = tmp_path / "numbers.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    data = load(path)
    assert (data.kind.data_set, data.kind.shape, data.kind.class_names) == ("numbers", (3, 8, 9), ("0", "1", "2"))
    counts = [torch.bincount(split[1]).tolist() for split in (data.train, data.validation, data.test)]
    assert counts == [[275, 138, 137], [25, 12, 13], [60, 30, 30]]
    first_and_others = [split[0].flatten(1)[:, [0, -1]].tolist() for split in (data.train, data.validation, data.test)]
    seen = [{tuple(each) for each in part} for part in first_and_others]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]


@pytest.mark.skipif(not DEFAULT_FOLDER.exists(), reason="needs the package dataset-fashion-mnist")
def test_of_fashion_mnist_the_last_5000_are_held_out():
    data, (images, labels) = load(), load_split("train")
    assert data.kind == FASHION
    assert np.array_equal(data.validation[0].squeeze(1).numpy(), images[-5000:])
    assert np.array_equal(data.train[1].numpy(), labels[:-5000])
    assert data.test[0].shape == (10_000, 1, 28, 28)


@pytest.mark.parametrize(("shape", "message"), [((720, 7, 9), r"\(7, 9\); accepted: 8 to 64"), ((720, 9), "images")])
def test_images_that_networks_cannot_be_sized_for_are_refused(tmp_path, shape, message):
    np.savez(tmp_path / "odd.npz", images=np.zeros(shape, np.uint8), labels=np.arange(720) % 3)
    with pytest.raises(SystemExit, match=message):
        load(tmp_path / "odd.npz")


def test_a_sheet_has_the_images_row_by_row_enlarged_in_their_colours(tmp_path):
    pixels = torch.arange(6 * 3 * 8 * 9).view(6, 3, 8, 9).byte()
    write_sheet(pixels, 3, tmp_path / "sheet.png")
    sheet = np.array(Image.open(tmp_path / "sheet.png"))
    scale = 84 // 9
    assert sheet.shape == (2 * 8 * scale, 3 * 9 * scale, 3)
    assert np.array_equal(sheet[8 * scale :: scale, 9 * scale : 18 * scale : scale], pixels[4].permute(1, 2, 0))
