"""docs/trace.schema.json describes every record that is made, and refuses those that are broken."""

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import normal
from tests.inspect.trace.every_record import MAKERS, every_record
from tinycnn.inspect.trace.crop import trace_part
from tinycnn.inspect.trace.lessons import LESSONS
from tinycnn.learn.exercise import exercise
from tinycnn.learn.step import step

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "trace.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def faults(record):
    """Where a record breaks the schema, and the rule: ("operations/0/phases", "minItems")."""
    as_read = json.loads(json.dumps(record, allow_nan=False))
    return {("/".join(map(str, fault.absolute_path)), fault.validator) for fault in VALIDATOR.iter_errors(as_read)}


def shared(x, w):
    r = F.relu(x)
    return r * w + (r + 2)


def graph_record():
    return tc.trace(shared, normal(1, 2, 3), normal(2, 2, 3)).record


def learner_record(tmp_path, text, name="1"):
    one = exercise(name)
    file = tmp_path / f"{one.name}.py"
    file.write_text(text or one.solution)
    return step(one, file, "en").trace.record


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


def test_every_lesson_is_tried():
    assert not set(LESSONS) - set(MAKERS)


@pytest.mark.parametrize("operation", every_record())
def test_records_of_all_operations_fit(operation):
    record = every_record()[operation]
    assert record["operations"][0]["phases"][0]["steps"]
    assert not faults(record)


def test_a_graph_fits():
    graph = graph_record()["graph"]
    assert graph["naive"]["differs"] == ["x"]
    assert not faults(graph_record())


def test_a_large_graph_without_values_fits():
    record = tc.trace(lambda x: F.relu(x) + x.sum(), normal(1, 9, 9)).record
    assert record["graph"]["leaves"][0]["gradient"] is None
    assert not faults(record)


def test_numbers_that_are_not_finite_fit():
    record = tc.trace(F.relu, np.array([np.nan, np.inf, -np.inf]), backward=False).record
    assert record["operations"][0]["tensors"]["x"]["values"] == ["nan", "inf", "-inf"]
    assert not faults(record)


def test_a_crop_fits():
    record = trace_part(F.relu, normal(1, 1, 3, 20, 20), part=(0, 0, slice(4, 6), slice(4, 6))).record
    assert record["operations"][0]["crop"] == {"output": [1, 1, 2, 2], "of": [1, 3, 20, 20], "start": [0, 0, 4, 4]}
    assert not faults(record)


RAISES = """
import numpy as np
def correlate2d(x, w):
    y = np.zeros((2, 2))
    y[0, 0] = x[0, 0]
    raise ValueError("halfway")
"""
RAISES_ELSEWHERE = """
import numpy as np
def correlate2d(x, w, scale):
    return x
"""


def test_a_learners_steps_fit(tmp_path):
    record = learner_record(tmp_path, "")
    assert record["operations"][0]["expected"]["yours"]
    assert not faults(record)


@pytest.mark.parametrize(("text", "line"), [(RAISES, 6), (RAISES_ELSEWHERE, None)], ids=["in the file", "elsewhere"])
def test_a_learners_steps_up_to_an_exception_fit(text, line, tmp_path):
    record = learner_record(tmp_path, text)
    assert record["operations"][0]["raised"]["line"] == line
    assert not faults(record)


def operation(record):
    return record["operations"][0]


def phase(record):
    return operation(record)["phases"][0]


