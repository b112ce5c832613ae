"""The report lists the networks that a probe compared."""

from components.contract.artifacts.figures import Interval
from components.contract.artifacts.probe import Probe, ProbedNetwork
from components.evaluate.formatting import estimate
from components.evaluate.report.html import render
from tests.unit.evaluate.report.contents import content

NETWORKS = (
    ProbedNetwork(
        candidate="VGG16",
        name="VGG16",
        input_size=(224, 224),
        accuracy=Interval(value=0.854, low=0.831, high=0.875),
        ms_per_photo=66.7,
        is_tied=True,
    ),
    ProbedNetwork(candidate="/photos/net.keras", name="net.keras", reason="no weights"),
)


def test_the_report_lists_the_networks_and_the_choice() -> None:
    why = "VGG16: no other is as accurate."
    page = render(content(probe=Probe(networks=NETWORKS, num_photos=1000, chosen="VGG16", why=why)))
    assert "Choice of network" in page
    assert f"cross-validated on 1,000 training photos. {why}" in page
    assert NETWORKS[0].accuracy is not None
    assert estimate(NETWORKS[0].accuracy) in page.replace("\xa0", " ")
    assert "66.7" in page
    assert "no weights" in page
    assert "/photos/" not in page


def test_without_a_comparison_the_report_contains_the_reason() -> None:
    why = "VGG16: it is the only candidate that can be used, so nothing was probed."
    page = render(content(probe=Probe(networks=NETWORKS[:1], num_photos=0, chosen="VGG16", why=why)))
    assert why in page
    assert "cross-validated on 0" not in page
    assert "Choice of network" not in render(content())
