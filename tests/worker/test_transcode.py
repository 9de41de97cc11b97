"""The transcode runtimes on real videos: every frame arrives once, at its time, with its sound."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest

from millrace.agent.errors import CommandFailed
from millrace.runtimes.ffmpeg import Timeline, find_ffmpeg, media_from, timeline
from tests.worker.workbench import Workbench

SOUND = ["-f", "lavfi", "-i", "sine=d=6:r=48000", "-c:a", "aac"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "48"]
FAST = ["-preset", "ultrafast"]
SOURCES = {
    # name: (frame rate of the pattern, filter, codec options)
    "b-frames": ("25", "null", H264),
    "29.97": ("30000/1001", "null", H264),
    # two seconds at 60 frames, two at 20, and so on
    "variable": ("60", r"select='if(lt(mod(t\,4)\,2)\,1\,not(mod(n\,3)))'", [*H264, "-fps_mode", "vfr"]),
    "mpeg2": ("25", "null", ["-c:v", "mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2"]),
}


def use_ffmpeg(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setenv("MILLRACE_FFMPEG", program)
    find_ffmpeg.cache_clear()


@pytest.fixture(autouse=True)
def the_wheel_s_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a machine without ffmpeg of its own has."""
    use_ffmpeg(monkeypatch, imageio_ffmpeg.get_ffmpeg_exe())
    yield
    find_ffmpeg.cache_clear()


def make_video(folder: Path, name: str, suffix: str = "mp4", sound: bool = True) -> Path:
    rate, select, codec = SOURCES[name]
    path = folder / f"source.{suffix}"
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=160x120:r={rate}:d=6"]
    heard = SOUND if sound else []
    argv = [find_ffmpeg(), "-v", "error", "-y", *picture, *heard[:4], "-vf", select, *codec, *heard[4:], str(path)]
    subprocess.run(argv, check=True)
    return path


def transcode(
    bench: Workbench, source: Path, piece: str = "mov", track: str = "m4a"
) -> tuple[Timeline, Timeline, dict[str, object]]:
    """Split, convert, encode the sound, join; gives the video's and the sound's timeline and what the split said."""
    split = bench.run("split_video", input=str(source), segment_seconds=2)
    converted = []
    for index, part in enumerate(split.outputs):
        converted.append(f"out_{index:05d}.{piece}")
        bench.run("convert_segment", input=part, output=converted[-1], extra_args=FAST)
    bench.run("encode_track", input=str(source), ranges=None, output=f"sound.{track}")
    frames = split.result["frames"]
    bench.run(
        "join_segments", inputs=converted, audio=f"sound.{track}", format="mp4", output="r.mp4", expected_frames=frames
    )
    result = bench.work / "r.mp4"
    return timeline(bench.context, result), timeline(bench.context, result, "a:0"), dict(split.result)


FILES = [("b-frames", "mp4"), ("29.97", "mp4"), ("variable", "mp4"), ("mpeg2", "ts")]


@pytest.mark.parametrize(("name", "suffix"), FILES)
def test_the_joined_video_has_every_frame_at_its_time_and_its_sound(
    bench: Workbench, tmp_path: Path, name: str, suffix: str
) -> None:
    source = make_video(tmp_path, name, suffix)
    before = timeline(bench.context, source)
    picture, sound, split = transcode(bench, source)
    assert abs(picture.frames - before.frames) <= 1
    assert split["frames"] == before.frames
    longest_frame = max(b - a for a, b in zip(before.shown_at, before.shown_at[1:], strict=False))
    assert abs(picture.seconds - before.seconds) <= longest_frame
    times = zip(before.shown_at, picture.shown_at, strict=True)
    assert max(abs((a - before.starts_at) - (b - picture.starts_at)) for a, b in times) < 0.005
    assert abs(picture.ends_at - sound.ends_at) < 0.05


@pytest.mark.parametrize("name", ["29.97", "variable"])
def test_pieces_in_matroska_are_joined_as_exactly_as_it_can_tell(bench: Workbench, tmp_path: Path, name: str) -> None:
    source = make_video(tmp_path, name)
    before = timeline(bench.context, source)
    picture, sound, _ = transcode(bench, source, piece="mkv", track="mka")
    assert picture.frames == before.frames
    assert abs(picture.seconds - before.seconds) < 0.05
    times = zip(before.shown_at, picture.shown_at, strict=True)
    assert max(abs((a - before.starts_at) - (b - picture.starts_at)) for a, b in times) < 0.002
    assert abs(picture.ends_at - sound.ends_at) < 0.05


