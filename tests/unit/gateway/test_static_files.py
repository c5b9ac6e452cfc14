"""Styles and scripts: an address for each version, kept for ever; packed for whoever unpacks."""

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from services.gateway import static_files
from services.gateway.static_files import FOLDER, Static, static
from services.gateway.web.site import environment


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[Mount("/static", Static())]))


def test_a_version_is_kept_for_ever_and_another_file_has_another_address(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser never asks twice for what did not change, and never shows what did."""
    answer = client.get(static("app.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/static/app.css").headers["cache-control"] == "no-cache"
    monkeypatch.setattr(static_files, "FOLDER", tmp_path)
    (tmp_path / "app.css").write_text("a {}", encoding="utf-8")
    first = static("app.css")
    assert first == static("app.css")
    (tmp_path / "app.css").write_text("b {}", encoding="utf-8")
    assert static("app.css") != first


def test_it_is_packed_for_whoever_unpacks(client: TestClient) -> None:
    """And comes as it is for others; one who has it is told so."""
    whole = (FOLDER / "app.js").read_bytes()
    for accepted, packed in (("gzip, br", True), ("identity", False)):
        with client.stream("GET", static("app.js"), headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join(answer.iter_raw())
            assert (answer.headers.get("content-encoding") == "gzip") is packed
            assert answer.headers["vary"] == "Accept-Encoding"
            assert int(answer.headers["content-length"]) == len(raw)
        assert (gzip.decompress(raw) if packed else raw) == whole
    again = client.get("/static/app.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/no.css").status_code == 404


def test_every_page_asks_for_versions() -> None:
    """No template names a file of ours by an address that does not change with it."""
    environment_ = environment()
    assert environment_.loader is not None
    for name in environment_.list_templates():
        source, _, _ = environment_.loader.get_source(environment_, name)
        assert '"/static/' not in source, name
