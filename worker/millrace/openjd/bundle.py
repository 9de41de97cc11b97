"""A job bundle: the folder in which submitters of the field save a job.

`template.yaml` or `.json`; optionally `parameter_values` (values, and settings of other farms' own, which begin with
the farm's name and a colon) and `asset_references` (files that the template does not name), each as YAML or JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from millrace.openjd.errors import Refused
from millrace.openjd.paths import Files

SUFFIXES = (".yaml", ".yml", ".json")


def template_of(folder: Path) -> Path:
    found = _file(folder, "template")
    if found is None:
        raise Refused(f"{folder} holds no template.yaml and no template.json; is it a job bundle?")
    return found


def values_of(folder: Path) -> dict[str, Any]:
    """Parameter -> value. What belongs to another farm (`deadline:priority`) is left out."""
    path = _file(folder, "parameter_values")
    if path is None:
        return {}
    listed = _content(path).get("parameterValues")
    if not isinstance(listed, list) or not all(isinstance(one, dict) and "name" in one for one in listed):
        raise Refused(f"{path}: parameterValues must be a list of {{name, value}}")
    return {str(one["name"]): one.get("value") for one in listed if ":" not in str(one["name"])}


def assets_of(folder: Path) -> Files:
    """Raises Refused for an input that is not there. Relative paths are taken from the folder."""
    path = _file(folder, "asset_references")
    if path is None:
        return Files()
    references = _content(path).get("assetReferences") or {}
    inputs, outputs = references.get("inputs") or {}, references.get("outputs") or {}
    files = Files(
        reads=[folder / one for one in [*_texts(path, inputs, "filenames"), *_texts(path, inputs, "directories")]],
        writes=[folder / one for one in _texts(path, outputs, "directories")],
    )
    if missing := [one for one in files.reads if not one.exists()]:
        raise Refused(f"{path}: {len(missing)} of {len(files.reads)} inputs are not there, such as {missing[0]}")
    return files


def _file(folder: Path, stem: str) -> Path | None:
    return next((path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()), None)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise Refused(f"{path} must hold keys and values")
    return content


def _texts(path: Path, mapping: Any, field: str) -> list[str]:
    found = (mapping.get(field) if isinstance(mapping, dict) else None) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Refused(f"{path}: {field} must be a list of paths")
    return found
