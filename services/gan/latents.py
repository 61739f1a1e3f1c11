"""From (seed, index) to a latent vector and a class: counter-based, so that an image does not depend on its batch.

Each image has random words of its own, set by (seed, domain, index), and latents and classes are drawn from domains of
their own. The words are laid out by counter: word 0 counts through the images, as many blocks of four words an image as
it needs; word 1 is the domain. A run of images is thus one run of the stream, drawn in one call. Knows nothing of
models beyond the sizes that it is told.
"""

import math

import numpy as np
import numpy.typing as npt

from services.common.philox import Philox

Float64s = npt.NDArray[np.float64]

LATENT_DOMAIN = 0
LABEL_DOMAIN = 1
_WORDS_PER_BLOCK = 4

# Quantile of the normal distribution: P. J. Acklam's rational approximations, relative error below 1.2e-9. Each pair
# holds one power's coefficients above and below the fraction line, the highest power first.
_CENTRE = np.array(
    [
        (-3.969683028665376e01, -5.447609879822406e01),
        (2.209460984245205e02, 1.615858368580409e02),
        (-2.759285104469687e02, -1.556989798598866e02),
        (1.383577518672690e02, 6.680131188771972e01),
        (-3.066479806614716e01, -1.328068155288572e01),
        (2.506628277459239e00, 1.0),
    ]
)[:, :, np.newaxis]
_TAIL = np.array(
    [
        (-7.784894002430293e-03, 0.0),
        (-3.223964580411365e-01, 7.784695709041462e-03),
        (-2.400758277161838e00, 3.224671290700398e-01),
        (-2.549732539343734e00, 2.445134137142996e00),
        (4.374664141464968e00, 3.754408661907416e00),
        (2.938163982698783e00, 1.0),
    ]
)[:, :, np.newaxis]
_CENTRE_HALF_WIDTH = 0.5 - 0.02425


def _random_words(seed: int, domain: int, first_index: int, count: int, words_per_image: int) -> npt.NDArray[np.uint64]:
    """Return the words [count, words_per_image] of images first_index to first_index + count - 1."""
    blocks_per_image = -(-words_per_image // _WORDS_PER_BLOCK)
    generator = Philox().at((seed, 0), (first_index * blocks_per_image, domain))
    words = generator.random_raw(count * blocks_per_image * _WORDS_PER_BLOCK)
    return words.reshape(count, -1)[:, :words_per_image]


def draw_latents(
    seed: int, first_index: int, count: int, latent_dim: int, truncation: float | None = None
) -> npt.NDArray[np.float32]:
    """Return the latents [count, latent_dim] of images first_index to first_index + count - 1.

    Values are normal, cut off at +-truncation if there is one: drawn from the part of the distribution that is left, so
    the same seed gives the same latent, drawn in.
    """
    words = _random_words(seed, LATENT_DOMAIN, first_index, count, latent_dim)
    # 53 random bits each, strictly between 0 and 1.
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    if truncation is None:
        return _normal_quantile(uniform).astype(np.float32)
    kept = math.erf(truncation / math.sqrt(2.0))
    vectors = _normal_quantile(0.5 + (uniform - 0.5) * kept)
    return np.clip(vectors, -truncation, truncation).astype(np.float32)


def draw_labels(seed: int, first_index: int, count: int, num_classes: int) -> npt.NDArray[np.int64]:
    """Return the classes [count], each 0 to num_classes - 1, of images first_index to first_index + count - 1."""
    drawn = _random_words(seed, LABEL_DOMAIN, first_index, count, 1)
    return (drawn[:, 0] % np.uint64(num_classes)).astype(np.int64)


def _normal_quantile(p: Float64s) -> Float64s:
    q = p.reshape(-1) - 0.5
    z = q * _ratio(_CENTRE, q * q)
    distance = np.abs(q)
    tail = distance > _CENTRE_HALF_WIDTH
    r = np.sqrt(-2.0 * np.log(0.5 - distance[tail]))
    z[tail] = np.copysign(_ratio(_TAIL, r), q[tail])
    return z.reshape(p.shape)


def _ratio(coefficients: Float64s, x: Float64s) -> Float64s:
    """Return the ratio of two polynomials at x [N], both evaluated at once; coefficients [powers, 2, 1]."""
    value: Float64s = coefficients[0] * x  # [2, N]
    for pair in coefficients[1:-1]:
        value += pair
        value *= x
    value += coefficients[-1]
    ratio: Float64s = value[0] / value[1]
    return ratio
