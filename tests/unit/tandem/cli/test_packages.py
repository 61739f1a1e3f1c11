"""A client without the servers' packages: it says what is missing instead of falling over."""

import subprocess
import sys

import pytest

from tandem.cli.failures import FAILED
from tandem.cli.packages import SERVER_PACKAGES, need_packages

MORE_OF_SERVERS = ("huggingface_hub", "jinja2", "llguidance", "ml_dtypes", "opentelemetry", "openvino", "torch")
WITHOUT = """
import sys
from importlib.machinery import PathFinder

hidden = sys.argv.pop(1).split(",")

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from tandem.cli.main import app
app()
"""


def run_without_servers(*words):
    hidden = ",".join((*SERVER_PACKAGES, *MORE_OF_SERVERS, "onnx", "yaml"))
    command = (sys.executable, "-c", WITHOUT, hidden, *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_doctor_comes_to_its_verdict():
    ended = run_without_servers("doctor")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "verdict" in ended.stdout


def test_the_proxy_s_configuration_names_what_it_needs():
    ended = run_without_servers("gateway", "config")
    assert (ended.returncode, "Traceback" in ended.stderr) == (FAILED, False)
    assert "is missing: in a checkout of Tandem" in ended.stderr


def test_what_processes_need_is_looked_for_before_they_start():
    with pytest.raises(ValueError, match=r"nowhere_to_be_found is missing: .*make setup.*\.\[servers\]"):
        need_packages("servers", "numpy", "nowhere_to_be_found")
