"""`millrace demo`: the options, the story in its order, and what each way of ending looks like."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from millrace.demo import folders, video
from millrace.demo.display import Display
from millrace.demo.failure import DemoFailed
from millrace.demo.processes import Processes
from millrace.farm import Farm
from millrace.sdk.errors import FarmError
from millrace.sdk.values import Job

WORKERS = ("worker-1", "worker-2")


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    video: Path | None
    segments: int
    keep: bool
    timeout_seconds: float


@click.command("demo")
@click.option(
    "--video", "file", type=click.Path(path_type=Path), help="Transcode this file. [default: a sample is made]"
)
@click.option(
    "--segments",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="In about how many parts: cuts are at keyframes.",
)
@click.option("--keep", is_flag=True, help="Leave the farm running until Ctrl-C.")
@click.option("--timeout", type=click.FloatRange(min=1), default=1800.0, show_default=True, metavar="SECONDS")
def demo(file: Path | None, segments: int, keep: bool, timeout: float) -> int:
    """Transcode a video in parallel on a farm of this machine: a manager, two workers, nothing to configure."""
    signal.signal(signal.SIGTERM, end_politely)
    console = Console()
    run = folders.new_run()
    try:
        result = Story(Wishes(file and file.resolve(), segments, keep, timeout), console, run).tell()
    except DemoFailed as error:
        return report(console, run, str(error), error.last_lines)
    except FarmError as error:
        return report(console, run, error.message, [])
    except (KeyboardInterrupt, SystemExit):
        console.print("interrupted; the farm and its workers are ended")
        return 130
    folders.leave_only(run, result)
    return 0


def end_politely(number: int, frame: FrameType | None) -> None:
    """SIGTERM unwinds the stack as Ctrl-C does, and so ends the processes."""
    raise SystemExit(128 + number)


def report(console: Console, run: Path, message: str, log: list[str]) -> int:
    for line in log:
        console.print(f"  | {line}", style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print(f"demo failed: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"logs: {run}", highlight=False, soft_wrap=True)
    return 1


class Story:
    """One run of the demo, told step by step."""

    def __init__(self, wishes: Wishes, console: Console, run: Path) -> None:
        self.wishes, self.console, self.run = wishes, console, run
        self.deadline = time.monotonic() + wishes.timeout_seconds

    def tell(self) -> Path:
        """The path of the checked result. Whatever happens, no process is left."""
        ffmpeg = video.find_ffmpeg()
        source = self.source(ffmpeg)
        expected = video.measure(ffmpeg, source)
        self.say(f"source: {source} ({expected})")
        with Processes(self.run) as processes:
            url = processes.serve()
            self.say(f"farm:   {url}")
            for name in WORKERS:
                processes.work(url, name)
            farm = Farm(url, "")
            job = self.submit(farm, source, expected, processes)
            result = self.fetch(farm, job)
            found = video.measure(ffmpeg, result)
            video.check_same(expected, found)
            self.say_who_did_it(farm, job)
            self.say(f"result: {result} ({found}; same as the source)")
            self.say(f"farm:   {url}")
            self.keep_open(processes)
        return result

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def source(self, ffmpeg: str) -> Path:
        if self.wishes.video:
            video.check_is_video(ffmpeg, self.wishes.video)
            return self.wishes.video
        self.say("making a sample video ...")
        sample = self.run / "sample.mp4"
        video.make_sample(ffmpeg, sample)
        return sample

    def submit(self, farm: Farm, source: Path, expected: video.Measured, processes: Processes) -> Job:
        """The job, once it has completed."""
        settings = {
            "input": farm.upload(source),
            "format": "mp4",
            "segment_seconds": max(0.2, round(expected.seconds / self.wishes.segments, 3)),
            "video_codec": "libx264",
            "audio_codec": "aac",
        }
        job = farm.submit("transcode", settings, name=f"transcode {source.name}")
        job = self.watch(farm, job, processes)
        if job.status != "completed":
            raise DemoFailed(f"the job {job.status}: {job.error or 'no reason was given'}{first_error(farm, job)}")
        return job

    def watch(self, farm: Farm, job: Job, processes: Processes) -> Job:
        """Show the job until it has ended. A process that has ended explains more than the call that then fails."""
        with Display(self.console) as display:
            while True:
                processes.check()
                try:
                    job = farm.job(job)
                    names = {worker.id: worker.name for worker in farm.workers()}
                    display.show(job, list(farm.tasks(job, status="active")), names)
                except FarmError:
                    processes.check()
                    raise
                if job.has_ended:
                    return job
                if time.monotonic() > self.deadline:
                    raise DemoFailed(f"the job is still {job.status} after {self.wishes.timeout_seconds:.0f} s")
                time.sleep(0.2)

    def fetch(self, farm: Farm, job: Job) -> Path:
        paths = farm.download(job, self.run / "result")
        if len(paths) != 1:
            raise DemoFailed(f"the job has {len(paths)} outputs instead of one")
        return paths[0]

    def say_who_did_it(self, farm: Farm, job: Job) -> None:
        names = {worker.id: worker.name for worker in farm.workers()}
        done = Counter(names.get(task.attempts[-1].worker or "", "?") for task in farm.tasks(job) if task.attempts)
        self.say("tasks:  " + ", ".join(f"{count} by {name}" for name, count in sorted(done.items())))

    def keep_open(self, processes: Processes) -> None:
        if not self.wishes.keep:
            return
        self.say("the farm stays; Ctrl-C ends it")
        try:
            while True:
                processes.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            self.say("ending the farm ...")


def first_error(farm: Farm, job: Job) -> str:
    """What the first failed task said last."""
    for task in farm.tasks(job, status="failed"):
        for attempt in reversed(task.attempts):
            return f"\n  {task.name}: {attempt.error or attempt.outcome}"
    return ""
