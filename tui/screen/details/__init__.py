"""What there is to say about one fetch, in sections of lines. Made from frozen values; keeps nothing alive."""

from __future__ import annotations

from tui.screen.details.tabs import headline, of_record, sections_of
from tui.screen.details.target import DetailsTarget, Section

__all__ = ["DetailsTarget", "Section", "headline", "of_record", "sections_of"]