def test_ranges_come_out_in_the_order_given_and_in_step_with_their_sound(bench: Workbench, tmp_path: Path) -> None:
    source = make_video(tmp_path, "29.97")
    before = timeline(bench.context, source)
    ranges = [[3.0, 5.5], [1.0, 2.0], [0.5, 2.0]]
    names = []
    for start, end in ranges:
        names.append(f"range_{len(names)}.mp4")
        made = bench.run(
            "convert_segment",
            input=str(source),
            start_seconds=start,
            end_seconds=end,
            output=names[-1],
            extra_args=FAST,
        )
        assert made.result["frames"] == sum(start <= shown < end for shown in before.shown_at)
    bench.run("encode_track", input=str(source), ranges=ranges, output="sound.m4a")
    bench.run("join_segments", inputs=names, audio="sound.m4a", format="mp4", output="r.mp4")
    picture, sound = timeline(bench.context, bench.work / "r.mp4"), timeline(bench.context, bench.work / "r.mp4", "a:0")
    assert abs(picture.ends_at - 5) < 0.1
    assert abs(picture.ends_at - sound.ends_at) < 0.05


def test_neighbouring_ranges_share_no_frame_and_miss_none(bench: Workbench, tmp_path: Path) -> None:
    source = make_video(tmp_path, "29.97", sound=False)
    frames = 0
    for start in range(0, 6, 2):
        end = start + 2 if start < 4 else None
        made = bench.run(
            "convert_segment", input=str(source), start_seconds=start, end_seconds=end, output="p.mp4", extra_args=FAST
        )
        frames += made.result["frames"]
    assert frames == timeline(bench.context, source).frames


@pytest.mark.parametrize("suffix", ["mp4", "flv"])
@pytest.mark.parametrize(("most", "frames"), [(5.96, 149), (6.0, 150), (7.0, 150), (1.0, 25)])
def test_a_piece_of_somebody_else_is_no_longer_than_it_was_to_be(
    bench: Workbench, tmp_path: Path, suffix: str, most: float, frames: int
) -> None:
    source = make_video(tmp_path, "b-frames", suffix)
    made = bench.run("convert_segment", input=str(source), most_seconds=most, output="r.mov", extra_args=FAST)
    assert (made.result["frames"], made.result["duration_ms"]) == (frames, frames * 40)


def test_pieces_from_files_with_other_time_bases_are_joined_at_their_times(bench: Workbench, tmp_path: Path) -> None:
    """As when somebody else has made some of them, in a format of his own."""
    names = []
    for suffix in ("mp4", "mkv", "ts", "flv"):
        source = make_video(tmp_path, "b-frames", suffix, sound=False)
        names.append(f"{suffix}.mov")
        bench.run("convert_segment", input=str(source), most_seconds=6.0, output=names[-1], extra_args=FAST)
    bench.run("join_segments", inputs=names, format="mp4", output="r.mp4")
    picture = timeline(bench.context, bench.work / "r.mp4")
    gaps = {b - a for a, b in zip(picture.shown_at, picture.shown_at[1:], strict=False)}
    assert picture.frames == 600 and abs(picture.seconds - 24) < 0.01
    assert all(abs(gap - Fraction(1, 25)) < 0.003 for gap in gaps), "to the millisecond that FLV knows"


def test_a_silent_video_has_no_sound_track_and_says_so(bench: Workbench, tmp_path: Path) -> None:
    source = make_video(tmp_path, "b-frames", sound=False)
    made = bench.run("encode_track", input=str(source), output="sound.m4a")
    assert (dict(made.result), made.outputs, made.not_produced) == ({"has_audio": False}, (), ("sound.m4a",))
    assert bench.run("split_video", input=str(source), segment_seconds=3).result["has_audio"] is False


def test_a_join_that_lost_frames_fails(bench: Workbench, tmp_path: Path) -> None:
    make_video(bench.work, "b-frames", sound=False)
    with pytest.raises(CommandFailed, match="the result has 150 frames, expected 400"):
        bench.run("join_segments", inputs=["source.mp4"], format="mp4", output="r.mp4", expected_frames=400)


