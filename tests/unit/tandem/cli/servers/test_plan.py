"""The commands that start the three processes."""

from dataclasses import replace
from pathlib import Path

import pytest

from tandem.cli.servers.plan import Plan, Ports, choose_models
from tandem.cli.servers.up import announce
from tandem.cli.terminal import Terminal
from tandem.shared.errors import NotFound
from tandem.shared.models import ModelError

MODELS = Path(__file__).parents[5] / "models"


def plan(models_dir: Path, sequential_model: str = "text") -> Plan:
    return Plan(Ports(1, 2, 3, 4, 5, 6), models_dir, [sequential_model, "picture"], ["image"], 7.5)


def test_backends_come_before_the_gateway_and_know_their_ports() -> None:
    (sequential, parallel), (gateway,) = plan(Path("m")).layers()
    assert sequential.command[1:3] == ("-m", "services.ar")
    options = dict(zip(sequential.command[3::2], sequential.command[4::2], strict=True))
    assert options == {
        "--port": "3",
        "--metrics-port": "4",
        "--models-dir": "m",
        "--models": '["text", "picture"]',
        "--drain-seconds": "7.5",
    }
    assert (parallel.address, parallel.command[2]) == ("127.0.0.1:5", "services.gan")
    options = dict(zip(gateway.command[3::2], gateway.command[4::2], strict=True))
    assert (options["--ar-targets"], options["--gan-targets"]) == ("127.0.0.1:3", "127.0.0.1:5")
    assert (options["--port"], options["--http-port"]) == ("1", "2")


def test_what_to_try_without_a_gateway_asks_the_backend_itself(capsys: pytest.CaptureFixture[str]) -> None:
    alone = Plan(Ports(), MODELS, ["fashion-ar"], ["fashion-gan"], 1.0, has_gateway=False)
    announce(alone, Terminal())
    told = capsys.readouterr().out
    assert "generate --label t-shirt --partial --address 127.0.0.1:50051" in told
    assert "sample --label t-shirt --address 127.0.0.1:50052" in told
    assert "50050" not in told
    assert "web page" not in told


def test_weights_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--models-dir"):
        plan(tmp_path).fetch_weights(print)
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "model.toml").write_text('kind = "transformer"\nmodality = "text"\nlicence = "MIT"\ngguf = "a.gguf"\n')
    with pytest.raises(ModelError, match=r"a\.gguf: no such file"):
        plan(tmp_path).fetch_weights(print)
    with pytest.raises(NotFound, match="text"):
        plan(tmp_path, "other").fetch_weights(print)


def test_a_plan_beside_computes_in_one_precision_with_more_replicas() -> None:
    beside = replace(plan(Path("m")), precision="float32", more_ports=((7, 8),))
    (first, second, parallel), [gateway] = replace(plan(Path("m")), beside=beside).layers()[2:]
    assert [each.name for each in (first, second)] == ["sequential-float32", "sequential-2-float32"]
    assert second.address == "127.0.0.1:7"
    assert all("--dtype float32" in " ".join(each.command) for each in (first, second))
    assert all("--precision float32" in " ".join(each.command) for each in (first, second, parallel))
    assert gateway.command[gateway.command.index("--ar-targets") + 1] == "127.0.0.1:3,127.0.0.1:7"


def test_each_replica_has_ports_of_its_own_and_the_gateway_knows_them(capsys: pytest.CaptureFixture[str]) -> None:
    several = Plan(
        Ports(), MODELS, ["fashion-ar"], ["fashion-gan"], 1.0, more_ports=[(7, 8)], more_parallel_ports=[(9, 10)]
    )
    backends, [gateway] = several.layers()
    assert [(each.name, each.address.rpartition(":")[2]) for each in backends] == [
        ("sequential", "50051"),
        ("sequential-2", "7"),
        ("parallel", "50052"),
        ("parallel-2", "9"),
    ]
    assert backends[3].command[backends[3].command.index("--metrics-port") + 1] == "10"
    options = dict(zip(gateway.command[3::2], gateway.command[4::2], strict=True))
    assert options["--ar-targets"] == "127.0.0.1:50051,127.0.0.1:7"
    assert options["--gan-targets"] == "127.0.0.1:50052,127.0.0.1:9"
    announce(several, Terminal())
    assert "the backends' on 9101 and 8 and 9102 and 10" in capsys.readouterr().out
    alone = replace(several, has_gateway=False, parallel_models=[])
    announce(alone, Terminal())
    assert "127.0.0.1:50051 (sequential) and 127.0.0.1:7 (sequential)" in capsys.readouterr().out


def test_a_repository_of_ones_own_needs_no_model_that_comes_with_tandem(tmp_path: Path) -> None:
    for name in ("mine", "fashion-ar"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.toml").touch()
    assert choose_models(tmp_path, ["mine"], None) == (["mine"], [])
    assert choose_models(tmp_path, None, ["mine"]) == (["fashion-ar"], ["mine"])
    (tmp_path / "fashion-ar" / "model.toml").unlink()
    with pytest.raises(ModelError, match="--sequential-model and --parallel-model; there are: mine"):
        choose_models(tmp_path, None, None)


def test_a_backend_without_models_is_not_started(capsys: pytest.CaptureFixture[str]) -> None:
    text_alone = Plan(Ports(), MODELS, ["smollm2-135m-instruct"], [], 1.0)
    [sequential], [gateway] = text_alone.layers()
    assert sequential.name == "sequential"
    assert gateway.command[gateway.command.index("--gan-targets") + 1] == ""
    announce(text_alone, Terminal())
    told = capsys.readouterr().out
    assert "9102" not in told
    assert "sample" not in told
    [parallel], _ = replace(text_alone, sequential_models=[], parallel_models=["fashion-gan"]).layers()
    assert parallel.name == "parallel"
