"""Documents of every kind, and of all that can be wrong with them, as measurements would have made them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

from tandem.measure.results.comparison import BesideResult, Comparison, CpuSource, Served, Work
from tandem.measure.results.files import Result
from tandem.measure.results.growth import Growth, Settings
from tandem.measure.results.load import Control, Difference, Document
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import Workload
from tests.unit.tandem.measure.records import row
from tests.unit.tandem.measure.report.conftest import a_comparison
from tests.unit.tandem.measure.results.test_load import made
from tests.unit.tandem.measure.scenarios import TEXT, closed_scenario, open_scenario
from tests.unit.tandem.measure.studies.colocation import imagined as colocation
from tests.unit.tandem.measure.studies.fit.simulated import MACHINE
from tests.unit.tandem.measure.studies.growth import imagined as growth
from tests.unit.tandem.measure.studies.steps import imagined as steps
from tests.unit.tandem.measure.studies.text import imagined as texts

R = TypeVar("R", bound=Result)
TOLD = (0.01, 0.0, 0.002, 0.0, 0.02, 0.001, 0.034, 4.0)


@cache
def variants() -> dict[str, Result]:
    """Return documents by name, all made on one machine."""
    kinds = (comparisons, growths, all_steps, all_texts, colocations, runs)
    return {name: on_machine(document) for kind in kinds for name, document in kind()}


def on_machine(document: R) -> R:
    return changed(document, machine=MACHINE)


def changed(part: Any, **fields: Any) -> Any:
    return part.model_copy(update=fields)


def comparisons() -> Iterator[tuple[str, Comparison]]:
    plain = a_comparison()
    yield "comparison", plain
    yield "comparison, broken off", changed(plain, is_partial=True, problems=("broken off by hand", "a", "b", "c"))
    yield "comparison, different work", unmatched(plain)
    sources = (
        CpuSource(process=process, metrics_address=None, is_known=False, note="it has no page")
        for process in ("gateway", "parallel backend")
    )
    yield "comparison, CPU not known", changed(plain, cpu_sources=tuple(sources))
    controls = tuple(changed(each, second=each.first) for each in plain.contrasts)
    yield "comparison, with a control", changed(plain, controls=controls)
    yield "comparison, equal terms", on_terms(plain)
    own = tuple(each for each in plain.contrasts if each.first.split()[1] == each.second.split()[1])
    modes = tuple(mode for mode in plain.modes if mode.paradigm == "sequential")
    stranger = (changed(plain.models[0], name="stranger"),)
    foreign = BesideResult(address="127.0.0.1:9", num_tokens=49, models=stranger, modes=modes, contrasts=own)
    yield "comparison, beside a foreign server", changed(plain, foreign=foreign)


def unmatched(plain: Comparison) -> Comparison:
    work = {
        "sequential": Work(name="a text of 64 tokens", unit="token", num_outputs=64),
        "parallel": Work(name="an image of 4x4", unit="image", num_outputs=1),
    }
    served = tuple(changed(each, quality=None) for each in plain.served)
    judgement = changed(plain.judgement, reason="they do different work")
    given: dict[str, Any] = {"is_matched": False, "class_names": (), "work": work}
    return changed(plain, served=served, judgement=judgement, **given)


def with_forms(document: Comparison, *dtypes: str) -> Comparison:
    form = {"runtime": "native", "num_instances": 2, "threads_per_instance": 1}
    pairs = zip(document.models, dtypes, strict=True)
    return changed(document, models=tuple(changed(model, dtype=dtype, **form) for model, dtype in pairs))


def on_terms(plain: Comparison) -> Comparison:
    served = with_forms(plain, "int8", "bfloat16")
    unary = tuple(mode for mode in served.modes if mode.delivery == "unary")
    contrasts = tuple(each for each in served.contrasts if "streamed" not in each.first + each.second)
    models = with_forms(served, "float32", "float32").models
    return changed(
        served,
        beside=BesideResult(
            address="127.0.0.1:2", form="both in float32", models=models, modes=unary, contrasts=contrasts
        ),
    )


def growths() -> Iterator[tuple[str, Growth]]:
    yield "growth", growth.document()
    yield "growth, of nothing", growth.document(growth.findings(Settings(), num_rounds=0), problem="broken off by hand")
    few = Settings(concurrencies=(1, 2, 4), contexts=(64, 5000))
    yield "growth, knee beyond", growth.document(growth.findings(few, lambda number: 0.01 + 0.0001 * number))
    many = Settings(concurrencies=(16, 32, 64))
    yield "growth, knee below", growth.document(growth.findings(many, lambda number: max(0.01, 0.001 * number)))


def all_steps() -> Iterator[tuple[str, Comparison]]:
    plain = steps.document()
    yield "steps", plain
    yield "steps, broken off", steps.document(stop_reason="broken off by hand")
    yield "steps, not scored", changed(plain, num_scored=0)

    def each(change: Any) -> Comparison:
        return changed(plain, served=tuple(map(change, plain.served)))

    def with_tokenizer(served: Served) -> Any:
        assert served.quality is not None
        views = served.quality.views
        return changed(served, quality=changed(served.quality, views=changed(views, tokenizer=views.floor)))

    rateless = (changed(mode, capacity=changed(mode.capacity, images_per_second=None)) for mode in plain.modes)
    yield "steps, no rate", changed(plain, modes=tuple(rateless))
    yield "steps, tokenizer known", each(with_tokenizer)
    yield "steps, not predicted", each(lambda served: changed(served, predicted_over_most=None))
    bare = each(lambda served: changed(served, quality=None))
    unmeasured = tuple(changed(mode, curve=()) for mode in plain.modes)
    judgement = changed(plain.judgement, reason="there is no judge")
    yield "steps, nothing known", changed(bare, modes=unmeasured, judgement=judgement)


def all_texts() -> Iterator[tuple[str, Result]]:
    yield "text", texts.document()
    yield "text, broken off", texts.document(texts.study(num_rounds=0, bits=({}, 0), stop_reason="broken off by hand"))
    yield "text, nothing counted", texts.document(texts.unmetered())


def colocations() -> Iterator[tuple[str, Result]]:
    yield "colocation", colocation.document()
    yield "colocation, too much", colocation.document(colocation.rounds(4, grows=True, num_failed=3))
    yield "colocation, of nothing", colocation.document([], "broken off by hand")


def runs() -> Iterator[tuple[str, Document]]:
    rows = [row(n, 1.0 + n / 200, 0.04 + n % 7 / 700, told=TOLD) for n in range(400)]
    images = Workload(kind="images", delivery="unary", model="gan", slo_seconds=0.045)
    streamed = Workload(kind="image", delivery="streamed", model="ar", slo_first_output_seconds=0.05)
    for count in (1, 4, 16):
        for load in (closed_scenario(count, workloads=(images,)), open_scenario(50.0 * count, workloads=(streamed,))):
            yield f"run, {load.workloads[0].model} {count}", made(rows, scenario=load).document
    plain = made(rows).document
    yield "run", plain
    yield "run, broken off", made(rows, "stopped by hand").document
    failed = [row(n, n / 100, 0.04, Outcome.OK if n % 3 else Outcome.ERROR) for n in range(400)]
    yield "run, with failures", made(failed).document
    yield "run, growing queue", made([row(n, n / 100, 0.01 * n) for n in range(900)]).document
    text = [row(n, n / 100, 0.04, is_counted=bool(n % 2), num_prompt_tokens=5.0) for n in range(200)]
    yield "run, of texts", made(text, scenario=open_scenario(100.0, workloads=(TEXT,))).document
    checks = tuple(changed(check, passed=False, text="sent late by 99 ms") for check in plain.audit.checks[:1])
    yield "run, invalid", changed(plain, audit=changed(plain.audit, valid=False, checks=checks))
    differences = (Difference(stream="images", figure="p50", ratio=1.01, least=0.05),)
    control = Control(num_pairs=5, slice_seconds=1.0, slice_requests=None, differences=differences)
    yield "run, with a control", changed(plain, control=control)
