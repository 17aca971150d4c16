"""Everybody is told who can be; a channel that fails is logged, and nothing secret is shown."""

import logging
import smtplib
import socket
import time
from urllib.error import URLError

import pytest

from biomass_pipeline.config import EmailConfig, NotifyConfig
from biomass_pipeline.errors import MissingPasswordError
from biomass_pipeline.notices import (
    EmailChannel,
    LogChannel,
    Notice,
    WebhookChannel,
    channels_of,
    tell,
)
from biomass_pipeline.notices.sending import why
from biomass_pipeline_tests.notices.servers import mail_server, webhook_server

SECRET = "".join(["s3", "cret"])
NOTICE = Notice("Fold 2 failed", ("Its disk is full.",), "error")


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_the_log_is_always_told_and_nobody_else_by_default():
    (channel,) = channels_of(NotifyConfig(), {})
    assert isinstance(channel, LogChannel)


def test_what_is_configured_is_told():
    notify = NotifyConfig(webhook="https://a/", email=EmailConfig(to=("a@b.c",)), timeout_s=3.0)
    log, webhook, email = channels_of(notify, {"BIOMASS_SMTP_PASSWORD": "s3cret"})
    assert isinstance(log, LogChannel)
    assert webhook == WebhookChannel("https://a/", 3.0)
    assert email == EmailChannel(notify.email, "s3cret", 3.0)


def test_a_secret_webhook_wins_over_the_one_in_the_file():
    notify = NotifyConfig(webhook="https://a/", webhook_variable="HOOK")
    assert channels_of(notify, {"HOOK": "https://b/\n"})[1] == WebhookChannel("https://b/")
    assert channels_of(notify, {"HOOK": ""})[1] == WebhookChannel("https://a/")


def test_everybody_gets_the_same_notice(caplog):
    with webhook_server() as hook, mail_server() as mail:
        notify = NotifyConfig(
            webhook=hook.url, email=EmailConfig(to=("a@b.c",), host="127.0.0.1", port=mail.port)
        )
        assert tell(NOTICE, channels_of(notify, {})) == 3
    assert hook.messages[0][2]["text"] == NOTICE.text
    assert mail.messages[0].get_content().split() == NOTICE.text.split()
    assert NOTICE.text in caplog.text


def test_a_channel_that_fails_stops_no_other_and_is_logged_without_secrets(caplog, closed_port):
    with webhook_server(status=404) as hook, mail_server(password=SECRET) as mail:
        server = EmailConfig(to=("a@b.c",), user="farm", host="127.0.0.1", port=mail.port)
        channels = [
            WebhookChannel(hook.url),
            WebhookChannel(f"http://127.0.0.1:{closed_port}/s3cret"),
            WebhookChannel("https://[s3cret"),
            EmailChannel(server, password="not-" + SECRET),
            EmailChannel(server),
            LogChannel(logging.getLogger("last")),
        ]
        assert tell(NOTICE, channels) == 1
    told = [record.getMessage() for record in caplog.records]
    assert told[-1] == NOTICE.text
    assert [text.partition(" could not be sent by ")[2] for text in told[:-1]] == [
        "webhook at 127.0.0.1: the server answered 404.",
        "webhook at 127.0.0.1: Connection refused.",
        "webhook at an unreadable address: ValueError.",
        f"e-mail through 127.0.0.1:{mail.port}: the server answered 535.",
        (
            f"e-mail through 127.0.0.1:{mail.port}: There is no password for the e-mail login: the "
            "environment variable BIOMASS_SMTP_PASSWORD is not set. Set it where Dagster's code "
            "location runs, or remove `automation.notify.email.user`."
        ),
    ]
    assert "s3cret" not in caplog.text


def test_a_server_that_never_answers_is_waited_for_no_longer_than_configured(caplog):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        started_s = time.monotonic()
        assert tell(NOTICE, [WebhookChannel(f"http://127.0.0.1:{port}/", timeout_s=0.2)]) == 0
        assert time.monotonic() - started_s < 2
    assert "timed out" in caplog.text.lower() or "TimeoutError" in caplog.text


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MissingPasswordError("V"), "the environment variable V is not set"),
        (URLError("s3cret"), "URLError"),
        (URLError(OSError(5, "Input/output error")), "Input/output error"),
        (smtplib.SMTPServerDisconnected("s3cret"), "SMTPServerDisconnected"),
        (smtplib.SMTPDataError(552, b"s3cret"), "the server answered 552"),
        (ValueError("s3cret"), "ValueError"),
    ],
)
def test_the_reason_holds_nothing_that_was_sent(error, expected):
    assert expected in why(error)
    assert "s3cret" not in why(error)
