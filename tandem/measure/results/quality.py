"""How good images are, as `tandem models evaluate` and a comparison say it."""

from tandem.measure.results.value import Part, Value


class ClassQuality(Part):
    """The figures of one class, see `Quality`. `variance_ratio`: of the features, against the test images' own."""

    fid: float
    accuracy: float
    variance_ratio: float
    memorised: float


class Quality(Part):
    """The figures of one set of images against the test images, in the judge's features.

    `accuracy`: share judged to be of the class asked for. `memorised`: share that lies nearer (pixels, L2) to a
    training image of its class than all but 1 % of that class's test images do.
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
    The intervals are the 95 % ones of drawing other images, by jackknife; the bias of a small number is not in them.
    """

    judge: Value
    pixels: Value
    gradients: Value


class Nearness(Part):
    """The views of a model's images (`model`), of as many real ones (`floor`, training images), and of real ones that
    only went through the model's tokenizer; None if it has none, or none that could be read here.
    """

    model: Views
    floor: Views
    tokenizer: Views | None
