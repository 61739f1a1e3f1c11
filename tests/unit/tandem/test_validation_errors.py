from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from tandem.validation_errors import in_words, place, reason


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
    return in_words(caught.value)


def test_every_fault_is_told_with_its_place_in_one_line_without_the_value():
    words = found({"entries": [{"size": 0}, {"size": 1, "name": "secret"}]})
    assert words == "entries[0].size: Input should be greater than or equal to 1; entries[1].name: is too long"


def test_a_fault_of_the_whole_has_no_place():
    assert found({"entries": []}) == "there are no entries"
    assert found([]) == "Input should be a valid dictionary or instance of File"


def test_places_and_reasons_are_told_as_a_user_writes_them():
    assert place(("keys", 0, "name")) == "keys[0].name"
    assert place(()) == ""
    assert reason("Value error, is too long") == "is too long"
