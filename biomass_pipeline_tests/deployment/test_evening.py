"""An evening on the farm server: photos arrive, and nobody runs a command.

The stack of docker/ stands on a real PostgreSQL. Run it alone, and watch, with
`pytest biomass_pipeline_tests/deployment/test_evening.py -s`.
"""

import json
import os
import re
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

from biomass_pipeline.orchestration import build_definitions
from biomass_pipeline.orchestration.jobs import OPTIONAL, STAGES
from biomass_pipeline.orchestration.staleness import nodes
from biomass_pipeline.project import Project
from biomass_pipeline.synthetic import SyntheticSpec, write_photos
from biomass_pipeline_tests.deployment.postgres import missing_postgres, started_cluster
from biomass_pipeline_tests.deployment.stack import started_stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_postgres()), reason=missing_postgres()),
]

N_FOLDS, N_WEIGHED, N_LATE = 2, 30, 3
LOOK_S, SETTLE_S = 5, 3
# An evening alone takes less than ten minutes; beside other tests each wait may be longer.
CASCADE_S, QUIET_S = 1200, 12
# Two of each server and three of the webserver are kept; PostgreSQL has a hundred for all.
MOST_CONNECTIONS = 20
CONFIGURATION = {
    "name": "evening",
    "data": {"images": "photos", "labels": "train.csv"},
    "folds": {"n_folds": N_FOLDS},
    "tiling": {"tile_px": 125, "stride_px": 125},
    "training": {"n_seeds": 1, "epochs": 300},
    "evaluation": {"n_draws": 50, "n_resamples": 100},
    "automation": {"enabled": True, "interval_s": LOOK_S, "settle_s": SETTLE_S, "nightly": None},
}
# The servers' own waits, made short.
SETTINGS = {
    "run_monitoring": {"poll_interval_seconds": 3, "free_slots_after_run_end_seconds": 3},
}


@dataclass
class Mailbox:
    """A webhook that keeps what it is sent."""

    notices: list[dict] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/"

    def about(self, word):
        return [notice for notice in self.notices if word in json.dumps(notice)]


@contextmanager
def opened_mailbox():
    box = Mailbox()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            box.notices.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    box.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=box.server.serve_forever)
    thread.start()
    try:
        yield box
    finally:
        box.server.shutdown()
        thread.join()
        box.server.server_close()


@dataclass
class Evening:
    """The project in a folder, with the photos that have not arrived yet."""

    folder: Path
    late: list[Path]
    stack: object = None
    began_s: float = field(default_factory=time.monotonic)

    def say(self, sentence):
        print(f"{time.monotonic() - self.began_s:6.1f} s  {sentence}", flush=True)  # noqa: T201  # whoever watches reads it

    @property
    def client(self):
        return self.stack.client

    def materialized(self):
        """How often each asset and partition was made."""
        counts = {}
        for name in self.assets:
            for event in self.client.materializations(name):
                key = f"{name}[{event['partition']}]" if event["partition"] else name
                counts[key] = counts.get(key, 0) + 1
        return counts

    def embedded(self):
        """Photos that the backbone embedded so far, tile by tile, in every fold and beside them."""
        return sum(
            int(event["metadata"]["photos_embedded"])
            for name in ("feature_cache", "inference_features")
            for event in self.client.materializations(name)
        )

    def made(self, since):
        """What was made since some counts."""
        now = self.materialized()
        return {key for key, count in now.items() if count > since.get(key, 0)}

    def exactly(self, expected, *, since):
        """Wait until all of it was made, then until nothing runs: nothing else may be made."""
        self.until(lambda: self.made(since) >= expected, f"end of {len(expected)} parts")
        self.client.idle(seconds=CASCADE_S, quiet_s=QUIET_S)
        assert self.made(since) == expected

    def until(self, condition, what, *, pause_s=LOOK_S / 2):
        """Wait for something; asked too often, the webserver would take the time of the runs."""
        return self.client.wait(condition, seconds=CASCADE_S, what=what, pause_s=pause_s)

    @property
    def assets(self):
        left_out = {asset for stage in OPTIONAL for asset in STAGES[stage]}
        return [asset for assets in STAGES.values() for asset in assets if asset not in left_out]


