"""Twenty JSON Schemas, of the kinds that clients ask for; a tiny random model ends a text of each of them."""

from typing import Any


def fields(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties, all of them and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


SHORT = {"type": "string", "maxLength": 8}
DIGIT = {"type": "integer", "minimum": 0, "maximum": 9}

SCHEMAS: dict[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "null or digit": {"anyOf": [{"type": "null"}, DIGIT]},
    "integer in a range": {"type": "integer", "minimum": -120, "maximum": 4711},
    "number in a range": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "multiple": {"type": "integer", "minimum": 0, "maximum": 500, "multipleOf": 5},
    "short text": {"type": "string", "minLength": 2, "maxLength": 12},
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
    "enum of kinds": {"enum": ["red", 7, None, True, {"a": [1]}, "dark blue"]},
    "constant": {"const": {"version": 2, "stable": True}},
    "date": {"type": "string", "format": "date"},
    "uuid": {"type": "string", "format": "uuid"},
    "address": {"type": "string", "format": "ipv4"},
    "person": fields(name=SHORT, age={"type": "integer", "minimum": 0, "maximum": 150}),
    "nested": fields(outer=fields(inner=fields(value=DIGIT)), label={"enum": ["x", "y"]}),
    "list of digits": {"type": "array", "items": DIGIT, "minItems": 2, "maxItems": 5},
    "tuple": {"type": "array", "prefixItems": [DIGIT, {"type": "boolean"}, SHORT], "items": False, "minItems": 3},
    "optional": {
        "type": "object",
        "properties": {"a": DIGIT, "b": {"type": "boolean"}, "c": {"type": "null"}},
        "required": ["b"],
        "additionalProperties": False,
    },
    "one of two": {"anyOf": [fields(kind={"const": "circle"}, radius=DIGIT), fields(kind={"const": "dot"})]},
    "tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": fields(value=DIGIT, children={"type": "array", "items": {"$ref": "#/$defs/leaf"}, "maxItems": 2}),
            "leaf": fields(value=DIGIT),
        },
    },
    "all of": {"allOf": [{"type": "string", "minLength": 3}, {"maxLength": 6}]},
}
