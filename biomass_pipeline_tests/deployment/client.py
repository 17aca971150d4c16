"""What a person does in the UI, over the same GraphQL."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
_REPOSITORY = "__repository__"
_CAPTURED = "LogsCapturedEvent"


@dataclass
class Client:
    """Asks a webserver.

    Attributes:
        port: Of the webserver on 127.0.0.1.
        watch: Called between two looks while waiting; raises when waiting is in vain.
    """

    port: int
    watch: Callable[[], None] = lambda: None

    def ask(self, query, **variables):
        """The answer to one query.

        The webserver keeps connections: after a restart of the database the first query on each
        fails, and a person would press reload. So do we; any other error is ours.
        """
        for _ in range(10):
            answer = self._ask_once(query, variables)
            if "psycopg2.OperationalError" not in json.dumps(answer):
                break
            time.sleep(0.5)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def _ask_once(self, query, variables):
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  # our own
                return json.load(response)
        except urllib.error.HTTPError as error:
            # GraphQL's own errors come with a status, and with a body that says more.
            return json.load(error)

    def wait(self, until, *, seconds, what, pause_s=0.3):
        """Ask until there is an answer, and give it."""
        deadline = time.monotonic() + seconds
        while True:
            if found := until():
                return found
            self.watch()
            assert time.monotonic() < deadline, f"no {what} within {seconds} s"
            time.sleep(pause_s)

    def loaded(self, seconds=120):
        """Wait until the server answers and has the graph; gives the code location."""

        def look():
            try:
                entries = self.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
            except OSError:
                return None
            for entry in entries:
                problem = (entry["locationOrLoadError"] or {}).get("message", "")
                if entry["loadStatus"] == "LOADED" and not problem:
                    return entry["name"]
            return None

        return self.wait(look, seconds=seconds, what="loaded code location")

    def launch(self, job, *, assets=(), partition=None, tags=None):
        """Launch a job, or some of its assets; gives the run's id."""
        wanted = {**(tags or {}), **({"dagster/partition": partition} if partition else {})}
        parameters = {
            "selector": {
                **self._repository(),
                "jobName": job,
                **({"assetSelection": [_key(name) for name in assets]} if assets else {}),
            },
            "runConfigData": {},
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in wanted.items()]
            },
        }
        launched = self.ask(_LAUNCH, parameters=parameters)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def backfill(self, assets, partitions=None):
        """Materialize assets over partitions, all by default, as one click; gives its id."""
        chosen = {"partitionNames": partitions} if partitions else {"allPartitions": True}
        parameters = {"assetSelection": [_key(name) for name in assets], **chosen}
        launched = self.ask(_BACKFILL, parameters=parameters)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return launched["backfillId"]

    def run(self, run_id):
        """One run: `status`, `jobName`, `tags` (a dict), `assets` (names) and its times."""
        return _plain(self.ask(_RUN, id=run_id)["runOrError"])

    def runs(self, **filters):
        """The latest runs, the newest first; filters as in GraphQL: `statuses`, `pipelineName`,
        `tags` (a list of `{"key":, "value":}`).
        """
        return [
            _plain(run) for run in self.ask(_RUNS, filter=filters)["pipelineRunsOrError"]["results"]
        ]

    def finished(self, run_id, *, seconds=120, status="SUCCESS"):
        """Wait for a run's end, and fail with its errors when it ends otherwise."""

        def look():
            run = self.run(run_id)
            return run["status"] in ENDED and run

        run = self.wait(look, seconds=seconds, what=f"end of run {run_id}")
        assert run["status"] == status, f"{run}\n{self.failures(run_id)}"
        return run

    def idle(self, *, seconds, quiet_s=0.0):
        """Wait until no run is queued or at work, and none was for `quiet_s`; gives all runs."""
        since = None

        def look():
            nonlocal since
            runs = self.runs()
            if any(run["status"] not in ENDED for run in runs):
                since = None
                return None
            since = since or time.monotonic()
            return time.monotonic() - since >= quiet_s and (runs or True)

        return self.wait(look, seconds=seconds, what="end of all runs", pause_s=1)

    def terminate(self, run_id):
        """Cancel a run."""
        answer = self.ask(_TERMINATE, id=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def events(self, run_id):
        """A run's log: dicts with `__typename`, `message`, `stepKey`, `timestamp`."""
        found, cursor = [], None
        while True:
            page = self.ask(_EVENTS, id=run_id, after=cursor)["logsForRun"]
            found += page["events"]
            cursor = page["cursor"]
            if not page["hasMore"]:
                return found

    def failures(self, run_id):
        """What went wrong in a run, in its own words."""
        return "\n".join(
            f"{event['__typename']} {event.get('stepKey') or ''}: {event['message']}"
            f" {json.dumps(event.get('error')) if event.get('error') else ''}"
            for event in self.events(run_id)
            if "Failure" in event["__typename"] or event.get("error")
        )

    def materializations(self, asset):
        """An asset's materializations, the newest first: run, partition, tags, metadata."""
        node = self.ask(_MATERIALIZATIONS, key=_key(asset))["assetOrError"]
        return [
            {
                "run": event["runId"],
                "partition": event["partition"],
                "at_s": int(event["timestamp"]) / 1000,
                "tags": {tag["key"]: tag["value"] for tag in event["tags"]},
                "metadata": {entry["label"]: _value(entry) for entry in event["metadataEntries"]},
            }
            for event in node.get("assetMaterializations", [])
        ]

    def switch_on(self, name):
        """Start a sensor, or a schedule, by name."""
        selector = {**self._repository(), "sensorName": name}
        if name in self.automations("schedules"):
            selector = {**self._repository(), "scheduleName": name}
            answer = self.ask(_START_SCHEDULE, selector=selector)["startSchedule"]
        else:
            answer = self.ask(_START_SENSOR, selector=selector)["startSensor"]
        assert answer["__typename"] in {"Sensor", "ScheduleStateResult"}, answer

    def switch_off(self, name):
        """Stop a sensor, or a schedule, by name."""
        schedules = self.automations("schedules")
        if name in schedules:
            answer = self.ask(_STOP_SCHEDULE, id=schedules[name]["id"])["stopRunningSchedule"]
        else:
            answer = self.ask(_STOP_SENSOR, id=self.automations("sensors")[name]["id"])[
                "stopSensor"
            ]
        assert answer["__typename"] in {"StopSensorMutationResult", "ScheduleStateResult"}, answer

    def automations(self, kind="sensors"):
        """Sensors, or schedules: {name: {"id", "status"}}."""
        node = self.ask(_AUTOMATIONS, repository=self._repository())["repositoryOrError"]
        field = {"sensors": "sensorState", "schedules": "scheduleState"}[kind]
        return {item["name"]: item[field] for item in node[kind]}

    def ticks(self, name):
        """A sensor's ticks, the newest first: status, time, runs asked for, why it skipped."""
        selector = {**self._repository(), "sensorName": name}
        return self.ask(_TICKS, selector=selector)["sensorOrError"]["sensorState"]["ticks"]

    def daemons(self):
        """Whether each required daemon is healthy, by its type."""
        health = self.ask(_DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        return {each["daemonType"]: each["healthy"] for each in health if each["required"]}

    def compute_log(self, run_id):
        """What a run's processes printed, in the order they began."""
        captured = [each for each in self.events(run_id) if each["__typename"] == _CAPTURED]
        logs = [
            self.ask(_LOGS, key=[run_id, "compute_logs", event["fileKey"]])["capturedLogs"]
            for event in captured
        ]
        return "".join((each["stdout"] or "") + (each["stderr"] or "") for each in logs)

    def _repository(self):
        return {"repositoryLocationName": "biomass", "repositoryName": _REPOSITORY}


def _key(asset):
    return {"path": asset.split("/")}


def _plain(run):
    return {
        **run,
        "tags": {tag["key"]: tag["value"] for tag in run["tags"]},
        "assets": [key["path"][-1] for key in run["assetSelection"] or []],
        "partition": next(
            (tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition"), None
        ),
    }


def _value(entry):
    for name in ("intValue", "floatValue", "boolValue", "text", "path", "url", "jsonString"):
        if entry.get(name) is not None:
            return entry[name]
    return None


_RUN_FIELDS = """runId status jobName startTime endTime parentRunId rootRunId
  tags {key value} assetSelection {path}"""
_LOCATIONS = """{workspaceOrError {... on Workspace {locationEntries {
  name loadStatus locationOrLoadError {__typename ... on PythonError {message}}}}}}"""
_LAUNCH = """mutation ($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}
    ... on RunConfigValidationInvalid {errors {message}}}}"""
_BACKFILL = """mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""
_RUN = f"""query ($id: ID!) {{runOrError(runId: $id) {{... on PythonError {{message}}
  ... on Run {{{_RUN_FIELDS}}}}}}}"""
_RUNS = f"""query ($filter: RunsFilter) {{pipelineRunsOrError(filter: $filter, limit: 500) {{
  ... on PythonError {{message}} ... on Runs {{results {{{_RUN_FIELDS}}}}}}}}}"""
_TERMINATE = """mutation ($id: String!) {terminateRun(runId: $id) {
  __typename ... on TerminateRunFailure {message} ... on PythonError {message}}}"""
_EVENTS = """query ($id: ID!, $after: String) {
  logsForRun(runId: $id, afterCursor: $after) {
   ... on PythonError {message} ... on EventConnection {
    cursor hasMore events {
      __typename ... on MessageEvent {message timestamp stepKey level}
      ... on ErrorEvent {error {message className cause {message}}}
      ... on LogsCapturedEvent {fileKey}}}}}"""
_MATERIALIZATIONS = """query ($key: AssetKeyInput!) {assetOrError(assetKey: $key) {
  ... on Asset {assetMaterializations(limit: 500) {
    runId partition timestamp tags {key value} metadataEntries {
      label ... on IntMetadataEntry {intValue} ... on FloatMetadataEntry {floatValue}
      ... on BoolMetadataEntry {boolValue} ... on TextMetadataEntry {text}
      ... on PathMetadataEntry {path} ... on UrlMetadataEntry {url}
      ... on JsonMetadataEntry {jsonString}}}}}}"""
_START_SENSOR = """mutation ($selector: SensorSelector!) {startSensor(sensorSelector: $selector) {
  __typename ... on PythonError {message}}}"""
_STOP_SENSOR = """mutation ($id: String!) {stopSensor(id: $id) {
  __typename ... on PythonError {message}}}"""
_START_SCHEDULE = """mutation ($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) {__typename ... on PythonError {message}}}"""
_STOP_SCHEDULE = """mutation ($id: String!) {stopRunningSchedule(id: $id) {
  __typename ... on PythonError {message}}}"""
_AUTOMATIONS = """query ($repository: RepositorySelector!) {
  repositoryOrError(repositorySelector: $repository) {... on Repository {
    sensors {name sensorState {id status}} schedules {name scheduleState {id status}}}}}"""
_TICKS = """query ($selector: SensorSelector!) {sensorOrError(sensorSelector: $selector) {
  ... on Sensor {sensorState {ticks(limit: 200) {
    status timestamp endTimestamp runIds skipReason cursor error {message}}}}}}"""
_DAEMONS = """{instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}}"""
_LOGS = """query ($key: [String!]!) {capturedLogs(logKey: $key) {stdout stderr}}"""
