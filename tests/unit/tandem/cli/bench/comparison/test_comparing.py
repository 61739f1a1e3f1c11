"""The presets of comparisons, and what is changed in them."""

from typing import get_args

import pytest

from tandem.cli.bench.comparison.comparing import Preset, settings_of


@pytest.mark.parametrize("preset", get_args(Preset))
def test_every_comparison_has_its_control_unless_it_is_left_out(preset: Preset) -> None:
    assert settings_of(preset).control
    assert not settings_of(preset, control=False).control


def test_what_is_none_stays_as_the_preset_has_it_and_callers_ascend_from_one() -> None:
    found = settings_of("short", num_rounds=None, concurrencies=[8, 2, 8])
    assert (found.num_rounds, found.concurrencies) == (settings_of("short").num_rounds, (1, 2, 8))
