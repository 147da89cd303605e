"""After the database was set back: commands of people that the events about them say all of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attune_contracts.event import Event
from attune_contracts.referral import CaseClosed, ConsultationAcknowledged, ConsultationWithdrawn
from chassis.decision import Recalled
from services.referral.domain.commands import AcknowledgeConsultation, CloseCase, WithdrawConsultation


def acknowledged(event: ConsultationAcknowledged) -> Recalled:
    """Somebody has seen the request."""
    return Recalled(AcknowledgeConsultation(consultation_id=event.consultation_id), str(event.acknowledged_by))


def withdrawn(event: ConsultationWithdrawn) -> Recalled:
    """Whoever asked took it back."""
    return Recalled(WithdrawConsultation(consultation_id=event.consultation_id), str(event.withdrawn_by))


def closed(event: CaseClosed) -> Recalled | None:
    """The case ended; who closed it is not told, so its practitioner stands for them."""
    if event.practitioner_id is None:
        return None
    return Recalled(CloseCase(consultation_id=event.consultation_id, reason=event.reason), str(event.practitioner_id))


RECALLS: dict[type[Event], Callable[[Any], Recalled | None]] = {
    ConsultationAcknowledged: acknowledged,
    ConsultationWithdrawn: withdrawn,
    CaseClosed: closed,
}
