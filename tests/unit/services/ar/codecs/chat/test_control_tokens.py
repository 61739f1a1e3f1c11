import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ar.codecs.chat.control_tokens import encode_text, token_ids
from tests.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()


@pytest.fixture
def no_switches() -> Iterator[None]:
    """Threads of Python take turns only where one gives up the interpreter's lock of itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    yield
    sys.setswitchinterval(interval)


@given(text=st.text(max_size=60))
def test_tokens_and_their_places_are_those_of_a_lone_encode(text):
    found, expected = encode_text(TOKENIZER, text), TOKENIZER.encode(text, add_special_tokens=False)
    assert (found.ids, found.offsets) == (expected.ids, expected.offsets)
    assert token_ids(TOKENIZER, text) == expected.ids


@pytest.mark.parametrize("encode", [encode_text, token_ids])
def test_other_threads_run_meanwhile(no_switches, encode):
    has_begun, is_seen, seen = threading.Event(), threading.Event(), []

    def work() -> None:
        has_begun.set()
        for _ in range(300):
            encode(TOKENIZER, "1" * 20_000)
            if is_seen.is_set():
                seen.append(True)
                return

    thread = threading.Thread(target=work)
    thread.start()
    has_begun.wait()
    is_seen.set()
    thread.join()
    assert seen
