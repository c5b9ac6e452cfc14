"""Styles, scripts and pictures of the pages: kept by browsers for as long as they are as they are, and sent packed."""

from __future__ import annotations

import gzip
import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER: Final = Path(__file__).parent / "static"
_PACKED: Final = frozenset({".css", ".js", ".svg"})
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@lru_cache(maxsize=256)
def _version(name: str, _changed: int) -> str:
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]


def static(name: str) -> str:
    """The address of a file, which is another one as soon as the file is.

    Args:
        name: Below the folder of such files, as `app.css`.
    """
    return f"/static/{name}?v={_version(name, (FOLDER / name).stat().st_mtime_ns)}"


@lru_cache(maxsize=64)
def _packed(path: str, _changed: float) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)


class Static(StaticFiles):
    """Gives those files."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """One file: under an address with its version for ever, else to be asked for again."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        path = Path(full_path)
        if path.suffix in _PACKED:
            response.headers["Vary"] = "Accept-Encoding"
            packs = "gzip" in Headers(scope=scope).get("accept-encoding", "")
            if packs and scope["method"] == "GET" and isinstance(response, FileResponse):
                kept = {name: response.headers[name] for name in ("etag", "last-modified", "vary")}
                content = _packed(str(path), stat_result.st_mtime)
                response = Response(
                    content, status_code, {**kept, "Content-Encoding": "gzip"}, response.media_type
                )
        versioned = b"v=" in scope["query_string"]
        response.headers["Cache-Control"] = _FOR_EVER if versioned else "no-cache"
        return response
