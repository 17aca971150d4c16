"""What a decoder's process does, dies of or says wrongly costs one photo, and leaves nothing."""

import os
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from biomass_pipeline.config import ComputeConfig
from biomass_pipeline.errors import DecoderStartError, LostDecoderError, UnreadableImageError
from biomass_pipeline.isolation import Isolation
from biomass_pipeline_tests.isolation import faults

pytestmark = pytest.mark.usefixtures("nothing_left")
PATIENT = Isolation(limit_s=30)
PHOTO = b"\xff\xd8 some bytes"


@pytest.fixture(scope="module")
def crew():
    with PATIENT.crew() as crew:
        yield crew


def pid_of(crew, **how):
    return crew.ask(faults.echo, BytesIO(PHOTO), most_bytes=100, **how).facts["pid"]


def test_a_job_gets_the_photo_and_its_answer_arrives(crew):
    answer = crew.ask(faults.echo, BytesIO(PHOTO), most_bytes=100, name="ü\ud800", number=0.1)
    assert bytes(answer.pixels) == PHOTO
    assert (answer.facts["name"], answer.facts["number"]) == ("ü\ud800", 0.1)


def test_a_local_file_is_given_as_it_is_and_read_from_its_start(crew, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO)
    with path.open("rb") as stream:
        stream.read(5)
        assert bytes(crew.ask(faults.echo, stream, most_bytes=100).pixels) == PHOTO


def test_a_process_serves_one_photo_after_another(crew):
    assert pid_of(crew) == pid_of(crew) != os.getpid()


def test_answers_come_as_they_are_asked_for_and_each_is_kept(crew):
    answers = list(crew.run(faults.echo, BytesIO(PHOTO), most_bytes=100, times=3))
    assert [bytes(each.pixels) for each in answers] == [PHOTO] * 3
    answers[0].pixels[:] = 0
    assert bytes(answers[1].pixels) == PHOTO


def test_a_photo_that_is_given_up_does_not_reach_the_next_one(crew):
    answers = crew.run(faults.echo, BytesIO(b"first"), most_bytes=100, times=2)
    next(answers)
    answers.close()
    assert bytes(crew.ask(faults.echo, BytesIO(b"second"), most_bytes=100).pixels) == b"second"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("refused", "not to my taste"),
        ("memory", "unreadable: not enough memory"),
        ("disk", "unreadable: Input/output error"),
        ("wrong", "unreadable: ValueError: not"),
    ],
)
def test_a_refusal_costs_no_process(crew, how, reason):
    before = pid_of(crew)
    with pytest.raises(UnreadableImageError) as refused:
        crew.ask(faults.fail, BytesIO(PHOTO), how=how)
    assert refused.value.reason == reason
    assert not isinstance(refused.value, LostDecoderError)
    assert pid_of(crew) == before


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.aborts, "the decoder crashed (signal 6)"),
        (faults.segfaults, "the decoder crashed (signal 11)"),
        (faults.quits, "the decoder ended without an answer (exit code 0)"),
    ],
)
def test_a_process_that_dies_is_replaced_after_a_second_one_died_too(crew, fault, reason):
    before = pid_of(crew)
    with pytest.raises(LostDecoderError) as lost:
        crew.ask(faults.fail, BytesIO(PHOTO), how=fault.__name__)
    assert lost.value.reason == reason
    assert pid_of(crew) != before


def test_a_process_that_hangs_is_ended_and_one_that_says_that_it_works_is_not():
    with Isolation(limit_s=2.5, prepare=faults.treacherous).crew() as crew:
        with pytest.raises(LostDecoderError, match=r"took longer than 2\.5 s"):
            list(crew.run(faults.fail, BytesIO(PHOTO), how="hangs"))
        assert crew.ask(faults.toil, BytesIO(PHOTO), steps=6, step_s=0.5).facts == {}


def test_whoever_crashed_once_may_succeed_in_a_fresh_process(crew, monkeypatch):
    """The second try is not given to a process that worked before."""
    known = {pid_of(crew)}
    tries = []
    run = crew.run

    def run_and_note(job, stream, *, fresh=False, **how):
        tries.append(fresh)
        return run(faults.echo if fresh else job, stream, fresh=fresh, **how)

    monkeypatch.setattr(crew, "run", run_and_note)
    found = crew.ask(faults.echo, BytesIO(PHOTO), most_bytes=100)
    assert (tries, found.facts["pid"] in known) == ([False], True)

    def die_first(job, stream, *, fresh=False, **how):
        tries.append(fresh)
        if not fresh:
            raise LostDecoderError(reason="the decoder crashed (signal 9)")
        return run(job, stream, fresh=fresh, **how)

    monkeypatch.setattr(crew, "run", die_first)
    found = crew.ask(faults.echo, BytesIO(PHOTO), most_bytes=100)
    assert (tries[1:], found.facts["pid"] in known) == ([False, True], False)


