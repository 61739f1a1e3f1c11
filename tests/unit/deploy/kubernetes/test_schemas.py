"""Every object is one that its API takes: no field misspelt, none of the wrong type."""

import copy
import json
from functools import cache
from pathlib import Path

import kubernetes_validate
from jsonschema import Draft202012Validator

SCHEMAS = {path.stem: json.loads(path.read_text()) for path in Path(__file__).with_name("schemas").glob("*.json")}
OLDEST, NEWEST = "1.30", "1.37"  # OLDEST is what the base promises


def faults(thing: dict, version: str) -> list[str]:
    return faults_of(json.dumps(thing), version)


@cache
def faults_of(text: str, version: str) -> list[str]:
    """Most objects are the same in several variants, and kubernetes_validate reads all schemas anew for each."""
    thing = json.loads(text)
    if schema := SCHEMAS.get(thing["kind"]):
        return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(thing)]
    try:
        kubernetes_validate.validate(thing, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{list(error.path)}: {error.message}"]
    return []


def test_every_object_is_well_formed(variants):
    for manifests in variants:
        for version in (OLDEST, NEWEST):
            named = [
                f"{each['kind']} {each['metadata']['name']}: {fault}"
                for each in manifests.objects
                for fault in faults(each, version)
            ]
            assert named == []


def test_a_misspelt_field_would_be_seen(whole):
    for kind in ("Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", *SCHEMAS):
        thing = copy.deepcopy(next(iter(whole.of(kind).values())))
        thing["spec"]["replikas"] = 2
        assert faults(thing, NEWEST), kind


def test_all_of_it_is_in_one_namespace(variants):
    for manifests in variants:
        places = {each["metadata"].get("namespace") for each in manifests.objects if each["kind"] != "Namespace"}
        assert places == ({None} if manifests.variant.base == "base" else {"tandem"})
