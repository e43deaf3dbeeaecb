"""International host names as browsers and curl read them: UTS #46, non-transitional, as the URL standard has it.

IDNA 2008 alone refuses what is registered and reachable, as emoji; a label beside it may have an underscore.
"""

from __future__ import annotations

import unicodedata

import idna
from idna.core import check_bidi, check_initial_combiner, uts46_remap, valid_contextj

_JOINERS = "\u200c\u200d"
_RTL = ("R", "AL", "AN")


class IdnError(ValueError):
    """A name that has no valid form in ASCII."""


def to_ascii(host: str) -> str:
    """The name as it is looked up (UTS #46 section 4.2: CheckBidi and CheckJoiners on; CheckHyphens, UseSTD3ASCIIRules
    and VerifyDnsLength off, so that what is ASCII in it is still to be checked). Raises IdnError."""
    try:
        labels = uts46_remap(host, std3_rules=False).split(".")
        decoded = [_decoded(label) for label in labels]
        is_bidi = any(unicodedata.bidirectional(char) in _RTL for label in decoded for char in label)
        return ".".join(_encoded(label, is_bidi=is_bidi) for label in decoded)
    except (UnicodeError, idna.IDNAError) as error:
        raise IdnError(str(error)) from None


def _decoded(label: str) -> str:
    """The label in Unicode. Where it is coded already it must be coded as we would: one host, one name."""
    if not label.startswith("xn--"):
        return label
    plain = label[4:].encode("ascii").decode("punycode")
    if plain.isascii() or uts46_remap(plain, std3_rules=False) != plain or "." in plain:
        raise IdnError("a coded label that stands for another one")
    return plain


def _encoded(label: str, *, is_bidi: bool) -> str:
    if label:
        check_initial_combiner(label)
        if is_bidi:
            check_bidi(label, check_ltr=True)
    for place, char in enumerate(label):
        if char in _JOINERS and not valid_contextj(label, place):
            raise IdnError("a joiner out of place")
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"
