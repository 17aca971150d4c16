"""A sensor ticked as the daemon does, and Dagster's storage for it."""

from contextlib import contextmanager

import dagster as dg

CAUSE = "biomass/cause"


@contextmanager
def storage(folder):
    """Dagster's storage; making one takes longer than any test here, so tests share it."""
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        yield instance


class Ticking:
    """A sensor ticked again and again, its cursor kept as the daemon does."""

    def __init__(self, sensor, instance, *, clock=None):
        self.sensor, self.instance, self.clock, self.cursor = sensor, instance, clock, None

    def __call__(self):
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = self.sensor(context)
        self.cursor = result.cursor
        return result

    def asked(self):
        """The causes of the runs that one tick asks for."""
        return [request.tags[CAUSE] for request in self().run_requests or ()]

    def skipped(self):
        result = self()
        assert not result.run_requests
        return result.skip_reason.skip_message