@pytest.mark.parametrize(
    "how",
    [
        "no message", "too many bytes", "too long a text", "no facts", "no text", "a nest",
        "an order",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_not_believed(crew, how):
    with pytest.raises(LostDecoderError, match="no sensible answer"):
        list(crew.run(faults.lie, BytesIO(PHOTO), how=how, most_bytes=100))


def test_more_pixels_than_there_is_room_for_are_refused_where_they_are_made(crew):
    with pytest.raises(UnreadableImageError, match="mmap"):
        crew.ask(faults.echo, BytesIO(b"x" * 5000), most_bytes=100)


def test_memory_that_both_sides_hold_cannot_be_cut_off(crew):
    """Else a process that was taken over could make ours crash by reading its answer."""
    from biomass_pipeline.isolation.memory import unnamed  # noqa: PLC0415

    descriptor = unnamed(4096)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def test_the_end_of_a_crew_ends_what_hangs_and_whoever_waits_for_it():
    told = []

    def wait(crew):
        try:
            crew.ask(faults.fail, BytesIO(PHOTO), how="hangs")
        except LostDecoderError as error:
            told.append(error.reason)

    with PATIENT.crew() as crew:
        thread = threading.Thread(target=wait, args=(crew,))
        thread.start()
        while not crew._all:
            time.sleep(0.01)
    thread.join(20)
    assert told == ["nobody decodes any more"]


def test_a_crew_that_cannot_start_says_why():
    with (
        Isolation(prepare=faults.unprepared).crew() as crew,
        pytest.raises(DecoderStartError, match=r"RuntimeError: no such decoder.*decode_processes"),
    ):
        crew.ask(faults.echo, BytesIO(PHOTO), most_bytes=100)


def test_a_process_has_only_what_decoding_needs(crew):
    """Spawned, not forked: nothing of ours is in it, and it is the first to go without memory."""
    census = crew.ask(faults.census, BytesIO(PHOTO)).facts
    heavy = {"torch", "pandas", "pyarrow", "scipy", "pydantic", "fsspec", "dagster", "h5py"}
    assert not heavy.intersection(census["modules"])
    assert "pytest" not in census["modules"]
    assert (census["core_bytes"], census["oom_score"]) == (0, 1000)
    again = crew.ask(faults.census, BytesIO(PHOTO)).facts
    assert again["descriptors"] == census["descriptors"]


ORPHAN = """
import sys
from io import BytesIO
from biomass_pipeline.isolation import Isolation
from biomass_pipeline_tests.isolation import faults
with Isolation().crew() as crew:
    print(crew.ask(faults.echo, BytesIO(b""), most_bytes=1).facts["pid"], flush=True)
    crew.ask(faults.fail, BytesIO(b""), how="hangs")
"""


def test_no_process_outlives_ours_however_it_ends():
    """Killed, we end nobody; the system ends the process though it never looks up from its loop."""
    root = Path(faults.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, cwd=root
    ) as ours:
        child = int(ours.stdout.readline())
        time.sleep(0.3)
        assert lives(child)
        ours.kill()
    deadline = time.monotonic() + 10
    while lives(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(child)


def lives(pid):
    """Whether a process does anything; a dead one may wait for somebody to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("size_bytes", [0, 1, 5000])
def test_a_stream_without_a_file_is_copied_once_and_whole(crew, size_bytes):
    data = np.random.default_rng(0).integers(0, 256, size_bytes, np.uint8).tobytes()
    stream = BytesIO(data)
    stream.seek(size_bytes // 2)
    assert bytes(crew.ask(faults.echo, stream, most_bytes=size_bytes).pixels) == data


def test_it_is_configured_beside_the_threads():
    assert Isolation.of(ComputeConfig()) is None
    configured = ComputeConfig(decode_processes=True, decode_limit_s=7)
    assert Isolation.of(configured) == Isolation(limit_s=7)
