from benchmarks.side_by_side.output_check import NUM_TOKENS, agreement
from tests.unit.benchmarks.side_by_side.scripted import ScriptedAsker, count_up

PROMPTS = [[100], [200, 201]]


async def share_of(rule) -> float:
    expected = await ScriptedAsker().outputs(PROMPTS, [NUM_TOKENS] * len(PROMPTS))
    assert [len(output) for output in expected] == [NUM_TOKENS, NUM_TOKENS]
    return await agreement(ScriptedAsker(rule), PROMPTS, expected)


async def test_the_same_engine_agrees_entirely():
    assert await share_of(count_up) == 1.0


async def test_a_token_that_differs_counts_once_though_all_after_it_differ_too():
    def leaves_at_105(tokens):
        return 9_000 if tokens[-1] == 105 else tokens[-1] + 1

    assert await share_of(leaves_at_105) == 1 - 1 / (2 * NUM_TOKENS)


async def test_several_that_differ_count_each():
    def leaves_thrice(tokens):
        return 9_000 if tokens[-1] in (105, 110, 205) else tokens[-1] + 1

    assert await share_of(leaves_thrice) == 1 - 3 / (2 * NUM_TOKENS)


async def test_the_last_token_counts_too():
    def leaves_at_the_end(tokens):
        return 0 if tokens[-1] == 100 + NUM_TOKENS - 1 else tokens[-1] + 1

    assert await share_of(leaves_at_the_end) == 1 - 1 / (2 * NUM_TOKENS)


async def test_a_wrong_model_agrees_nowhere():
    assert await share_of(lambda tokens: 0) == 0.0
