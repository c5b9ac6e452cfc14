"""HandlingService, what a department states: chains, number series, delegations, posts that change hands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import handling_service_pb2 as pb
from sqlalchemy import Connection

from services.cases.desk import DeskSession
from services.cases.handlers.handling import HandlingCommands
from services.cases.handling import numbering, tables, views
from services.cases.handling.statements import Statements, delegation_row
from services.cases.handling.store import Kept
from services.common import page_tokens
from services.common.clock import microseconds
from services.exchange import actors
from services.exchange.letters import moment
from services.exchange.session import DepartmentSession
from services.procedures.chain import Direction
from services.procedures.chain_source import shipped

_PAGE: Final = 50
_NUMBERS: Final = 100
SEAL_MM: Final = 42
"""Width of a department's seal (公章) where its administrator says nothing else."""


class HandlingRuleHandlers(HandlingCommands):
    """What is stated about the handling of documents."""

    # -- chains ---------------------------------------------------------------------------------

    async def SetChain(self, request: pb.SetChainRequest, _context: object) -> pb.SetChainResponse:
        """State a chain."""
        actor, now = actors.current(), self._department.clock.now()
        since, until = _period(request.valid_from, request.valid_until, request, now)

        def command(session: DepartmentSession, desk: DeskSession) -> pb.ChainView:
            number = Statements(session, desk).set_chain(
                request.source, request.procedure, request.act, since, until, actor
            )
            return views.chain_view(_row(session.connection, tables.chains, number))

        view = await self._run("SetChain", command, lambda done: ("", str(done.chain_id)))
        return pb.SetChainResponse(chain=view)

    async def WithdrawChain(
        self, request: pb.WithdrawChainRequest, _context: object
    ) -> pb.WithdrawChainResponse:
        """End a chain."""

        def command(session: DepartmentSession, desk: DeskSession) -> pb.ChainView:
            Statements(session, desk).withdraw(tables.chains, request.chain_id, "chain_id")
            return views.chain_view(_row(session.connection, tables.chains, request.chain_id))

        view = await self._run("WithdrawChain", command, lambda done: ("", str(done.chain_id)))
        return pb.WithdrawChainResponse(chain=view)

    async def ListChains(self, request: pb.ListChainsRequest, _context: object) -> pb.ListChainsResponse:
        """Chains that were stated, and those for adoption."""
        now_us = microseconds(self._department.clock.now())

        def read(connection: Connection) -> pb.ListChainsResponse:
            chains = tables.chains.c
            query = sa.select(tables.chains).order_by(chains.id.desc())
            if not request.include_ended:
                query = query.where(sa.or_(chains.until_us.is_(None), chains.until_us > now_us))
            return pb.ListChainsResponse(
                chains=[views.chain_view(row) for row in connection.execute(query)],
                shipped=[views.shipped_chain(source) for _, source in shipped()],
            )

        return await self._read("ListChains", read)

    # -- numbers --------------------------------------------------------------------------------

    async def SetSeries(self, request: pb.SetSeriesRequest, _context: object) -> pb.SetSeriesResponse:
        """State a number series."""
        actor, now = actors.current(), self._department.clock.now()
        since, until = _period(request.valid_from, request.valid_until, request, now)
        way = views.way_of(request.direction) or Direction.OUTBOUND

        def command(session: DepartmentSession, desk: DeskSession) -> pb.SeriesView:
            number = Statements(session, desk).set_series(
                request.word, way, request.procedure, request.act, request.section, since, until, actor
            )
            return views.series_view(_row(session.connection, tables.number_series, number))

        view = await self._run("SetSeries", command, lambda done: ("", str(done.series_id)))
        return pb.SetSeriesResponse(series=view)

    async def WithdrawSeries(
        self, request: pb.WithdrawSeriesRequest, _context: object
    ) -> pb.WithdrawSeriesResponse:
        """End a number series."""

        def command(session: DepartmentSession, desk: DeskSession) -> pb.SeriesView:
            Statements(session, desk).withdraw(tables.number_series, request.series_id, "series_id")
            return views.series_view(_row(session.connection, tables.number_series, request.series_id))

        view = await self._run("WithdrawSeries", command, lambda done: ("", str(done.series_id)))
        return pb.WithdrawSeriesResponse(series=view)

    # -- the seal -------------------------------------------------------------------------------

    async def SetSealImage(
        self, request: pb.SetSealImageRequest, _context: object
    ) -> pb.SetSealImageResponse:
        """State what the department's seal looks like."""
        actor, now = actors.current(), self._department.clock.now()
        since, until = _period(request.valid_from, request.valid_until, request, now)

        def command(session: DepartmentSession, desk: DeskSession) -> pb.SealImageView:
            number = Statements(session, desk).set_seal_image(
                request.png, request.size_mm if request.HasField("size_mm") else SEAL_MM, since, until, actor
            )
            return views.seal_view(_row(session.connection, tables.seal_images, number))

        view = await self._run("SetSealImage", command, lambda done: ("", str(done.seal_id)))
        return pb.SetSealImageResponse(seal=view)

    async def WithdrawSealImage(
        self, request: pb.WithdrawSealImageRequest, _context: object
    ) -> pb.WithdrawSealImageResponse:
        """End the validity of a picture."""

        def command(session: DepartmentSession, desk: DeskSession) -> pb.SealImageView:
            Statements(session, desk).withdraw(tables.seal_images, request.seal_id, "seal_id")
            return views.seal_view(_row(session.connection, tables.seal_images, request.seal_id))

        view = await self._run("WithdrawSealImage", command, lambda done: ("", str(done.seal_id)))
        return pb.WithdrawSealImageResponse(seal=view)

    async def ListSealImages(
        self, _request: pb.ListSealImagesRequest, _context: object
    ) -> pb.ListSealImagesResponse:
        """The pictures, without their bytes."""
        images = tables.seal_images
        columns = [each for each in images.c if each.name != "png"]
        query = sa.select(*columns).order_by(images.c.id.desc())
        rows = await self._read("ListSealImages", lambda connection: list(connection.execute(query)))
        return pb.ListSealImagesResponse(seals=[views.seal_view(row) for row in rows])

    async def ListSeries(self, _request: pb.ListSeriesRequest, _context: object) -> pb.ListSeriesResponse:
        """The number series."""
        query = sa.select(tables.number_series).order_by(tables.number_series.c.id.desc())
        rows = await self._read("ListSeries", lambda connection: list(connection.execute(query)))
        return pb.ListSeriesResponse(series=[views.series_view(row) for row in rows])

    async def ListNumbers(self, request: pb.ListNumbersRequest, _context: object) -> pb.ListNumbersResponse:
        """Every number of a series and year."""
        key = page_tokens.decode(request.page_token, ((int,),))
        size, after = request.page_size or _NUMBERS, max(0, key[0]) if key else 0

        def read(connection: Connection) -> pb.ListNumbersResponse:
            last = numbering.last_number(connection, request.word, request.year)
            found = numbering.numbers_of(connection, request.word, request.year, after, size)
            response = pb.ListNumbersResponse(numbers=[views.number(each) for each in found], last=last)
            if found and found[-1].running < last:
                response.next_page_token = page_tokens.encode([found[-1].running])
            return response

        return await self._read("ListNumbers", read, "", request.word)

    async def VoidNumber(self, request: pb.VoidNumberRequest, _context: object) -> pb.VoidNumberResponse:
        """Void the number of a document that was not sent."""
        actor = actors.current()

        def command(session: DepartmentSession, desk: DeskSession) -> tuple[Kept, pb.DocumentView]:
            kept = numbering.void_number(
                session, desk, request.document_id, request.number, request.reason, actor
            )
            (view,) = self._documents(session.connection, [kept])
            return kept, view

        _, view = await self._run("VoidNumber", command, lambda done: (done[0].case_id, request.number))
        return pb.VoidNumberResponse(document=view)

    # -- people ---------------------------------------------------------------------------------

    async def SetDelegation(
        self, request: pb.SetDelegationRequest, _context: object
    ) -> pb.SetDelegationResponse:
        """Let somebody act for an absent person."""
        actor = actors.current()
        since, until = moment(request.since, "since"), moment(request.until, "until")

        def command(session: DepartmentSession, desk: DeskSession) -> pb.DelegationView:
            number = Statements(session, desk).delegate(
                request.delegation_id,
                views.person_from(request.absent),
                request.section,
                views.person_from(request.delegate),
                since,
                until,
                request.scope,
                request.reason,
                actor,
                holds_role=request.delegate_holds_role,
            )
            return views.delegation_view(delegation_row(session.connection, number), session.now)

        view = await self._run("SetDelegation", command, lambda done: ("", str(done.delegation_id)))
        return pb.SetDelegationResponse(delegation=view)

    async def EndDelegation(
        self, request: pb.EndDelegationRequest, _context: object
    ) -> pb.EndDelegationResponse:
        """End a delegation now."""
        actor = actors.current()

        def command(session: DepartmentSession, desk: DeskSession) -> pb.DelegationView:
            Statements(session, desk).end_delegation(request.delegation_id, actor)
            row = delegation_row(session.connection, request.delegation_id)
            return views.delegation_view(row, session.now)

        view = await self._run("EndDelegation", command, lambda done: ("", str(done.delegation_id)))
        return pb.EndDelegationResponse(delegation=view)

    async def ListDelegations(
        self, request: pb.ListDelegationsRequest, _context: object
    ) -> pb.ListDelegationsResponse:
        """Delegations, newest first."""
        key = page_tokens.decode(request.page_token, ((int,),))
        size, now = request.page_size or _PAGE, self._department.clock.now()
        columns = tables.delegations.c
        query = sa.select(tables.delegations).order_by(columns.id.desc()).limit(size + 1)
        if request.subject:
            query = query.where(
                sa.or_(columns.absent == request.subject, columns.delegate == request.subject)
            )
        if not request.include_ended:
            query = query.where(columns.until_us > microseconds(now))
        if key:
            query = query.where(columns.id < key[0])
        rows = await self._read("ListDelegations", lambda connection: list(connection.execute(query)))
        response = pb.ListDelegationsResponse(
            delegations=[views.delegation_view(row, now) for row in rows[:size]]
        )
        if len(rows) > size:
            response.next_page_token = page_tokens.encode([rows[size - 1].id])
        return response

    async def HandOver(self, request: pb.HandOverRequest, _context: object) -> pb.HandOverResponse:
        """Give everything that a person has open to whoever takes their post."""
        actor = actors.current()
        before, after = views.person_from(request.before), views.person_from(request.after)

        def command(session: DepartmentSession, desk: DeskSession) -> pb.HandOverResponse:
            done = Statements(session, desk).hand_over(before, after, request.reason, actor)
            law, now = session.directory.law, session.now
            titles = self._titles(session.connection, [kept for kept, _ in (*done.moved, *done.left)])
            for kept, _ in done.moved:
                session.audit("HandOver", kept.case_id, kept.document.id)
            return pb.HandOverResponse(
                moved=views.handed_over(done.moved, titles, law, now),
                left=views.handed_over(done.left, titles, law, now),
                ended_delegations=[
                    views.delegation_view(delegation_row(session.connection, number), now)
                    for number in done.ended
                ],
            )

        return await self._run("HandOver", command, lambda _: ("", f"{before.subject}→{after.subject}"))


def _period(
    since: Timestamp,
    until: Timestamp,
    request: pb.SetChainRequest | pb.SetSeriesRequest | pb.SetSealImageRequest,
    now: datetime,
) -> tuple[datetime, datetime | None]:
    return (
        moment(since, "valid_from") if request.HasField("valid_from") else now,
        moment(until, "valid_until") if request.HasField("valid_until") else None,
    )


def _row(connection: Connection, table: sa.Table, number: int) -> Any:
    return connection.execute(sa.select(table).where(table.c.id == number)).one()
