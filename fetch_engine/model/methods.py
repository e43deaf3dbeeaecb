"""What HTTP says of its methods (RFC 9110 section 9.2.2)."""

from __future__ import annotations

# RFC 9110 section 9.2.2.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
