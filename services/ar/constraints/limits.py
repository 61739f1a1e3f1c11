"""What no constraint gets beyond. The library's own defaults allow half a gigabyte of states, and steps of 30 ms."""

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

_LIMITS = LLParserLimits(
    max_items_in_row=500,
    initial_lexer_fuel=50_000,
    step_lexer_fuel=30_000,
    step_max_items=10_000,
    max_lexer_states=10_000,
    max_grammar_size=50_000,
    verbose_errors=False,
)


def limited_matcher(table: LLTokenizer, grammar: str) -> LLMatcher:
    """Return a matcher of the grammar; its `is_error` is true if there is none."""
    return LLMatcher(table, grammar, log_level=0, limits=_LIMITS)