def test_something_that_is_no_video_is_named(bench: Workbench) -> None:
    (bench.work / "film.mp4").write_text("not a film")
    with pytest.raises(CommandFailed, match="ffmpeg cannot read 'film.mp4'"):
        bench.run("split_video", input="film.mp4", segment_seconds=3)


def test_progress_rises_while_converting(bench: Workbench, tmp_path: Path) -> None:
    source = make_video(tmp_path, "b-frames", sound=False)
    bench.run("convert_segment", input=str(source), output="p.mp4", extra_args=FAST)
    told = bench.attempt.renewal(now=float("inf"), every_seconds=0)
    assert told is not None and told["progress"] > 90 and told["activity"] == "converting"


def test_the_frame_rate_is_read_as_a_fraction() -> None:
    line = "  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31), yuv420p, 320x240, 512 kb/s, 29.97 fps, 29.97 tbr"
    media = media_from([line, "  Stream #0:1[0x2](und): Audio: aac (LC), 48000 Hz"])
    assert (media.video_codec, media.frame_rate, media.has_audio) == ("h264", "30000/1001", True)


@pytest.mark.needs("ffmpeg")
def test_the_machine_s_own_ffmpeg_does_as_well(
    bench: Workbench, tmp_path: Path, require_program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video(tmp_path, "29.97")
    use_ffmpeg(monkeypatch, require_program("ffmpeg"))
    picture, sound, split = transcode(bench, source)
    assert picture.frames == split["frames"]
    assert abs(picture.ends_at - sound.ends_at) < 0.05


def test_concatenate_videos_joins_what_matches_in_name_order(bench: Workbench) -> None:
    source = make_video(bench.work, "b-frames", sound=False)
    for name in ("part-1.mp4", "part-2.mp4"):
        (bench.work / name).write_bytes(source.read_bytes())
    bench.run("concatenate_videos", input_files="part-*.mp4", output_file="all.mp4")
    assert timeline(bench.context, bench.work / "all.mp4").frames == 300
    with pytest.raises(CommandFailed, match="no file matches"):
        bench.run("concatenate_videos", input_files="absent-*.mp4", output_file="all.mp4")


@pytest.mark.parametrize("format", ["mp4", "flv"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_file_is_converted_in_one_go_with_its_sound(
    bench: Workbench, tmp_path: Path, suffix: str, format: str
) -> None:
    """In mkv sound begins before picture; avi does not say when a frame is shown."""
    source = make_video(tmp_path, "b-frames", suffix)
    target = tmp_path / f"whole.{format}"
    made = bench.run("transcode_file", input=str(source), format=format, output=str(target), extra_args=FAST)
    assert made.result["frames"] == 150
    assert abs(timeline(bench.context, target, "a:0").seconds - 6) < 0.2


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_range_of_a_file_is_converted_in_one_go(bench: Workbench, tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path, "b-frames", suffix)
    asked = {"input": str(source), "format": "mp4", "output": "part.mp4", "extra_args": FAST}
    made = bench.run("transcode_file", **asked, start_seconds=1, end_seconds=3)
    assert (made.result["frames"], made.result["duration_ms"]) == (50, 2000)
    with pytest.raises(CommandFailed, match="before the range begins"):
        bench.run("transcode_file", **asked, start_seconds=10, end_seconds=12)


@pytest.mark.needs("ffmpeg")
def test_no_frame_is_doubled_where_sound_begins_before_picture(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to itself ffmpeg 5.1 fills the gap."""
    use_ffmpeg(monkeypatch, "ffmpeg")
    source = tmp_path / "source.mkv"
    picture, sound = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=3"], ["-f", "lavfi", "-i", "sine=d=3"]
    subprocess.run([find_ffmpeg(), "-v", "error", *picture, *sound, "-c:a", "aac", str(source)], check=True)
    asked = {"input": str(source), "format": "mp4", "output": "part.mp4", "extra_args": FAST}
    assert bench.run("transcode_file", **asked, start_seconds=1, end_seconds=2).result["frames"] == 25
    assert bench.run("transcode_file", **asked).result["frames"] == 75
