"""DirectoryService, as the registry serves it and every node mirrors it from the same entries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc.aio
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb

from services.common import page_tokens
from services.common.clock import Clock
from services.common.errors import InvalidField, NotFound, PermissionDenied
from services.common.permissions import ANY, PermissionTable, Rule
from services.exchange.authority_lists import has_ended
from services.exchange.directory import Directory
from services.exchange.entry_check import check_entries, check_entry
from services.exchange.officers import officer_view
from services.exchange.routing import propose
from services.exchange.trust import instant

_SERVICE: Final = "/liandong.directory.v1.DirectoryService"
_READS: Final = (
    "ListDepartments", "GetDepartment", "ProposeRoute", "GetRules", "GetCalendar", "GetProcedure",
    "ListProcedures", "ListOfficers", "ListRegistries",
    "WatchEntries",
)  # fmt: skip

REGISTRY_RULES: Final[PermissionTable] = {
    **{f"{_SERVICE}/{method}": Rule(kinds=frozenset({ANY})) for method in _READS},
    f"{_SERVICE}/PublishEntry": Rule(kinds=frozenset({"operator"})),
    f"{_SERVICE}/PublishEntries": Rule(kinds=frozenset({"operator"})),
}
"""At the registry everyone with a certificate reads, and its operators publish."""

NODE_RULES: Final[PermissionTable] = {
    **{f"{_SERVICE}/{method}": Rule(kinds=frozenset({ANY}), same_department=True) for method in _READS},
    f"{_SERVICE}/PublishEntry": Rule(kinds=frozenset()),
    f"{_SERVICE}/PublishEntries": Rule(kinds=frozenset()),
}
"""At a node its own department reads, and nobody publishes."""

_OFFICERS: Final = 200

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class LedgeredEntry:
    """A common entry with its number and its ledger position."""

    version: int
    position: int
    entry: entries.CommonEntry


class Publish(Protocol):
    """Puts a common entry into the ledger."""

    async def __call__(self, entry: entries.CommonEntry, idempotency_key: str = "") -> tuple[int, int]:
        """Puts it there, completed by what stands there (`entry_check.completed`).

        Returns:
            Version and position, once the entry is durable and applied.

        Raises:
            Conflict: The key was used before with another entry.
        """
        ...


class PublishAll(Protocol):
    """Puts common entries into the ledger together."""

    async def __call__(self, entries: Sequence[entries.CommonEntry], idempotency_key: str) -> tuple[int, int]:
        """Puts all of them there, or none; see `Publish`."""
        ...


class Watch(Protocol):
    """Follows the common entries of a ledger."""

    def __call__(self, from_version: int) -> AsyncIterator[LedgeredEntry]:
        """The entries from a version on, then each as it comes; never ends by itself."""
        ...


class DirectoryHandlers:
    """The directory on the wire.

    Args:
        current: The newest directory.
        watch: See `Watch`.
        clock: For questions about the present.
        publish: See `Publish`; None where nothing is published.
        publish_all: See `PublishAll`; likewise.
    """

    def __init__(
        self,
        current: Callable[[], Directory],
        watch: Watch,
        clock: Clock,
        publish: Publish | None = None,
        publish_all: PublishAll | None = None,
    ) -> None:
        self._current = current
        self._watch = watch
        self._clock = clock
        self._publish = publish
        self._publish_all = publish_all

    async def ListDepartments(
        self, _request: pb.ListDepartmentsRequest, _context: Context
    ) -> pb.ListDepartmentsResponse:
        """All departments, by name."""
        directory = self._current()
        known = [directory.departments[name] for name in sorted(directory.departments)]
        return pb.ListDepartmentsResponse(departments=known, common_version=directory.version)

    async def GetDepartment(
        self, request: pb.GetDepartmentRequest, _context: Context
    ) -> pb.GetDepartmentResponse:
        """One department with its people."""
        directory = self._current()
        department = directory.department(request.name)
        if department is None:
            raise NotFound(f"No department is called {request.name}.", field="name")
        return pb.GetDepartmentResponse(
            department=department,
            people=directory.people_of(request.name),
            common_version=directory.version,
        )

    async def ProposeRoute(
        self, request: pb.ProposeRouteRequest, _context: Context
    ) -> pb.ProposeRouteResponse:
        """Who is competent, and why."""
        directory = self._current()
        at = instant(request.at) if request.HasField("at") else self._clock.now()
        if at is None:
            raise InvalidField("No time of the calendar.", field="at")
        found = propose(directory, request.item_code, request.subject, request.area_code, request.split, at)
        return pb.ProposeRouteResponse(
            proposals=[
                pb.RouteProposal(
                    department=each.department,
                    title=directory.departments[each.department].title,
                    reason=entries.Title(zh=each.reason.zh, en=each.reason.en),
                    basis=each.basis,
                    mode=each.mode,
                    co_acting=each.co_acting,
                )
                for each in found
            ]
        )

    async def GetRules(self, _request: pb.GetRulesRequest, _context: Context) -> pb.GetRulesResponse:
        """Authority lists, duties, offices, categories, limits."""
        directory = self._current()
        now = self._clock.now()
        return pb.GetRulesResponse(
            authorities=[row for row in directory.lists if not row.withdrawn and not has_ended(row, now)],
            duties=directory.duties.values(),
            offices=[
                entries.Office(procedure=procedure, department=department)
                for procedure, department in sorted(directory.offices.items())
            ],
            categories=directory.categories.values(),
            limits=directory.limits.values(),
        )

    async def GetCalendar(self, request: pb.GetCalendarRequest, _context: Context) -> pb.GetCalendarResponse:
        """A calendar year; Monday to Friday where none was published."""
        directory = self._current()
        region = request.region or directory.region
        published = directory.years.get((region, request.year))
        if published is None:
            year = entries.CalendarYear(region=region, year=request.year)
            return pb.GetCalendarResponse(calendar=year, provisional=True)
        return pb.GetCalendarResponse(calendar=published.entry, common_version=published.version)

    async def GetProcedure(
        self, request: pb.GetProcedureRequest, _context: Context
    ) -> pb.GetProcedureResponse:
        """The text of a procedure in force."""
        directory = self._current()
        newest = directory.law.newest(request.name)
        version = request.version or (newest.version if newest else 0)
        published = directory.procedures.get((request.name, version))
        if published is None or published.procedure is None:
            raise NotFound(f"No such procedure is in force: {request.name}.", field="name")
        return pb.GetProcedureResponse(procedure=published.entry)

    async def ListProcedures(
        self, _request: pb.ListProceduresRequest, _context: Context
    ) -> pb.ListProceduresResponse:
        """All versions of all procedures in force."""
        directory = self._current()
        return pb.ListProceduresResponse(
            procedures=[
                pb.ProcedureName(
                    name=name,
                    version=version,
                    title=entries.Title(zh=procedure.title.zh, en=procedure.title.en),
                    office=directory.office(name) or "",
                )
                for (name, version), procedure in sorted(directory.law.procedures.items())
            ]
        )

    async def ListOfficers(
        self, request: pb.ListOfficersRequest, _context: Context
    ) -> pb.ListOfficersResponse:
        """Certificates by department and number."""
        after: Any = page_tokens.decode(request.page_token, ((str,), (str,)))
        size = request.page_size or _OFFICERS
        now = self._clock.now()
        found = [
            officer_view(each, now)
            for each in self._current().officers.values()
            if request.department in ("", each.department)
            and (after is None or (each.department, each.number) > after)
        ]
        views = [each for each in found if request.state in (pb.OFFICER_STATE_UNSPECIFIED, each.state)]
        views.sort(key=lambda each: (each.certificate.department, each.certificate.number))
        response = pb.ListOfficersResponse(officers=views[:size])
        if len(views) > size:
            last = views[size - 1].certificate
            response.next_page_token = page_tokens.encode((last.department, last.number))
        return response

    async def ListRegistries(
        self, _request: pb.ListRegistriesRequest, _context: Context
    ) -> pb.ListRegistriesResponse:
        """Whose keys sign heads, in the order in which the ledger lists them."""
        directory = self._current()
        return pb.ListRegistriesResponse(
            registries=[
                each for each in directory.registries.values() if not directory.revoked(each.key.key_id)
            ],
            common_version=directory.version,
        )

    async def WatchEntries(
        self, request: pb.WatchEntriesRequest, _context: Context
    ) -> AsyncIterator[pb.WatchEntriesResponse]:
        """Entries from a version on, then as they come."""
        async for each in self._watch(request.from_version):
            yield pb.WatchEntriesResponse(version=each.version, position=each.position, entry=each.entry)

    async def PublishEntry(
        self, request: pb.PublishEntryRequest, _context: Context
    ) -> pb.PublishEntryResponse:
        """Publishes an entry, where the permission table lets anybody."""
        if self._publish is None:
            raise PermissionDenied("Common entries are published at the registry.")
        check_entry(request.entry, self._current())
        version, position = await self._publish(request.entry, request.idempotency_key)
        return pb.PublishEntryResponse(version=version, position=position)

    async def PublishEntries(
        self, request: pb.PublishEntriesRequest, _context: Context
    ) -> pb.PublishEntriesResponse:
        """Publishes entries together, each checked over those before it."""
        if self._publish_all is None:
            raise PermissionDenied("Common entries are published at the registry.")
        await asyncio.to_thread(check_entries, request.entries, self._current(), self._clock.now())
        version, position = await self._publish_all(request.entries, request.idempotency_key)
        return pb.PublishEntriesResponse(version=version, position=position)
