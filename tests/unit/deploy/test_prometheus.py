"""Configuration and rules, by Prometheus' own tool; the figures are in prometheus/*_test.yml."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.utils import floatToGoString

from tandem.shared.metrics import SECONDS_BUCKETS

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "prometheus"
CASES = sorted((Path(__file__).parent / "prometheus").glob("*_test.yml"))


@pytest.fixture
def promtool() -> str:
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed: Debian's package promtool has it")
    return path


def ended_well(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus.compose.yml"])
def test_configuration_and_rules_are_well_formed(promtool, name):
    ended_well(promtool, "check", "config", "--lint=all", "--lint-fatal", str(FOLDER / name))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_rules_give_the_figures_that_they_should(promtool, case):
    ended_well(promtool, "test", "rules", str(case))


def test_an_alert_says_what_it_is_and_what_to_do_and_a_case_fires_it():
    cases = "".join(case.read_text() for case in CASES)
    groups = yaml.safe_load((FOLDER / "alert_rules.yml").read_text())["groups"]
    for alert in (rule for group in groups for rule in group["rules"]):
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert set(alert["annotations"]) == {"summary", "description", "action"}
        assert alert["alert"] in cases, "no test fires it"


def test_a_series_that_others_are_computed_from_is_recorded_in_their_group():
    """Groups are evaluated at different instants: a difference of two of them moves with the rates themselves."""
    groups = yaml.safe_load((FOLDER / "recording_rules.yml").read_text())["groups"]
    group_of = {rule["record"]: group["name"] for group in groups for rule in group["rules"]}
    read_elsewhere = [
        (rule["record"], series)
        for group in groups
        for rule in group["rules"]
        for series in group_of
        if series in rule["expr"] and group_of[series] != group["name"]
    ]
    assert read_elsewhere == []


def test_thresholds_are_bounds_that_histograms_have():
    """A rule that asks for another bound gets nothing, and says that all is well or all is bad."""
    exported = {floatToGoString(bound) for bound in SECONDS_BUCKETS}
    asked = {bound for path in FOLDER.glob("*_rules.yml") for bound in re.findall(r'le="([^"]+)"', path.read_text())}
    assert asked
    assert asked <= exported
