"""What a batch of the refinement holds."""

import torch

from training.image_kind import FASHION
from training.refinement.train import Material
from training.tokenizer.networks import NUM_CODES


def material(count=12):
    source = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 1, 28, 28), generator=source, dtype=torch.uint8)
    tokens, drawn = (torch.randint(NUM_CODES, (count, FASHION.num_tokens), generator=source) for _ in range(2))
    labels = torch.arange(count) % 10
    return Material(images, labels, tokens, drawn, labels)


def test_a_batch_has_tokens_of_the_first_half_of_its_images():
    given = material()
    image, label, tokens, drawn, drawn_label = next(given.batches(3, 0, 0))
    assert (len(image), len(label), len(tokens), len(drawn), len(drawn_label)) == (6, 6, 3, 3, 3)
    pixels = image.add(1).mul(127.5).round().byte()
    for row in range(3):
        place = next(n for n in range(len(given.images)) if torch.equal(given.images[n], pixels[row]))
        assert torch.equal(tokens[row], given.tokens[place])
        assert label[row] == given.labels[place]


def test_batches_go_on_where_they_stopped():
    given = material()
    whole = [batch for batch, _ in zip(given.batches(3, 0, 0), range(5), strict=False)]
    later = next(given.batches(3, 0, 4))
    assert all(torch.equal(a, b) for a, b in zip(later, whole[4], strict=True))
