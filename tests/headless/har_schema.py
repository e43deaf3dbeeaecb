"""HAR 1.2 as a JSON schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

_SCHEMA = json.loads(Path(__file__).with_name("har_1_2.schema.json").read_text())
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA, format_checker=jsonschema.FormatChecker())


def har_entries(data: bytes) -> list[dict[str, Any]]:
    """The entries of a HAR document, which must be valid."""
    document = json.loads(data)
    _VALIDATOR.validate(document)
    entries: list[dict[str, Any]] = document["log"]["entries"]
    return entries
