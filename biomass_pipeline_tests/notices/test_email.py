"""An e-mail arrives at a real SMTP conversation, with login or without."""

import smtplib

import pytest

from biomass_pipeline.config import EmailConfig
from biomass_pipeline.errors import MissingPasswordError
from biomass_pipeline.notices import EmailChannel, Notice
from biomass_pipeline_tests.notices.servers import mail_server

SECRET, WRONG = "s3cret", "0ther"
NOTICE = Notice("`report`\r\nBcc: everybody@example.org", ("caf\udce9.jpg: é", "."), "error")


def settings(port, **others):
    return EmailConfig(to=("a@example.org", "b@example.org"), host="127.0.0.1", port=port, **others)


def test_it_arrives_with_every_address_and_all_lines():
    with mail_server() as received:
        EmailChannel(settings(received.port, sender="farm@example.org")).send(NOTICE)
    (message,) = received.messages
    assert message["To"] == "a@example.org, b@example.org"
    assert message["From"] == "farm@example.org"
    assert message["Subject"] == "`report` Bcc: everybody@example.org"
    assert message["Bcc"] is None
    assert message["Date"]
    assert message.get_content().splitlines()[1:] == ["caf?.jpg: é", "."]


def test_it_logs_in_where_a_user_is_named():
    with mail_server(password=SECRET) as received:
        EmailChannel(settings(received.port, user="farm"), password=SECRET).send(NOTICE)
    assert len(received.logins) == 1
    assert len(received.messages) == 1


def test_a_wrong_password_is_an_error_and_nothing_arrives():
    with mail_server(password=SECRET) as received:
        channel = EmailChannel(settings(received.port, user="farm"), password=WRONG)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            channel.send(NOTICE)
    assert received.messages == []


def test_a_user_without_password_is_told_which_variable():
    named = EmailConfig(user="farm", password_variable="FARM_MAIL")  # noqa: S106  # its name only
    channel = EmailChannel(named)
    with pytest.raises(MissingPasswordError, match="FARM_MAIL"):
        channel.send(NOTICE)


def test_a_server_without_encryption_is_not_told_a_thing_where_it_is_wanted():
    with mail_server(password=SECRET) as received:
        channel = EmailChannel(
            settings(received.port, user="farm", security="starttls"), password=SECRET
        )
        with pytest.raises(smtplib.SMTPNotSupportedError):
            channel.send(NOTICE)
    assert (received.logins, received.messages) == ([], [])


def test_it_is_named_by_its_server_only():
    channel = EmailChannel(settings(25, user="farm"), password=SECRET)
    assert str(channel) == "e-mail through 127.0.0.1:25"
    assert SECRET not in repr(channel)
