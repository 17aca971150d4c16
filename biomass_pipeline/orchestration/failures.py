"""What went wrong in a Dagster run, as one error that a person can read."""

from collections.abc import Iterator

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from biomass_pipeline.errors import AssetFailedError, BiomassError, FailedCheckError, place_of
from biomass_pipeline.orchestration.refusals import refusal

_STOPS = dg.AssetCheckSeverity.ERROR


def failure(
    error: Exception, instance: dg.DagsterInstance, *, run_id: str, fold: str | None
) -> BiomassError:
    """The error that ended a run: ours as it was raised, else what failed and where the log is.

    Args:
        error: What Dagster raised.
        instance: The storage that holds the run's log, with the traceback.
        run_id: The run.
        fold: Its partition.
    """
    for cause in _causes(error):
        if isinstance(cause, BiomassError):
            return cause
    if refused := refusal(error, what=_what_failed(instance, run_id, fold=fold)):
        return refused
    if check := _failed_check(instance, run_id):
        found = check.description or "it gave no reason."
        asset = check.asset_key.to_user_string()
        return FailedCheckError(check.check_name, asset=asset, found=found)
    asset = _failed_step(instance, run_id)
    sentence = f"{type(error).__name__}: {error}".partition("\n")[0]
    return AssetFailedError(asset, fold=fold, cause=sentence, run_id=run_id)


def _failed_check(instance: dg.DagsterInstance, run_id: str) -> dg.AssetCheckEvaluation | None:
    """The blocking check that stopped the run, if one did."""
    for event in _events(instance, run_id):
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.blocking and not check.passed and check.severity == _STOPS:
                return check
    return None


def _failed_step(instance: dg.DagsterInstance, run_id: str) -> str:
    """The step that failed; a run that did not come to a step names its job."""
    for event in _events(instance, run_id):
        if event.is_step_failure and event.step_key is not None:
            return event.step_key
    run = instance.get_run_by_id(run_id)
    return run.job_name if run else "the graph"


def _what_failed(instance: dg.DagsterInstance, run_id: str, *, fold: str | None) -> str:
    try:
        step = _failed_step(instance, run_id)
    except SQLAlchemyError:
        # The database that would know is what refuses.
        return "The run failed"
    return f"{place_of(step, fold=fold)} failed"


def _events(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.DagsterEvent]:
    for entry in instance.all_logs(run_id):
        if entry.dagster_event is not None:
            yield entry.dagster_event


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on; a chain may lead back to itself."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
