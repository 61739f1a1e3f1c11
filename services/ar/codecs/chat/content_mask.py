"""Masks what a content could pass for a control token, so that a rendered text shows which ones are the template's.

A mask puts private-use characters, which occur nowhere else, in the place of single characters. Lengths and whitespace
stay, so that a template which trims, joins or measures contents does the same with masked ones. Knows strings alone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice

from tandem.shared.errors import InvalidArgument

_PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))


@dataclass(frozen=True)
class Masked:
    """Contents with characters masked; `aliases` maps each character to the private-use one that stands for it."""

    contents: list[str]
    aliases: dict[str, str]

    def reveal(self, text: str) -> str:
        """Return `text` with the masked characters back in their places."""
        return text.translate({ord(alias): character for character, alias in self.aliases.items()})


class ContentMask:
    """Made for the control tokens of one tokenizer, as they are written."""

    def __init__(self, controls: Iterable[str]) -> None:
        # Tokens of whitespace alone are no markup, and masking whitespace would defeat trimming.
        self._controls = sorted({control for control in controls if control.strip()})
        self._edges = sorted({edge for control in self._controls for edge in (control[0], control[-1])})
        # Control tokens may overlap, so each is found without consuming it.
        self._beginning = re.compile(f"(?={_any_of(self._controls)})")
        self._prefixes = {control[:length] for control in self._controls for length in range(1, len(control))}
        self._max_prefix = max(map(len, self._prefixes), default=0)

    def every_edge(self, contents: list[str], text: str) -> Masked:
        """Mask each character with which some control token begins or ends.

        Whatever a template makes of such contents, none of its output is a control token of theirs.
        """
        aliases = self._aliases(contents, text)
        table = str.maketrans(aliases)
        return Masked([content.translate(table) for content in contents], aliases)

    def look_alikes(self, contents: list[str], text: str) -> Masked:
        """Mask the first character of each whole control token, and of one that a content's end cuts off."""
        aliases = self._aliases(contents, text)
        return Masked([self._hide(content, aliases) for content in contents], aliases)

    def _hide(self, content: str, aliases: Mapping[str, str]) -> str:
        characters = list(content)
        for place in chain((match.start() for match in self._beginning.finditer(content)), self._cut_off(content)):
            characters[place] = aliases[content[place]]
        return "".join(characters)

    def _cut_off(self, content: str) -> list[int]:
        """Return where, at the end of a content or of its trimmed form, a control token begins that is not whole."""
        ends = {len(content), len(content.rstrip())}
        return [
            start
            for end in ends
            for start in range(max(0, end - self._max_prefix), end)
            if content[start:end] in self._prefixes
        ]

    def _aliases(self, contents: list[str], text: str) -> dict[str, str]:
        """Return a private-use character for each edge, such that neither contents nor rendered text hold it."""
        taken = set(text).union(*contents, *self._controls)
        free = (chr(code) for codes in _PRIVATE_USE for code in codes if chr(code) not in taken)
        aliases = dict(zip(self._edges, islice(free, len(self._edges)), strict=False))
        if len(aliases) < len(self._edges):
            raise InvalidArgument("chat.messages", "nearly every private-use character", "texts that leave some unused")
        return aliases


def _any_of(words: list[str]) -> str:
    """Return a pattern that matches at the beginning of each word, "" among them, in time linear in its length.

    Hundreds of words that begin alike, such as reserved tokens, would be tried one by one if they were only listed.
    """
    if "" in words:
        return ""
    tails: dict[str, list[str]] = {}
    for word in words:
        tails.setdefault(word[0], []).append(word[1:])
    return (
        "(?:" + "|".join(re.escape(first) + _any_of(rest) for first, rest in tails.items()) + ")" if words else "(?!)"
    )
