"""The manifests of deploy/kubernetes/: valid by Kubernetes' own schemas, and what they promise."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from goldenrod.base.config import SETTINGS
from tests.deploy.test_container import DOCKERFILE
from tests.support.processes.dockerfile import instructions
from tests.support.processes.installing import ROOT
from tests.support.processes.programs import library

MANIFESTS = ROOT / "deploy" / "kubernetes"


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted(MANIFESTS.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text("utf-8"))


def of(kind: str) -> dict[str, Any]:
    [found] = [one for one in manifests() if one["kind"] == kind]
    return found


def test_the_manifests_are_valid_by_the_schemas_of_old_and_new_kubernetes() -> None:
    library("kubernetes_validate", "dev")
    import kubernetes_validate as schemas

    for version in ("1.27", schemas.latest_version()):
        for manifest in manifests():
            schemas.validate(manifest, version, strict=True)
    # The schemas see a field that does not exist.
    wrong = copy.deepcopy(of("Deployment"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(schemas.ValidationError):
        schemas.validate(wrong, schemas.latest_version(), strict=True)


def test_two_servers_are_probed_restricted_and_never_drained_together() -> None:
    server, budget, service = of("Deployment"), of("PodDisruptionBudget"), of("Service")
    labels = server["spec"]["template"]["metadata"]["labels"]
    assert server["spec"]["replicas"] == 2
    assert budget["spec"]["minAvailable"] == 1
    for selector in (
        server["spec"]["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
    ):
        assert selector == labels
    assert labels != of("Job")["spec"]["template"]["metadata"]["labels"], "no server"
    assert server["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    [container] = server["spec"]["template"]["spec"]["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness")}
    assert {one["path"] for one in probes.values()} == {"/readyz"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    [port] = container["ports"]
    assert str(port["containerPort"]) in container["args"]
    # More than the 30 seconds that requests in flight have, and what preStop waits.
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert server["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 30 + waits

    user = int(dict(instructions(DOCKERFILE))["USER"].partition(":")[0])
    settings = {setting.variable for setting in SETTINGS}
    images = set()
    for workload in (server, of("Job")):
        pod = workload["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsUser"] == user
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = pod["containers"]
        images.add(container["image"])
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} == container["resources"].keys()
        mounted = {one["mountPath"] for one in container["volumeMounts"]}
        for variable in container["env"]:
            assert variable["name"].removesuffix("_FILE") in settings
            if re.search("DATABASE_URL|SECRET|PASSWORD", variable["name"]):
                assert variable["name"].endswith("_FILE")
                assert variable["value"].rpartition("/")[0] in mounted
        assert container["args"][0] == "goldenrod"
    assert len(images) == 1, "servers and migrations are of one release"
