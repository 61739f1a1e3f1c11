"""Texts that a model is to go on with, where it matters how well they can be guessed."""

import random

from tandem.measure.results.growth import Text

TEXTS: dict[Text, str] = {"repeats itself": "text that repeats itself", "new": "new text"}
"""What there is, and what people call it."""
Case = tuple[Text, int]
"""A text, and how many streams of it at a time."""

_PASSAGES = (
    "The ferry leaves the northern pier at seven, crosses the bay in forty minutes, and waits for the bus from the"
    " hills. Whoever misses it has time for a long breakfast, since the next one goes at noon.",
    "In the garden behind the library stand three pear trees. The oldest bears fruit every second year, the youngest"
    " has never borne any, and the one between them keeps the birds of the whole street.",
    "Our workshop repairs clocks, music boxes and, on Fridays, radios. Bring the key if there is one, write your name"
    " on the tag, and do not wind anything that has stood still for more than a year.",
    "The map shows two paths to the summit. The first follows the river and is easy but long; the second climbs"
    " straight through the wood and should not be taken after rain.",
)
_REPEATS = 3
_NUM_WORDS_BEGUN = 6


def prompt(kind: Text, place: int, source: random.Random) -> str:
    """Return a text that begins like no other; one that repeats itself has begun with its next repetition."""
    passage = _PASSAGES[place % len(_PASSAGES)]
    if kind == "repeats itself":
        begun = " ".join(passage.split()[:_NUM_WORDS_BEGUN])
        passage = "\n\n".join((*[passage] * _REPEATS, begun))
    return f"No. {source.randrange(10**6)}\n\n{passage}"