BROKEN = {
    "another version": (lambda r: r.update(version=2), "version", "const"),
    "no graph": (lambda r: r.pop("graph"), "", "required"),
    "a field that nobody described": (lambda r: r.update(author="me"), "", "additionalProperties"),
    "a field of an operation": (lambda r: operation(r).update(speed=1), "operations/0", "additionalProperties"),
    "a field of a step": (
        lambda r: phase(r)["steps"][0].update(sum=1.0),
        "operations/0/phases/0/steps/0",
        "additionalProperties",
    ),
    "no pass": (lambda r: operation(r).update(phases=[]), "operations/0/phases", "minItems"),
    "a role that there is not": (
        lambda r: operation(r)["tensors"]["x"].update(role="bias"),
        "operations/0/tensors/x/role",
        "enum",
    ),
    "a number as a word": (
        lambda r: operation(r)["tensors"]["x"]["values"].__setitem__(0, "one"),
        "operations/0/tensors/x/values/0",
        "anyOf",
    ),
    "an access of two": (
        lambda r: phase(r)["steps"][0]["reads"][0].pop(),
        "operations/0/phases/0/steps/0/reads/0",
        "minItems",
    ),
    "an access of four": (
        lambda r: phase(r)["steps"][0]["reads"][0].append(1),
        "operations/0/phases/0/steps/0/reads/0",
        "items",
    ),
    "a place below the padding": (
        lambda r: phase(r)["steps"][0]["reads"][0].__setitem__(1, -2),
        "operations/0/phases/0/steps/0/reads/0/1",
        "minimum",
    ),
    "a loop variable with a point": (
        lambda r: phase(r)["steps"][0]["loops"].update(n=0.5),
        "operations/0/phases/0/steps/0/loops/n",
        "type",
    ),
    "a line by its name": (
        lambda r: phase(r)["expressions"].update(forward="{0}"),
        "operations/0/phases/0/expressions",
        "pattern",
    ),
    "planes with rows": (
        lambda r: phase(r)["views"][0].update(kind="planes", rows=["k"], columns=[]),
        "operations/0/phases/0/views/0/rows",
        "maxItems",
    ),
    "a matrix without axes": (
        lambda r: phase(r)["views"][0].update(kind="matrix", rows=[], columns=[]),
        "operations/0/phases/0/views/0",
        "anyOf",
    ),
    "three sides of padding": (
        lambda r: phase(r)["views"][0].update(padding=[0, 0, 0]),
        "operations/0/phases/0/views/0/padding",
        "minItems",
    ),
    "half a crop": (lambda r: operation(r).update(crop={"of": [1], "start": [0]}), "operations/0/crop", "required"),
    "an exception without its line": (
        lambda r: operation(r).update(raised={"type": "ValueError", "message": ""}),
        "operations/0/raised",
        "required",
    ),
    "entries by no place": (
        lambda r: operation(r).update(expected={"result": "y", "values": [1], "reads": {"x": [[-1]]}}),
        "operations/0/expected/reads/x/0/0",
        "minimum",
    ),
}


@pytest.mark.parametrize(("damage", "place", "rule"), BROKEN.values(), ids=BROKEN)
def test_a_broken_record_is_refused_for_what_is_broken(damage, place, rule):
    record = deepcopy(every_record()["linear"])
    damage(record)
    assert faults(record) == {(place, rule)}


BROKEN_GRAPHS = {
    "nothing in it": (lambda g: g.clear(), "", "required"),
    "a send to nowhere": (lambda g: g["walk"][0]["sends"][0].update(to={}), "walk/0/sends/0/to", "oneOf"),
    "a send to a node and a leaf": (
        lambda g: g["walk"][0]["sends"][0].update(to={"node": 0, "leaf": "x"}),
        "walk/0/sends/0/to",
        "oneOf",
    ),
    "no sum of what was sent": (lambda g: g["walk"][0]["sends"][0].pop("sum"), "walk/0/sends/0", "required"),
    "a leaf that is not used": (lambda g: g["leaves"][0].update(uses=0), "leaves/0/uses", "minimum"),
    "a gradient as a word": (lambda g: g["leaves"][0].update(gradient="large"), "leaves/0/gradient", "type"),
    "a node without its shape": (lambda g: g["nodes"][0].pop("shape"), "nodes/0", "required"),
    "an input that is no one's": (lambda g: g["nodes"][0].update(inputs=[{"shape": [1]}]), "nodes/0/inputs/0", "oneOf"),
    "a naive walk that goes right": (lambda g: g["naive"].update(differs=[]), "naive/differs", "minItems"),
    "a field that nobody described": (lambda g: g["walk"][0].update(time=0.1), "walk/0", "additionalProperties"),
}


@pytest.mark.parametrize(("damage", "place", "rule"), BROKEN_GRAPHS.values(), ids=BROKEN_GRAPHS)
def test_a_broken_graph_is_refused_for_what_is_broken(damage, place, rule):
    record = deepcopy(graph_record())
    damage(record["graph"])
    assert faults(record) == {(f"graph/{place}".rstrip("/"), rule)}


def objects(schema, path=""):
    """All schemas of objects inside a schema, by their path."""
    if isinstance(schema, dict):
        if schema.get("type") in ("object", ["object", "null"]):
            yield path, schema
        for key, inner in schema.items():
            yield from objects(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from objects(inner, f"{path}/{number}")


def test_every_field_is_described_and_no_other_is_let_in():
    found = dict(objects(SCHEMA))
    assert len(found) > 15
    for path, schema in found.items():
        assert schema.get("description"), path
        assert "additionalProperties" in schema, path
        for name, field in schema.get("properties", {}).items():
            assert field.get("description", "").endswith("."), f"{path}: {name}"
