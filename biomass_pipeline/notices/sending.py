"""Who is told, and telling them all: a channel that fails stops nothing and shows no secret."""

import logging
from collections.abc import Mapping, Sequence
from urllib.error import HTTPError, URLError

from biomass_pipeline.config import NotifyConfig
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.notices.email import EmailChannel
from biomass_pipeline.notices.notice import Channel, LogChannel, Notice
from biomass_pipeline.notices.webhook import WebhookChannel

_LOGGER = logging.getLogger(__name__)


def channels_of(
    notify: NotifyConfig,
    environ: Mapping[str, str],
    *,
    logger: logging.Logger | None = None,
) -> list[Channel]:
    """The configured channels; the log is always the first.

    Args:
        notify: Addresses. A webhook in its environment variable wins over one in the file.
        environ: Holds what is secret: the webhook and the password.
        logger: Where the log goes; this room's own if None.
    """
    channels: list[Channel] = [LogChannel(logger or _LOGGER)]
    if url := environ.get(notify.webhook_variable) or notify.webhook:
        channels.append(WebhookChannel(url.strip(), notify.timeout_s))
    if notify.email.to:
        password = environ.get(notify.email.password_variable)
        channels.append(EmailChannel(notify.email, password, notify.timeout_s))
    return channels


def tell(
    notice: Notice, channels: Sequence[Channel], *, logger: logging.Logger | None = None
) -> int:
    """Send one notice everywhere; what fails is logged without anything secret.

    Returns:
        How many channels took it.
    """
    sent = 0
    for channel in channels:
        try:
            channel.send(notice)
        except Exception as error:  # noqa: BLE001  # telling must never stop what it tells about
            (logger or _LOGGER).warning(
                "The notice %r could not be sent by %s: %s.", notice.headline, channel, why(error)
            )
        else:
            sent += 1
    return sent


def why(error: Exception) -> str:
    """What went wrong in sending, made of parts that hold no address, login or password.

    >>> why(ConnectionRefusedError(111, "Connection refused"))
    'Connection refused'
    """
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return why(error.reason)
    told = str(error).rstrip(".") if isinstance(error, BiomassError) else None
    code = error.code if isinstance(error, HTTPError) else getattr(error, "smtp_code", None)
    answered = None if code is None else f"the server answered {code}"
    spoken = error.strerror if isinstance(error, OSError) else None
    return told or answered or spoken or type(error).__name__
