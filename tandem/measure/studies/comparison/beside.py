"""The same two models in another form, such as both in one precision, served elsewhere and asked in the same rounds."""

from dataclasses import dataclass, replace

from tandem.measure.generator.generator import Generator
from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.studies.comparison.modes import Mode, Pair, find_pair
from tandem.shared.errors import ExpectedError


@dataclass(frozen=True)
class Beside:
    """`source` sends to it; `meter` is of its processes. `modes` are unary."""

    source: Generator
    pair: Pair
    meter: CpuMeter

    @property
    def form(self) -> str:
        """What both compute in."""
        return f"both in {self.pair.sequential.dtype}"

    def modes(self) -> tuple[Mode, ...]:
        return tuple(replace(mode, form=self.form) for mode in self.pair.modes() if mode.workload.delivery == "unary")

    def contrasts(self) -> tuple[tuple[str, str], ...]:
        first, second = (mode.name for mode in self.modes())
        return ((first, second),)


async def served_beside(source: Generator, pair: Pair, meter: CpuMeter) -> Beside:
    """Return what `source` sends to. Raises TandemRpcError, ValueError."""
    found = await find_pair(source.address, pair.sequential.name, pair.parallel.name)
    if found.is_matched != pair.is_matched:
        raise ExpectedError(f"{source.address}: {found.unmatched or 'serves a matched pair'}; expected the same pair")
    first, second = (model.dtype for model in found.models)
    if first is None or first != second:
        raise ExpectedError(f"{source.address}: computes in {first} and {second}; expected one precision for both")
    return Beside(source, found, meter)
