"""Faults that pass are tried again, with longer and longer waits; a person's mistake never is."""

import errno
import os

import dagster as dg
import h5py
import pandas as pd
import pytest
import torch

from biomass_pipeline import errors
from biomass_pipeline.orchestration import InMemory, faults
from biomass_pipeline.orchestration.exclusion import COMMAND_TAGS
from biomass_pipeline.orchestration.faults import RETRIES, passes, persevering


def os_error(number):
    return OSError(number, os.strerror(number))


def raised_from(error, cause):
    error.__cause__ = cause
    return error


FULL = os_error(errno.ENOSPC)
PASSING = [
    FULL,
    os_error(errno.EIO),
    os_error(errno.ESTALE),
    ConnectionResetError("by peer"),
    TimeoutError("no answer"),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("Can't write data (file write failed: errno = 28, error message = 'No space')"),
    raised_from(errors.UnwritableCacheError("f.h5", why="no space", remedy="Make room"), FULL),
    raised_from(errors.UnreadableFolderError("s3://photos", "timed out"), TimeoutError()),
    raised_from(
        errors.DeviceMemoryError("net", device="cuda:0", precision="fp32"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ),
    errors.BusyCacheError("f.h5", owner="process 7"),
    errors.UnreachableClusterError("ray://head", "no answer"),
]
STAYING = [
    OSError("image file is truncated (3 bytes not processed)"),  # Pillow's has no number
    os_error(errno.ENOENT),
    os_error(errno.EACCES),
    os_error(errno.EROFS),
    PermissionError("not yours"),
    ValueError("no mass is negative"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    MemoryError(),
    errors.LabelTableError("labels.csv", ["line 2: mass_g is negative"]),
    errors.UnreadableImageError(reason="truncated", path="a.png"),
    errors.FailedCheckError("c", asset="a", found="NaN."),
    raised_from(errors.UnreadableImageError(reason="r", path="a.png"), OSError("broken data")),
    raised_from(
        errors.MissingInputError("Photos", "photos", option="data.images"), os_error(errno.ENOENT)
    ),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_fault_of_disk_network_or_device_passes(error):
    assert passes(error)


@pytest.mark.parametrize("error", STAYING, ids=repr)
def test_a_mistake_stays(error):
    assert not passes(error)


def caught(raising):
    """The error that a call raises; None if it does not."""
    try:
        raising()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is asked about
        return error
    return None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk that is always full")  # noqa: PTH110  # a device
def test_a_full_disk_under_hdf5_passes():
    """HDF5 hides the number in its text."""

    def write():
        with h5py.File("/dev/full", "w", driver="stdio") as file:
            file["x"] = [0.0] * 100_000

    error = caught(write)
    assert isinstance(error, OSError | RuntimeError)
    assert passes(error) or "errno" not in str(error)


def test_what_was_merely_handled_at_the_time_is_no_cause():
    def clumsy():
        try:
            raise FULL
        except OSError:
            raise ValueError("a mistake in the handler")  # noqa: B904  # that is the point

    assert caught(clumsy).__context__ is FULL
    assert not passes(caught(clumsy))


def test_the_waits_grow():
    middle = dg.RetryPolicy(max_retries=3, delay=RETRIES.delay, backoff=RETRIES.backoff)
    assert [middle.calculate_delay(attempt) for attempt in (1, 2, 3)] == [15, 45, 105]
    assert all(RETRIES.calculate_delay(attempt) >= 0 for attempt in (1, 2, 3) for _ in range(50))


@pytest.fixture
def quick(monkeypatch):
    """The same policy without its waits."""
    monkeypatch.setattr(
        faults, "RETRIES", dg.RetryPolicy(max_retries=3, delay=0.01, backoff=RETRIES.backoff)
    )


class Flaky:
    """Fails with each error in turn, then succeeds."""

    def __init__(self, *failures):
        self.failures, self.n_calls = list(failures), 0

    def __call__(self):
        self.n_calls += 1
        if self.failures:
            raise self.failures.pop(0)


def run(flaky, *, tags=None, manager=None):
    """One run of an asset that does what the flaky one does; its events by kind."""

    @dg.asset(io_manager_key="tables")
    @persevering
    def probe() -> pd.DataFrame:
        flaky()
        return pd.DataFrame({"a": [1]})

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [probe],
            instance=instance,
            tags=tags,
            resources={"tables": manager or InMemory()},
            raise_on_error=False,
        )
        entries = instance.all_logs(result.run_id)
    kinds = [entry.dagster_event_type for entry in entries]
    said = [entry.user_message for entry in entries]
    return result.success, kinds.count(dg.DagsterEventType.STEP_UP_FOR_RETRY), said


@pytest.mark.usefixtures("quick")
class TestRuns:
    def test_a_fault_is_tried_again_until_it_has_passed(self):
        flaky = Flaky(FULL, TimeoutError("no answer"))
        success, n_retries, said = run(flaky)
        assert (success, n_retries, flaky.n_calls) == (True, 2, 3)
        assert any("No space left on device. This may pass: attempt 2 of 4" in s for s in said)

    def test_it_is_given_up_after_four_attempts(self):
        flaky = Flaky(*[os_error(errno.EIO)] * 9)
        success, n_retries, _ = run(flaky)
        assert (success, n_retries, flaky.n_calls) == (False, 3, 4)

    @pytest.mark.parametrize("error", [ValueError("negative mass"), os_error(errno.ENOENT)])
    def test_a_mistake_is_not_tried_again(self, error):
        flaky = Flaky(error)
        success, n_retries, _ = run(flaky)
        assert (success, n_retries, flaky.n_calls) == (False, 0, 1)

    def test_a_mistake_after_a_fault_is_not_tried_again(self):
        flaky = Flaky(FULL, ValueError("negative mass"))
        assert run(flaky)[:2] == (False, 1)
        assert flaky.n_calls == 2

    def test_who_sits_at_a_command_is_told_at_once(self):
        flaky = Flaky(FULL)
        assert run(flaky, tags=COMMAND_TAGS)[:2] == (False, 0)
        assert flaky.n_calls == 1

    def test_a_table_that_cannot_be_written_is_made_again(self):
        flaky, disk = Flaky(), Flaky(FULL)

        class Tables(InMemory):
            def write(self, name, part, value):
                disk()
                super().write(name, part, value)

        assert run(flaky, manager=Tables())[:2] == (True, 1)
        assert (flaky.n_calls, disk.n_calls) == (2, 2)


def test_called_by_hand_an_error_is_the_bodys_own():
    with pytest.raises(OSError, match="No space left"):
        persevering(Flaky(FULL).__call__)()
