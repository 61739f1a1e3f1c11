"""A model's file and its other forms, and the sessions that run it as a configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.runtimes.configuration import Configuration
from services.common.runtimes.onnx_file import OnnxFile
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.openvino_session import BatchPlan, OpenVinoModel
from services.common.runtimes.providers import CPU
from services.common.runtimes.session import Session
from tandem.shared.models import ModelError


@dataclass(frozen=True)
class Forms:
    """The forms of one model. The first two draw the same; the one in int8 draws nearly that."""

    original: OnnxFile
    rewritten: OnnxFile | None
    """With convolutions in forms that are faster and give the same; None if there are none that can be."""
    int8: Forms | None = None
    """Of the same model in int8; None if there is none."""

    @property
    def has_rewritten(self) -> bool:
        return self.rewritten is not None

    def can_run(self, configuration: Configuration) -> bool:
        """Whether there is the form that the configuration is for."""
        forms = self._in(configuration)
        return forms is not None and (forms.has_rewritten or not configuration.is_rewritten)

    def of(self, configuration: Configuration) -> OnnxFile:
        """Return the file to run. Raises ModelError if there is none in int8."""
        forms = self._in(configuration)
        if forms is None:
            raise ModelError("there is no int8 form of it")
        return forms.rewritten if configuration.is_rewritten and forms.rewritten is not None else forms.original

    def _in(self, configuration: Configuration) -> Forms | None:
        return self.int8 if configuration.precision == "int8" else self


def open_instances(forms: Forms, configuration: Configuration, num_spare: int = 0) -> Sequence[Session]:
    """Return the configuration's instances, on the CPU. Raises ModelError if the runtime cannot run the model so.

    Of OpenVINO there are `num_spare` more, so that the cores have work while an instance is between two passes.
    """
    file, count, threads = forms.of(configuration), configuration.num_instances, configuration.threads_per_instance
    if configuration.runtime == "onnxruntime":
        return [open_session(file.path, [CPU], threads, "cpu", file.content) for _ in range(count)]
    model = OpenVinoModel(file, configuration.precision, count, threads)
    plan = BatchPlan(configuration.pass_seconds)
    return [model.session(plan) for _ in range(count + num_spare)]
