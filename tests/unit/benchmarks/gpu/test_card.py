"""What NVML is asked, and what is made of its answers: a stand-in for the driver's library."""

import ctypes

import pytest

from benchmarks.gpu.card import Card

INVALID_ARGUMENT, NOT_SUPPORTED = 2, 3


class Driver:
    """Has one card, whose counter of energy stands at 12.5 kJ."""

    energy_status = 0

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, number: int, handle) -> int:
        handle._obj.value = 77
        return 0 if number == 0 else INVALID_ARGUMENT

    def nvmlDeviceGetName(self, handle: ctypes.c_void_p, text, size: int) -> int:
        text.value = b"NVIDIA H100"
        return 0 if (handle.value, size) == (77, len(text)) else INVALID_ARGUMENT

    def nvmlSystemGetDriverVersion(self, text, size: int) -> int:
        text.value = b"580.65.06"
        return 0 if size == len(text) else INVALID_ARGUMENT

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: ctypes.c_void_p, millijoules) -> int:
        millijoules._obj.value = 12_500_000
        return self.energy_status if handle.value == 77 else INVALID_ARGUMENT


def test_a_card_has_a_name_a_driver_and_a_counter_of_energy():
    card = Card(0, Driver())
    assert card.description == "NVIDIA H100, driver 580.65.06"
    assert card.joules() == 12_500


def test_a_card_that_is_not_there_and_one_without_a_counter_are_told():
    with pytest.raises(OSError, match="nvmlDeviceGetHandleByIndex_v2 of NVML ended with 2"):
        Card(1, Driver())
    driver = Driver()
    driver.energy_status = NOT_SUPPORTED
    with pytest.raises(OSError, match="EnergyConsumption of NVML ended with 3"):
        Card(0, driver).joules()
