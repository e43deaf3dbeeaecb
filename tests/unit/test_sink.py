"""Places for bodies: what is none, what is shown of them, and what a protocol that fails leaves there."""

from __future__ import annotations

import pickle

import pytest

from fetch_engine.bodies.shared_folder import SharedFolder
from fetch_engine.bodies.uploads import Store, lacking
from fetch_engine.model.redaction import masked_arguments

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "place", ["", "folder", "./folder", "~/folder", "memory://x/y", "https://h/x", "simplecache::s3://b/x", "s3://",
              "simplecache://x/y", "s3:///", "s3://b/x?y=1", "s3://b/x#y", "ftp://u:p/w@h/x", "/a\nb", "s3://b/\x1b[m"],
)  # fmt: skip
def test_what_is_no_sink(place: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        SharedFolder(place)
    assert "p/w" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("/shared/bodies", "/shared/bodies"),
        ("s3://bucket/run@1", "s3://bucket/run@1"),
        ("file:///shared", "file:///shared"),
        ("abfs://box@account.dfs.core.windows.net/x", "abfs://box@account.dfs.core.windows.net/x"),
        ("sftp://me:s3cret@host:22/x", "sftp://host:22/x"),
        ("sftp://me:s3@cret@host/x@y", "sftp://host/x@y"),
    ],
)
def test_a_password_is_not_shown(place: str, shown: str) -> None:
    sink = SharedFolder(place)
    assert sink.shown == shown
    assert "s3cret" not in repr(sink)
    assert pickle.loads(pickle.dumps(sink)) == sink
    for arguments in (("--sink", place), (f"--sink={place}",)):
        assert "cret" not in "".join(masked_arguments(arguments)).replace("***", "")


def test_what_went_wrong_is_told_without_the_password() -> None:
    sink = SharedFolder("ftp://me:s%33cret@host/x")
    store = Store(sink.place, sink.shown, sink.secrets)
    for text in (sink.place, "530 me:s%33cret refused", "530 s3cret is wrong"):
        assert "cret" not in store.reason(RuntimeError(text))


def test_what_is_missing_is_named() -> None:
    assert lacking("file") is None
    assert "no protocol nonsense://" in (lacking("nonsense") or "")
    assert "s3fs" in (lacking("s3") or "s3fs")
