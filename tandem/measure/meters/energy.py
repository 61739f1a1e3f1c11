"""What this machine tells of the energy it uses: RAPL's packages (CPU) and NVML's devices (GPU), in joules.

They count all that the machine does, idling included, and nothing tells them whose work it was.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tandem.shared.loopback import is_local

POWERCAP = Path("/sys/class/powercap")
IDLE_SECONDS = 2.0
NOT_OFFERED = "not offered by this machine"


@dataclass
class Meter:
    """A counter of joules that only grows; one that wraps around at `range_joules` is followed across it."""

    name: str
    read_joules: Callable[[], float]
    range_joules: float | None = None
    _last: float | None = None
    _laps: int = 0

    def joules(self) -> float:
        """Return the joules so far. Ask often enough: one lap of RAPL's is minutes, at full load."""
        now = self.read_joules()
        if self._last is not None and now < self._last and self.range_joules:
            self._laps += 1
        self._last = now
        return now + self._laps * (self.range_joules or 0.0)


@dataclass(frozen=True)
class EnergyMeter:
    """All meters together. Without one there is a `note` why."""

    meters: Sequence[Meter]
    note: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(meter.name for meter in self.meters)

    def joules(self) -> float | None:
        """Return the joules of all meters so far; None if there is none."""
        return sum(meter.joules() for meter in self.meters) if self.meters else None

    def idle_watts(self) -> float | None:
        """Return what is used while nothing is asked for; takes IDLE_SECONDS where there is a meter."""
        before, since = self.joules(), time.monotonic()
        if before is None:
            return None
        time.sleep(IDLE_SECONDS)
        after = self.joules()
        assert after is not None
        return (after - before) / (time.monotonic() - since)


def energy_meter(address: str, powercap: Path = POWERCAP) -> EnergyMeter:
    """Return the meters of this machine; none if the servers at `address` run on another."""
    if not is_local(address):
        return EnergyMeter((), "not measured: the servers run on another machine")
    meters, denied = rapl_meters(powercap)
    meters += nvml_meters()
    if meters:
        return EnergyMeter(meters, "all that the machine used in the time, idling included")
    return EnergyMeter((), f"{NOT_OFFERED}: {denied}" if denied else NOT_OFFERED)


def rapl_meters(powercap: Path) -> tuple[list[Meter], str]:
    """Return a meter of each CPU package, and why one that is there can't be read."""
    meters: list[Meter] = []
    denied = ""
    for zone in sorted(powercap.glob("*-rapl:[0-9]")):  # intel-rapl:0, also on AMD; not their parts, intel-rapl:0:0
        counter = zone / "energy_uj"
        try:
            _joules(counter)
            name, lap = (zone / "name").read_text().strip(), _joules(zone / "max_energy_range_uj")
            meters.append(Meter(f"RAPL {name}", partial(_joules, counter), lap))
        except (OSError, ValueError) as error:
            denied = f"{counter}: {getattr(error, 'strerror', None) or error}"
    return meters, denied


def _joules(file: Path) -> float:
    """Return the joules in a file of microjoules."""
    return int(file.read_text()) / 1e6


def nvml_meters() -> list[Meter]:
    """Return a meter of each NVIDIA device that has one; needs the package nvidia-ml-py."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return []
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:  # no driver
        return []
    meters = []
    for number, handle in enumerate(handles):
        with contextlib.suppress(pynvml.NVMLError):  # older than Volta
            _device_joules(pynvml, handle)
            meters.append(Meter(f"NVML device {number}", partial(_device_joules, pynvml, handle)))
    return meters


def _device_joules(pynvml: Any, handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
