"""A notice as a JSON object, by POST."""

import json
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from biomass_pipeline.errors import UnusableWebhookError
from biomass_pipeline.notices.notice import Notice


@dataclass(frozen=True)
class WebhookChannel:
    """A server that takes `{"text", "title", "level", "lines", "facts"}`; Slack reads `text`.

    Attributes:
        url: Where to; its path is often the only secret, so it is never shown.
        timeout_s: Longest wait for the server.
    """

    url: str = field(repr=False)
    timeout_s: float = 10.0

    def __str__(self) -> str:
        """The server's name, and nothing that is secret."""
        try:
            return f"webhook at {urlsplit(self.url).hostname or 'an unreadable address'}"
        except ValueError:
            return "webhook at an unreadable address"

    def send(self, notice: Notice) -> None:
        """Post it.

        Raises:
            UnusableWebhookError: The address is none of a web server.
            OSError: The server cannot be reached, or answers with an error.
        """
        if not self.url.lower().startswith(("http://", "https://")):
            raise UnusableWebhookError
        content = {
            "text": notice.text,
            "title": notice.headline,
            "level": notice.level,
            "lines": list(notice.lines),
            "facts": dict(notice.facts),
        }
        request = urllib.request.Request(  # noqa: S310  # the scheme is checked above
            self.url,
            data=json.dumps(content, default=str).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "biomass-pipeline"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=self.timeout_s):  # noqa: S310  # as above
            pass