@pytest.fixture
def evening(tmp_path):
    """Thirty weighed photos of 250 x 500 px, and three that nobody weighs."""
    folder = tmp_path / "project"
    spec = SyntheticSpec(n_photos=N_WEIGHED + N_LATE, n_sessions=11, height_px=250, width_px=500)
    write_photos(folder, spec=spec)
    labels = pd.read_csv(folder / "train.csv")
    names = labels["image_path"].drop_duplicates().tolist()
    outside = tmp_path / "camera"
    outside.mkdir()
    late = [Path(shutil.move(folder / name, outside)) for name in names[:N_LATE]]
    labels[~labels["image_path"].isin(names[:N_LATE])].to_csv(folder / "train.csv", index=False)
    (folder / "biomass.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    return Evening(folder, late)


def everything(evening):
    """Each asset and partition that is kept up to date by itself."""
    project = Project.open(evening.folder / "biomass.yaml", environment={})
    return {str(node) for node in nodes(build_definitions(project)) if node.asset in evening.assets}


def dribble(photo, folder, *, seconds):
    """Write a photo in pieces, as a slow upload does."""
    data = photo.read_bytes()
    pieces = 2 * seconds
    size = -(-len(data) // pieces)
    with (folder / photo.name).open("wb") as file:
        for start in range(0, len(data), size):
            file.write(data[start : start + size])
            file.flush()
            time.sleep(seconds / pieces)


def worker_of(evening, run_id):
    """The process of a run, as its log names it."""
    said = " ".join(event["message"] for event in evening.client.events(run_id))
    found = re.search(r"\(pid: (\d+)\)", said)
    return int(found[1]) if found else None


def test_an_evening(evening, tmp_path):
    with opened_mailbox() as mailbox, started_cluster() as cluster:
        environment = {"BIOMASS_WEBHOOK": mailbox.url}
        config = evening.folder / "biomass.yaml"
        options = {"settings": SETTINGS, "environment": environment}
        with started_stack(tmp_path / "stack", config, cluster, **options) as stack:
            evening.stack = stack
            evening.say("the stack is up")
            everything_is_made_by_itself(evening)
            three_photos_arrive(evening, mailbox)
            a_step_is_killed_and_recovers(evening)
            each_run_says_what_caused_it(evening)
            assert mailbox.about("broken") == mailbox.about("broken")[:1]
            # However often the sensors looked: a few of each server.
            assert cluster.n_connections < MOST_CONNECTIONS
        evening.say("everything is shut down, and nothing is left")


def everything_is_made_by_itself(evening):
    evening.exactly(everything(evening), since={})
    counts = evening.materialized()
    assert {key: count for key, count in counts.items() if count > 1} == {}
    assert evening.embedded() == N_WEIGHED
    evening.say(f"all {len(counts)} assets and partitions were made, each once")


def three_photos_arrive(evening, mailbox):
    photos = evening.folder / "photos"
    good, slow, broken = evening.late
    before, made = evening.embedded(), evening.materialized()
    upload = threading.Thread(target=dribble, args=(slow, photos), kwargs={"seconds": 12})
    upload.start()
    (photos / "broken.jpg").write_bytes(broken.read_bytes()[:5000])
    shutil.copy(good, photos)
    upload.join()
    evening.until(lambda: evening.embedded() == before + 2, "two more photos embedded")
    expected = {f"patch_index[{fold}]" for fold in range(N_FOLDS)} | {
        "image_manifest",
        "label_table",
        "inference_features",
        "predictions",
        "submission",
        "report",
    }
    evening.exactly(expected, since=made)
    assert evening.embedded() == before + 2
    table = pd.read_parquet(evening.folder / "artefacts" / "predictions" / "predictions.parquet")
    assert set(table["image_id"]) == {good.stem, slow.stem}
    evening.until(lambda: mailbox.about("broken.jpg"), "notice of the broken photo")
    assert len(mailbox.about("broken.jpg")) == 1
    assert not mailbox.about(slow.name)
    evening.say("two photos were predicted, and one notice told of the broken one")


def a_step_is_killed_and_recovers(evening):
    photos, made = evening.embedded(), evening.materialized()
    file = evening.folder / "train.csv"
    labels = pd.read_csv(file)
    changed = labels["image_path"].iloc[0]
    labels.loc[labels["image_path"] == changed, "target"] *= 1.1
    labels.to_csv(file, index=False)
    run_id = evening.until(lambda: training(evening), "training", pause_s=0.3)
    pid = evening.until(lambda: worker_of(evening, run_id), "worker", pause_s=0.3)
    os.kill(pid, signal.SIGKILL)
    evening.say(f"killed process {pid} of run {run_id[:8]}, which trained a fold")
    # What a label decides, and no photo is embedded anew.
    kept = {"patch_index", "feature_cache", "inference_features"}
    expected = {key for key in everything(evening) if key.partition("[")[0] not in kept}
    evening.exactly(expected, since=made)
    assert evening.embedded() == photos
    runs = evening.client.runs()
    dead = next(run for run in runs if run["runId"] == run_id)
    assert dead["status"] == "FAILURE"
    again = [run for run in runs if run["rootRunId"] == run_id and run["runId"] != run_id]
    later = [
        run
        for run in runs
        if run["partition"] == dead["partition"]
        and run["status"] == "SUCCESS"
        and "mil_checkpoint" in run["assets"]
        and run["startTime"] > dead["startTime"]
    ]
    assert again or later
    evening.say("the fold was trained again, and the report is of the changed weights")


def each_run_says_what_caused_it(evening):
    causes = {run["tags"].get("biomass/cause", "") for run in evening.client.runs()}
    assert "" not in causes
    told = "\n".join(causes)
    for words in (
        f"{N_WEIGHED} photos arrived",
        "the label file changed",
        "never materialized",
        "raw_images changed",
        "raw_labels changed",
    ):
        assert words in told, causes


def training(evening):
    """A run whose network is being trained right now."""
    for run in evening.client.runs(statuses=["STARTED"]):
        started = [
            event["stepKey"]
            for event in evening.client.events(run["runId"])
            if event["__typename"] == "ExecutionStepStartEvent"
        ]
        if any(re.match("mil_checkpoint", key or "") for key in started):
            return run["runId"]
    return None
