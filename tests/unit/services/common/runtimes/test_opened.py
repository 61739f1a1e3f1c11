"""What a calibration may choose, what it must not, and that it is made once."""

import onnx
import pytest
from onnx import numpy_helper

from services.common.machine import this_machine
from services.common.runtimes import calibration_store, calibrator, opened, openvino_session
from services.common.runtimes.calibration_store import CalibrationStore
from services.common.runtimes.calibrator import Calibrator, Speed, depends_on_batch, difference
from services.common.runtimes.configuration import Wish
from services.common.runtimes.opened import NUM_SPARE, Int8File, open_calibrated
from tests.unit.services.common.runtimes.graphs import batch_normalising_model, generator_model, latents, saved

needs_openvino = pytest.mark.skipif(not openvino_session.is_installed(), reason="OpenVINO is not installed")


@pytest.fixture(autouse=True)
def never_idle(monkeypatch):
    """A calibration that the machine disturbed is not made again, unless a test says that the machine is idle."""
    monkeypatch.setattr(opened, "is_idle", lambda: False)


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    monkeypatch.setattr(calibrator, "NUM_ROUNDS", 1)
    monkeypatch.setattr(calibrator, "RUN_SECONDS", 0.001)


@pytest.fixture
def file(tmp_path):
    return saved(generator_model(), tmp_path / "generator.onnx")


@pytest.fixture
def store(tmp_path):
    return CalibrationStore(tmp_path / "calibrations")


def open_it(file, store, int8=None, **wish):
    return open_calibrated(file.path, Wish(max_batch_size=8, **wish), lambda _, count: latents(count), store, int8)


@pytest.fixture
def coarse(tmp_path):
    """The file of nearly the same generator, in the place of one in int8."""
    model = generator_model()
    for each in model.graph.initializer:
        if each.data_type == onnx.TensorProto.FLOAT:
            each.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(each).astype("f2").astype("f4"), each.name))
    return saved(model, tmp_path / "generator-int8.onnx")


def test_what_is_left_open_is_chosen_and_keeps_the_promise_of_seeds(file, store):
    found = open_it(file, store)
    names = {each.configuration.name for each in found.calibration.trials}
    assert len(names) > 1
    assert found.configuration.name in names
    assert found.calibration.chosen_trial.rejected == ""
    assert len(found.sessions) == found.configuration.num_instances + found.num_spare
    for session in found.sessions:
        assert depends_on_batch(session, latents(8), "image", range(1, 9)) is None


@needs_openvino
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_what_is_asked_for_is_had(file, store, runtime):
    found = open_it(file, store, runtime=runtime, precision="float32", num_instances=3, threads_per_instance=1)
    configuration = found.configuration
    assert (configuration.runtime, configuration.precision) == (runtime, "float32")
    assert (configuration.num_instances, configuration.threads_per_instance) == (3, 1)
    assert found.num_spare == (NUM_SPARE if runtime == "openvino" else 0)
    for session in found.sessions:
        assert session.run(latents(2), ["image"])[0].shape[0] == 2
    assert found.fingerprint.startswith(f"{runtime}-float32-")
    assert list(configuration.pass_seconds) == ([1, 2, 4, 6, 8] if runtime == "openvino" else [])


@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_an_int8_form_is_had_where_it_is_asked_for(file, coarse, store, runtime):
    found = open_it(file, store, Int8File(coarse.path, 0.01), runtime=runtime, precision="int8", num_instances=1)
    assert found.fingerprint.startswith(f"{runtime}-int8-")
    (images,) = found.sessions[0].run(latents(8), ["image"])
    exact = open_it(file, store, Int8File(coarse.path, 0.01), runtime=runtime, precision="float32", num_instances=1)
    assert 1e-5 < difference(images, exact.sessions[0].run(latents(8), ["image"])[0]) < 0.01


@pytest.mark.parametrize(("rms_difference", "is_good"), [(0.01, True), (1e-7, False)])
def test_an_int8_form_takes_part_and_is_not_chosen_if_it_draws_something_else_here(
    file, coarse, store, rms_difference, is_good
):
    found = open_it(file, store, Int8File(coarse.path, rms_difference))
    rejections = [trial.rejected for trial in found.calibration.trials if trial.configuration.precision == "int8"]
    assert rejections
    assert all("of their range away" in rejected for rejected in rejections) != is_good
    assert any(rejections) != is_good
    assert is_good or found.configuration.precision != "int8"


@pytest.fixture
def made(monkeypatch):
    """Calibrations that were made."""
    made, calibrate = [], Calibrator.calibrate

    def noted(self):
        made.append(calibrate(self))
        return made[-1]

    monkeypatch.setattr(Calibrator, "calibrate", noted)
    return made


def test_a_calibration_is_made_once_a_model_machine_wish_and_format(file, store, made, monkeypatch, tmp_path):
    first, second = open_it(file, store), open_it(file, store)
    assert len(made) == 1
    assert (first.calibration, first.fingerprint) == (second.calibration, second.fingerprint)
    open_it(file, store, num_instances=1)
    assert len(made) == 2
    other = saved(generator_model(width=4), tmp_path / "other.onnx")
    assert open_it(other, store).fingerprint != first.fingerprint
    assert len(made) == 3
    monkeypatch.setattr(calibration_store, "FORMAT", 3)
    open_it(file, store)
    assert len(made) == 4


