import math

import pytest

from benchmarks.perplexity import compare, loss_of, windows


def test_windows_are_whole_and_do_not_overlap():
    found = windows(range(1600), 3)
    assert [len(window) for window in found] == [512, 512, 512]
    assert [token for window in found for token in window] == list(range(1536))
    with pytest.raises(ValueError, match=r"windows: 4 of 512 tokens; the text has 1600"):
        windows(range(1600), 4)


def test_of_a_window_the_second_half_counts():
    # Log-probabilities are of tokens 1 to 511; those of tokens 257 to 511 count.
    logprobs = [-1000.0] * 256 + [-2.0] * 255
    assert loss_of(logprobs) == 2.0
    with pytest.raises(ValueError, match="logprobs: 510, must be 511"):
        loss_of(logprobs[1:])


def test_the_error_is_of_the_difference_not_of_the_text():
    reference = [1.0, 5.0, 3.0, 2.0]  # texts differ much, engines little
    found = compare([value + 0.01 for value in reference], reference)
    assert found["nats_more"] == 0.01
    assert found["nats_error"] == 0.0
    assert found["ratio"] == pytest.approx(math.exp(0.01), abs=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(2.76), abs=1e-4)
