"""A client command's way to the servers: channels by the profile, a fresh assertion for each call.

`@connected` gives a command the options of a connection and runs it with an open one.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, cast

import grpc.aio
import typer

from services.cli.output import Output
from services.cli.profile import ActorProfile, Profile, default_subject, operator_files
from services.cli.texts import say
from services.common.channel import open_channel, remote_errors
from services.common.clock import Clock, SystemClock
from services.common.config import ConfigurationError
from services.common.tls import TlsFiles
from services.exchange.assertions import Purpose

if TYPE_CHECKING:
    # classes for type checkers only; a stub is loaded when a command asks for it
    from liandong.cases.v1.case_service_pb2_grpc import CaseServiceAsyncStub
    from liandong.cases.v1.document_service_pb2_grpc import DocumentServiceAsyncStub
    from liandong.cases.v1.duty_service_pb2_grpc import DutyServiceAsyncStub
    from liandong.cases.v1.handling_service_pb2_grpc import HandlingServiceAsyncStub
    from liandong.cases.v1.import_service_pb2_grpc import ImportServiceAsyncStub
    from liandong.cases.v1.public_service_pb2_grpc import PublicServiceAsyncStub
    from liandong.cases.v1.subject_service_pb2_grpc import SubjectServiceAsyncStub
    from liandong.directory.v1.code_service_pb2_grpc import CodeServiceAsyncStub
    from liandong.directory.v1.directory_service_pb2_grpc import DirectoryServiceAsyncStub
    from liandong.enrolment.v1.enrolment_service_pb2_grpc import InvitationServiceAsyncStub
    from liandong.exchange.v1.evidence_service_pb2_grpc import EvidenceServiceAsyncStub
    from liandong.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceAsyncStub
    from liandong.notices.v1.notification_service_pb2_grpc import NotificationServiceAsyncStub
    from liandong.oversight.v1.indicator_service_pb2_grpc import IndicatorServiceAsyncStub
    from liandong.oversight.v1.oversight_service_pb2_grpc import OversightServiceAsyncStub
    from liandong.sharing.v1.sharing_service_pb2_grpc import SharingServiceAsyncStub

ACTOR_KEY: Final = "liandong-actor"
CALL_TIMEOUT_S: Final = 30.0
_LOCAL: Final = "localhost:7443"

Metadata = tuple[tuple[str, str], ...]


class Acting:
    """A stub whose every call says who acts, and of which a unary call does not wait for ever."""

    def __init__(self, stub: object, metadata: Callable[[], Metadata]) -> None:
        self._stub = stub
        self._metadata = metadata

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        def call(*arguments: Any, **options: Any) -> Any:
            options.setdefault("metadata", self._metadata())
            if isinstance(method, grpc.aio.UnaryUnaryMultiCallable):
                options.setdefault("timeout", CALL_TIMEOUT_S)
            return method(*arguments, **options)

        return call


def _acting(module: str, service: str, channel: grpc.aio.Channel, metadata: Callable[[], Metadata]) -> Acting:
    """The stub of a service, such as `CaseService` of `cases.v1.case_service`."""
    stubs = import_module(f"liandong.{module}_pb2_grpc")
    return Acting(getattr(stubs, f"{service}Stub")(channel), metadata)


class Connection:
    """Open channels to a department's node and to the registry, as far as they are used.

    Args:
        profile: Where, and as whom.
        output: Where results are shown.
        clock: To date assertions with.
    """

    def __init__(self, profile: Profile, output: Output | None = None, clock: Clock | None = None) -> None:
        self.profile = profile
        self.output = output or Output()
        self.clock = clock or SystemClock()
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def cases(self) -> "CaseServiceAsyncStub":
        """CaseService of the node, in the session of the actor."""
        return cast(
            "CaseServiceAsyncStub", _acting("cases.v1.case_service", "CaseService", self.node, self._session)
        )

    @property
    def duties(self) -> "DutyServiceAsyncStub":
        """DutyService of the node."""
        return cast(
            "DutyServiceAsyncStub", _acting("cases.v1.duty_service", "DutyService", self.node, self._session)
        )

    @property
    def notices(self) -> "NotificationServiceAsyncStub":
        """NotificationService of the node."""
        return cast(
            "NotificationServiceAsyncStub",
            _acting("notices.v1.notification_service", "NotificationService", self.node, self._session),
        )

    def bound(self, purpose: Purpose, content_digest: bytes) -> "CaseServiceAsyncStub":
        """CaseService, with assertions that approve or send one content."""
        metadata = self._bound(purpose, content_digest)
        return cast(
            "CaseServiceAsyncStub", _acting("cases.v1.case_service", "CaseService", self.node, metadata)
        )

    @property
    def handling(self) -> "HandlingServiceAsyncStub":
        """HandlingService of the node, in the session of the actor."""
        return cast(
            "HandlingServiceAsyncStub",
            _acting("cases.v1.handling_service", "HandlingService", self.node, self._session),
        )

    def signing(self, content_digest: bytes) -> "HandlingServiceAsyncStub":
        """HandlingService, with assertions that approve one content."""
        metadata = self._bound(Purpose.APPROVE, content_digest)
        return cast(
            "HandlingServiceAsyncStub",
            _acting("cases.v1.handling_service", "HandlingService", self.node, metadata),
        )

    def _bound(self, purpose: Purpose, content_digest: bytes) -> Callable[[], Metadata]:
        def metadata() -> Metadata:
            token = self.profile.assertion(self.clock.now(), purpose=purpose, content_digest=content_digest)
            return ((ACTOR_KEY, token.decode()),)

        return metadata

    @property
    def public(self) -> "PublicServiceAsyncStub":
        """PublicService of the node."""
        return cast(
            "PublicServiceAsyncStub",
            _acting("cases.v1.public_service", "PublicService", self.node, self._session),
        )

    @property
    def subjects(self) -> "SubjectServiceAsyncStub":
        """SubjectService of the node."""
        return cast(
            "SubjectServiceAsyncStub",
            _acting("cases.v1.subject_service", "SubjectService", self.node, self._session),
        )

    @property
    def imports(self) -> "ImportServiceAsyncStub":
        """ImportService of the node."""
        return cast(
            "ImportServiceAsyncStub",
            _acting("cases.v1.import_service", "ImportService", self.node, self._session),
        )

    @property
    def documents(self) -> "DocumentServiceAsyncStub":
        """DocumentService of the node."""
        return cast(
            "DocumentServiceAsyncStub",
            _acting("cases.v1.document_service", "DocumentService", self.node, self._session),
        )

    @property
    def sharing(self) -> "SharingServiceAsyncStub":
        """SharingService of the node."""
        return cast(
            "SharingServiceAsyncStub",
            _acting("sharing.v1.sharing_service", "SharingService", self.node, self._session),
        )

    @property
    def evidence(self) -> "EvidenceServiceAsyncStub":
        """EvidenceService of the node."""
        return cast(
            "EvidenceServiceAsyncStub",
            _acting("exchange.v1.evidence_service", "EvidenceService", self.node, self._session),
        )

    @property
    def directory(self) -> "DirectoryServiceAsyncStub":
        """DirectoryService: the node's where one is named, else the registry's."""
        channel = self.node if self.profile.address else self.registry
        return cast(
            "DirectoryServiceAsyncStub",
            _acting("directory.v1.directory_service", "DirectoryService", channel, tuple),
        )

    @property
    def published(self) -> "DirectoryServiceAsyncStub":
        """DirectoryService of the registry, where entries are published."""
        return cast(
            "DirectoryServiceAsyncStub",
            _acting("directory.v1.directory_service", "DirectoryService", self.registry, tuple),
        )

    @property
    def codes(self) -> "CodeServiceAsyncStub":
        """CodeService: the node's where one is named, else the registry's."""
        channel = self.node if self.profile.address else self.registry
        return cast(
            "CodeServiceAsyncStub", _acting("directory.v1.code_service", "CodeService", channel, tuple)
        )

    @property
    def published_codes(self) -> "CodeServiceAsyncStub":
        """CodeService of the registry, where versions are published."""
        return cast(
            "CodeServiceAsyncStub", _acting("directory.v1.code_service", "CodeService", self.registry, tuple)
        )

    @property
    def oversight(self) -> "OversightServiceAsyncStub":
        """OversightService of the registry."""
        return cast(
            "OversightServiceAsyncStub",
            _acting("oversight.v1.oversight_service", "OversightService", self.registry, tuple),
        )

    @property
    def indicators(self) -> "IndicatorServiceAsyncStub":
        """IndicatorService of the registry."""
        return cast(
            "IndicatorServiceAsyncStub",
            _acting("oversight.v1.indicator_service", "IndicatorService", self.registry, tuple),
        )

    @property
    def exchange(self) -> "ExchangeServiceAsyncStub":
        """ExchangeService of the registry."""
        return cast(
            "ExchangeServiceAsyncStub",
            _acting("exchange.v1.exchange_service", "ExchangeService", self.registry, tuple),
        )

    @property
    def invitations(self) -> "InvitationServiceAsyncStub":
        """InvitationService of the registry."""
        return cast(
            "InvitationServiceAsyncStub",
            _acting("enrolment.v1.enrolment_service", "InvitationService", self.registry, tuple),
        )

    @property
    def node(self) -> grpc.aio.Channel:
        """The channel to the node."""
        return self._channel(self.profile.address, "failures.no_node")

    @property
    def registry(self) -> grpc.aio.Channel:
        """The channel to the registry, to the first of its replicas."""
        return self._channel(self.profile.registry.partition(",")[0], "failures.no_registry")

    def _session(self) -> Metadata:
        return ((ACTOR_KEY, self.profile.assertion(self.clock.now()).decode()),)

    def _channel(self, address: str, missing: str) -> grpc.aio.Channel:
        if not address:
            raise ConfigurationError([say(missing)])
        if address not in self._channels:
            try:
                channel = open_channel(address, self.profile.tls, server_name=self.profile.server_name)
            except (OSError, ValueError) as error:
                raise ConfigurationError([str(error)]) from None
            self._channels[address] = channel
            self._stack.push_async_callback(channel.close)
        return self._channels[address]


AsJson = Annotated[bool, typer.Option("--json")]
"""Print JSON instead of tables."""


def _option(*names: str, env: str = "", metavar: str | None = None) -> Any:
    variable = f"LIANDONG_{env}" if env else None
    return typer.Option(*names, envvar=variable, metavar=metavar, rich_help_panel="connection")


def profile_of(
    federation: Annotated[Path | None, _option("--federation", env="FEDERATION", metavar="FILE")] = None,
    named: Annotated[str, _option("--as", env="AS", metavar="DEPARTMENT:ROLE")] = "",
    address: Annotated[str, _option("--address", env="CLIENT_ADDRESS", metavar="HOST:PORT")] = "",
    registry: Annotated[str, _option("--registry", env="CLIENT_REGISTRY", metavar="HOST:PORT")] = "",
    cert: Annotated[Path | None, _option("--cert", env="CLIENT_CERT", metavar="FILE")] = None,
    key: Annotated[Path | None, _option("--key", env="CLIENT_KEY", metavar="FILE")] = None,
    ca: Annotated[Path | None, _option("--ca", env="CLIENT_CA", metavar="FILE")] = None,
    server_name: Annotated[str, _option("--server-name", env="CLIENT_SERVER_NAME", metavar="NAME")] = "",
    actor_key: Annotated[Path | None, _option("--actor-key", env="CLIENT_ACTOR_KEY", metavar="FILE")] = None,
    issuer: Annotated[str, _option("--issuer", env="CLIENT_ISSUER", metavar="NAME")] = "",
    subject: Annotated[str, _option("--subject", env="CLIENT_SUBJECT", metavar="ID")] = "",
    name: Annotated[str, _option("--name", env="CLIENT_NAME", metavar="NAME")] = "",
    role: Annotated[str, _option("--role", env="CLIENT_ROLE", metavar="ROLE[,ROLE]")] = "",
    service: Annotated[bool, _option("--service")] = False,
    data_dir: Annotated[Path | None, _option("--data-dir", env="DATA_DIR", metavar="DIR")] = None,
) -> Profile:
    """The profile that options and environment describe: parts first, then a federation, then an operator.

    Raises:
        ConfigurationError: They describe none.
    """
    if cert is None and federation is not None:
        if not named:
            raise ConfigurationError([say("failures.as_whom")])
        found = Profile.from_federation(federation, named)
        return replace(
            found,
            address=address or found.address,
            registry=registry or found.registry,
            server_name=server_name,
        )
    if cert is None and data_dir is not None:
        return Profile.from_parts(
            operator_files(data_dir), registry=registry or _LOCAL, server_name=server_name
        )
    if cert is None or key is None or ca is None:
        raise ConfigurationError([say("failures.no_profile")])
    profile = Profile.from_parts(
        TlsFiles(ca, cert, key), address=address, registry=registry, server_name=server_name
    )
    if actor_key is None:
        return profile
    missing = [
        f"--{word}" for word, value in (("issuer", issuer), ("name", name), ("role", role)) if not value
    ]
    if missing:
        raise ConfigurationError([say("failures.actor_parts", missing=", ".join(missing))])
    roles = tuple(filter(None, (each.strip() for each in role.split(","))))
    who = subject or default_subject(profile.department, roles[0])
    actor = ActorProfile(issuer, actor_key, who, name, roles, service)
    return replace(profile, actor=actor)


def deferred_profile(work: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter gives the `Profile` when it is called; it gets the options for it."""
    own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
    connection = inspect.signature(profile_of, eval_str=True).parameters
    # a command's own option of the same name means something else
    taken = {each.name for each in own}
    added = [each.replace(kind=each.KEYWORD_ONLY) for each in connection.values() if each.name not in taken]

    @wraps(work)
    def command(**options: Any) -> None:
        chosen = {each.name: options.pop(each.name) for each in added}
        work(lambda: profile_of(**chosen), **options)

    return _described(command, [*own, *added])


