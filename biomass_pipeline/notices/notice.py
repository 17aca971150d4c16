"""What is told, how it is sent, and the one way that is always there: the log."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Level = Literal["info", "warning", "error"]

_LOG_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@dataclass(frozen=True)
class Notice:
    """Something that a person should know.

    Attributes:
        title: One sentence, without its full stop.
        lines: More sentences, one a line.
        level: How urgent it is.
        facts: The same for a program; values that JSON can hold.
    """

    title: str
    lines: tuple[str, ...] = ()
    level: Level = "info"
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The title on one line, in letters that every channel can carry.

        >>> Notice("Two  photos").headline
        'Two photos'
        """
        return _sendable(" ".join(self.title.split()))

    @property
    def text(self) -> str:
        """All of it as plain text.

        >>> print(Notice("2 photos were quarantined", ("a.jpg: empty file",)).text)
        2 photos were quarantined
        a.jpg: empty file
        """
        return _sendable("\n".join([self.headline, *self.lines]))


class Channel(Protocol):
    """A way to tell somebody."""

    def send(self, notice: Notice) -> None:
        """Send one notice, or raise."""


@dataclass(frozen=True)
class LogChannel:
    """Into a log: standard error of the process, and Dagster's log of a sensor."""

    logger: logging.Logger

    def send(self, notice: Notice) -> None:
        """Write one record, of the notice's level."""
        self.logger.log(_LOG_LEVELS[notice.level], "%s", notice.text)


def _sendable(text: str) -> str:
    """Without what no encoder takes, such as a file name that is not UTF-8."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
