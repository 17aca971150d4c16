"""Telling somebody: a notice is a few sentences, sent by log, webhook or e-mail.

What may live here: ways to send a notice. What is worth one is decided elsewhere.
"""

from biomass_pipeline.notices.email import EmailChannel
from biomass_pipeline.notices.notice import Channel, Level, LogChannel, Notice
from biomass_pipeline.notices.sending import channels_of, tell
from biomass_pipeline.notices.webhook import WebhookChannel

__all__ = [
    "Channel",
    "EmailChannel",
    "Level",
    "LogChannel",
    "Notice",
    "WebhookChannel",
    "channels_of",
    "tell",
]
