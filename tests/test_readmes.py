"""The tables in the READMEs are what the services run on and what the catalogue holds."""

from pathlib import Path

import pytest

from attune import describe
from attune.addresses import SERVICES
from attune_contracts import generate


def test_the_maps_of_the_services_are_true() -> None:
    assert describe.stale() == [], "run `attune describe --readme`"


def test_the_catalogue_of_the_contracts_is_true() -> None:
    assert generate.stale() == [], "run `python -m attune_contracts.generate`"


@pytest.mark.parametrize("name", SERVICES)
def test_a_map_names_every_input_and_event(name: str) -> None:
    text = (describe.ROOT / "services" / name / "README.md").read_text("utf-8")
    described = describe.described_service(name)
    assert all(f"`{i['input']}`" in text and f"`{i['rule']}`" in text for i in described["inputs"])
    assert all(f"`{e['type']}`" in text for e in described["publishes"])


def test_a_stale_or_missing_map_is_written_anew_and_the_text_around_it_stays(tmp_path: Path) -> None:
    for name in SERVICES:
        (tmp_path / "services" / name).mkdir(parents=True)
    path = tmp_path / "services" / "referral" / "README.md"
    path.write_text(f"# Referral\n\nbefore\n{describe.BEGIN}\nout of date\n{describe.END}\nafter\n")
    (tmp_path / "services" / "screening" / "README.md").write_text("# Screening\n\nno map yet\n")
    assert len(describe.stale(tmp_path)) == len(SERVICES)
    assert len(describe.write(tmp_path)) == len(SERVICES)
    assert describe.stale(tmp_path) == []
    text = path.read_text()
    assert text.startswith("# Referral\n\nbefore\n")
    assert text.endswith(f"{describe.END}\nafter\n")
    assert "out of date" not in text
    assert "no map yet" in (tmp_path / "services" / "screening" / "README.md").read_text()
