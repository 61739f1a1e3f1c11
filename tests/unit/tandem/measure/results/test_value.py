"""What a value may be: a number that JSON can hold, so that what is written can be read."""

from typing import Any

import pytest
from pydantic import ValidationError

from tandem.measure.results.value import Value

SURE: dict[str, Any] = {"value": 1.0, "low": 0.5, "high": 2.0, "method": "range", "count": 3}


@pytest.mark.parametrize("field", ["value", "low", "high"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused_before_it_is_written(field: str, number: float) -> None:
    with pytest.raises(ValidationError, match=f"{field}\n.*finite number"):
        Value.model_validate({**SURE, field: number})
