"""The two languages of the pages: which one is spoken to whom, and the words."""

from __future__ import annotations

from typing import Final, Literal

Language = Literal["zh", "en"]

LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
TAGS: Final[dict[Language, str]] = {"zh": "zh-CN", "en": "en"}
_LONGEST: Final = 1000

WORDS: Final[dict[str, dict[Language, str]]] = {
    "product": {"zh": "联动", "en": "Liandong"},
    "title": {"zh": "运行状态", "en": "Status"},
    "department": {"zh": "部门", "en": "Department"},
    "node": {"zh": "部门节点", "en": "Node"},
    "link": {"zh": "与登记中心的连接", "en": "Link to the registry"},
    "last-seen": {"zh": "登记中心最近联系时间", "en": "Last seen by the registry"},
    "waiting": {"zh": "待送达函件", "en": "Letters waiting"},
    "other": {"zh": "English", "en": "中文"},
    "checked": {"zh": "检查时间", "en": "Checked at"},
    "node.serving": {"zh": "正常", "en": "Serving"},
    "node.stopping": {"zh": "正在停止", "en": "Stopping"},
    "node.unreachable": {"zh": "无法连接", "en": "Not reachable"},
    "node.refusing": {"zh": "拒绝连接", "en": "Refuses this gateway"},
    "link.connected": {"zh": "已连接", "en": "Connected"},
    "link.disconnected": {
        "zh": "未连接，函件已保存，恢复后自动发送",
        "en": "Down; letters are kept and sent later",
    },
    "link.registry-unreachable": {"zh": "本网关无法连接登记中心", "en": "Registry not reachable from here"},
    "link.refused": {"zh": "登记中心未答复", "en": "The registry does not tell"},
    "link.not-asked": {"zh": "未查询", "en": "Not asked"},
}


def choose(asked: str | None, accepted: str | None, fallback: Language) -> Language:
    """The language to speak.

    Args:
        asked: What the address says, as `?lang=`.
        accepted: The header Accept-Language (RFC 9110, 12.5.4).
        fallback: When neither names one that we have.
    """
    for language in LANGUAGES:
        if asked == language:
            return language
    best, chosen = 0.0, fallback
    # a browser's header is short; a longer one is not worth the work
    for part in (accepted or "")[:_LONGEST].split(","):
        tag, _, parameters = part.strip().partition(";")
        weight = _weight(parameters)
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language and weight > best:
                best, chosen = weight, language
    return chosen


def words(language: Language) -> dict[str, str]:
    """All words in one language."""
    return {name: each[language] for name, each in WORDS.items()}


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
