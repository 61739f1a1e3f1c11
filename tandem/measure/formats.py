"""How numbers are written for people: the one set of formats of all tables, sentences and charts."""

from collections.abc import Callable

from tandem.measure.results.value import Value

NONE = "-"
"""What is not known."""

_UNITS = "x %Jmsµ"  # the characters of all units

_A_SECOND = {" µs": 1e6, " ms": 1e3, " s": 1.0}

Show = Callable[[float], str]


def number(value: float) -> str:
    """Return a number of any size: 0.0123, 36.3, 1,027; three digits, and all digits of what is larger."""
    return f"{value:,.0f}" if abs(value) >= 99.5 else f"{value:.3g}"


def count(value: float) -> str:
    """Return how many: 1,027."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """Return a part of a whole: 12.3%; of what is more than the whole three digits: 391%."""
    return f"{value:.1%}" if abs(value) <= 1 else f"{number(value * 100)}%"


def factor(value: float) -> str:
    """Return how many times: 2.31x."""
    return f"{number(value)}x"


def seconds(value: float) -> str:
    """Return a duration, or a difference of two, in the unit that suits it: 250 µs, 1.25 ms, 2.5 s."""
    size = abs(value)
    if size < 0.9995e-3:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.3g} ms" if size < 0.9995 else f"{number(value)} s"


def milliseconds(value: float) -> str:
    """Return a duration for a column that is headed "ms"."""
    return number(value * 1e3)


def decimals(digits: int, scale: float = 1.0) -> Show:
    """Return a format with so many digits behind the point, of values times `scale`."""
    return lambda value: f"{value * scale:,.{digits}f}"


def optional(value: float | None, show: Show) -> str:
    """Return a value that may be unknown."""
    return NONE if value is None else show(value)


def ends(value: Value, show: Show, joint: str = "-") -> str:
    """Return how sure a value is, from low to high; empty where that is not known, or there was one value alone. A unit
    that all three have in common stands at the value alone; a duration's ends are in the unit of the value.
    """
    if value.low is None or value.high is None or (value.method == "range" and value.count < 2):
        return ""
    texts = [show(one) for one in (value.value, value.low, value.high)]
    unit = texts[0].removeprefix(texts[0].rstrip(_UNITS))
    if unit in _A_SECOND:
        texts = [number(one * _A_SECOND[unit]) for one in (value.value, value.low, value.high)]
    elif len({text.removeprefix(text.rstrip(_UNITS)) for text in texts}) == 1:
        texts = [text.rstrip(_UNITS) for text in texts]
    return (joint if value.low >= 0 else " to ").join(texts[1:])


def printable(text: str) -> str:
    """Return `text` with control characters shown as U+FFFD, so that no server and no file can drive a terminal."""
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)


def with_interval(value: Value, show: Show) -> str:
    """Return a value for a sentence, and in brackets how sure it is."""
    both = ends(value, show, " to ")
    return f"{show(value.value)} ({both})" if both else show(value.value)


def quantity(number: int, noun: str) -> str:
    """Return a number of things in words: 1 image, 2 images."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def two_digits(value: float, show: Show = number) -> str:
    """Return a value for a reader in a hurry: with two digits, as more are seldom sure."""
    return show(float(f"{value:.2g}"))
