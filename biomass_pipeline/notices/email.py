"""A notice as an e-mail, by the standard library."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from biomass_pipeline.config import EmailConfig
from biomass_pipeline.errors import MissingPasswordError
from biomass_pipeline.notices.notice import Notice


@dataclass(frozen=True)
class EmailChannel:
    """A mail server.

    Attributes:
        settings: Addresses, server, encryption and login.
        password: Of the login; None if its variable is not set.
        timeout_s: Longest wait for the server.
    """

    settings: EmailConfig
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0

    def __str__(self) -> str:
        """The server."""
        return f"e-mail through {self.settings.host}:{self.settings.port}"

    def send(self, notice: Notice) -> None:
        """Send one message to all addresses.

        Raises:
            MissingPasswordError: There is a login, but no password.
            OSError: The server cannot be reached.
            smtplib.SMTPException: It refuses.
        """
        user = self.settings.user
        if user is not None and self.password is None:
            raise MissingPasswordError(self.settings.password_variable)
        with self._connected() as server:
            if user is not None:
                server.login(user, self.password or "")
            server.send_message(self._message(notice))

    def _connected(self) -> smtplib.SMTP:
        host, port, security = self.settings.host, self.settings.port, self.settings.security
        if security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port, timeout=self.timeout_s, context=context)
        server = smtplib.SMTP(host, port, timeout=self.timeout_s)
        if security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = notice.headline
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self.settings.to)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="biomass.invalid")
        message.set_content(notice.text)
        return message
