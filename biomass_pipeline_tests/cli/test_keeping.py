"""`watch`: from look to look with a clock and a sleep of the test's own, and once for real."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from biomass_pipeline.cli.keeping import Vigil, Voice
from biomass_pipeline.errors import MissingInputError
from biomass_pipeline.orchestration import exclusive, open_instance
from biomass_pipeline.project import Project
from biomass_pipeline_tests.cli.conftest import BACKBONE
from biomass_pipeline_tests.notices.servers import webhook_server

NOW_S = 1_700_000_000.0


class Script:
    """Sleeps in no time: each sleep does the next thing that happens, the last one is Ctrl-C."""

    def __init__(self, *happenings):
        self.now_s, self.slept_s, self.left = NOW_S, [], list(happenings)

    def clock(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds
        self.slept_s.append(seconds)
        if not self.left:
            raise KeyboardInterrupt
        self.left.pop(0)()


def nothing():
    """A look at which nothing happened."""


def watched(farm, capsys, *happenings, once=False):
    """What a watch says, as events, while these things happen."""
    project = Project.open(farm.folder / "biomass.yaml", environment={})
    script = Script(*happenings)
    vigil = Vigil(
        project, Voice(as_json=True, clock=script.clock), once, script.clock, script.sleep
    )
    capsys.readouterr()
    code = None
    try:
        code = vigil.keep()
    except BaseException as error:
        if "Interrupted" not in type(error).__name__:
            raise
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()], script


def kinds(events):
    return [event["event"] for event in events]


@pytest.fixture
def quiet(done):
    """A finished farm whose photos changed long ago."""
    done.write(backbone=BACKBONE)
    for path in (done.folder / "photos").iterdir():
        os.utime(path, (NOW_S - 3600, NOW_S - 3600))
    return done


class TestLooking:
    def test_once_is_one_round_with_nothing_to_do(self, quiet, capsys):
        code, events, script = watched(quiet, capsys, nothing, once=True)
        assert code == 0
        assert kinds(events) == ["waiting", "changed", "done"]
        assert events[-1]["materialized"] == []
        assert script.slept_s == [30]

    def test_a_vanished_folder_is_said_once_and_comes_back(self, quiet, capsys):
        photos, away = quiet.folder / "photos", quiet.folder / "away"
        photos.rename(away)
        code, events, _ = watched(
            quiet, capsys, nothing, nothing, lambda: away.rename(photos), nothing
        )
        assert code is None
        assert kinds(events) == ["waiting", "waiting", "changed", "done"]
        assert events[0]["text"].startswith("There is no photo folder")

    def test_once_a_vanished_folder_is_an_error(self, quiet, capsys):
        (quiet.folder / "photos").rename(quiet.folder / "away")
        with pytest.raises(MissingInputError):
            watched(quiet, capsys, once=True)

    def test_while_another_command_is_at_work_it_waits_and_then_goes_on(self, quiet, capsys):
        project = Project.open(quiet.folder / "biomass.yaml", environment={})
        with open_instance(project.layout) as instance:
            held = exclusive(project.layout, instance)
            held.__enter__()
            release = lambda: held.__exit__(None, None, None)  # noqa: E731  # one line of the script
            _, events, _ = watched(quiet, capsys, nothing, nothing, release, nothing, nothing)
        assert kinds(events) == ["waiting", "waiting", "waiting", "changed", "done"]
        assert "Another `biomass` command is running" in events[1]["text"]

    def test_a_broken_edit_is_said_once_and_a_mended_one_is_taken(self, quiet, capsys):
        file = quiet.folder / "biomass.yaml"

        def breaks():
            file.write_text(file.read_text() + "\nbackbone: [")

        def mends():
            quiet.write(backbone=BACKBONE, automation={"interval_s": 7})

        _, events, script = watched(
            quiet, capsys, nothing, breaks, nothing, mends, nothing, nothing
        )
        assert kinds(events) == [
            *["waiting", "changed", "done", "unusable", "configuration"],
            *["waiting", "changed", "done"],
        ]
        assert script.slept_s[:4] == [30, 30, 30, 30]
        assert script.slept_s[-1] == 7


@pytest.mark.slow
class TestWorking:
    def test_a_corrupt_photo_is_told_of_once_and_for_ever(self, quiet, capsys):
        def arrives():
            path = quiet.folder / "photos/broken.png"
            path.write_bytes(b"\x89PNG\r\n\x1a\nno more")
            os.utime(path, (NOW_S, NOW_S))

        with webhook_server() as received:
            quiet.write(backbone=BACKBONE, automation={"notify": {"webhook": received.url}})
            _, events, _ = watched(quiet, capsys, nothing, arrives, nothing, nothing)
            assert kinds(events).count("quarantined") == 1
            code, events, _ = watched(quiet, capsys, nothing, once=True)
        assert code == 3
        assert "quarantined" not in kinds(events)
        ((_, _, content),) = received.messages
        assert content["title"] == "1 photo was quarantined"
        assert content["lines"][0].startswith("broken.png: ")

    def test_an_edited_tiling_is_opened_anew_and_embedded(self, quiet, capsys):
        def edits():
            quiet.write(backbone=BACKBONE, tiling={"tile_px": 16, "stride_px": 8})

        _, events, _ = watched(quiet, capsys, nothing, edits, nothing, nothing)
        assert "configuration" in kinds(events)
        done = [event for event in events if event["event"] == "done"]
        assert [event["photos_embedded"] for event in done] == [0, 12]
        assert done[1]["held_up"] == []

    def test_what_fails_is_told_of_once_and_not_tried_again(self, quiet, capsys):
        labels = quiet.folder / "labels.csv"
        text = labels.read_text()

        def breaks():
            labels.write_text(text.replace("s0n0.png", "s0n0.png,1,2"))

        def mends():
            labels.write_text(text)

        with webhook_server() as received:
            quiet.write(backbone=BACKBONE, automation={"notify": {"webhook": received.url}})
            _, events, _ = watched(quiet, capsys, nothing, breaks, nothing, nothing, mends, nothing)
        assert kinds(events).count("failed") == 1
        (content,) = [content for _, _, content in received.messages]
        assert content["title"].startswith("`image_manifest`")
        done = [event for event in events if event["event"] == "done"]
        assert done[1]["held_up"]
        assert done[-1]["held_up"] == []


class Program:
    """`biomass watch --json` in a process of its own."""

    def __init__(self, process):
        self.process = process

    def until(self, event):
        """The next event of a kind; None when the program ended."""
        said = (json.loads(line) for line in self.process.stdout)
        return next((one for one in said if one["event"] == event), None)


@pytest.fixture
def program(quiet):
    quiet.write(backbone=BACKBONE, automation={"interval_s": 5, "settle_s": 1})
    with subprocess.Popen(
        [sys.executable, "-c", "import biomass_pipeline.cli as c; c.main()", "watch", "--json"],
        cwd=quiet.folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        # One that says nothing any more would be listened to without end.
        limit = threading.Timer(900, process.kill)
        limit.start()
        yield Program(process)
        limit.cancel()
        process.kill()


@pytest.mark.slow
def test_for_real_photos_arrive_and_sigterm_ends_it(quiet, program):
    """One photo is whole, one half-written, one corrupt; then the program is stopped."""
    assert program.until("done")["materialized"] == []
    photos = quiet.folder / "photos"
    (photos / "lot").mkdir()
    marker = photos / "lot/.uploading"
    marker.touch()
    quiet.photo("new.png", 99, blue=77)
    quiet.photo("lot/half.png", 98, blue=78)
    (photos / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert program.until("changed")["text"] == "2 photos arrived."
    done = program.until("done")
    assert done["photos_embedded"] == 1
    assert "predictions" in done["materialized"]
    assert "corrupt.png: " in program.until("quarantined")["text"]
    marker.unlink()
    assert program.until("changed")["text"] == "1 photo arrived."
    assert program.until("done")["photos_embedded"] == 1
    program.process.send_signal(signal.SIGTERM)
    assert program.until("stopped")["text"] == "Stopped. What was finished is kept."
    assert program.process.wait(timeout=60) == 0
