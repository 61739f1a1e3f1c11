"""The order of an image's tokens: the grid's cells along a Halton sequence (Besnier et al. 2025, arXiv 2503.17076).

Cells that follow one another lie far apart, so tokens that one step generates together depend little on each other.
"""

from itertools import count


def halton_order(height: int, width: int) -> list[int]:
    """Return the cells of a grid, numbered row by row, in the order of the 2-D Halton sequence of bases 2 and 3."""
    order: dict[int, None] = {}
    for index in count(1):
        row, column = int(radical_inverse(index, 2) * height), int(radical_inverse(index, 3) * width)
        order[row * width + column] = None
        if len(order) == height * width:
            return list(order)
    raise AssertionError("a Halton sequence has no end")


def radical_inverse(index: int, base: int) -> float:
    """Return the digits of `index` in `base`, mirrored at the point: 0 to less than 1."""
    value, scale = 0.0, 1.0
    while index:
        index, digit = divmod(index, base)
        scale /= base
        value += digit * scale
    return value
