"""How good images are, as `tandem models evaluate` and a comparison say it."""

from tandem.measure.results.value import Part, Value


class Distance(Value):
    """A Fréchet distance to the real images, extrapolated to infinitely many of both.

    One of few images is too large, by about a constant over their number (Chong and Forsyth 2020), so distances of
    different numbers do not compare, and real images have one as well; `of_these` is that of the images as they are.
    `tenths`: what each tenth of the images and of the real ones says of it; their mean is the value, their differences
    to another's, tenth by tenth, are what a test of the difference is of. Below 100 images there are none, and the
    value is `of_these`. It may be a little below 0 for images like the real ones.
    """

    of_these: float
    tenths: tuple[float, ...]


class ClassQuality(Part):
    """The figures of one class, see `Quality`. `variance_ratio`: of the features, against the test images' own."""

    fid: float
    accuracy: float
    variance_ratio: float
    memorised: float


class Quality(Part):
    """The figures of one set of images against the test images, in the judge's features.

    `accuracy`: share judged to be of the class asked for. `memorised`: share that lies nearer (pixels, L2) to a
    training image of its class than all but 1 % of that class's test images do. `fid` and that of classes are
    extrapolated, see Distance.
    """

    num_images: int
    fid: float
    kid: float
    kid_std: float
    accuracy: float
    precision: float
    recall: float
    density: float
    coverage: float
    worst_class_fid: float
    memorised: float
    worst_class_memorised: float
    classes: tuple[ClassQuality, ...]


class Views(Part):
    """Fréchet distances of one set of images to the test images in three kinds of features; lower is nearer.

    `judge`: the judge's, which makes it FID. `pixels`: 64 principal components of the training images, values 0 to 1.
    `gradients`: histograms of oriented gradients (Dalal and Triggs 2005). Distances of different views do not compare.
    The intervals are the 95 % ones of drawing other images, generated and real, by jackknife.
    """

    judge: Distance
    pixels: Distance
    gradients: Distance


class Nearness(Part):
    """The views of a model's images (`model`), of as many real ones (`floor`, training images), and of real ones that
    only went through the model's tokenizer; None if it has none, or none that could be read here.
    """

    model: Views
    floor: Views
    tokenizer: Views | None
