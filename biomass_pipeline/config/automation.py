"""What runs by itself, when, and who is told."""

from typing import Literal

from pydantic import Field

from biomass_pipeline.config.data import Section


class EmailConfig(Section):
    """How an e-mail is sent. The password is never in a file."""

    to: tuple[str, ...] = Field(default=(), description="Addresses; none: no e-mail is sent.")
    sender: str = Field(default="farm@localhost", description="Address it comes from.")
    host: str = Field(default="localhost", description="SMTP server.")
    port: int = Field(default=25, ge=1, le=65535, description="Its port.")
    security: Literal["none", "starttls", "tls"] = Field(
        default="none", description="How the connection is encrypted."
    )
    user: str | None = Field(default=None, description="Login; none: no login.")
    password_variable: str = Field(
        default="BIOMASS_SMTP_PASSWORD", description="Environment variable of the password."
    )


class NotifyConfig(Section):
    """Who is told of failed runs and quarantined photos. The log always is."""

    webhook: str | None = Field(
        default=None, description="URL that gets a JSON object by POST; Slack reads its `text`."
    )
    webhook_variable: str = Field(
        default="BIOMASS_WEBHOOK", description="Environment variable of the URL, if it is secret."
    )
    email: EmailConfig = EmailConfig()
    timeout_s: float = Field(default=10.0, gt=0, description="Longest wait for a server.")


class AutomationConfig(Section):
    """What runs by itself, when, and who is told; never part of a fingerprint."""

    enabled: bool = Field(
        default=False,
        description="Sensors and schedules start switched on; else somebody does it in the UI.",
    )
    interval_s: int = Field(
        default=30, ge=5, description="Seconds between two looks at photos, labels and settings."
    )
    settle_s: float = Field(
        default=20.0, ge=0, description="A photo changed more recently is still being written."
    )
    upload_marker: str = Field(
        default=".uploading",
        pattern=r"^[^/\\]+$",
        description="While a file of this name lies in a folder, its photos are left alone.",
    )
    patience_s: float = Field(
        default=900.0, ge=0, description="Longest wait for a folder in which files keep changing."
    )
    nightly: str | None = Field(
        default="0 2 * * *", description="Cron schedule of a look at everything; null: none."
    )
    timezone: str = Field(default="UTC", description="Of the schedule, such as Australia/Sydney.")
    keep_runs_days: int | None = Field(
        default=90, ge=1, description="Older runs and their logs are deleted nightly; null: never."
    )
    notify: NotifyConfig = NotifyConfig()
