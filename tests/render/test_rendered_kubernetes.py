# SPDX-License-Identifier: Apache-2.0
"""Any valid declaration renders valid objects, whose references lead somewhere and that say what they lack."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.app.rendering import as_yaml, rendered, site_of, write_files
from colonnade.app.settings.declaration import Declaration, parse_declaration
from colonnade.core.errors import UsageError
from colonnade.fabric.kubernetes.claims import model_condition
from colonnade.fabric.kubernetes.names import LABEL, label

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KUBERNETES = kubernetes_validate.latest_version()
Judge = Callable[[Iterable[Mapping[str, Any]]], None]

GPU = {"gpus": 1, "image": "ghcr.io/acme/work:1", "command": ["python", "work.py"]}


def declared(compute: Mapping[str, Any] | None = None, **more: Any) -> Declaration:
    body: dict[str, Any] = {"version": 1, "project": "acme", **more}
    if compute is not None:
        body["compute"] = {"devices": "none", **compute}
    return parse_declaration(json.dumps(body), "colonnade.yaml")


def objects_of(declaration: Declaration, **options: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """(kind, name) -> object, as the stream says them; no two are alike."""
    read = list(yaml.load_all(as_yaml(rendered(declaration, **options)), Loader=LOADER))
    found = {(one["kind"], one["metadata"]["name"]): one for one in read}
    assert len(found) == len(read)
    return found


def request_of(declaration: Declaration, job: str) -> Any:
    return devices_of(declaration, job)["requests"][0]


def devices_of(declaration: Declaration, job: str) -> Any:
    return objects_of(declaration)["ResourceClaimTemplate", f"{job}-gpu"]["spec"]["spec"]["devices"]


def lacks_of(declaration: Declaration, **options: Any) -> dict[tuple[str, str], str]:
    return {(lack.ref, lack.what): lack.message for lack in rendered(declaration, **options).lacks}


# --- any declaration ------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?", fullmatch=True)
QUEUES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", fullmatch=True).filter(lambda n: n != "default")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
ODD = ["1e3", "0o14", "on", "y", "~", "=", "<<", "07", "1:30", ".5", "- a", "a: b", "#", "two\nlines \n", "\ttab"]
WORDS = st.one_of(TEXT, st.sampled_from(ODD))
MODELS = st.sampled_from(["H100-80GB", "A100-40GB", "A30-24GB", "T4", "L40S", "MI300X", "it's\\odd", "-", "GB"])
GPUS = st.one_of(st.integers(0, 64), st.integers(0, 8000).map(lambda milli: milli / 1000))


@st.composite
def teams(draw: st.DrawFn) -> dict[str, Any]:
    guaranteed = draw(GPUS)
    queue: dict[str, Any] = {"guaranteed": guaranteed}
    if draw(st.booleans()):
        queue["limit"] = (round(guaranteed * 1000) + draw(st.integers(0, 8000))) / 1000
    if draw(st.booleans()):
        queue |= {"priority": draw(st.sampled_from(["low", "normal", "high"])), "grace_s": draw(st.integers(0, 100))}
    return queue


@st.composite
def declarations(draw: st.DrawFn) -> Declaration:
    queues = draw(
        st.dictionaries(
            QUEUES,
            st.one_of(teams(), st.builds(dict, queues=st.dictionaries(QUEUES, teams(), max_size=3))),
            max_size=2,
        )
    )
    paths = [None, *queues, *(f"{d}.{t}" for d, queue in queues.items() for t in queue.get("queues", {}))]
    job = st.fixed_dictionaries(
        {"command": st.lists(WORDS, min_size=1, max_size=3), "image": st.one_of(TEXT, st.just("i:1"), st.none())},
        optional={
            "queue": st.sampled_from(paths),
            "gpus": st.integers(0, 40),
            "gpu": st.integers(1, 1000).map(lambda milli: milli / 1000),
            "gpu_memory": st.sampled_from(["512MiB", "20GiB", "90GB"]),
            "isolation_at_least": st.sampled_from(["none", "soft", "hard", "partition"]),
            "models": st.lists(MODELS, max_size=9),
            "cpu": st.integers(0, 64000).map(lambda milli: milli / 1000),
            "memory": st.sampled_from(["1MiB", "16GiB"]),
            "workers": st.sampled_from([1, 1, 2, 10_000]),
            "preemptible": st.booleans(),
        },
    )
    compute = {"devices": "none", "queues": queues, "jobs": draw(st.dictionaries(NAMES, job, min_size=1, max_size=3))}
    body: dict[str, Any] = {"version": 1, "project": draw(NAMES), "compute": compute}
    if draw(st.booleans()):
        body["services"] = {"chat": {"answer_with": {"url": "http://x/v1", "model": "m", "key_env": draw(WORDS)}}}
        sources = [{"path": draw(st.sampled_from(["./docs", "../up", "/srv/x", ".", "two\nkind: lines", "/é\u2028x"]))}]
        body["knowledge"] = {draw(NAMES): {"sources": sources}}
    return Declaration.model_validate(body)


def named(one: Mapping[str, Any]) -> list[str]:
    """Every name and label value of an object."""
    meta = one["metadata"]
    return [meta["name"], meta.get("namespace", "x"), *meta["labels"].values()]


def references(found: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(kind, name) of whatever an object refers to."""
    wanted: list[tuple[str, str]] = []
    for (kind, _), one in found.items():
        spec = one.get("spec", {})
        text = json.dumps(one)
        wanted += [("ResourceClaimTemplate", n) for n in re.findall(r'"resourceClaimTemplateName": "([^"]*)"', text)]
        wanted += [("WorkloadPriorityClass", n) for n in re.findall(r'x-k8s.io/priority-class": "([^"]*)"', text)]
        wanted += [("LocalQueue", n) for n in re.findall(r'x-k8s.io/queue-name": "([^"]*)"', text)]
        wanted += [("Cohort", spec[key]) for key in ("cohortName", "parentName") if key in spec]
        wanted += [("ResourceFlavor", f["name"]) for group in spec.get("resourceGroups", []) for f in group["flavors"]]
        if kind == "LocalQueue":
            wanted.append(("ClusterQueue", spec["clusterQueue"]))
        if "namespace" in one["metadata"]:
            wanted.append(("Namespace", one["metadata"]["namespace"]))
    return wanted


