"""Job type `function`: one piece of code, run once on one input. What Pleiades calls a lambda.

Whoever declares the runtime may run it. Neither code nor input is required: there are runtimes that bring their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from ..core.model import FUNCTION_TYPE, BlobId, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan
from .fields import BlobRef, Name, Settings, blob_id


class FunctionSettings(Settings):
    runtime: Name
    """An opaque name, matched as a whole: `python3`, `dlabLua54+pcli`."""
    code: BlobRef | None = None
    input: BlobRef | None = None


class Function:
    name = "function"
    settings: type[BaseModel] = FunctionSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, FunctionSettings)
        given = (("code", settings.code), ("input", settings.input))
        task = TaskPlan(
            name=settings.runtime,
            requirement=Requirement(FUNCTION_TYPE + settings.runtime),
            commands=({"name": "function", "settings": {"runtime": settings.runtime}},),
            inputs=tuple((name, blob_id(blob)) for name, blob in given if blob is not None),
            outputs=("output",),
        )

        def expand(results: Results) -> Expansion:
            return Expansion(1, lambda index: task)

        return [StepPlan("run", expand, publishes=True)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, FunctionSettings)
        given = {"settings.code": settings.code, "settings.input": settings.input}
        return {field: blob_id(blob) for field, blob in given.items() if blob is not None}
