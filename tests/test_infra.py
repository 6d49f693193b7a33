"""What infra/ declares: images that run as nobody, servers that say when they are ready, templates that Prefect takes.

No container engine is needed, and none was there: what is checked is what can be read.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import prefect.server.api.collections as prefect_collections
import pytest
import yaml
from jsonschema import Draft202012Validator
from prefect.utilities.templating import find_placeholders

from tasks.settings import REPOSITORY, Settings

INFRA = REPOSITORY / "infra"
POOLS = {path.stem: json.loads(path.read_text()) for path in sorted((INFRA / "pools").glob("*.json"))}
COMPOSE = yaml.safe_load((INFRA / "compose.yaml").read_text())
SECRET = re.compile(r"(?i)(password|secret|key|auth)")


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Instruction and arguments of each line, continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name.upper(), rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def test_the_image_is_pinned_and_runs_as_an_ordinary_user_with_no_secret_in_it() -> None:
    found = instructions((INFRA / "Dockerfile").read_text())
    arguments = dict(rest.split("=", 1) for name, rest in found if name == "ARG")
    for _, rest in (one for one in found if one[0] == "FROM"):
        image = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], rest.split()[0])
        assert re.fullmatch(r"[a-z.]+/[a-z/]+:[0-9][\w.-]+", image), f"{image} has no fixed version"
    users = [rest for name, rest in found if name == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1]), "Kubernetes' runAsNonRoot wants a number"
    names = [name for name, _ in found]
    assert "ADD" not in names
    assert names.count("CMD") == 1
    for name, rest in found:
        if name in ("CMD", "ENTRYPOINT"):
            assert json.loads(rest), "signals go to the program, not to a shell"
        if name == "WORKDIR":
            assert rest.startswith("/")
        if name in ("ENV", "ARG"):
            assert not SECRET.search(rest)
        if name == "RUN":
            assert "sudo" not in rest and "curl" not in rest and "pip install" not in rest, (
                "only what is pinned by hash"
            )


def test_the_build_sees_no_secret_and_no_environment_of_the_checkout() -> None:
    ignored = (INFRA / "Dockerfile.dockerignore").read_text().split()
    assert {".git", ".kodcode", ".env", "kodcode.toml"} <= set(ignored)


def test_every_server_of_compose_says_when_it_is_ready_and_is_waited_for() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    assert services["worker"]["deploy"]["replicas"] == 2
    once = {name for name, one in services.items() if one.get("restart") in (None, "on-failure:3")}
    for name, service in services.items():
        assert name in once or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert not service.get("privileged")
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in once else "service_healthy"
            assert how["condition"] == wanted, f"{name} -> {needed}"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "Prefect's server is for this machine"
        if service["image"] == "kodcode:latest":
            assert service["cap_drop"] == ["ALL"]
            assert name == "volumes" or (service["read_only"] and "no-new-privileges:true" in service["security_opt"])
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]


def test_compose_is_what_its_specification_says() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", INFRA / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_no_secret_of_compose_has_a_default() -> None:
    content = (INFRA / "compose.yaml").read_text()
    for variable in re.findall(r"\$\{([^}]+)\}", content):
        assert ":?" in variable or variable in ("OPENAI_API_KEY:-", "ANTHROPIC_API_KEY:-"), variable


def test_the_programs_that_health_checks_and_commands_name_are_in_the_image() -> None:
    scripts = {path.name for path in (Path(prefect_collections.__file__).parents[6] / "bin").iterdir()}
    found = instructions((INFRA / "Dockerfile").read_text())
    default = json.loads(next(rest for name, rest in found if name == "CMD"))
    ours = [one for one in COMPOSE["services"].values() if one["image"] == "kodcode:latest"]
    assert {one.get("command", default)[0] for one in ours} == {"prefect", "rclone", "kodcode", "sh"}
    assert {"prefect", "rclone", "kodcode"} <= scripts


@pytest.mark.parametrize("kind", POOLS)
def test_a_pool_template_is_one_that_prefect_takes(kind: str) -> None:
    template = POOLS[kind]
    known = prefect_template(kind)
    variables = template["variables"]
    Draft202012Validator.check_schema(variables)
    assert set(template["job_configuration"]) <= set(known["job_configuration"]), "Prefect's worker knows no more"
    used = {placeholder.name for placeholder in find_placeholders(template["job_configuration"])}
    assert used == set(variables["properties"])
    for name, variable in variables["properties"].items():
        assert variable["title"] and variable["description"], name
        if "default" in variable:
            Draft202012Validator({**variable, "definitions": variables.get("definitions", {})}).validate(
                variable["default"]
            )
        if name in known["variables"]["properties"]:
            assert variable.get("type") == known["variables"]["properties"][name].get("type"), name


@pytest.mark.parametrize("kind", POOLS)
def test_what_is_secret_in_a_pool_is_a_reference(kind: str) -> None:
    environment = POOLS[kind]["variables"]["properties"]["env"]["default"]
    for name, value in environment.items():
        if SECRET.search(name) or "URL" in name:
            assert re.fullmatch(r"\{\{ prefect\.blocks\.secret\.[a-z-]+ \}\}", value), name


def test_pods_meet_the_restricted_standard_and_have_bounded_room() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, restricted."""
    properties = POOLS["kubernetes"]["variables"]["properties"]
    pod, container = (properties[f"{which}_security_context"]["default"] for which in ("pod", "container"))
    assert pod["runAsNonRoot"] is True and pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    spec = POOLS["kubernetes"]["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert all(volume["emptyDir"]["sizeLimit"] for volume in spec["volumes"])
    mounted = {mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_postgres_is_healthy_only_when_others_can_reach_it() -> None:
    """While its entry point initialises the folder, a server of its own listens on a Unix socket."""
    assert COMPOSE["services"]["postgres"]["healthcheck"]["test"][:3] == ["CMD", "pg_isready", "-h"]


def test_the_context_for_level_full_gives_away_no_more_than_it_needs() -> None:
    (written,) = re.findall(r"container_security_context:\n(.+?)\n\n", (INFRA / "README.md").read_text(), re.DOTALL)
    context = json.loads(written)
    assert set(context) <= CONTAINER_SECURITY
    assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert {context[name]["type"] for name in ("seccompProfile", "appArmorProfile")} == {"Unconfined"}


# Names of fields of the Kubernetes API 1.33 that may stand there, of those that a job of ours could use.
JOB = {"backoffLimit", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "parallelism", "completions", "template"}
POD = {
    "restartPolicy", "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "hostUsers",
    "terminationGracePeriodSeconds", "securityContext", "containers", "volumes", "nodeSelector", "tolerations",
    "imagePullSecrets", "priorityClassName", "runtimeClassName", "affinity",
}  # fmt: skip
CONTAINER = {
    "name", "image", "imagePullPolicy", "args", "command", "env", "envFrom", "securityContext", "resources",
    "volumeMounts", "workingDir",
}  # fmt: skip
POD_SECURITY = {
    "runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy", "supplementalGroups",
    "seccompProfile", "appArmorProfile",
}  # fmt: skip
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities", "procMount", "seccompProfile",
    "appArmorProfile", "runAsNonRoot", "runAsUser", "runAsGroup", "privileged",
}  # fmt: skip


def test_no_container_runs_more_programs_than_its_memory_holds() -> None:
    """Sandboxes are as many as the machine has cores where nothing says otherwise."""
    kubernetes, docker = (POOLS[kind]["variables"]["properties"] for kind in ("kubernetes", "docker"))
    worker = COMPOSE["services"]["worker"]
    trial_gb = Settings.model_fields["trial_memory_mb"].default / 1024
    for jobs, memory in (
        (kubernetes["env"]["default"]["KODCODE_SANDBOX_JOBS"], kubernetes["memory_limit"]["default"]),
        (docker["env"]["default"]["KODCODE_SANDBOX_JOBS"], docker["mem_limit"]["default"]),
        (worker["environment"]["KODCODE_SANDBOX_JOBS"], worker["deploy"]["resources"]["limits"]["memory"]),
    ):
        assert int(jobs) * trial_gb + 4 <= int(re.sub(r"[gG]i?$", "", memory))
    assert kubernetes["cpu_request"]["default"] == kubernetes["env"]["default"]["KODCODE_SANDBOX_JOBS"]


def test_a_job_has_no_field_that_kubernetes_does_not_know() -> None:
    """A cluster drops those without a word, a limit or a security context among them."""
    variables = POOLS["kubernetes"]["variables"]["properties"]
    manifest = POOLS["kubernetes"]["job_configuration"]["job_manifest"]
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
    assert set(manifest["spec"]) <= JOB
    pod = manifest["spec"]["template"]["spec"]
    assert set(pod) <= POD
    for container in pod["containers"]:
        assert set(container) <= CONTAINER
        assert set(container["resources"]) == {"requests", "limits"}
    assert set(variables["pod_security_context"]["default"]) <= POD_SECURITY
    assert set(variables["container_security_context"]["default"]) <= CONTAINER_SECURITY


def test_every_pool_that_deployments_may_go_to_has_a_template() -> None:
    definitions = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["definitions"]
    assert set(POOLS) == {"process", "docker", "kubernetes"} <= set(definitions)
    for kind in POOLS:
        known = POOLS[kind]["variables"]["properties"]
        assert set(definitions[kind].get("job_variables", {})) <= set(known)


def prefect_template(kind: str) -> dict[str, Any]:
    """The base job template that Prefect ships for pools of this type."""
    views = Path(prefect_collections.__file__).parent / "collections_data" / "views"
    collections = json.loads((views / "aggregate-worker-metadata.json").read_text())
    found: dict[str, Any] = next(workers[kind] for workers in collections.values() if kind in workers)
    return dict(found["default_base_job_configuration"])
