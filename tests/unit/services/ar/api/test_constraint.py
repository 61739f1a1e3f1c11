import pytest

from services.ar.api.constraint import constraint_of, refuse_constraint
from services.ar.constraints.constraint import Constraint
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


def sampling(**fields: object) -> ar_pb2.SamplingParams:
    return ar_pb2.SamplingParams(**fields)


def choice(*texts: str) -> ar_pb2.SamplingParams:
    return sampling(choice=ar_pb2.TextChoice(texts=texts))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (sampling(), None),
        (sampling(json_schema="{}"), Constraint("json_schema", ("{}",))),
        (sampling(json_object=True), Constraint("json_object")),
        (sampling(regex="a+"), Constraint("regex", ("a+",))),
        (sampling(lark="start: /a/"), Constraint("lark", ("start: /a/",))),
        (choice("yes", "no"), Constraint("choice", ("yes", "no"))),
    ],
)
def test_each_kind(given, expected):
    assert constraint_of(given) == expected


@pytest.mark.parametrize(
    ("given", "field", "value", "accepted"),
    [
        (sampling(json_schema=""), "sampling.json_schema", "0 bytes", "2 to 65,536 bytes"),
        (sampling(json_schema=" " * 65_537), "sampling.json_schema", "65537 bytes", "2 to 65,536 bytes"),
        (sampling(json_object=False), "sampling.json_object", "False", "true, or no constraint at all"),
        (sampling(regex=""), "sampling.regex", "0 bytes", "1 to 65,536 bytes"),
        (sampling(regex="ä" * 32_769), "sampling.regex", "65538 bytes", "1 to 65,536 bytes"),
        (sampling(lark=""), "sampling.lark", "0 bytes", "1 to 65,536 bytes"),
        (choice(), "sampling.choice.texts", "0 texts", "1 to 1,000"),
        (choice(*"a" * 1001), "sampling.choice.texts", "1001 texts", "1 to 1,000"),
        (choice("a", ""), "sampling.choice.texts", "''", "texts that are not empty"),
        (choice("a" * 40_000, "b" * 40_000), "sampling.choice.texts", "80000 bytes", "1 to 65,536 bytes"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_field_value_and_range(given, field, value, accepted):
    with pytest.raises(InvalidArgument) as caught:
        constraint_of(given)
    assert caught.value.field == field
    assert value in str(caught.value)
    assert str(caught.value).endswith(f"accepted: {accepted}")


def test_the_largest_that_is_taken():
    assert constraint_of(sampling(regex="a" * 65_536)) is not None
    assert constraint_of(choice(*"a" * 1000)) is not None


def test_pictures_match_no_text():
    refuse_constraint(sampling())
    with pytest.raises(InvalidArgument, match=r"sampling\.regex: 'a constraint' is not accepted; .*: nothing: images"):
        refuse_constraint(sampling(regex="a"))
