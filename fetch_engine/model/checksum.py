"""What a body must hash to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

ALGORITHMS = ("sha256", "sha512", "sha384", "sha1", "md5")


@dataclass(frozen=True, slots=True)
class Checksum:
    """The hash of the decoded body, in lower-case hex, by one of ALGORITHMS."""

    algorithm: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """From `sha256:HEX`. Raises ValueError."""
        algorithm, colon, digest = text.strip().partition(":")
        algorithm, digest = algorithm.lower().replace("-", ""), digest.strip().lower()
        if not colon or algorithm not in ALGORITHMS:
            raise ValueError(f"a checksum is {ALGORITHMS[0]}:HEX; known are {', '.join(ALGORITHMS)}")
        length = 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
        if len(digest) != length or set(digest) - set("0123456789abcdef"):
            raise ValueError(f"{algorithm} has {length} hex digits")
        return cls(algorithm, digest)
