"""An NVIDIA card as its driver tells of it, by NVML, which every driver brings."""

from __future__ import annotations

import ctypes
from typing import Any

_LONGEST_TEXT = 96


class Card:
    """The card of a number, in the order of the bus. Raises OSError where there is no driver or no such card."""

    def __init__(self, number: int, nvml: Any = None) -> None:
        """`nvml`: the driver's library, found if it is not given."""
        self._nvml = nvml or ctypes.CDLL("libnvidia-ml.so.1")
        self._handle = ctypes.c_void_p()
        self._call("nvmlInit_v2")
        self._call("nvmlDeviceGetHandleByIndex_v2", number, ctypes.byref(self._handle))

    @property
    def description(self) -> str:
        """Its name and its driver."""
        name = self._text("nvmlDeviceGetName", self._handle)
        return f"{name}, driver {self._text('nvmlSystemGetDriverVersion')}"

    def joules(self) -> float:
        """Return what it has used since the driver was loaded. Raises OSError on cards older than Volta."""
        millijoules = ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", self._handle, ctypes.byref(millijoules))
        return millijoules.value / 1e3

    def _text(self, function: str, *arguments: Any) -> str:
        text = ctypes.create_string_buffer(_LONGEST_TEXT)
        self._call(function, *arguments, text, _LONGEST_TEXT)
        return text.value.decode()

    def _call(self, function: str, *arguments: Any) -> None:
        if status := getattr(self._nvml, function)(*arguments):
            raise OSError(f"{function} of NVML ended with {status}")