@settings(max_examples=60)
@given(declarations())
def test_whatever_is_declared_is_valid_where_it_is_handed_over(judge: Judge, declaration: Declaration) -> None:
    found = objects_of(declaration, gpus=8)
    judge(found.values())
    assert [name for one in found.values() for name in named(one) if not LABEL.fullmatch(name)] == []
    assert [ref for ref in references(found) if ref not in found] == []
    for one in found.values():
        assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "colonnade"
        for key in one["metadata"].get("annotations", {}):
            assert re.fullmatch(r"colonnade\.dev/[a-z]([a-z-]{0,61}[a-z])?", key)


@settings(max_examples=60)
@given(declarations())
def test_what_is_not_enforced_is_an_annotation_and_a_warning(declaration: Declaration) -> None:
    rendering = rendered(declaration)
    told = [
        (key.removeprefix("colonnade.dev/not-enforced-"), text)
        for one in rendering.objects
        for key, text in one.body["metadata"].get("annotations", {}).items()
        if "/not-enforced-" in key
    ]
    assert told == [(lack.what, lack.message) for lack in rendering.lacks if lack.what != "image"]
    assert as_yaml(rendering) == as_yaml(rendered(declaration))


@settings(max_examples=60)
@given(declarations())
def test_the_declaration_that_the_house_gets_there_is_one_and_has_no_compute(declaration: Declaration) -> None:
    text = objects_of(declaration)["ConfigMap", "colonnade"]["data"]["colonnade.yaml"]
    there = parse_declaration(text, "colonnade.yaml")
    assert there.compute is None
    assert there.gateway.host == "0.0.0.0"
    same = {"compute": None, "gateway": None}
    assert there.model_copy(update=same) == declaration.model_copy(update=same)


