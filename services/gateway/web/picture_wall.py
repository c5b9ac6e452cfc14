"""The picture for a wall (大屏): large figures, nothing to press, up to date by itself."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from services.gateway.web import picture_view as view
from services.gateway.web.access import SignedIn
from services.gateway.web.picture import links_of, matrix_of, mechanisms_of, warnings_of

router = APIRouter()
ROWS: Final = 8
"""Departments that fit on a wall."""
_WARNINGS: Final = 4


@router.get("/picture/wall")
async def wall(page: SignedIn) -> Response:
    """How departments stand, to be read from three metres."""
    mechanisms, matrix, links, warnings = await asyncio.gather(
        mechanisms_of(page), matrix_of(page), links_of(page), warnings_of(page)
    )
    grid = view.grid(matrix.cells, (), ())
    template = "picture_wall_now.html" if page.is_fragment else "picture_wall.html"
    return page.render(
        template,
        grid=grid,
        rows=[(name, grid.row(name)) for name in grid.departments[:ROWS]],
        more=max(0, len(grid.departments) - ROWS),
        down=[each.department for each in links if not each.connected],
        links=len(links),
        warnings=view.together(warnings)[:_WARNINGS],
        mechanisms=mechanisms,
        states=view.STATES,
    )
