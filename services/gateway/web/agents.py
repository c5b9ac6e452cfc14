"""What a browser says it is (RFC 9110, 10.1.5), as people know it: they look for a log-in that is not theirs."""

from __future__ import annotations

import re
from typing import Final

# in this order: most say that they are Chrome, too, and all that say Chrome say Safari
_BROWSERS: Final = {
    "Edge": r"Edg(?:A|iOS)?/(\d+)",
    "Opera": r"OPR/(\d+)",
    "QQ": r"M?QQBrowser/(\d+)",
    "360": r"(?:QihooBrowser|QHBrowser)/(\d+)",
    "WeChat": r"MicroMessenger/(\d+)",
    "Firefox": r"(?:Firefox|FxiOS)/(\d+)",
    "Chrome": r"(?:HeadlessChrome|Chrome|CriOS)/(\d+)",
    "Safari": r"Version/(\d+)\S* (?:Mobile/\S+ )?Safari/",
}
_SYSTEMS: Final = {
    "iPhone": "iPhone", "iPad": "iPad", "HarmonyOS": "HarmonyOS|OpenHarmony", "Android": "Android",
    "Windows": "Windows NT", "macOS": "Macintosh", "UOS": "UOS", "Kylin": "Kylin", "Linux": "Linux",
}  # fmt: skip
_MOST: Final = 60


def named(agent: str) -> str:
    """Name and version of the browser and its system, such as `Chrome 156 · Windows`; else what it says, cut."""
    browser = next(
        (f"{name} {found[1]}" for name, pattern in _BROWSERS.items() if (found := re.search(pattern, agent))),
        "",
    )
    system = next((name for name, pattern in _SYSTEMS.items() if re.search(pattern, agent)), "")
    return " · ".join(filter(None, (browser, system))) or agent[:_MOST]
