import json
import logging

from runtime.process.logs import JsonFormatter


def test_a_line_is_one_json_object_with_what_was_passed():
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "took %d", "args": (3,), "model": "m"})
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["logger"], line["level"], line["model"]) == ("took 3", "x", "INFO", "m")


def test_an_exception_stays_on_the_line():
    try:
        raise ValueError("what went wrong")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), (type(error), error, error.__traceback__))
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "what went wrong" in json.loads(text)["exception"]