@given(st.lists(st.lists(QUEUES, min_size=1, max_size=3), min_size=2, max_size=2, unique_by=tuple))
def test_two_paths_of_names_are_two_labels(paths: list[list[str]]) -> None:
    one, other = (label("colonnade", *path) for path in paths)
    assert one != other
    assert LABEL.fullmatch(one)
    assert LABEL.fullmatch(label(*paths[0], limit=20))


# --- what is said how -----------------------------------------------------------------------------


def test_a_share_is_consumable_capacity_and_a_whole_device_then_asks_for_all_of_it() -> None:
    half = {**GPU, "gpu": 0.5, "gpu_memory": "20GiB"}
    declaration = declared({"jobs": {"half": half, "whole": GPU}})
    capacity = {job: request_of(declaration, job)["exactly"]["capacity"]["requests"] for job in ("half", "whole")}
    assert capacity == {"half": {"shares": "500", "memory": "20480Mi"}, "whole": {"shares": "1000"}}
    assert request_of(declared({"jobs": {"whole": GPU}}), "whole") == {
        "name": "gpu",
        "exactly": {"deviceClassName": "gpu.nvidia.com", "allocationMode": "ExactCount", "count": 1},
    }


def test_shares_of_two_devices_lie_on_two_devices() -> None:
    declaration = declared({"jobs": {"two": {**GPU, "gpus": 2, "gpu": 0.25}}})
    assert devices_of(declaration, "two")["constraints"] == [
        {"distinctAttribute": "gpu.nvidia.com/uuid", "requests": ["gpu"]}
    ]


def test_models_in_order_of_preference_are_alternatives_of_which_the_first_available_is_taken() -> None:
    asked = request_of(declared({"jobs": {"any": {**GPU, "models": ["H100-80GB", "A100-40GB"]}}}), "any")
    first, second = asked["firstAvailable"]
    assert "H100" in first["selectors"][0]["cel"]["expression"]
    assert "A100" in second["selectors"][0]["cel"]["expression"]
    assert "exactly" not in asked


def test_where_kueue_would_never_admit_an_order_of_preference_none_is_asked_for_and_that_is_said() -> None:
    job = {**GPU, "models": ["H100-80GB", "A100-40GB"]}
    queues = {"ml": {"guaranteed": 4}}
    whole = declared({"queues": queues, "jobs": {"any": job}})
    assert "firstAvailable" in request_of(whole, "any")
    assert any("KueueDRAIntegrationPrioritizedList" in sentence for sentence in rendered(whole).requires)
    shares = declared({"queues": queues, "jobs": {"any": {**job, "gpu": 0.5}}})
    assert " || " in request_of(shares, "any")["exactly"]["selectors"][0]["cel"]["expression"]
    assert ("job/any", "order") in lacks_of(shares)


def test_a_partition_is_the_smallest_mig_profile_that_is_enough() -> None:
    job = {**GPU, "gpu": 0.4, "isolation_at_least": "partition", "models": ["H100-80GB"]}
    asked = request_of(declared({"jobs": {"part": job}}), "part")["exactly"]
    assert asked["deviceClassName"] == "mig.nvidia.com"
    assert ".profile == '3g.40gb'" in asked["selectors"][0]["cel"]["expression"]
    assert lacks_of(declared({"jobs": {"part": {**job, "models": []}}}))["job/part", "partition-size"]


@pytest.mark.parametrize("level", ["soft", "hard"])
def test_isolation_that_nothing_keeps_there_is_said(level: str) -> None:
    shared = {**GPU, "gpu": 0.5, "isolation_at_least": level}
    assert f"{level} was asked for" in lacks_of(declared({"jobs": {"half": shared}}))["job/half", "isolation"]
    assert lacks_of(declared({"jobs": {"alone": {**shared, "gpu": 1}}})) == {}


