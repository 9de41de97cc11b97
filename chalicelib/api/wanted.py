"""The shapes of requests. The OpenAPI document is generated from these; their docstrings are its text.

Strict: no unknown fields, no "5" for 5, no true for 1, no null for what may be left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only printable characters, please")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
MaxWorkers = Annotated[int, Field(ge=1, le=1000)] | None
Priority = Annotated[int, Field(ge=0, le=100)]


def _no_default(schema: dict[str, Any]) -> None:
    """What is left out has no value; the one that stands in our code is nobody's business."""
    schema.pop("default", None)


LEFT_OUT = Field(json_schema_extra=_no_default)


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExitRule(Wanted):
    """What an exit code means: `fail` for good, or `retry` after some seconds; what is not counted spends no retry."""

    action: Literal["retry", "fail"] = "retry"
    delay_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0
    counted: bool = True


class Retry(Wanted):
    """What failures of a job's tasks mean: when they are tried again, and what exit codes say."""

    delay_seconds: Annotated[int, Field(ge=0, le=86_400, description="Before a failed task is tried again.")] = 0
    exit_codes: Annotated[
        dict[Annotated[str, Field(pattern="^-?[0-9]{1,10}$")], ExitRule],
        Field(max_length=100, description='Such as `{"211": {"delay_seconds": 300, "counted": false}}`.'),
    ] = {}


class JobWanted(Wanted):
    """A job to run."""

    name: Name
    type: Annotated[str, Field(min_length=1, max_length=200)]
    priority: Annotated[Priority, Field(description="Higher first.")] = 50
    tags: Annotated[
        list[Name],
        Field(
            max_length=100,
            description="`x` or `+x`: the worker must have tag x; `-x`: must not have it; `~x`: had better have it.",
        ),
    ] = []
    settings: Annotated[dict[str, Any], Field(description="As the job type wants them.")] = {}
    max_retries: Annotated[
        int, Field(ge=0, le=100, description="Of each task; left out: as the farm says of the type, else 3.")
    ] = 3
    on_failure: Annotated[
        Literal["continue", "stop"],
        Field(description="`stop`: the first task that fails for good ends the job."),
    ] = "continue"
    retry: Annotated[Retry | None, Field(description="null: failures are tried again at once.")] = None
    max_workers: Annotated[
        MaxWorkers, Field(description="How many of its tasks may run at once; null: as many as there are workers.")
    ] = None
    after: Annotated[
        list[Annotated[str, Field(pattern="^[0-9]{1,16}$")]],
        Field(max_length=20, description="Jobs that must complete before it starts; if one does not, it fails."),
    ] = []


class JobChange(Wanted):
    """What is to be different. What is not given stays."""

    name: Annotated[Name, LEFT_OUT] = ""
    priority: Annotated[Priority, Field(description="Higher first. Reaches queued tasks at once."), LEFT_OUT] = 0
    max_workers: Annotated[
        MaxWorkers, Field(description="null: no limit. What runs already is not stopped."), LEFT_OUT
    ] = None


class RetryWanted(Wanted):
    """What is to run again; without fields, whatever failed or was canceled. The body may be left out."""

    only: Annotated[
        Literal["failed", "canceled"] | None,
        Field(
            description="`failed`: what failed, and what was canceled because of that. `canceled`: what was canceled; "
            "tasks that failed stay so, which takes a cancel back."
        ),
    ] = None
    tasks: Annotated[
        list[Annotated[str, Field(pattern="^[0-9]{1,16}$")]] | None,
        Field(min_length=1, max_length=1000, description="These, whatever became of them."),
    ] = None
    frames: Annotated[
        str | None, Field(max_length=20_000, description="Those with these frames, as far as they have ended.")
    ] = None


class FramesWanted(Wanted):
    """Frames that a job is to get."""

    frames: Annotated[str, Field(min_length=1, max_length=20_000, examples=["251-300,310-320x2"])]


class StatusWanted(Wanted):
    """What a worker is asked to become; it hears of it with its next call."""

    status: Literal["awake", "asleep", "offline"]
    lazy: Annotated[bool, Field(description="Only after the tasks that it runs now.")] = False


class BlobWanted(Wanted):
    """Content that is about to be uploaded."""

    size: Annotated[int, Field(ge=0, description="In bytes.")]
    sha256: Sha256


class ContentsWanted(Wanted):
    """Contents that may have to be uploaded."""

    contents: Annotated[list[BlobWanted], Field(min_length=1, max_length=1000)]


class SweepWanted(Wanted):
    thorough: Annotated[bool, Field(description="Look into every task of every open window.")] = False


class PruneWanted(Wanted):
    older_than_days: Annotated[
        int, Field(ge=1, le=3650, description="What was stored, or relied on, since then stays, needed or not.")
    ] = 30
    dry_run: Annotated[bool, Field(description="Remove nothing, and say what would be removed.")] = False


class Nothing(Wanted):
    """No fields; the body may be left out."""
