"""What looks around by itself: for new photos, for failed runs, for quarantined photos."""

import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import dagster as dg

from biomass_pipeline.errors import BiomassError, ConfigError
from biomass_pipeline.manifest import Watch
from biomass_pipeline.notices import channels_of, tell
from biomass_pipeline.orchestration.automation import CAUSE_TAG, automation_sensor
from biomass_pipeline.orchestration.exclusion import COMMAND_TAGS
from biomass_pipeline.orchestration.lookout import Lookout
from biomass_pipeline.orchestration.postmortem import failure_notice
from biomass_pipeline.orchestration.quarantine import Quarantine, quarantine_notice, untold
from biomass_pipeline.project import Project

_WILL_RETRY_TAG = "dagster/will_retry"
# Nobody has to know of a quarantined photo within seconds.
_QUARANTINE_EVERY_S = 60


def build_sensors(project: Project) -> list[dg.SensorDefinition]:
    """The sensors of a project, switched on only if `automation.enabled`."""
    return [
        arrivals_sensor(project),
        automation_sensor(project.config.automation),
        failed_runs_sensor(project),
        quarantine_sensor(project),
    ]


def arrivals_sensor(
    project: Project, *, clock: Callable[[], float] = time.time
) -> dg.SensorDefinition:
    """Asks for the job `observe` when photos, labels or training settings changed and settled."""
    automation = project.config.automation
    lookout = Lookout(project)

    @dg.sensor(
        name="arrivals",
        job_name="observe",
        minimum_interval_seconds=automation.interval_s,
        default_status=sensor_status(project),
        description="Looks at the photo folder, the label file and the training section. When "
        "something changed and stays the same from one look to the next, one run records it, "
        "however many photos arrived. Files that are still being written are left alone.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        watch = Watch.from_json(context.cursor)
        try:
            seen = lookout.look()
        except ConfigError as error:
            return _skip(str(error), watch.to_json())
        except (BiomassError, OSError) as error:
            return _skip(str(error), watch.blind().to_json())
        after, act = watch.after(seen.sight, now_s=clock(), patience_s=automation.patience_s)
        if not act:
            changing = "Nothing changed" if after.since_s is None else "Something is changing"
            return _skip(f"{changing}: {seen.inventory}.", after.to_json())
        cause = lookout.cause(seen, before=watch.acted)
        request = dg.RunRequest(run_key=after.run_key, tags={CAUSE_TAG: cause})
        return dg.SensorResult(run_requests=[request], cursor=after.to_json())

    return arrivals


def failed_runs_sensor(project: Project) -> dg.SensorDefinition:
    """Tells of each failed run that is not tried again by itself."""

    @dg.run_failure_sensor(
        name="failed_runs",
        default_status=sensor_status(project),
        description="Tells by log, webhook and e-mail when a run failed: what, which fold, why, "
        "and where its log is.",
    )
    def failed_runs(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if run.tags.get(_WILL_RETRY_TAG) == "true":
            return dg.SkipReason(f"Run {run.run_id} is tried again by itself.")
        if COMMAND_TAGS.items() <= run.tags.items():
            return dg.SkipReason(f"Who started run {run.run_id} by a command sees it there.")
        notice = failure_notice(
            run,
            context.get_step_failure_events(),
            ended=context.failure_event.message or "",
            home=project.layout.dagster_home,
        )
        tell(notice, _channels(project, context), logger=context.log)
        return None

    return failed_runs


def quarantine_sensor(project: Project) -> dg.SensorDefinition:
    """Tells once of each photo that is newly quarantined."""
    # It reads the hash of the weights: not before somebody switches the sensor on.
    quarantine = cache(lambda: Quarantine.of(project))

    @dg.sensor(
        name="quarantine",
        minimum_interval_seconds=max(_QUARANTINE_EVERY_S, project.config.automation.interval_s),
        default_status=sensor_status(project),
        description="Tells by log, webhook and e-mail, once a photo, which photos were left out "
        "because they cannot be read or trusted, and why.",
    )
    def quarantine_news(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        photos = quarantine().photos()
        if photos is None:
            return _skip("There is no image manifest yet.", context.cursor)
        new, told = untold(photos, marks_of(context.cursor))
        if not new:
            return _skip(f"{len(photos)} photos are quarantined, none of them new.", context.cursor)
        tell(quarantine_notice(new), _channels(project, context), logger=context.log)
        return _skip(f"Told of {len(new)} newly quarantined photos.", json.dumps(told))

    return quarantine_news


def sensor_status(project: Project) -> dg.DefaultSensorStatus:
    """Switched on from the start, or by somebody in the UI."""
    enabled = project.config.automation.enabled
    return dg.DefaultSensorStatus.RUNNING if enabled else dg.DefaultSensorStatus.STOPPED


def marks_of(cursor: str | None) -> list[str]:
    """The marks that a cursor holds; one that cannot be read holds none."""
    try:
        marks = json.loads(cursor or "[]")
    except ValueError:
        return []
    return [str(mark) for mark in marks] if isinstance(marks, list) else []


def _skip(reason: str, cursor: str | None) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=cursor)


def _channels(project: Project, context: Any) -> list[Any]:  # noqa: ANN401  # two kinds of context
    notify = project.config.automation.notify
    return [*channels_of(notify, dict(project.environment), logger=context.log)]
