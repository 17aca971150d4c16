"""Errors about what runs by itself, and about telling somebody."""

from biomass_pipeline.errors.family import BiomassError
from biomass_pipeline.plain import without_secrets


class UnusableWebhookError(BiomassError):
    """The webhook's address is none of a web server. It may be secret, so it is not shown."""

    def __init__(self) -> None:
        super().__init__(
            "The webhook's address does not start with http:// or https://. Mend "
            "`automation.notify.webhook` or the variable that holds it."
        )


class MissingPasswordError(BiomassError):
    """A login for e-mail is configured, but its password is nowhere."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            f"There is no password for the e-mail login: the environment variable {variable} is "
            f"not set. Set it where Dagster's code location runs, or remove "
            f"`automation.notify.email.user`."
        )


class VanishedPhotosError(BiomassError):
    """All photos are gone at once, as when a disk is not mounted."""

    def __init__(self, location: str, *, n_known: int) -> None:
        super().__init__(
            f"There is no photo in {without_secrets(location)} any more; there were {n_known}. "
            f"Nothing is run on an empty folder by itself: mount its disk again, or run `biomass "
            f"run` if they are gone for good."
        )
