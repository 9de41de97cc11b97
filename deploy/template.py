"""Chalice's template and infra/*.yaml -> one template.

A file of infra/ is laid over what came before it: mappings field by field, everything else as a whole.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalice.package import YAMLTemplateSerializer

from .build import ROOT, Template

INFRA = ROOT / "infra"
WITHOUT_THE_APP = ("stack", "table", "bucket", "queues", "logs", "roles")
WITH_THE_APP = (*WITHOUT_THE_APP, "functions", "edge", "alarms", "fleet")
FUNCTION = "AWS::Serverless::Function"


def infrastructure(names: Mapping[str, str]) -> Template:
    """Everything but the functions: what `chalice deploy` needs to be there. `names`: of the table and the bucket."""
    return _named(_laid_over({"AWSTemplateFormatVersion": "2010-09-09"}, WITHOUT_THE_APP), names)


def whole(packaged: Template, code: Mapping[str, str], names: Mapping[str, str]) -> Template:
    """The stack of a farm. `code`: `Bucket` and `Key` of the archive. `names`: of the table and the bucket."""
    template = copy.deepcopy(packaged)
    for resource in template["Resources"].values():
        if resource["Type"] == FUNCTION:
            resource["Properties"]["CodeUri"] = dict(code)
            # Chalice's tag names its own stage; the stack's tags say what is deployed.
            resource["Properties"].pop("Tags", None)
    # infra/functions.yaml has one path for all: `edge/lambda_app.py` finds the route, and says no in the rooms' words.
    template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"] = {}
    return _named(_laid_over(template, WITH_THE_APP), names)


def _named(template: Template, names: Mapping[str, str]) -> Template:
    """CloudFormation takes up what an earlier stack has left only where a name is written out."""
    resources = template["Resources"]
    named = {name: {"Properties": {f"{name}Name": text}} for name, text in names.items()}
    return {**template, "Resources": laid_over(resources, named)}


def read(path: Path) -> Template:
    return dict(YAMLTemplateSerializer().load_template(path.read_text(), path.name))


def as_text(template: Template) -> str:
    """In one line: a template may have a megabyte."""
    return json.dumps(template, separators=(",", ":"), sort_keys=True)


def _laid_over(template: Template, names: tuple[str, ...]) -> Template:
    for name in names:
        template = laid_over(template, read(INFRA / f"{name}.yaml"))
    return template


def laid_over(below: Any, above: Any) -> Any:
    """`above`, and of `below` what `above` says nothing about."""
    if not isinstance(below, dict) or not isinstance(above, dict) or _is_function(above):
        return above
    return {**below, **{key: laid_over(below[key], value) if key in below else value for key, value in above.items()}}


def _is_function(value: Mapping[str, Any]) -> bool:
    """`{"Ref": ...}` or `{"Fn::...": ...}`: a value, for which nothing is to be kept of what was there."""
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))
