"""Lines of text in parts, each with the role it is shown in."""

from __future__ import annotations

Span = tuple[str, str]


Line = list[Span]
