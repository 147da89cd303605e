"""Double rating: a share of screenings is rated by a second person, who does not see what the first one found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from attune_contracts.screening import Outcome, SecondRatingRecorded, SecondRatingRequested
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace, value
from services.screening.domain.certificate import Certificates, standing
from services.screening.domain.child import Child, alive_here
from services.screening.domain.commands import (
    DoubleRating,
    InstrumentDefinition,
    PathwayDefinition,
    RecordSecondRating,
)
from services.screening.domain.definitions import InstrumentRow
from services.screening.domain.eligibility import CLOCK_TOLERANCE, InFuture
from services.screening.domain.outcome import check_observed, outcome_of

if TYPE_CHECKING:
    from services.screening.domain.screening import Screening

Agreement = Literal["same_outcome", "different_outcome"]


class NoSecondRatingAsked(Refused):
    """This screening was not chosen for a second rating."""

    status = 404
    field = "screening_id"


class RatedAlready(Refused):
    """The second rating of this screening is recorded, with another content."""

    field = "screening_id"


class RaterIsTheFirst(Refused):
    """The second rater is another person than the first."""

    status = 422
    field = "rated_by"


class RaterNotCertified(Refused):
    """The second rater held no valid certificate for the instrument at that moment."""

    status = 422
    field = "rated_by"


class RatedBeforeScreening(Refused):
    """Nothing was there to be rated by then."""

    status = 422
    field = "rated_at"


@value(frozen=True, slots=True)
class SecondRating:
    """A screening that was chosen, and what the second rater found."""

    screening_id: UUID
    team_id: UUID
    first_rater_id: UUID
    competence: str
    share_percent: int
    seed: str
    """With the share and the screening's id enough to see why it was chosen."""
    requested_at: datetime
    rater_id: UUID | None = None
    rated_at: datetime | None = None
    observed: Mapping[str, int | str] | None = None
    outcome: Outcome | None = None
    agreement: Agreement | None = None
    items: int | None = None
    items_agreed: int | None = None
    recorded_by: str | None = None


@value(frozen=True, slots=True)
class AtRating:
    """What a second rating is judged by."""

    asked: SecondRating | None
    screening: Screening | None
    child: Child | None
    instrument: InstrumentRow | None
    certificates: Certificates | None


class Rated(Reply):
    """That the second rating is recorded; not what the first one was."""

    screening_id: UUID
    outcome: Outcome


def is_chosen(screening_id: UUID, rating: DoubleRating) -> bool:
    """By the screening's id under the seed alone: the same whenever and wherever it is asked."""
    digest = blake2b(screening_id.bytes, key=rating.seed.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 100 < rating.share_percent


def request(
    screening: Screening, child: Child, instrument: InstrumentDefinition, pathway: PathwayDefinition
) -> Decision:
    """Asks for a second rating where the screening is chosen and its first rater was certified."""
    rating, made = pathway.double_rating, screening.record
    if rating is None or made is None or made.inputs.certificate != "valid":
        return Decision()
    if not is_chosen(screening.screening_id, rating):
        return Decision()
    row = SecondRating(
        screening_id=screening.screening_id,
        team_id=child.team_id,
        first_rater_id=screening.administered_by,
        competence=instrument.competence,
        share_percent=rating.share_percent,
        seed=rating.seed,
        requested_at=screening.recorded_at,
    )
    event = SecondRatingRequested(
        screening_id=row.screening_id,
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        rater_id=None,
        competence=row.competence,
        first_rater_id=row.first_rater_id,
        requested_at=row.requested_at,
    )
    return Decision(rows=(row,), events=(event,))


def record(state: AtRating, command: RecordSecondRating, cause: Cause) -> Decision[Rated]:
    """A second person's rating by the same instrument, and how far it agrees with the first."""
    asked, screening, instrument = state.asked, state.screening, state.instrument
    if asked is None or screening is None or screening.record is None or instrument is None or state.child is None:
        raise NoSecondRatingAsked
    rated_at = command.rated_at.astimezone(UTC)
    if asked.rater_id is not None:
        return _rated_before(asked, command, rated_at)
    alive_here(state.child)
    if rated_at > cause.at + CLOCK_TOLERANCE:
        raise InFuture(field="rated_at")
    if rated_at < screening.screened_at:
        raise RatedBeforeScreening
    if command.rated_by == asked.first_rater_id:
        raise RaterIsTheFirst
    if standing(state.certificates, asked.competence, rated_at) != "valid":
        raise RaterNotCertified
    check_observed(instrument.definition, {}, command.observed)
    made = screening.record
    outcome = outcome_of(instrument.definition, command.observed)[0].outcome
    first = made.inputs.observed
    rated = replace(
        asked,
        rater_id=command.rated_by,
        rated_at=rated_at,
        observed=command.observed,
        outcome=outcome,
        agreement="same_outcome" if outcome == made.conclusion.outcome_of_instrument else "different_outcome",
        items=len(command.observed),
        items_agreed=sum(first.get(item) == found for item, found in command.observed.items()),
        recorded_by=cause.by,
    )
    event = _recorded(rated, state.child, made.conclusion.outcome_of_instrument)
    return Decision(rows=(rated,), events=(event,), reply={"screening_id": rated.screening_id, "outcome": outcome})


def _rated_before(asked: SecondRating, command: RecordSecondRating, rated_at: datetime) -> Decision[Rated]:
    known = (asked.rater_id, asked.rated_at, asked.observed)
    if known != (command.rated_by, rated_at, command.observed) or asked.outcome is None:
        raise RatedAlready
    return Decision(reply={"screening_id": asked.screening_id, "outcome": asked.outcome})


def _recorded(rated: SecondRating, child: Child, first: Outcome) -> SecondRatingRecorded:
    assert rated.rater_id and rated.agreement and rated.outcome and rated.rated_at  # noqa: S101, PT018
    return SecondRatingRecorded(
        screening_id=rated.screening_id,
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        rater_id=rated.rater_id,
        agreement=rated.agreement,
        first_outcome=first,
        second_outcome=rated.outcome,
        items=rated.items or 0,
        items_agreed=rated.items_agreed or 0,
        rated_at=rated.rated_at,
    )
