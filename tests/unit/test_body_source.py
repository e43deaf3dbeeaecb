"""Bodies that a worker put somewhere: read where they can be, else told where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.fake_link import result
from tui.screen.body.source import BodySource
from tui.screen.saving import write_body

pytestmark = pytest.mark.once

BODY = b"0123456789" * 100


def source(pointer: str, **more: object) -> BodySource:
    return BodySource.of(result(1, body=BODY[:10], size=len(BODY), body_path=pointer, **more).outcome)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_one_in_a_shared_folder_is_read(scheme: str, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    found = source(f"{scheme}{tmp_path}/body", carried_by="tcp://10.0.0.1:1")
    assert found.read(2000) == BODY
    assert found.why_incomplete() == ""
    assert found.elsewhere == f"{scheme}{tmp_path}/body"
    assert write_body(found, str(tmp_path / "copy"), overwrite=False) == len(BODY)


def test_one_that_cannot_be_read_from_here_says_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"another file of that name")
    for pointer in ("s3://bucket/body", str(tmp_path / "body"), "/no/such/folder/body"):
        found = source(pointer, carried_by="tcp://10.0.0.1:1")
        assert found.read(2000) == BODY[:10]
        assert found.available() == 10
        assert pointer in found.why_incomplete()


def test_one_in_the_spool_is_nobody_elses_place(tmp_path: Path) -> None:
    assert source(str(tmp_path / "spooled")).elsewhere is None
