"""Frame ranges against the plain thing they stand for: a list of frames."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.compilers.frame_ranges import Chunks, FrameRange, parse_frames, ranges_of


def frames_in(one: FrameRange) -> list[int]:
    return list(range(one.first, one.last + 1, one.step))


def listed(text: str) -> list[int]:
    return [frame for one in parse_frames(text).ranges for frame in frames_in(one)]


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", [7]),
        ("1-4", [1, 2, 3, 4]),
        ("3-3", [3]),
        ("1-3, 300, 310-320x5", [1, 2, 3, 300, 310, 315, 320]),
        ("1-10x4", [1, 5, 9]),
        ("1-3x5", [1]),
        ("1-3x1", [1, 2, 3]),
        (" 1 - 3 ,\n 5 - 9 x 2 ", [1, 2, 3, 5, 7, 9]),
        ("-2-1", [-2, -1, 0, 1]),
        ("-10--8", [-10, -9, -8]),
        ("0001-0003", [1, 2, 3]),
    ],
)
def test_what_people_write_is_what_they_mean(text: str, frames: list[int]) -> None:
    assert listed(text) == frames
    assert parse_frames(text).count == len(frames)


def test_frames_come_in_the_order_written() -> None:
    assert listed("300, 1-3") == [300, 1, 2, 3]


def test_ranges_that_continue_each_other_are_one() -> None:
    assert str(parse_frames("1,2,3,4-10,12")) == "1-10,12"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no frames are named"),
        ("1-10,,12", "'' is no frame range"),
        ("one", "'one' is no frame range; write 5, or 1-250"),
        ("1-5:2", "'1-5:2' is no frame range"),
        ("1..5", "'1..5' is no frame range"),
        ("1.5", "'1.5' is no frame range"),
        ("8, 5-3", "'5-3' goes backwards; write 3-5"),
        ("9-1x2", "'9-1x2' goes backwards; write 1-9x2"),
        ("1-5x0", "'1-5x0' has the step 0"),
        ("1-10, 5", "frame 5 is named twice, in '1-10' and in '5'"),
        ("1-20x3, 4-30x5", "frame 4 is named twice, in '1-19x3' and in '4-29x5'"),
        ("2-100x7, 3-100x5", "frame 23 is named twice"),
        ("1-2000000", "2,000,000 frames are more than the 1,000,000 that a job may have"),
        ("10000000", "'10000000' goes beyond frame 9,999,999"),
        (",".join(str(2 * n) for n in range(1001)), "at most 1,000 ranges, not 1,001"),
    ],
)
def test_a_wrong_range_is_named_with_what_would_be_right(text: str, says: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_frames(text)
    assert says in str(refused.value)


ranges = st.builds(
    lambda first, count, step: FrameRange(first, first + (count - 1) * step, step if count > 1 else 1),
    st.integers(-50, 50),
    st.integers(1, 30),
    st.integers(1, 7),
)


@given(ranges, ranges)
def test_two_ranges_share_the_first_frame_that_is_in_both(one: FrameRange, other: FrameRange) -> None:
    both = sorted(set(frames_in(one)) & set(frames_in(other)))
    assert one.shared_with(other) == (both[0] if both else None)
    assert other.shared_with(one) == (both[0] if both else None)


@given(st.lists(ranges, min_size=1, max_size=6), st.integers(1, 12))
def test_chunks_hold_every_frame_once_in_order(given: list[FrameRange], size: int) -> None:
    wanted = [frame for one in given for frame in frames_in(one)]
    text = ",".join(map(str, given))
    if len(set(wanted)) < len(wanted):
        with pytest.raises(ValueError, match="is named twice"):
            parse_frames(text)
        return
    frames = parse_frames(text)
    chunks = Chunks(frames, size)
    pieces = [frames_in(chunks[index]) for index in range(len(chunks))]
    assert [frame for piece in pieces for frame in piece] == wanted
    assert all(1 <= len(piece) <= size for piece in pieces)
    assert (frames.first, frames.last, frames.count) == (min(wanted), max(wanted), len(wanted))


@given(st.lists(st.integers(-60, 60), unique=True))
def test_a_list_of_frames_is_written_as_ranges_that_read_as_the_same_list(frames: list[int]) -> None:
    text = str(ranges_of(frames))
    assert (listed(text) if text else []) == frames


def test_the_ranges_of_a_list_are_short() -> None:
    assert str(ranges_of([1, 2, 3, 7, 9, 11, 20, 40])) == "1-3,7-11x2,20,40"


def test_a_million_frames_cost_no_more_than_ten() -> None:
    """Chunks found by their index among five hundred interleaved ranges: a list of the frames, made for each, would
    take minutes."""
    frames = parse_frames(",".join(f"{n}-{999_000 + n}x500" for n in range(500)))
    chunks = Chunks(frames, 3)
    in_each = 667  # of 1999 frames
    began = time.monotonic()
    for number in range(500):
        for piece in range(0, in_each, 20):
            assert chunks[number * in_each + piece].first == number + piece * 3 * 500
    assert len(chunks) == 500 * in_each and time.monotonic() - began < 20


def test_no_chunk_lies_beyond_the_last() -> None:
    chunks = Chunks(parse_frames("1-10"), 4)
    assert [str(chunks[n]) for n in range(3)] == ["1-4", "5-8", "9-10"]
    with pytest.raises(IndexError):
        chunks[3]
