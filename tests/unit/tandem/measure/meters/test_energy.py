"""RAPL's counters as files: read, followed across a lap, and told why not."""

from pathlib import Path

import pytest

from tandem.measure.meters.energy import NOT_OFFERED, Meter, energy_meter, rapl_meters
from tandem.shared.loopback import is_local

LOCAL = "127.0.0.1:50050"


def zone(folder: Path, name: str, microjoules: int, label: str = "package-0") -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text("1000000000\n")
    (path / "name").write_text(f"{label}\n")
    return path


def test_packages_are_added_up_and_their_parts_are_not(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 2_000_000)
    zone(tmp_path, "intel-rapl:1", 3_500_000, "package-1")
    zone(tmp_path, "intel-rapl:0:0", 9_000_000, "core")
    meters, denied = rapl_meters(tmp_path)
    assert [meter.name for meter in meters] == ["RAPL package-0", "RAPL package-1"]
    assert denied == ""
    assert sum(meter.joules() for meter in meters) == 5.5


def test_a_counter_that_starts_anew_is_followed(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", 999_000_000)
    ((meter,), _) = rapl_meters(tmp_path)
    before = meter.joules()
    (path / "energy_uj").write_text("4000000")
    assert meter.joules() - before == pytest.approx(5.0)
    (path / "energy_uj").write_text("6000000")
    assert meter.joules() - before == pytest.approx(7.0)


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    meter = energy_meter(LOCAL, tmp_path / "nothing")
    assert (meter.joules(), meter.idle_watts(), meter.names) == (None, None, ())
    assert meter.note == NOT_OFFERED


def test_a_counter_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (zone(tmp_path, "intel-rapl:0", 1) / "energy_uj").unlink()
    (tmp_path / "intel-rapl:0" / "energy_uj").mkdir()  # no permission to read, for root as well
    note = energy_meter(LOCAL, tmp_path).note
    assert note.startswith(NOT_OFFERED)
    assert "energy_uj" in note


def test_another_machine_s_energy_is_not_ours(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 1)
    assert energy_meter("10.0.0.7:50050", tmp_path).joules() is None
    assert [is_local(address) for address in ("localhost:1", "[::1]:1", "gpu.example:1")] == [True, True, False]


def test_watts_of_idling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter((100.0, 102.0))
    monkeypatch.setattr("tandem.measure.meters.energy.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("tandem.measure.meters.energy.time.sleep", lambda seconds: None)
    path = zone(tmp_path, "intel-rapl:0", 1_000_000)
    meter = energy_meter(LOCAL, tmp_path)
    readings = iter((1.0, 31.0))
    monkeypatch.setattr(Meter, "joules", lambda self: next(readings))
    assert path.is_dir()
    assert meter.idle_watts() == 15.0
