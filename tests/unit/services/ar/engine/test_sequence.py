"""Groups of tokens: every number of steps covers all tokens once, and steps find the group that is next."""

from services.ar.engine.sequence import TokenGroups, group_ends


def test_every_number_of_steps_ends_with_all_tokens_and_brings_at_least_one_a_step():
    for num_tokens, steps in ((number, steps) for number in (1, 2, 49, 196) for steps in range(1, number + 1)):
        ends = group_ends(num_tokens, steps)
        sizes = [end - start for start, end in zip((0, *ends), ends, strict=False)]
        assert len(ends) == steps
        assert ends[-1] == num_tokens
        assert min(sizes) >= 1


def test_a_step_computes_one_group_and_asks_for_the_next():
    groups = TokenGroups.of(num_prompt_tokens=3, ends=group_ends(10, 2))
    assert groups.ends == (3, 6, 13)
    assert groups.known_and_masked(0) == (3, 6)
    assert groups.known_and_masked(3) == (6, 13)
    assert groups.num_given_tokens == 6
