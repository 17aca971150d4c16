"""`watch`: keeps one project up to date without a server, in one process, until it is stopped."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import typer
from rich.console import Console

from biomass_pipeline.cli.opening import open_project, opened
from biomass_pipeline.cli.progress import TerminalReporter, announcer
from biomass_pipeline.cli.terminal import open_console
from biomass_pipeline.errors import BiomassError, InterruptedRunError
from biomass_pipeline.manifest import Watch
from biomass_pipeline.notices import LogChannel, Notice, channels_of, tell
from biomass_pipeline.orchestration import Graph, Node, Step, exclusive
from biomass_pipeline.orchestration.keeping import Failure, Keeper, Round
from biomass_pipeline.orchestration.lookout import Lookout
from biomass_pipeline.orchestration.quarantine import Quarantine, quarantine_notice, untold
from biomass_pipeline.orchestration.readiness import Attempt
from biomass_pipeline.orchestration.sensors import marks_of
from biomass_pipeline.plain import counted
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureFolder
from biomass_pipeline.whole import write_whole

_FAILED, _QUARANTINED = 1, 3


@dataclass
class Voice:
    """Says what happens: a line for a person, or an object for a program."""

    as_json: bool
    clock: Callable[[], float] = time.time
    _last: str = ""

    @property
    def console(self) -> Console:
        """For bars and what else is shown while something runs."""
        return open_console(stderr=self.as_json)

    def say(self, event: str, text: str, **facts: object) -> None:
        """Say something that happened."""
        self._last = ""
        moment = datetime.fromtimestamp(self.clock(), UTC)
        if self.as_json:
            told = {"time": moment.isoformat(timespec="seconds"), "event": event, "text": text}
            typer.echo(json.dumps(told | facts, default=str))
        else:
            self.console.print(f"{moment.astimezone():%H:%M:%S} {text}", markup=False)

    def say_once(self, event: str, text: str) -> None:
        """Say something that lasts, when it begins."""
        if text != self._last:
            self.say(event, text)
            self._last = text


@dataclass
class Vigil:
    """One project under watch, from look to look.

    Attributes:
        project: As it was opened.
        voice: Who says what happens.
        once: Whether it ends after one round.
        clock: Seconds since 1970.
        sleep: Waits some seconds.
        watch: What the last looks saw.
        tried: The last attempt at each part of the graph.
    """

    project: Project
    voice: Voice
    once: bool = False
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    watch: Watch = field(default_factory=Watch)
    tried: dict[Node, Attempt] = field(default_factory=dict)

    def keep(self) -> int:
        """Watch until it is stopped, or for one round; an edited configuration is opened anew.

        Returns:
            0; after one round 1 if something failed, else 3 if something is quarantined.

        Raises:
            BiomassError: It cannot begin.
        """
        began = False
        while True:
            try:
                with closing(TerminalReporter(self.voice.console)) as reporter:
                    code = self._keep_open(reporter)
            except InterruptedRunError:
                raise
            except BiomassError as error:
                if self.once or not began:
                    raise
                self.voice.say("unusable", str(error))
                self._until_edited()
            else:
                if code is not None:
                    return code
            began = True

    def _keep_open(self, reporter: TerminalReporter) -> int | None:
        """Watch until the configuration is edited (None), or the one round is done (its code)."""
        lookout = Lookout(self.project)
        with opened(self.project, reporter, settle=True) as graph:
            while (edited := self._edited()) is None:
                if cause := self._look(lookout):
                    code = self._round(graph, reporter, cause)
                    if self.once:
                        return code
                self.sleep(self.project.config.automation.interval_s)
        self.voice.say("configuration", "The configuration was edited; it is opened anew.")
        self.project, self.watch = edited, self.watch.blind()
        return None

    def _edited(self) -> Project | None:
        """The project with the configuration as it is now; None if it is the same."""
        try:
            config = self.project.reread()
        except BiomassError as error:
            self.voice.say_once("unusable", str(error))
            return None
        return None if config == self.project.config else replace(self.project, config=config)

    def _until_edited(self) -> None:
        while (edited := self._edited()) is None:
            self.sleep(self.project.config.automation.interval_s)
        self.project, self.watch = edited, self.watch.blind()

    def _look(self, lookout: Lookout) -> str:
        """Look once; what changed, if it is time to act on it."""
        try:
            seen = lookout.look()
        except (BiomassError, OSError) as error:
            if self.once:
                raise
            self.watch = self.watch.blind()
            self.voice.say_once("waiting", str(error))
            return ""
        before = self.watch
        self.watch, act = before.after(
            seen.sight,
            now_s=self.clock(),
            patience_s=self.project.config.automation.patience_s,
        )
        if not act and self.watch.since_s is not None:
            self.voice.say_once("waiting", f"Waiting until it stays the same: {seen.inventory}.")
        return lookout.cause(seen, before=before.acted) if act else ""

    def _round(self, graph: Graph, reporter: TerminalReporter, cause: str) -> int | None:
        """Bring everything up to date; None if that cannot begin now and is tried again."""
        keeper = Keeper(replace(graph, cause=cause), self.tried)
        reporter.n_embedded = 0
        try:
            with exclusive(self.project.layout, graph.instance):
                self.voice.say("changed", f"{cause[0].upper()}{cause[1:]}.")
                done = keeper.catch_up(on_step=self._announce, on_failure=self._lament)
                extraction = (graph.defs.resources or {})["feature_handles"].fingerprint
                keeper.prune(FeatureFolder(self.project.layout), extraction)
        except BiomassError as error:
            if self.once or isinstance(error, InterruptedRunError):
                raise
            self.watch = self.watch.blind()
            self.voice.say_once("waiting", str(error))
            return None
        self._sum_up(done, reporter.n_embedded)
        quarantined = self._tell_of_quarantine(Quarantine(self.project, extraction))
        if done.failures or done.held_up:
            return _FAILED
        return _QUARANTINED if quarantined else 0

    def _announce(self, step: Step) -> None:
        if not self.voice.as_json:
            announcer(self.voice.console)(step)
            return
        why = sorted({reason for verdict in step.verdicts for reason in verdict.reasons})
        assets = [node.asset for node in step.nodes]
        text = f"{step.job}: {', '.join(map(str, step.nodes))}"
        self.voice.say("run", text, job=step.job, fold=step.fold, assets=assets, why=why)

    def _lament(self, failure: Failure) -> None:
        self.voice.say("failed", f"{failure.notice().title}: {failure.error}")
        self._tell(failure.notice())

    def _sum_up(self, done: Round, n_embedded: int) -> None:
        ran = (
            f"{counted(len(done.ran), 'materialization')}, {counted(n_embedded, 'photo')} embedded"
        )
        if done.held_up:
            held = ", ".join(map(str, done.held_up))
            text = f"{ran}. Not up to date, because of a failure: {held}."
        else:
            text = f"Everything is up to date: {ran}."
        self.voice.say(
            "done",
            text,
            materialized=[str(node) for node in done.ran],
            photos_embedded=n_embedded,
            held_up=[str(node) for node in done.held_up],
        )

    def _tell_of_quarantine(self, quarantine: Quarantine) -> int:
        """Tell of what is newly quarantined; how much is in all."""
        photos = quarantine.photos() or []
        file = self.project.layout.dagster_home / "told.json"
        told = marks_of(file.read_text(encoding="utf-8") if file.exists() else None)
        new, known = untold(photos, told)
        if new:
            notice = quarantine_notice(new)
            facts: Mapping[str, object] = notice.facts
            self.voice.say("quarantined", notice.text, **facts)
            self._tell(notice)
            write_whole(file, lambda path: path.write_text(json.dumps(known), encoding="utf-8"))
        return len(photos)

    def _tell(self, notice: Notice) -> None:
        """Send it; what the log would say is said already."""
        notify = self.project.config.automation.notify
        channels = channels_of(notify, dict(self.project.environment))
        tell(notice, [each for each in channels if not isinstance(each, LogChannel)])


def keep_watch(
    config: Path | None, overrides: tuple[str, ...], *, once: bool, as_json: bool
) -> int:
    """Keep a project up to date until Ctrl-C or SIGTERM.

    Returns:
        0; with `once` 1 if something failed, else 3 if something is quarantined.
    """
    project, voice = open_project(config, overrides), Voice(as_json)
    interval_s = project.config.automation.interval_s
    with _stopped_like_ctrl_c():
        try:
            if not once:
                voice.say(
                    "watching",
                    f"Watching {project.config.data.images} every {interval_s} s; Ctrl-C ends it.",
                )
            return Vigil(project, voice, once).keep()
        except (KeyboardInterrupt, InterruptedRunError):
            if once:
                raise
            voice.say("stopped", "Stopped. What was finished is kept.")
            return 0


@contextmanager
def _stopped_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, from `kill` or a service manager, ends it as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # A shell starts what it puts into the background deaf to Ctrl-C; this is not Ctrl-C.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
