"""What is not shown on the screen unless asked for: secrets in headers, URLs and messages."""

from __future__ import annotations

from fetch_engine.model.redaction import masked_text, masked_value


def open_value(name: str, value: str) -> str:
    """A header's value with its secrets hidden."""
    return masked_value(name, value)


def open_text(text: str) -> str:
    """Text without the secrets of the URLs and headers that it holds."""
    return masked_text(text)


def has_secrets(name: str, value: str) -> bool:
    """Whether `open_value` hides anything of it."""
    return open_value(name, value) != value
