"""The channels that an operator set up."""

from __future__ import annotations

from services.common.clock import Clock
from services.notices.channels import Channel
from services.notices.settings import NoticeSettings


def channels_of(settings: NoticeSettings, clock: Clock) -> list[Channel]:
    """An adapter for each; none where nothing is set up."""
    channels: list[Channel] = []
    # imported where they are wanted: a node that mails nobody keeps no mail library in memory
    if settings.mail.host:
        from services.notices.mail import Mail  # noqa: PLC0415

        channels.append(Mail(settings.mail, clock))
    if settings.hooks:
        from services.notices.hook import Hook  # noqa: PLC0415

        channels += [Hook(each, clock) for each in settings.hooks]
    return channels
