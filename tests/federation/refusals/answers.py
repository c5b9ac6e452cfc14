"""How a call was answered, or refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc.aio
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2

from services.common.channel import ENDED_WHILE_WRITTEN, liandong_error

T = TypeVar("T")

_TORN_AGAIN: Final = 10


@dataclass(frozen=True, slots=True)
class Refused:
    """How a call ended."""

    reason: str
    code: str
    field: str = ""
    message: str = ""

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> Refused:
        """What the status says."""
        found = liandong_error(error)
        return cls(found.reason, found.code, found.field, found.message)


def refusal(answer: object) -> tuple[str, str]:
    """Reason and field of a call that must have been refused."""
    assert isinstance(answer, Refused), "it was not refused"
    return answer.reason, answer.field


def reason_of(answer: object) -> str:
    """The reason alone, where no field is at fault, or any may be named."""
    return refusal(answer)[0]


def word_of(number: reason_pb2.Reason.ValueType) -> str:
    """A reason as the documents write it."""
    return reason_pb2.Reason.Name(number).removeprefix("REASON_")


def reasons(outcomes: Iterable[exchange.Outcome]) -> list[str]:
    """The reason of each outcome, empty where it was admitted."""
    return [
        "" if each.disposition == exchange.DISPOSITION_ADMITTED else word_of(each.reason) for each in outcomes
    ]


async def answered(ask: Callable[[], Awaitable[T]]) -> T | Refused:
    """What was answered, or how it was refused."""
    for _ in range(_TORN_AGAIN):
        try:
            return await ask()
        except grpc.aio.AioRpcError as error:
            refused = Refused.of(error)
            # the client's own framework loses the status where a stream is refused while it still sends
            if refused.message != ENDED_WHILE_WRITTEN:
                return refused
    raise AssertionError("no status was ever seen")
