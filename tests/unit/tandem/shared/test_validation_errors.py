from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from tandem.shared.validation_errors import describe_errors, describe_setting_errors


class Entry(BaseModel):
    size: Annotated[int, Field(ge=1)]
    name: str = "a"

    @field_validator("name")
    @classmethod
    def _is_short(cls, name: str) -> str:
        if len(name) > 1:
            raise ValueError("is too long")
        return name


class File(BaseModel):
    entries: list[Entry]

    @model_validator(mode="after")
    def _is_not_empty(self) -> "File":
        if not self.entries:
            raise ValueError("there are no entries")
        return self


def found(document: object) -> str:
    with pytest.raises(ValidationError) as caught:
        File.model_validate(document)
    return describe_errors(caught.value)


def test_every_fault_is_told_with_its_place_in_one_line_without_the_value():
    words = found({"entries": [{"size": 0}, {"size": 1, "name": "secret"}]})
    assert words == "entries[0].size: Input should be greater than or equal to 1; entries[1].name: is too long"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"size": 0, "name": "bc"},
            "  --size: 0: Input should be greater than or equal to 1\n  --name: 'bc': is too long",
        ),
        ({"size": 7, "name": "z"}, "  size and name: do not go together"),
    ],
)
def test_bad_settings_are_told_a_line_each_with_their_values(values, words):
    class Settings(Entry):
        @model_validator(mode="after")
        def _goes_together(self) -> "Settings":
            if (self.size, self.name) == (7, "z"):
                raise ValueError("size and name: do not go together")
            return self

    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(values)
    assert describe_setting_errors(caught.value, lambda name: f"--{name}") == words
