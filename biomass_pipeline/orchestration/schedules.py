"""What runs every night: a look at everything, and the clean-up of old runs."""

from collections.abc import Callable

import dagster as dg

from biomass_pipeline.errors import BiomassError, BusyProjectError, ConfigError
from biomass_pipeline.orchestration.automation import CAUSE_TAG, SENSOR
from biomass_pipeline.orchestration.exclusion import exclusive
from biomass_pipeline.orchestration.keeping import Keeper
from biomass_pipeline.orchestration.lookout import Lookout
from biomass_pipeline.orchestration.retention import CLEAN_UP
from biomass_pipeline.orchestration.runs import Graph
from biomass_pipeline.orchestration.sensors import sensor_status
from biomass_pipeline.project import Project

NIGHTLY_JOB = "catch_up"
_PATIENCE, _WAIT_S = 3, 20
_CAUSE = "the nightly look at everything"


def build_schedules(project: Project) -> list[dg.ScheduleDefinition]:
    """The schedules of a project, switched on only if `automation.enabled`."""
    if project.config.automation.nightly is None:
        return []
    return [nightly_schedule(project), clean_up_schedule(project)]


def nightly_schedule(project: Project) -> dg.ScheduleDefinition:
    """Asks for the job `catch_up`, unless there is nothing to look at.

    Raises:
        ConfigError: It is no cron schedule, or there is no such time zone.
    """
    lookout = Lookout(project)

    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            lookout.look()
        except (BiomassError, OSError) as error:
            return dg.SkipReason(str(error))
        return _request(context, _CAUSE)

    return _every_night(
        project,
        nightly,
        job=NIGHTLY_JOB,
        description="Looks at photos, labels and settings again every night, and brings up to "
        "date whatever is stale, missing or deleted: what a look by day missed.",
    )


def clean_up_schedule(project: Project) -> dg.ScheduleDefinition:
    """Asks for the job that deletes old runs."""

    def nightly_clean_up(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return _request(context, "the nightly clean-up")

    return _every_night(
        project,
        nightly_clean_up,
        job=CLEAN_UP,
        description="Deletes old runs and their logs every night, as `automation.keep_runs_days` "
        "says; results are never touched.",
    )


def _request(context: dg.ScheduleEvaluationContext, cause: str) -> dg.RunRequest:
    key = context.scheduled_execution_time.isoformat()
    return dg.RunRequest(run_key=key, tags={CAUSE_TAG: cause})


def _every_night(
    project: Project,
    evaluate: Callable[[dg.ScheduleEvaluationContext], dg.RunRequest | dg.SkipReason],
    *,
    job: str,
    description: str,
) -> dg.ScheduleDefinition:
    automation = project.config.automation
    decorate = dg.schedule(
        name=evaluate.__name__,
        job_name=job,
        cron_schedule=automation.nightly or "",
        execution_timezone=automation.timezone,
        default_status=dg.DefaultScheduleStatus(sensor_status(project).value),
        description=description,
    )
    try:
        return decorate(evaluate)
    except dg.DagsterInvalidDefinitionError as error:
        wrong = f"`automation.nightly` or `automation.timezone`: {error}"
        raise ConfigError(str(project.file or "the configuration"), [wrong]) from None


def catch_up_job(project: Project, definitions: Callable[[], dg.Definitions]) -> dg.JobDefinition:
    """A job that observes, and runs what is stale where no sensor does it.

    Args:
        project: Whose files are looked at.
        definitions: Its graph, made where the job runs.
    """

    @dg.op(description="Observe the sources; run what is stale, unless the automation sensor does.")
    def bring_up_to_date(context: dg.OpExecutionContext) -> None:
        graph = Graph(definitions(), context.instance, cause=_CAUSE)
        try:
            with exclusive(project.layout, context.instance):
                if is_automated(project, context.instance):
                    graph.observe()
                    context.log.info("Observed. The automation sensor runs what is stale.")
                    return
                _run_stale(graph, context)
        except BusyProjectError as error:
            # Perhaps the clean-up, which begins at the same time and holds the project briefly.
            if context.retry_number < _PATIENCE:
                raise dg.RetryRequested(_PATIENCE, seconds_to_wait=_WAIT_S) from error
            context.log.warning(str(error))

    @dg.job(
        name=NIGHTLY_JOB,
        executor_def=dg.in_process_executor,
        description="Look at everything, and run whatever is stale, missing or deleted. Runs of "
        "its own do it, one a stage and fold; a failure holds up only what needs it.",
    )
    def catch_up() -> None:
        bring_up_to_date()

    return catch_up


def is_automated(project: Project, instance: dg.DagsterInstance) -> bool:
    """Whether the automation sensor is switched on, by the configuration or by somebody."""
    states = {
        state.instigator_name: state.status.value for state in instance.all_instigator_state()
    }
    declared = "DECLARED_IN_CODE"
    status = states.get(SENSOR, declared)
    return status == "RUNNING" or (status == declared and project.config.automation.enabled)


def _run_stale(graph: Graph, context: dg.OpExecutionContext) -> None:
    done = Keeper(graph).catch_up(
        on_step=lambda step: context.log.info("%s: %s", step.job, ", ".join(map(str, step.nodes))),
        on_failure=lambda failure: context.log.error(str(failure.error)),
    )
    if done.failures:
        told = [failure.notice() for failure in done.failures]
        raise dg.Failure("; ".join(f"{each.title}: {each.lines[0]}" for each in told))
    context.log.info("%d materializations.", len(done.ran))