def with_profile(work: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is the `Profile`; it gets the options for it."""

    @wraps(work)
    def command(describe: Callable[[], Profile], **options: Any) -> None:
        work(describe(), **options)

    return deferred_profile(
        _described(command, list(inspect.signature(work, eval_str=True).parameters.values()))
    )


def connected(work: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A command whose first parameter is an open `Connection`; it gets the options for it, and `--json`."""

    @wraps(work)
    def command(profile: Profile, *, as_json: bool, **options: Any) -> None:
        run(profile, Output(as_json=as_json), lambda link: work(link, **options))

    own = list(inspect.signature(work, eval_str=True).parameters.values())
    as_json = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson)
    return with_profile(_described(command, [*own, as_json]))


def run(profile: Profile, output: Output, work: Callable[[Connection], Awaitable[None]]) -> None:
    """Do something over an open connection.

    Raises:
        LiandongError: What a server answered, or `Unavailable`.
    """

    async def call() -> None:
        with remote_errors():
            async with Connection(profile, output) as connection:
                await work(connection)

    asyncio.run(call())


def _described(command: Callable[..., None], parameters: list[inspect.Parameter]) -> Callable[..., None]:
    """The command with these parameters, in the way that their options are read from."""
    first, *rest = parameters
    named = [first, *(each.replace(kind=each.KEYWORD_ONLY) for each in rest)]
    command.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    # what it wraps has other parameters
    command.__dict__.pop("__wrapped__", None)
    return command
