"""The demo's transcode on a farm of this machine with two workers, beside ffmpeg alone in one process, in turns.

The same source, codecs and settings. ffmpeg uses all cores by itself: what the farm costs (cutting, joining, uploads,
polls) is what is seen. Its gain is the second machine, which is not here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from millrace.demo import video
from millrace.farm import Farm
from tests.bench.beside import said
from tests.bench.figures import Figure, Finding, percentile
from tests.bench.options import Options
from tests.bench.served import ROOT, served

WORKERS = 2
LONGEST_SECONDS = 600


def measure(options: Options) -> Iterator[Finding]:
    ffmpeg = video.find_ffmpeg()
    alone, farmed = [], []
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        source = folder / "source.mp4"
        seconds = _sample(ffmpeg, source, 4 if options.quick else video.SAMPLE_SECONDS)
        farm = Farm(stack.enter_context(served()).url)
        for number in range(WORKERS):
            stack.enter_context(_worker(farm.url, folder / str(number)))
        for number in range(1 if options.quick else 2):
            alone.append(_alone(ffmpeg, source, folder / f"alone-{number}.mp4"))
            farmed.append(_on_the_farm(farm, source, folder / f"farm-{number}", seconds))
        if not options.quick:  # what is cut without being decoded has some frames that are not shown
            video.check_same(video.measure(ffmpeg, source), video.measure(ffmpeg, folder / "alone-0.mp4"))
    note = f"{said([ffmpeg, '-version'])[:40]}; {seconds} s of 1280x720"
    yield Figure("transcode: ffmpeg alone", percentile(alone, 0.5), "s", note=note)
    yield Figure(f"transcode: farm with {WORKERS} workers, upload and result included", percentile(farmed, 0.5), "s")
    ratio = percentile(farmed, 0.5) / percentile(alone, 0.5)
    yield Figure("transcode: the farm's time to that of ffmpeg alone, one machine", ratio, "x")


def _sample(ffmpeg: str, path: Path, seconds: int) -> int:
    """The demo's video, or its beginning."""
    video.make_sample(ffmpeg, path)
    if seconds < video.SAMPLE_SECONDS:
        whole = path.replace(path.with_name("whole.mp4"))
        cut = [ffmpeg, "-nostdin", "-v", "error", "-i", str(whole), "-t", str(seconds), "-c", "copy", str(path)]
        subprocess.run(cut, check=True)
    return seconds


def _alone(ffmpeg: str, source: Path, target: Path) -> float:
    begun_at = time.perf_counter()
    command = [ffmpeg, "-nostdin", "-v", "error", "-i", str(source), "-c:v", "libx264", "-c:a", "aac", str(target)]
    subprocess.run(command, check=True)
    return time.perf_counter() - begun_at


def _on_the_farm(farm: Farm, source: Path, folder: Path, seconds: int) -> float:
    begun_at = time.perf_counter()
    settings = {
        "input": farm.upload(source),
        "format": "mp4",
        "segment_seconds": seconds / 8,
        "video_codec": "libx264",
        "audio_codec": "aac",
    }
    job = farm.wait(farm.submit("transcode", settings, name=f"bench {folder.name}"), timeout=LONGEST_SECONDS)
    if job.status != "completed":
        raise RuntimeError(f"the job is {job.status}: {job.error}")
    farm.download(job, folder)
    return time.perf_counter() - begun_at


@contextmanager
def _worker(url: str, folder: Path) -> Iterator[None]:
    folder.mkdir()
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, "-m", "millrace.cli", "worker", "--farm", url, "--name", f"bench-{folder.name}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait()
