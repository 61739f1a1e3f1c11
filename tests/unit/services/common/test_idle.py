"""Which figures of /proc/stat are those of an idle machine."""

import pytest

from services.common import idle


@pytest.mark.parametrize(
    ("busy_ticks", "idle_ticks", "is_idle"), [(0, 100, True), (20, 80, True), (21, 79, False), (0, 0, True)]
)
def test_a_machine_whose_processors_do_nearly_nothing_is_idle(tmp_path, monkeypatch, busy_ticks, idle_ticks, is_idle):
    stat = tmp_path / "stat"

    def write(busy: int, free: int) -> None:
        stat.write_text(f"cpu  {busy} 5 0 {free} 7 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")

    write(1_000, 10_000)
    monkeypatch.setattr(idle.time, "sleep", lambda _: write(1_000 + busy_ticks, 10_000 + idle_ticks))
    assert idle.is_idle(stat) is is_idle


def test_where_nothing_says_so_a_machine_is_taken_for_idle(tmp_path):
    assert idle.is_idle(tmp_path / "none")
