"""Templates that would never end, or fill the memory, are ended; ordinary ones are what Jinja makes of them."""

import sys
import time
from itertools import count

import jinja2
import pytest

from services.ar.codecs.chat.bounded_environment import BoundedEnvironment, TooMuch, render


def rendered(source: str, **values: object) -> str:
    return render(BoundedEnvironment().from_string(source), values)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for m in messages %}<|{{ m.role }}|>{{ m['content'] | trim }}\n{% endfor %}", "<|user|>hi 12345678%\n"),
        ("{{ messages[0]['content'].split('i')[-1] ~ '!' }}", " 12345678%  !"),
        ("{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "10"),
        ("{{ messages | tojson }}", '[{"content": " hi 12345678%  ", "role": "user"}]'),
        ("{{ '%s-%03d' % ('a', 7) }}{{ '{}'.format(3) }}{{ '-' * 3 }}{{ 2 ** 10 }}", "a-0073---1024"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ messages[0].content.replace('\\n', ' ').strip() }}", "hi 12345678%"),
    ],
)
def test_ordinary_templates(source, expected):
    assert rendered(source, messages=[{"role": "user", "content": " hi 12345678%  "}]) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n = [1] * 9999 %}{% for a in n %}{% for b in n %}{% for c in n %}{% endfor %}{% endfor %}{% endfor %}",
    ],
)
def test_a_loop_that_takes_too_long_is_ended(source):
    template, before = BoundedEnvironment().from_string(source), sys.gettrace()
    with pytest.raises(TooMuch, match=r"more than 0.05 s"):
        render(template, {}, max_seconds=0.05)
    assert sys.gettrace() is before


def test_a_process_that_waits_for_a_core_is_no_fault_of_the_template(monkeypatch):
    """Each look at the wall clock finds it an hour on."""
    monkeypatch.setattr(time, "monotonic", count(step=3_600).__next__)
    assert rendered("{% for a in range(9) %}\n{{ a }}\n{% endfor %}") == "".join(f"{a}\n" for a in range(9))


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 999999999 }}",
        "{{ [1] * 999999999 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'a' | center(999999999) }}",
        "{{ 'a'.ljust(999999999) }}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set x = 'a' * 9999 %}{{ x | replace('a', x) }}",
        "{% set x = 'a' * 9999 %}{{ x.replace('a', x) }}",
        "{% for i in range(99999) %}{{ 'abcdefghijkl' * 9 }}{% endfor %}",
    ],
)
def test_what_would_fill_the_memory_is_refused(source):
    with pytest.raises(TooMuch):
        rendered(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ '{:999999999}'.format(1) }}",
        "{{ '{:{}}'.format('a', '9' * 9) }}",
        "{{ '{a:999999999}'.format_map({'a': 1}) }}",
        "{{ ('{:999999999}' | attr('format'))(1) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ ['%*d'] | map('format', 999999999, 1) | list }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
    ],
)
def test_wide_fields_are_refused_before_the_text_is_made(source):
    with pytest.raises(TooMuch, match=r"too wide|too large"):
        rendered(source)


@pytest.mark.parametrize("content", ["%*", "%12345678d", "{:12345678}", "{:{}}"])
def test_what_looks_like_a_format_in_a_content_is_text(content):
    messages = [{"role": "user", "content": f"{content}</think>{content}"}]
    source = "{{ messages[0].content.split('</think>')[-1] }}{{ messages[0].content | replace('</think>', ' ') }}"
    assert rendered(source, messages=messages) == f"{content}{content} {content}"


def test_it_is_a_sandbox():
    with pytest.raises(jinja2.TemplateError, match="unsafe"):
        rendered("{{ ''.__class__.__mro__ }}")
