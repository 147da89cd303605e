"""What the services answer is said by their rules, and published."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.inputs import CommandIntake
from chassis.openapi import describe
from services.notification import main as notification
from services.referral import main as referral
from services.screening import main as screening
from services.workforce import main as workforce

COMMANDS = [c for module in (screening, referral, notification, workforce) for c in module.SERVICE.commands]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_every_rule_for_a_command_says_what_it_answers(command: CommandIntake) -> None:
    """`-> Decision[SomeReply]`, or `Decision[None]` where there is nothing to say."""
    assert command.reply is not Any, f"{command.decide.__module__}.{command.decide.__name__} -> Decision[?]"


def test_what_is_answered_is_published() -> None:
    document: dict[str, Any] = {}
    describe(document, COMMANDS, ())
    answered = document["paths"]["/screenings"]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    assert answered == {"$ref": "#/components/schemas/Screened"}
    assert set(document["components"]["schemas"]["Screened"]["required"]) >= {"screening_id", "outcome", "follows"}
    erased = document["paths"]["/recipients/{recipient_id}/erasure"]["post"]["responses"]["200"]
    assert erased["content"]["application/json"]["schema"]["maxProperties"] == 0
