"""What the README shows is taken as it stands."""

from __future__ import annotations

from pathlib import Path

from services.notification import main
from tests.support.given import some_id
from tests.support.readme import examples

README = Path(main.__file__).with_name("README.md")


def test_every_example_is_a_command() -> None:
    path = {"recipient_id": str(some_id("recipient")), "message_id": str(some_id("message")), "duty": "team_lead"}
    path["pregnancy_id"] = str(some_id("pregnancy"))
    shown = {type(command).__name__ for command in examples(README, main.INPUTS, **path)}
    about_caregivers = {"SetCaregiver", "SetFamilyContact", "AskToCall", "GiveBooklet"}
    assert shown == {"SetRecipient", "SetDoNotContact", "SetDuty", "SettleDoubt"} | about_caregivers
