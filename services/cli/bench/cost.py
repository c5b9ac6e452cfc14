"""What processes cost: CPU seconds and memory, as the kernel counts them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME: Final = 11  # index after the command's closing bracket, see proc(5)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children that are alive."""
    return sum(own_cpu_seconds(each) for each in [pid, *children(pid)])


def own_cpu_seconds(pid: int) -> float:
    """User and system time of a process alone; 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / _TICKS


def children(pid: int) -> list[int]:
    """All living descendants of a process."""
    found: list[int] = []
    try:
        direct = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return found
    for each in direct:
        found += [each, *children(each)]
    return found


def peak_memory(pid: int) -> int:
    """The largest resident size a process ever had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def resident_memory(pid: int) -> int:
    """The resident size of a process now, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
