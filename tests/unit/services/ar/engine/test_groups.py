"""Groups of tokens: every number of steps covers all tokens once, and steps find the group that is next."""

from services.ar.engine.groups import TokenGroups, equal_ends, group_ends, spread_order


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


def test_equal_groups_end_with_what_is_left():
    assert equal_ends(10, 3) == (3, 6, 9, 10)
    assert equal_ends(9, 3) == (3, 6, 9)
    assert equal_ends(2, 8) == (2,)
    assert equal_ends(3, 1) == (1, 2, 3)


def test_the_spread_order_has_each_place_once_and_the_halves_before_the_quarters():
    assert spread_order(8, 8) == (0, 4, 2, 6, 1, 5, 3, 7)
    assert spread_order(5, 8) == (0, 4, 2, 1, 3)
    assert spread_order(1, 1) == (0,)
    for num_tokens, window in ((64, 64), (20, 32), (33, 48), (48, 48)):
        assert sorted(spread_order(num_tokens, window)) == list(range(num_tokens))


def test_places_say_where_tokens_stand_in_the_text():
    given, order = (2, 3), (0, 4, 1)
    groups = TokenGroups.of(7, equal_ends(3, 2), (*given, *order))  # behind five tokens of the text, two given ones
    assert groups.new_places == order
    assert groups.text_positions(range(3, 10)) == [3, 4, 7, 8, 5, 9, 6]
    plain = TokenGroups.of(5, equal_ends(3, 2))
    assert plain.text_positions(range(3, 8)) == range(3, 8)
    assert plain.arranged("abc") == plain.restored("abc") == list("abc")


def test_what_is_arranged_in_the_order_of_the_model_is_restored():
    groups = TokenGroups.of(1, equal_ends(5, 2), spread_order(5, 8))
    assert groups.arranged("abcde") == list("aecbd")
    assert groups.restored(groups.arranged("abcde")) == list("abcde")
