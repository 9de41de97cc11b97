"""What jobs that render with Blender may ask for."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from ..core.model import BlobId
from .blender_python import overrides
from .fields import (
    BLOB_OR_PATH,
    BlobRef,
    FileName,
    Limited,
    Name,
    StoragePath,
    blob_id,
    is_blob,
    is_storage_path,
    manifest_of,
)
from .framed import FramedSettings

MOST_CHUNK = 1_000
"""Frames in one task: each is an output at least, and a task can return a thousand."""
LARGEST_FRAME = 1_048_574
"""Blender's own limit."""
MOST_PREVIEWED = 10_000
MOST_TILES = 256

Engine = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]
"""Blender's identifier: CYCLES, BLENDER_EEVEE, BLENDER_WORKBENCH, or that of an add-on."""
EXTENSIONS = {
    "PNG": "png",
    "JPEG": "jpg",
    "OPEN_EXR": "exr",
    "OPEN_EXR_MULTILAYER": "exr",
    "TIFF": "tif",
    "WEBP": "webp",
    "BMP": "bmp",
    "TARGA": "tga",
}


def _blob_or_path(text: str) -> str:
    if not (is_blob(text) or is_storage_path(text)):
        raise ValueError("must be a blob id or an absolute path on shared storage")
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[^/\\#\x00-\x1f\x7f]{1,100}", text) or text.startswith((".", "~")):
        raise ValueError(f"{text[:40]!r} cannot begin a file's name: 1 to 100 characters without / \\ and #")
    return text


class BlenderSettings(Limited):
    """What all of them share."""

    blend: Annotated[str, AfterValidator(_blob_or_path), BLOB_OR_PATH]
    """The .blend file: a blob id, or an absolute path on storage that every worker sees."""
    inputs: dict[FileName, BlobRef] = Field(default={}, max_length=1_000)
    """Further files, such as textures, by their path relative to the .blend file."""
    manifest: BlobRef | None = None
    """A manifest of further files, laid out beside the .blend file."""
    scene: Name | None = None
    camera: Name | None = None
    engine: Engine | None = None
    samples: int | None = Field(default=None, ge=1, le=1_000_000)
    resolution: tuple[int, int] | None = Field(default=None, strict=False)
    """Width and height in pixels, rendered at 100 %."""
    percentage: int | None = Field(default=None, ge=1, le=1_000)
    denoise: bool | None = None
    threads: int | None = Field(default=None, ge=1, le=1_024)
    """None: all of the machine's."""
    prefix: Annotated[str, AfterValidator(_prefix)] = "frame_"
    """What the names of the frames begin with."""
    output_path: StoragePath | None = None
    """A folder on shared storage where the frames are put, instead of coming back to the farm."""

    @field_validator("resolution")
    @classmethod
    def sizes_are_sizes(cls, resolution: tuple[int, int] | None) -> tuple[int, int] | None:
        if resolution is not None and not all(4 <= pixels <= 65_536 for pixels in resolution):
            raise ValueError(f"{resolution[0]} x {resolution[1]} is no size; each side has 4 to 65,536 pixels")
        return resolution

    @model_validator(mode="after")
    def files_lie_together(self) -> BlenderSettings:
        if (self.inputs or self.manifest is not None) and not is_blob(self.blend):
            raise ValueError("inputs go with an uploaded .blend file; on shared storage they lie beside it")
        if self.blend_name in self.inputs:
            raise ValueError(f"inputs must not hold {self.blend_name!r}, which is the .blend file itself")
        return self

    @property
    def blend_name(self) -> str:
        return "scene.blend"

    @property
    def filepath(self) -> str:
        """For the worker: relative to its work folder, or absolute."""
        return f"input/{self.blend_name}" if is_blob(self.blend) else self.blend

    @property
    def files(self) -> list[tuple[str, BlobId]]:
        """What is laid into the work folder."""
        if not is_blob(self.blend):
            return []
        beside = [(f"input/{name}", blob_id(blob)) for name, blob in self.inputs.items()]
        folder = [] if self.manifest is None else [("input/", blob_id(self.manifest))]
        return [*folder, (self.filepath, blob_id(self.blend)), *beside]

    @property
    def blobs(self) -> dict[str, BlobId]:
        named = {f"settings.inputs.{name}": blob_id(blob) for name, blob in self.inputs.items()}
        named |= manifest_of(self.manifest)
        return {"settings.blend": blob_id(self.blend), **named} if is_blob(self.blend) else {}

    def python(self, **more: Any) -> str:
        return overrides(
            scene=self.scene,
            camera=self.camera,
            engine=self.engine,
            samples=self.samples,
            resolution=self.resolution,
            percentage=self.percentage,
            denoise=self.denoise,
            threads=self.threads,
            **more,
        )


class BlenderRenderSettings(BlenderSettings, FramedSettings):
    chunk: int = Field(default=1, ge=1, le=MOST_CHUNK)
    """Frames in one task, at most: starting Blender and loading the file is paid once for each."""
    format: Literal["PNG", "JPEG", "OPEN_EXR", "OPEN_EXR_MULTILAYER", "TIFF", "WEBP", "BMP", "TARGA"] | None = None
    """None: as set in the file."""
    preview: bool = False
    """Also make a video of the frames, at the end."""
    fps: float = Field(default=24.0, gt=0, le=1_000, allow_inf_nan=False, strict=False)
    """Frames per second of the preview."""

    @model_validator(mode="after")
    def frames_can_be_rendered(self) -> BlenderRenderSettings:
        frames = self.all_frames
        if frames.first < 0 or frames.last > LARGEST_FRAME:
            raise ValueError(f"frames: Blender renders frames 0 to {LARGEST_FRAME:,}, not {frames}"[:300])
        if self.preview and frames.count > MOST_PREVIEWED:
            raise ValueError(f"preview: {frames.count:,} frames are too many, it takes {MOST_PREVIEWED:,}")
        if self.preview and self.format == "OPEN_EXR_MULTILAYER":
            raise ValueError("preview: no video can be made of OPEN_EXR_MULTILAYER; use another format")
        if self.preview and self.output_path is not None and self.format is None:
            raise ValueError("preview: name the format, so that the frames on shared storage can be found")
        return self


class BlenderTilesSettings(BlenderSettings):
    frame: int = Field(default=1, ge=0, le=LARGEST_FRAME)
    columns: int = Field(default=2, ge=1, le=64)
    rows: int = Field(default=2, ge=1, le=64)
    format: Literal["PNG", "JPEG", "OPEN_EXR", "TIFF"] = "PNG"

    @model_validator(mode="after")
    def tiles_can_be_merged(self) -> BlenderTilesSettings:
        if self.columns * self.rows > MOST_TILES:
            raise ValueError(f"{self.columns} x {self.rows} tiles are too many; at most {MOST_TILES} are possible")
        return self
