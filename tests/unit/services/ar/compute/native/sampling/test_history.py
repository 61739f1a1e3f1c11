import gc
import weakref

from services.ar.compute.native.sampling.history import Histories
from services.ar.compute.native.sampling.structs import Sampling
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import SampledToken, Sequence


def test_a_history_follows_its_sequence():
    sequence, histories = Sequence([5, 6], SamplingParams(repetition_penalty=1.2)), Histories()
    assert histories.of(sequence).follow(sequence).tolist() == [5, 6]
    sequence.extend([SampledToken(7), SampledToken(8)])
    assert histories.of(sequence).follow(sequence).tolist() == [5, 6, 7, 8]
    assert histories.of(sequence).follow(sequence).tolist() == [5, 6, 7, 8]


def test_parameters_are_those_of_the_request():
    params = SamplingParams(
        temperature=0.3, seed=2**64 - 1, top_k=7, logprobs=True, top_logprobs=3, logit_bias={4: 2.0}
    )
    history = Histories().of(Sequence([1], params, choice_index=2))
    found = Sampling.from_address(history.address)
    assert (found.temperature, found.seed, found.choice, found.top_k, found.top_logprobs) == (0.3, 2**64 - 1, 2, 7, 3)
    assert (found.num_biases, found.has_penalties) == (1, 0)
    assert Sampling.from_address(Histories().of(Sequence([1], SamplingParams())).address).top_logprobs == -1


def test_a_history_ends_with_its_sequence():
    histories, sequence = Histories(), Sequence([1], SamplingParams())
    history = weakref.ref(histories.of(sequence))
    del sequence
    gc.collect()
    assert history() is None
