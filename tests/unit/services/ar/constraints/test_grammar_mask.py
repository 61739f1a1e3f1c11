import random

import pytest

from services.ar.constraints.compiler import Compiler
from services.ar.constraints.grammar import Constraint
from services.ar.constraints.grammar_mask import BURST_SECONDS, SECONDS_A_MASK, Allowance, GrammarMask, request_masks
from tandem.shared.errors import TooComplex
from tests.unit.services.ar.constraints.texts import END, allowed, byte_tokens, generated, next_tokens


def mask_of(compiler: Compiler, regex: str) -> GrammarMask:
    (mask,) = request_masks(compiler.compile(Constraint("regex", (regex,))), 1)
    return mask


def test_it_is_complete_when_nothing_can_follow_and_not_before(compiler):
    mask = mask_of(compiler, "ab?")
    (a, b) = byte_tokens("ab")
    assert not mask.is_complete
    mask.advance([a])
    assert not mask.is_complete
    assert {b, END} <= next_tokens(mask)
    mask.advance([b])
    assert mask.is_complete


def test_a_token_that_was_ruled_out_raises(compiler):
    mask = mask_of(compiler, "ab")
    with pytest.raises(ValueError, match="rules out"):
        mask.advance(byte_tokens("b"))
    assert not mask.is_complete


def test_masks_along_a_draft_are_those_of_the_way_itself(compiler):
    draft = byte_tokens("xy12")
    along = mask_of(compiler, "x?y?[0-9]{1,4}z").masks(draft)
    walker, expected = mask_of(compiler, "x?y?[0-9]{1,4}z"), []
    for token_id in [*draft, None]:
        expected.append(next_tokens(walker))
        if token_id is not None:
            walker.advance([token_id])
    assert [allowed(mask) for mask in along] == expected


def test_a_draft_leaves_no_trace(compiler):
    mask = mask_of(compiler, "a{1,9}b")
    before = mask.masks([])
    mask.masks(byte_tokens("aaab"))
    mask.masks(byte_tokens("c"))
    assert mask.num_allowed(byte_tokens("aac")) == 2
    assert mask.masks([]) == before


def test_masks_end_where_a_draft_is_ruled_out_or_completes(compiler):
    mask = mask_of(compiler, "abc")
    assert len(mask.masks(byte_tokens("axc"))) == 2
    assert len(mask.masks(byte_tokens("abc"))) == 3
    assert mask.num_allowed(byte_tokens("axc")) == 1
    assert mask.num_allowed(byte_tokens("abc")) == 2
    assert mask.num_allowed([]) == 0


SCHEMA = """{"type": "object", "required": ["the clock", "of the old station"], "additionalProperties": false,
"properties": {"the clock": {"enum": ["ticks", "tocks", 17]}, "of the old station": {"type": "boolean"}}}"""


@pytest.mark.parametrize(
    "constraint", [Constraint("json_schema", (SCHEMA,)), Constraint("regex", ("(the (clock )+)+s",))]
)
@pytest.mark.parametrize("seed", range(20))
def test_what_is_certain_is_what_masks_leave_no_choice_about(compiler, constraint, seed):
    dice, num_certain = random.Random(seed), 0
    leaping, walking = request_masks(compiler.compile(constraint), 2)
    drawn = None
    while drawn != END and not walking.is_complete:
        for token_id in leaping.take_certain(dice.randrange(20)):
            assert next_tokens(walking) == {token_id}
            walking.advance([token_id])
            num_certain += 1
        assert leaping.masks([]) == walking.masks([])
        if not walking.is_complete:
            drawn = dice.choice(sorted(next_tokens(walking)))
            walking.advance([drawn])
            leaping.advance([drawn])
    assert num_certain > 0


def test_a_limit_that_is_met_on_the_way_raises_and_completes_nothing(compiler):
    mask = mask_of(compiler, "(.*a.{1000}){50}")
    with pytest.raises(TooComplex, match="states"):
        generated(mask, seed=3, most=2000)
    assert not mask.is_complete


def test_what_each_mask_may_take_fills_it_up_again_to_the_brim_and_no_further():
    allowance = Allowance()
    allowance.spend(2.0, 1)  # of what clock?
    for _ in range(1000):
        allowance.spend(SECONDS_A_MASK, 1)
    allowance.spend(0.0, 1000)
    allowance.spend(0.99 * BURST_SECONDS, 1)
    with pytest.raises(TooComplex):
        allowance.spend(BURST_SECONDS, 1)
