"""The paths, flags and object names in docs/kubernetes.md exist."""

import re
from typing import Any

from tests.cluster.support import guide
from tests.contract.kubernetes.manifests import GUIDE, render
from tests.support.command_line import options_of, parse
from tests.support.source_tree import ROOT


def test_every_path_in_the_guide_exists() -> None:
    generated_paths = {"build/images.json"}
    paths = set(re.findall(r"(?:k8s|docs|tests|requirements|build)/[\w./-]*\w", GUIDE.read_text())) - generated_paths
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), path


def test_every_flag_in_the_guide_exists() -> None:
    words = [
        line.replace("…", "").replace("\n", " ").split(" && ")[0].rstrip("&").split()
        for line in re.findall(r"(?:^|`)(darkroom (?:submit|images) [^`]*?)(?:`|$)", GUIDE.read_text(), re.MULTILINE)
    ]
    assert len(words) > 6
    for command in words:
        arguments = [word.strip("'") for word in command[1:]]
        if "while" not in arguments and "--cron" not in arguments:
            parse(arguments)
    own_flags = {option for command in ("submit", "images build") for option in options_of(command.split())}
    foreign_flags = {"--config", "--format", "--fail", "--require-hashes", "--dest", "--runner", "--from-literal"}
    for line in GUIDE.read_text().splitlines():
        for flag in re.findall(r"`(--[a-z-]+)", line):
            assert flag in own_flags | foreign_flags, flag


def test_every_object_that_is_named_in_the_guide_is_in_the_manifests(production: list[dict[str, Any]]) -> None:
    names = {manifest["metadata"]["name"] for manifest in [*production, *render("pipelines")]}
    text = GUIDE.read_text()
    object_names = re.findall(r"kubectl -n darkroom \w+ (?:deployment|ingress) ([\w-]+)", text)
    object_names += re.findall(r"svc/(darkroom[\w-]*)", text) + re.findall(r"--from=cronjob/([\w-]+)", text)
    assert len(object_names) >= 5
    assert set(object_names) <= names


def test_the_guide_installs_the_kfp_version_in_the_lock_file() -> None:
    lock = (ROOT / "requirements" / "laptop.txt").read_text()
    (version,) = re.findall(r"^kfp==(\S+)", lock, re.MULTILINE)
    assert set(re.findall(r"\?ref=(\S+?)\"", GUIDE.read_text())) == {version}


def test_the_guide_has_ten_commands_and_marks_those_that_need_more_than_a_cluster() -> None:
    assert list(guide.commands()) == list(range(1, 11))
    assert guide.needs() == {2: "kind", 3: "kind", 4: "network", 7: "KFP", 8: "KFP"}
