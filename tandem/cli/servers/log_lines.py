"""A server's log line for people: its JSON object as time, level and message."""

import json
import re

_SHARE = re.compile(r"(\d{1,3}) ?%")


def readable(line: str) -> str:
    """Return the line as "HH:MM:SS LEVEL message", with the last line of an exception; as it is if it is not JSON."""
    entry = _parse(line)
    if entry is None:
        return line
    time_of_day = str(entry.get("time", ""))[11:19]
    text = f"{time_of_day} {entry.get('level', ''):<7} {entry['message']}"
    exception = str(entry.get("exception", "")).strip()
    return f"{text}: {exception.splitlines()[-1]}" if exception else text


def message(line: str) -> str:
    """Return only what the line says."""
    entry = _parse(line)
    return line if entry is None else str(entry["message"])


def share(text: str) -> float | None:
    """Return the share, 0 to 1, that a message like "loading x: 40 %" reports."""
    match = _SHARE.search(text)
    return int(match[1]) / 100 if match else None


def _parse(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "message" in entry else None