def test_several_workers_are_a_gang() -> None:
    declaration = declared({"jobs": {"train": {**GPU, "workers": 4, "preemptible": True}}})
    spec = objects_of(declaration)["JobSet", "train"]["spec"]["replicatedJobs"][0]["template"]["spec"]
    env = {one["name"] for one in spec["template"]["spec"]["containers"][0]["env"]}
    assert env == {"COLONNADE_GPUS", "COLONNADE_RANK", "COLONNADE_WORKERS"}
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    assert ("job/train", "gang") in lacks_of(declaration)
    queued = declared({"queues": {"ml": {"guaranteed": 4}}, "jobs": {"train": {**GPU, "workers": 4}}})
    assert ("job/train", "gang") not in lacks_of(queued)


def quota(one: Mapping[str, Any]) -> tuple[str, str | None]:
    resource = one["spec"]["resourceGroups"][0]["flavors"][0]["resources"][0]
    return resource["nominalQuota"], resource.get("borrowingLimit")


def test_queues_become_kueues_with_what_is_guaranteed_and_how_much_may_be_borrowed() -> None:
    research = {"guaranteed": 2, "limit": 4, "grace_s": 30}
    queues = {"ml": {"guaranteed": 10, "limit": 16, "priority": "high", "queues": {"research": research}}}
    job = {**GPU, "queue": "research"}
    declaration = declared({"queues": queues, "jobs": {"work": job, "stray": GPU}})
    found = objects_of(declaration, gpus=20)
    assert quota(found["ClusterQueue", "colonnade-acme-ml-research"]) == ("2", "2")
    assert quota(found["Cohort", "colonnade-acme-ml"]) == ("8", "6")
    assert quota(found["Cohort", "colonnade-acme"]) == ("10", None)
    assert quota(found["ClusterQueue", "colonnade-acme-default"]) == ("0", None)
    work, stray = found["Job", "work"], found["Job", "stray"]
    assert work["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert work["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "colonnade-acme-high"
    assert work["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    assert work["spec"]["suspend"]
    assert stray["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "default"


def test_quotas_with_a_fraction_are_counted_in_thousandths() -> None:
    found = objects_of(declared({"queues": {"ml": {"guaranteed": 2.5}}}))
    assert quota(found["ClusterQueue", "colonnade-acme-ml"]) == ("2500", None)


def test_how_many_gpus_there_are_is_taken_from_simulated_devices_or_must_be_said() -> None:
    queues = {"ml": {"guaranteed": 4}}
    assert site_of(declared({"devices": "simulated://8xH100-80GB,4xL4-24GB", "queues": queues})).gpus == 12
    assert ("queues", "spare") in lacks_of(declared({"queues": queues}))
    assert ("queues", "spare") not in lacks_of(declared({"queues": queues}), gpus=8)
    assert ("queues", "guarantees") in lacks_of(declared({"queues": queues}), gpus=2)


def test_a_job_without_an_image_is_left_out_and_said() -> None:
    declaration = declared({"jobs": {"bare": {"command": ["x"]}}})
    assert not [name for kind, name in objects_of(declaration) if kind in {"Job", "ResourceClaimTemplate"}]
    assert ("job/bare", "image") in lacks_of(declaration)


def test_no_key_is_carried_along_only_where_to_find_it() -> None:
    chat = {"answer_with": {"url": "http://llm/v1", "model": "m", "key_env": "LLM_KEY"}}
    pod = objects_of(declared(services={"chat": chat}))["StatefulSet", "colonnade"]["spec"]["template"]["spec"]
    (found,) = (one for one in pod["containers"][0]["env"] if one["name"] == "LLM_KEY")
    assert found == {"name": "LLM_KEY", "valueFrom": {"secretKeyRef": {"name": "colonnade-keys", "key": "LLM_KEY"}}}


def test_where_nothing_is_declared_under_compute_the_house_alone_is_rendered() -> None:
    assert {kind for kind, _ in objects_of(declared())} == {"Namespace", "ConfigMap", "Service", "StatefulSet"}


PRODUCTS = {
    "NVIDIA H100 80GB HBM3": 81559, "NVIDIA H100 PCIe": 81559, "NVIDIA H100 NVL": 95830, "NVIDIA H200": 143771,
    "NVIDIA A100-SXM4-80GB": 81920, "NVIDIA A100-PCIE-40GB": 40960, "Tesla T4": 15360, "NVIDIA L40S": 46068,
    "NVIDIA L4": 23034, "NVIDIA GH200 480GB": 97871,
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "products"),
    [
        ("H100-80GB", {"NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe"}),
        ("H100", {"NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA H100 NVL"}),
        ("A100-80GB", {"NVIDIA A100-SXM4-80GB"}),
        ("A100-40GB", {"NVIDIA A100-PCIE-40GB"}),
        ("T4-16GB", {"Tesla T4"}),
        ("L4-24GB", {"NVIDIA L4"}),
        ("H200-141GB", {"NVIDIA H200"}),
        ("MI300X", set()),
    ],
)
def test_a_model_is_found_by_the_names_that_its_vendor_gives_it(model: str, products: set[str]) -> None:
    """The CEL expression, translated to Python word by word: names are the vendor's, memory is the driver's in MiB."""
    said = model_condition(model)
    said = re.sub(r"device\.attributes\['gpu.nvidia.com'\]\.productName\.matches\((.*?\$\))'\)", r"match(r\1')", said)
    memory = r"device\.capacity\['gpu.nvidia.com'\]\.memory\.compareTo\(quantity\('(\d+)Mi'\)\) (>=|<=) 0"
    said = re.sub(memory, r"mib \2 \1", said).replace("&&", "and")
    assert "device" not in said
    fits = {
        name for name, mib in PRODUCTS.items() if eval(said, {"match": lambda p, n=name: re.search(p, n), "mib": mib})
    }
    assert fits == products


# --- as it is handed over -------------------------------------------------------------------------


def test_a_folder_gets_one_file_an_object_and_a_kustomization_of_all(tmp_path: Path) -> None:
    rendering = rendered(declared({"queues": {"ml": {"guaranteed": 4}}, "jobs": {"work": GPU}}))
    written = write_files(rendering, tmp_path / "out")
    kustomization = yaml.safe_load((tmp_path / "out/kustomization.yaml").read_text())
    assert [*kustomization["resources"], "kustomization.yaml"] == written
    assert sorted(written) == sorted(p.name for p in (tmp_path / "out").iterdir())
    bodies = [yaml.safe_load((tmp_path / "out" / name).read_text()) for name in written[:-1]]
    assert bodies == [one.body for one in rendering.objects]
    with pytest.raises(UsageError):
        write_files(rendering, tmp_path / "out/kustomization.yaml")


def test_text_that_some_parser_takes_for_a_number_is_quoted() -> None:
    command = ["1e3", "0o14", "on", "y", "N", "1_0", "~", "null", ".inf", "+1", "0x1f", "1:30"]
    text = as_yaml(rendered(declared({"jobs": {"work": {**GPU, "command": command}}})))
    assert all(f'- "{word}"\n' in text for word in command)


def test_kubernetes_own_validator_agrees(judge: Judge) -> None:
    """The judge of these tests asks what the package kubernetes-validate asks; here that package is asked."""
    found = objects_of(declared({"jobs": {"work": {**GPU, "gpu": 0.5, "models": ["T4", "L4"]}}}))
    for one in found.values():
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**found["Job", "work"], "spce": {}}, KUBERNETES, strict=True)
    for kind, field in (("Job", "spce"), ("ResourceClaimTemplate", "extra")):
        (one,) = (body for (k, _), body in found.items() if k == kind)
        with pytest.raises(AssertionError, match=field):
            judge([{**one, field: {}}])


def test_a_field_that_kueue_does_not_know_fails_the_judge(judge: Judge) -> None:
    found = objects_of(declared({"queues": {"ml": {"guaranteed": 4}}}))
    queue = found["ClusterQueue", "colonnade-acme-ml"]
    with pytest.raises(AssertionError, match="cohort"):
        judge([{**queue, "spec": {**queue["spec"], "cohort": "old-name"}}])
