"""What is under deploy/ fits the project and AWS' own description of its interface; nothing of it is run."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import botocore.session
import commands_page
import pytest
from botocore.validate import ParamValidator
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
JOB = json.loads((ROOT / "deploy" / "aws-batch-job.json").read_text(encoding="utf-8"))
INSTRUCTIONS = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}


def _faults(job: dict) -> str:
    batch = botocore.session.get_session().get_service_model("batch")
    asked = batch.operation_model("RegisterJobDefinition").input_shape
    return ParamValidator().validate(job, asked).generate_report()


def test_the_batch_job_is_what_aws_takes():
    assert _faults(JOB) == ""


def test_the_check_finds_what_aws_would_not_take():
    assert "retries" in _faults({**JOB, "retries": 3})
    assert "attempts" in _faults({**JOB, "retryStrategy": {"attempts": "10"}})
    assert "jobDefinitionName" in _faults({"type": "container"})


def test_the_batch_jobs_command_exists():
    name, *words = JOB["containerProperties"]["command"]
    command = commands_page.commands()[name]
    asked = {word for word in words if word.startswith("--")}
    needed = {each.opts[0] for each in command.params if each.required and each.opts[0].startswith("-")}
    assert needed <= asked <= commands_page.options(command)
    filled_in = {word.removeprefix("Ref::") for word in words if word.startswith("Ref::")}
    assert filled_in == set(JOB["parameters"])


def test_the_batch_job_gives_each_worker_a_core_and_memory_for_it():
    resources = {
        each["type"]: int(each["value"]) for each in JOB["containerProperties"]["resourceRequirements"]
    }
    workers = int(JOB["parameters"]["workers"])
    assert resources["VCPU"] >= workers
    assert resources["MEMORY"] >= workers * 3.5 * 1024  # MiB: 2.5 GiB for the network, and the field
    assert resources["MEMORY"] <= resources["VCPU"] * 4 * 1024 * 0.95, "a machine keeps some of it for itself"


def _dockerfile() -> list[tuple[str, str]]:
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line.strip()]


def _all(instruction: str) -> list[str]:
    return [rest for name, rest in _dockerfile() if name == instruction]


def test_the_dockerfile_has_known_instructions_and_begins_with_a_python_that_fits():
    assert {name for name, _ in _dockerfile()} == INSTRUCTIONS
    assert _dockerfile()[0][0] == "FROM"
    version = re.fullmatch(r"python:(\d+\.\d+)-slim", _all("FROM")[0])
    assert version is not None
    assert version[1] in SpecifierSet(PROJECT["requires-python"])


def test_the_dockerfile_copies_what_is_there_and_all_that_building_needs():
    copied = [source for rest in _all("COPY") for source in shlex.split(rest)[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert {"pyproject.toml", "src", PROJECT["readme"], "LICENSE"} <= set(copied)


def test_the_dockerfile_installs_extras_that_exist_and_calls_a_command_that_does():
    extras = re.search(r"'\.\[([\w,]+)\]'", " ".join(_all("RUN")))
    assert extras is not None
    assert set(extras[1].split(",")) <= PROJECT["optional-dependencies"].keys()
    (entry,) = json.loads(_all("ENTRYPOINT")[0])
    assert entry in PROJECT["scripts"]
    assert json.loads(_all("CMD")[0]) == ["--help"]


@pytest.mark.parametrize("name", ["Dockerfile", "aws-batch-job.json"])
def test_what_is_deployed_names_no_real_account(name):
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    assert not re.search(r"\b\d{12}\b", text)


def test_the_python_that_needs_a_cluster_is_python_at_least():
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    compile(block, "scale.md", "exec")
