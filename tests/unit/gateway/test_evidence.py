"""Which bytes are wanted, and what a file is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidField
from services.gateway.evidence.names import INLINE, UNKNOWN, disposition, harmless, media_type_of, told_type
from services.gateway.evidence.ranges import RangeNotSatisfiable, part_of
from services.gateway.evidence.reading import name_of, root_of

TAG = '"digest"'


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_range_is_within_the_file_and_as_it_was_asked(size: int, first: int, last: int) -> None:
    """Where it begins in the file it is answered, up to its end or the file's; else it is refused."""
    asked = {"range": f"bytes={first}-{last}"}
    if last < first:
        assert not part_of(asked, size, TAG).partial
    elif first >= size:
        with pytest.raises(RangeNotSatisfiable) as refused:
            part_of(asked, size, TAG)
        assert refused.value.headers["Content-Range"] == f"bytes */{size}"
    else:
        part = part_of(asked, size, TAG)
        assert (part.start, part.end, part.partial) == (first, min(size, last + 1), True)


@given(st.integers(1, 10**6), st.integers(1, 2 * 10**6))
def test_the_last_bytes_are_counted_from_the_end(size: int, count: int) -> None:
    """All of the file where it has fewer."""
    part = part_of({"range": f"bytes=-{count}"}, size, TAG)
    assert (part.start, part.end) == (max(0, size - count), size)


@given(st.text())
def test_no_range_breaks_us(header: str) -> None:
    """Whatever the header holds, it is a part, the whole, or a refusal."""
    try:
        part = part_of({"range": header}, 100, TAG)
    except RangeNotSatisfiable:
        return
    assert 0 <= part.start < part.end <= 100


@given(st.text())
def test_a_name_is_one_name_and_nothing_else(name: str) -> None:
    """No path, no control or direction characters, and it is as it is when it was made so."""
    shown = harmless(name, "file")
    assert 0 < len(shown) <= 200
    assert not set(shown) & set('/\\<>:"|?*\r\n\0\u202e\u2066')
    assert not shown.startswith(".")
    assert not shown.endswith((".", " "))
    assert harmless(shown, "file") == shown
    header = disposition(shown, inline=False)
    assert header.isascii()
    assert header.isprintable()


@given(st.text())
def test_only_inert_kinds_are_told(given_type: str) -> None:
    """Everything else is bytes."""
    assert told_type(given_type) in {UNKNOWN, media_type_of(given_type)}
    assert len(media_type_of(given_type)) <= 100


@pytest.mark.parametrize(
    "kind",
    ["text/html", "IMAGE/SVG+XML", "text/xml", "application/javascript", "text/css", "application/xhtml+xml"],
)
def test_what_could_run_is_never_told(kind: str) -> None:
    """Nor shown."""
    assert told_type(kind) == UNKNOWN
    assert media_type_of(kind) not in INLINE


@given(st.binary(min_size=32, max_size=32))
def test_a_root_stands_in_a_path(root: bytes) -> None:
    """And comes back."""
    assert root_of(name_of(root)) == root


@given(st.text(alphabet="AQaz09-_=+/", max_size=60))
def test_what_is_no_root_is_refused(name: str) -> None:
    """Only the one way to write each root is taken."""
    try:
        found = root_of(name)
    except InvalidField:
        return
    assert name.rstrip("=") == name_of(found)
