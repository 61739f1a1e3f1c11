"""Templates that would never end, or fill the memory, are ended; ordinary ones are what Jinja makes of them."""

from collections.abc import Iterator

import jinja2
import pytest

from runtime.process.limited_work import LimitedWork, LimitMet
from services.ar.codecs.chat.rendering import open_template, prepare


def rendered(source: str, **values: object) -> str:
    return prepare(source)(values)["text"]


@pytest.fixture
def limited(source: str) -> Iterator[LimitedWork]:
    """Renders the template that the test has as `source`."""
    limited = LimitedWork("services.ar.codecs.chat.rendering", source)
    yield limited
    limited.close()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for m in messages %}<|{{ m.role }}|>{{ m['content'] | trim }}\n{% endfor %}", "<|user|>hi 12345678%\n"),
        ("{{ messages[0]['content'].split('i')[-1] ~ '!' }}", " 12345678%  !"),
        ("{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "10"),
        ("{{ messages | tojson }}", '[{"role": "user", "content": " hi 12345678%  "}]'),
        ("{{ {'b': '<é>', 'a': [1]} | tojson(indent=1) }}", '{\n "b": "<é>",\n "a": [\n  1\n ]\n}'),
        ("{{ '%s-%03d' % ('a', 7) }}{{ '{}'.format(3) }}{{ '-' * 3 }}{{ 2 ** 10 }}", "a-0073---1024"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ messages[0].content.replace('\\n', ' ').strip() }}", "hi 12345678%"),
    ],
)
def test_ordinary_templates(source, expected):
    assert rendered(source, messages=[{"role": "user", "content": " hi 12345678%  "}]) == expected


DOUBLED = "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ ('a' * 1000000) | wordwrap(1) }}",
        "{% for part in range(99999) | slice(50000000) %}{% endfor %}",
        f"{DOUBLED}{{{{ ns.x == ns.x + [1] or ns.x[0] == ns.x }}}}{{{{ ns.x | tojson }}}}",
    ],
)
def test_what_takes_too_long_is_ended(limited):
    with pytest.raises(LimitMet):
        limited.run({"messages": "twice"})


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 999999999 }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ ['%*d'] | map('format', 999999999, 1) | list }}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set x = 'a' * 99999 %}{{ x | replace('a', x) }}",
    ],
)
def test_what_would_fill_the_memory_is_refused(limited):
    assert "MemoryError" in limited.run({})["reason"]


@pytest.mark.parametrize("source", ["{{ 'a' * 5000000 }}", "{% for i in range(99999) %}{{ 'abc' * 99 }}{% endfor %}"])
def test_a_long_text_is_refused(source):
    assert "more than 4,194,304 characters" in prepare(source)({})["reason"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ 'a' | shout }}", "no filter 'shout'$"),
        ("{% if false %}{{ 'a' | shout | trim | whisper }}{% endif %}", "no filter 'shout', no filter 'whisper'$"),
        ("{% if messages is loud %}{% endif %}", "no test 'loud'$"),
        ("{% for m in messages %}{% if m is loud %}{% endif %}{% endfor %}", "no test 'loud'$"),
        ("{% generation %}", "unknown tag 'generation'"),
    ],
)
def test_what_a_template_needs_and_there_is_not_is_named_when_it_is_opened(source, what):
    with pytest.raises(jinja2.TemplateError, match=what):
        open_template(source)
    assert what.rstrip("$") in prepare(source)(None)["reason"]


@pytest.mark.parametrize("content", ["%*", "%12345678d", "{:12345678}", "{:{}}"])
def test_what_looks_like_a_format_in_a_content_is_text(content):
    messages = [{"role": "user", "content": f"{content}</think>{content}"}]
    source = "{{ messages[0].content.split('</think>')[-1] }}{{ messages[0].content | replace('</think>', ' ') }}"
    assert rendered(source, messages=messages) == f"{content}{content} {content}"


def test_it_is_a_sandbox():
    assert "unsafe" in prepare("{{ ''.__class__.__mro__ }}")({})["reason"]
