"""How good images are, as `tandem models evaluate` and a comparison say it."""

from tandem.measure.results.part import Part


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
