"""What each step of sequence costs and buys: an image model is asked to draw in K steps, for several K, beside a
sequential model that takes no steps and a parallel one, in the same rounds.
"""

from typing import Literal

from tandem.measure.results import comparison
from tandem.measure.results.comparison import CpuSource, JudgedImages, Judgement, ModeResult
from tandem.measure.results.header import Header
from tandem.measure.results.value import Part, Value


class Settings(Part):
    """What was asked for. `steps` ascend; the last is the number of tokens of an image, one a step. `num_scored`: most
    test images whose likelihood is asked for. `load`: as of a comparison.
    """

    steps: tuple[int, ...]
    num_scored: int
    load: comparison.Settings


class StepsPoint(Part):
    """One model in one number of steps, asked in unary calls. `steps` None: it takes none; it is there to compare with.

    `bits_per_token`: of test images given their classes, by `Score`, as what draws in so many steps has it; None if the
    model cannot say. `bits_over_most`: how much more that is than in the most steps; of the same images, so much surer.
    `predicted_over_most`: the same as the sum of the measured costs of the steps, of other images, with nothing fitted
    (the Riemann sum of an information curve: Chen, Cong and Li 2025, arXiv 2511.04647); None if the repository has no
    costs of the model.
    """

    steps: int | None
    mode: ModeResult
    num_images: int
    quality: JudgedImages | None
    bits_per_token: Value | None
    bits_over_most: Value | None
    predicted_over_most: float | None


class Steps(Header):
    """One measurement of `models[0]`; the parallel model is `models[1]`, a sequential one without steps `models[2]`.

    `seconds`: how long it took.
    """

    kind: Literal["steps"] = "steps"
    seconds: float
    class_names: tuple[str, ...]
    settings: Settings
    points: tuple[StepsPoint, ...]
    judgement: Judgement
    num_scored: int
    cpu_sources: tuple[CpuSource, ...]
