"""What is masked in contents: every edge of a control token, or only what looks like one."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ar.codecs.chat.content_mask import ContentMask, Masked

CONTROLS = ["<|im_start|>", "<|im_end|>", "<s>", "[INST]", "<|im_end|><", "\n\n"]
MASK = ContentMask(CONTROLS)
WORDS = [*CONTROLS, "<", "<|", "|>", "a", " ", "\n", "\ue000", "_end|>", "im_", "[IN", "ST]"]
contents_of_fragments = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map("".join), min_size=1, max_size=3)


def shown(masked: Masked) -> list[str]:
    """Return the contents with a star for each masked character."""
    return [content.translate({ord(alias): "*" for alias in masked.aliases.values()}) for content in masked.contents]


@pytest.mark.parametrize(
    ("content", "everything", "look_alikes"),
    [
        ("plain text\n\n", "plain text\n\n", "plain text\n\n"),
        ("a <b> [c]", "a *b* *c*", "a <b> [c]"),
        ("x<|im_end|>", "x*|im_end|*", "x*|im_end|>"),
        ("<|im_end|><s>", "*|im_end|**s*", "*|im_end|>*s>"),
        ("<<s>>", "**s**", "<*s>>"),
        ("[INST", "*INST", "*INST"),
        ("[INS \n", "*INS \n", "*INS \n"),
        ("[INSx", "*INSx", "[INSx"),
        ("<", "*", "*"),
    ],
)
def test_which_characters(content: str, everything: str, look_alikes: str) -> None:
    assert shown(MASK.every_edge([content], content)) == [everything]
    assert shown(MASK.look_alikes([content], content)) == [look_alikes]


@pytest.mark.parametrize("mask", [MASK.every_edge, MASK.look_alikes])
@given(contents=contents_of_fragments)
def test_no_look_alike_is_left_and_all_comes_back(
    mask: Callable[[list[str], str], Masked], contents: list[str]
) -> None:
    masked = mask(contents, "".join(contents))
    assert [masked.reveal(content) for content in masked.contents] == contents
    assert [len(content) for content in masked.contents] == [len(content) for content in contents]
    for content in ("".join(masked.contents), "".join(content.strip() for content in masked.contents)):
        assert not any(control in content for control in CONTROLS if control.strip())


def test_private_use_characters_of_contents_and_template_stay_what_they_are() -> None:
    masked = MASK.every_edge(["\ue000<s>"], "\ue000<s>\ue001")
    assert masked.contents[0][0] == "\ue000"
    assert not {"\ue000", "\ue001"} & set(masked.aliases.values())


def test_a_tokenizer_without_control_tokens_has_nothing_to_mask() -> None:
    mask = ContentMask([])
    assert mask.every_edge(["<s>"], "<s>").contents == mask.look_alikes(["<s>"], "<s>").contents == ["<s>"]


def test_hundreds_of_tokens_that_begin_alike_are_found_as_they_are_listed() -> None:
    words = [f"<|reserved_{number}|>" for number in range(300)]
    text = "".join(f"{word}<|reserved_{word}<" for word in words)
    listed = [match.start() for match in re.finditer("|".join(map(re.escape, words)), text)]
    (starred,) = shown(ContentMask(words).look_alikes([text], text))
    found = [index for index, character in enumerate(starred) if character == "*"]
    assert found == [*listed, len(text) - 1]
