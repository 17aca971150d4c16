"""A webhook gets a JSON object; what goes wrong is said without its address."""

from urllib.error import HTTPError

import pytest

from biomass_pipeline.errors import UnusableWebhookError
from biomass_pipeline.notices import Notice, WebhookChannel
from biomass_pipeline_tests.notices.servers import webhook_server

NOTICE = Notice(
    "2 photos were quarantined",
    ("ä.jpg: empty file",),
    "warning",
    {"n": 2, "where": NotImplemented},
)


def test_it_posts_the_notice_as_json():
    with webhook_server() as received:
        WebhookChannel(received.url).send(NOTICE)
    ((path, headers, content),) = received.messages
    assert path == "/hook/s3cret"
    assert headers["Content-Type"] == "application/json"
    assert content == {
        "text": "2 photos were quarantined\nä.jpg: empty file",
        "title": "2 photos were quarantined",
        "level": "warning",
        "lines": ["ä.jpg: empty file"],
        "facts": {"n": 2, "where": "NotImplemented"},
    }


def test_an_answer_that_is_an_error_is_an_error():
    with webhook_server(status=500) as received, pytest.raises(HTTPError) as caught:
        WebhookChannel(received.url).send(NOTICE)
    caught.value.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/s3cret", "s3cret", ""])
def test_another_kind_of_address_is_refused_without_showing_it(url):
    with pytest.raises(UnusableWebhookError, match="http") as caught:
        WebhookChannel(url).send(NOTICE)
    assert "s3cret" not in str(caught.value)


def test_it_is_named_by_its_server_only():
    channel = WebhookChannel("https://user:s3cret@hooks.example.org/s3cret?token=s3cret")
    assert str(channel) == "webhook at hooks.example.org"
    assert "s3cret" not in repr(channel)
    assert str(WebhookChannel("https://[s3cret")) == "webhook at an unreadable address"
