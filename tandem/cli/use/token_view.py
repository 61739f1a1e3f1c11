"""How a token and its probability look: one line, coloured from red (unlikely) to green (sure)."""

from rich.text import Text

from tandem.client import Alternative, TokenLogprob
from tandem.measure import formats

_STYLES = ((0.9, "bright_green"), (0.5, "green"), (0.2, "yellow"), (0.05, "dark_orange"), (0.0, "red"))
BAR_CELLS = 10


def token_line(token: TokenLogprob) -> Text:
    """Return probability, bar, the token, and its alternatives."""
    probability = token.probability
    style = _style(probability)
    line = Text(f"{probability:7.2%} ", style=style, no_wrap=True)
    line.append("█" * round(probability * BAR_CELLS), style=style)
    line.append("·" * (BAR_CELLS - round(probability * BAR_CELLS)), style="dim")
    line.append(f"  {_show(token):<18}", style=f"bold {style}")
    others = [other for other in token.alternatives if other.token_id != token.token_id]
    if others:
        shown = ", ".join(f"{_show(other)} {other.probability:.2%}" for other in others)
        line.append(f"  instead: {shown}", style="dim")
    return line


def _style(probability: float) -> str:
    return next(style for least, style in _STYLES if probability >= least)


def _show(token: Alternative) -> str:
    """Return the token's text in quotes; its number if it has none, as those of images."""
    return formats.printable(repr(token.token.decode("utf-8", "replace"))) if token.token else f"#{token.token_id}"
