"""What `chalice deploy` needs to know of a stage whose infrastructure is there, in .chalice/config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .build import ROOT
from .stack import Described
from .stage import Stage

CONFIG = ROOT / ".chalice" / "config.json"
FUNCTIONS = {
    "api_handler": ("APIHandler", {}),
    "table_changed": ("TableChanged", {"lambda_timeout": 120}),
    "object_stored": ("ObjectStored", {"lambda_timeout": 120}),
    "errand_left": ("ErrandLeft", {"lambda_timeout": 300}),
    "minute_passed": ("MinutePassed", {"lambda_timeout": 300}),
}
"""Chalice's name of each function, its name in infra/, and what else it needs."""


VARIABLES = {
    "MILLRACE_WAIT_SECONDS": "WaitSeconds",
    "MILLRACE_PUSH_NETWORKS": "PushNetworks",
    "MILLRACE_HOOK_NETWORKS": "HookNetworks",
    "MILLRACE_MAIL_FROM": "MailFrom",
}
"""What is chosen by parameters of infra/stack.yaml. The rest of these is for what only the whole stack has."""


def stage_config(outputs: Mapping[str, str], parameters: Mapping[str, str], architecture: str) -> dict[str, Any]:
    """The stage's part of the file, from the outputs and parameters of the stack."""
    return {
        "api_gateway_stage": "api",
        "api_gateway_endpoint_type": "REGIONAL",
        "lambda_architecture": architecture,
        "manage_iam_role": False,
        "environment_variables": {
            "MILLRACE_TABLE": outputs["TableName"],
            "MILLRACE_BUCKET": outputs["BucketName"],
            "MILLRACE_STAGE": outputs["Stage"],
            "MILLRACE_QUEUE": outputs["QueueUrl"],
            "MILLRACE_QUEUE_ARN": outputs["QueueArn"],
            "MILLRACE_STREAM_ARN": outputs["StreamArn"],
            **{variable: parameters[name] for variable, name in VARIABLES.items()},
        },
        "lambda_functions": {
            function: {"iam_role_arn": outputs[f"{name}RoleArn"], **more}
            for function, (name, more) in FUNCTIONS.items()
        },
    }


def write(stage: Stage, there: Described, architecture: str) -> Path:
    """Put the stage into the file; other stages and settings stay as they are."""
    config = json.loads(CONFIG.read_text())
    config.setdefault("stages", {})[stage.name] = stage_config(there.outputs, there.parameters, architecture)
    fresh = CONFIG.with_suffix(".json.new")
    fresh.write_text(json.dumps(config, indent=2) + "\n")
    fresh.replace(CONFIG)
    return CONFIG
