import pytest

from benchmarks.side_by_side.output_check import NUM_TOKENS, agreement

PROMPTS = [[100], [200, 201]]


def completing(rule):
    """Return what completes prompts by a rule: the next token after the last one."""

    def complete(prompts, lengths):
        outputs = []
        for prompt, length in zip(prompts, lengths, strict=True):
            tokens = list(prompt)
            for _ in range(length):
                tokens.append(rule(tokens[-1]))
            outputs.append(tokens[len(prompt) :])
        return outputs

    return complete


@pytest.mark.parametrize(
    ("leaves_at", "num_wrong"),
    [((), 0), ((105,), 1), ((105, 110, 205), 3), ((100 + NUM_TOKENS - 1,), 1), (range(10_000), 2 * NUM_TOKENS)],
)
def test_a_token_that_differs_counts_once_though_all_after_it_differ_too(leaves_at, num_wrong):
    expected = completing(lambda last: last + 1)(PROMPTS, [NUM_TOKENS] * len(PROMPTS))
    engine = completing(lambda last: 9_000 if last in leaves_at else last + 1)
    assert agreement(engine, PROMPTS, expected) == 1 - num_wrong / (2 * NUM_TOKENS)
