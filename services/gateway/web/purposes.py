"""What personal data is needed for: one of the usual purposes, and words of one's own."""

from __future__ import annotations

from typing import Final

from services.gateway.web.page import Page

PURPOSES: Final = ("handle", "serve", "verify", "answer", "other")
_LONGEST: Final = 150
"""Characters of one's own words; with the purpose before them the contract has room for 200."""


def purpose_of(page: Page) -> tuple[str, str]:
    """The purpose that a form gives, and what is wrong with it.

    Whoever chooses `other` says which.
    """
    chosen, said = page.text_of("purpose"), page.text_of("purpose_text")
    if chosen not in PURPOSES:
        return "", page.t("case.purpose_wanted")
    if len(said) > _LONGEST:
        return "", page.t("form.rule_max_len", longest=_LONGEST)
    if chosen == "other" and len(said) < len("办案"):
        return "", page.t("case.purpose_say")
    title = page.t(f"case.purpose_{chosen}")
    return f"{title}：{said}" if said else title, ""
