from services.ar.constraints.compiler import token_table
from services.ar.constraints.grammar import Constraint, grammar_of, limited_matcher
from tests.tiny_models import VOCAB_SIZE
from tests.unit.services.ar.constraints.texts import CODEC, END, SPECIAL


def test_the_table_has_the_codec_s_bytes_and_ends():
    table = token_table(CODEC, VOCAB_SIZE)
    assert table.vocab_size == VOCAB_SIZE
    assert table.eos_tokens == [END]
    for token_id in range(VOCAB_SIZE):
        if CODEC.token_bytes(token_id) != b"\xff":  # of no text, and a mark of the library's own
            assert table.decode_bytes([token_id]) == CODEC.token_bytes(token_id)


def test_control_tokens_and_ids_that_no_token_has_are_never_text():
    table = token_table(CODEC, VOCAB_SIZE + 40)
    assert table.vocab_size == VOCAB_SIZE + 40
    matcher = limited_matcher(table, grammar_of(Constraint("regex", ("(?s:.)*",))))
    bits = int.from_bytes(matcher.compute_bitmask(), "little")
    free = {token_id for token_id in range(VOCAB_SIZE + 40) if bits >> token_id & 1}
    assert free & (SPECIAL | set(range(VOCAB_SIZE, VOCAB_SIZE + 40))) == {END}
    assert len(free) > 256


class SpaceBefore:
    """A vocabulary whose tokenizer puts a space before every text, as SentencePiece's does."""

    eos_token_ids = CODEC.eos_token_ids
    special_token_ids = CODEC.special_token_ids
    token_bytes = staticmethod(CODEC.token_bytes)

    def tokens_within(self, text: str) -> list[int]:
        return CODEC.tokens_within(" " + text)


def test_tokens_of_a_text_are_that_text_whatever_the_tokenizer_adds():
    table = token_table(SpaceBefore(), VOCAB_SIZE)
    for text in ("clock", "é", "<|end|>", "a b"):
        token_ids = table.tokenize_str(text)
        assert table.decode_bytes(token_ids) == text.encode()
        assert END not in token_ids
