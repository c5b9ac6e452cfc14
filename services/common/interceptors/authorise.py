"""Lets a call pass only as the permission table says, and knows its actor from then on."""

from collections.abc import Callable
from typing import Any, Final

from typing_extensions import override

from services.common.caller import Actor, Caller, caller_or_none, set_actor
from services.common.errors import ActorInvalid
from services.common.interceptors.around import Around, Context
from services.common.permissions import PermissionTable, check_actor, check_caller

METADATA_KEY: Final = "liandong-actor"

VerifyActor = Callable[[str, Caller | None], Actor]
"""Turns an assertion into the actor it names, or raises `ActorInvalid` or `ActorExpired`."""


class Authorise(Around):
    """Lets a call pass only as the permission table says, and knows its actor from then on.

    Args:
        table: A row for each method.
        department: The department that is served here.
        verify_actor: How this service verifies assertions; None where no method looks at an actor.
    """

    def __init__(
        self, table: PermissionTable, *, department: str, verify_actor: VerifyActor | None = None
    ) -> None:
        super().__init__()
        self._table = table
        self._department = department
        self._verify = verify_actor

    @override
    def before(self, method: str, context: Context) -> Any:
        """Check the caller, then the actor.

        Raises:
            LiandongError: What `check_caller`, `check_actor` and the verification raise.
        """
        rule = self._table.get(method)
        caller = caller_or_none()
        check_caller(rule, caller, self._department)
        if rule is None or rule.actor == "none":
            return
        actor: Actor | None = None
        shown = [value for key, value in context.invocation_metadata() or () if key == METADATA_KEY]
        if len(shown) > 1:
            raise ActorInvalid("More than one actor assertion.")
        if shown:
            if self._verify is None:
                raise ActorInvalid("Actors are not known here.")
            actor = self._verify(str(shown[0]), caller)
            set_actor(actor)
        check_actor(rule, actor)