@pytest.mark.parametrize(("share", "machine_is_idle", "num_made"), [(0.62, True, 2), (0.62, False, 1), (0.7, True, 1)])
def test_one_that_was_made_on_a_busy_machine_is_made_again_on_an_idle_one(
    file, store, made, monkeypatch, caplog, share, machine_is_idle, num_made
):
    shares, calibrate = iter([share, share + 0.1]), Calibrator.calibrate
    monkeypatch.setattr(
        Calibrator, "calibrate", lambda self: calibrate(self).model_copy(update={"core_share": next(shares)})
    )
    monkeypatch.setattr(opened, "is_idle", lambda: machine_is_idle)
    for _ in range(4):
        last = open_it(file, store, runtime="onnxruntime").calibration
    assert len(made) == num_made
    assert last == made[-1].model_copy(update={"core_share": share + 0.1 * (num_made - 1)})
    assert caplog.text.count("calibrated while it had only 62% of the cores") == (share < 0.7)


def test_what_a_busier_machine_finds_replaces_nothing(file, store, monkeypatch):
    monkeypatch.setattr(opened, "is_idle", lambda: True)
    monkeypatch.setattr(calibrator, "measure", lambda *_: Speed(1.0, 1.0, 0.62))
    first = open_it(file, store, runtime="onnxruntime")
    monkeypatch.setattr(calibrator, "measure", lambda *_: Speed(1.0, 1.0, 0.5))
    assert open_it(file, store, runtime="onnxruntime").calibration == first.calibration


@pytest.mark.parametrize("content", ["", "{", '{"configuration": 1}', "\0"])
def test_a_spoilt_calibration_is_made_anew(file, store, content, caplog):
    open_it(file, store, runtime="onnxruntime")
    (path,) = store.path(file.digest, this_machine(), Wish(max_batch_size=8)).parent.iterdir()
    path.write_text(content)
    assert open_it(file, store, runtime="onnxruntime").sessions
    assert "not a usable calibration" in caplog.text
    assert store.load(path) is not None


def test_without_a_cache_that_can_be_written_it_starts_all_the_same(file, tmp_path, caplog):
    (tmp_path / "in the way").write_text("")
    assert open_it(file, CalibrationStore(tmp_path / "in the way" / "calibrations"), runtime="onnxruntime").sessions
    assert "cannot be kept" in caplog.text


def test_a_model_that_mixes_its_samples_runs_as_it_is_and_is_said_to(tmp_path, store, caplog):
    file = saved(batch_normalising_model(), tmp_path / "mixing.onnx")
    found = open_it(file, store)
    assert (found.configuration.runtime, found.configuration.precision) == ("onnxruntime", "float32")
    assert all(each.rejected for each in found.calibration.trials)
    told = "all the same, though the bits of its outputs depend on the batch"
    assert caplog.text.count(told) == 1
    assert open_it(file, store).calibration == found.calibration
    assert caplog.text.count(told) == 2, "a later start says it, too"


def test_a_rewrite_that_draws_something_else_is_dropped(file, store, monkeypatch, caplog):
    wrong = generator_model()
    wrong.graph.node[-1].op_type = "Sigmoid"
    monkeypatch.setattr(opened, "rewrite", lambda _: wrong)
    found = open_it(file, store)
    assert not any(trial.configuration.is_rewritten for trial in found.calibration.trials)
    assert "rewritten, it draws something else" in caplog.text


@needs_openvino
def test_every_size_is_measured_as_one_pass(file, store, monkeypatch):
    passes = []
    run = openvino_session._Pass.run

    def noted(self, feed, results):
        passes.append(len(feed["z"]))
        run(self, feed, results)

    monkeypatch.setattr(openvino_session._Pass, "run", noted)
    monkeypatch.setattr(calibrator, "depends_on_batch", lambda *_: None)
    found = open_it(file, store, runtime="openvino", precision="float32", num_instances=1)
    assert set(passes) == {1, 2, 4, 6, 8}
    assert set(found.configuration.pass_seconds) == {1, 2, 4, 6, 8}


@needs_openvino
def test_sizes_with_which_the_bits_depend_on_the_batch_are_not_used(file, store, monkeypatch, caplog):
    """They are those between the sizes that configurations are compared at, so only the last look can find it."""
    monkeypatch.setattr(calibrator, "depends_on_batch", lambda session, *_: 6 if 6 in session._plan.sizes else None)
    wish = {"runtime": "openvino", "precision": "float32", "num_instances": 1}
    found = open_it(file, store, **wish)
    assert list(found.configuration.pass_seconds) == [1, 4, 8]
    assert list(found.sessions[0]._plan.sizes) == [1, 4, 8]
    assert "only passes of [1, 4, 8], since with all sizes the bits of its outputs depend on the batch" in caplog.text
    assert open_it(file, store, **wish).calibration == found.calibration


@needs_openvino
def test_a_precision_that_is_too_coarse_for_the_model_is_not_chosen(file, store, monkeypatch):
    if "bfloat16" not in openvino_session.native_precisions():
        pytest.skip("bfloat16 is not native to this processor")
    monkeypatch.setitem(calibrator.MAX_RMS_DIFFERENCE, "bfloat16", 1e-9)
    found = open_it(file, store)
    coarse = [trial for trial in found.calibration.trials if trial.configuration.precision == "bfloat16"]
    assert coarse
    assert all("of their range away" in trial.rejected for trial in coarse)
    assert found.configuration.precision == "float32"
