"""Damage to a JSON value: to a random place in it, of a type or a size that nobody expects."""

import copy
from random import Random
from typing import Any

_VALUES: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 5, 7, 9, 15, 63, 65, 1_000, 1_000_000, 2**31, 2**63, 10**30, 10**400),
    *(0.5, -0.0, 1e-300, 1e308, float("nan"), float("inf"), True, False, None),
    *("", "x", "<s>", "\ud800", "0" * 5_000, "{{ 9 ** 9 ** 9 }}", "{% for", "../x", "\0"),
    *([], {}, [[]], [None], {"a": None}, [1, 2, 3], ["x"]),
)


def damage(value: Any, random: Random) -> tuple[Any, str]:
    """Return the value with a random place of it set to something else, removed, repeated or wrapped."""
    changed = copy.deepcopy(value)
    path = _random_path(changed, random)
    if not path:
        return random.choice(_VALUES), "all replaced"
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    return changed, f"{'.'.join(map(str, path))}: {_change(parent, path[-1], random)}"


def _change(parent: Any, key: Any, random: Random) -> str:
    chance = random.random()
    if chance < 0.15:
        del parent[key]
        return "removed"
    if chance < 0.25:
        parent[key] = [parent[key]]
        return "in a list"
    if chance < 0.35 and isinstance(parent, dict):
        parent["x" if random.random() < 0.5 else random.choice(list(parent))] = parent[key]
        return "under another key, too"
    if isinstance(parent[key], int) and chance < 0.6:
        parent[key] += random.choice((-1, 1, 2, -parent[key], 10**6, 2**32))
        return f"now {parent[key]}"
    parent[key] = random.choice(_VALUES)
    return f"now {str(parent[key])[:60]!r}"


def _random_path(value: Any, random: Random) -> list[Any]:
    """Return the keys that lead to a random place; the nearer to the top, the likelier."""
    path: list[Any] = []
    while isinstance(value, dict | list) and value and (not path or random.random() < 0.6):
        path.append(random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value)))
        value = value[path[-1]]
    return path
