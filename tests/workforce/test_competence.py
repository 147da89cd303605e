"""Certificates: awarded, renewed, suspended, run out; each told once."""

from __future__ import annotations

from datetime import timedelta

from attune_contracts.workforce import CompetenceAwarded, CompetenceExpired, CompetenceSuspended, RecertificationDue
from chassis.decision import Due
from services.workforce.domain import absence, competence
from services.workforce.domain.practitioner import RENEWED_BEFORE
from tests.support.given import NOON, given
from tests.workforce.examples import ANNA, COMPETENCE, TEAM, anna, award_until, awarding, suspending

DAY = timedelta(days=1)
YEAR = timedelta(days=365)


def test_an_award_is_told_once_and_its_end_is_due() -> None:
    command = awarding(NOON, NOON + YEAR)
    decision = (
        given(anna())
        .when(competence.award, command)
        .then(
            CompetenceAwarded(
                practitioner_id=ANNA,
                team_id=TEAM,
                competence=COMPETENCE,
                valid_from=NOON,
                valid_until=NOON + YEAR,
                awarded_at=NOON,
            )
        )
    )
    (row,) = decision.rows
    assert row.next_due_at == NOON + YEAR - RENEWED_BEFORE
    given(row).when(competence.award, command).then(rows=(), reply=decision.reply)


def test_a_certificate_runs_out_at_its_last_instant_and_not_before() -> None:
    state = given(anna()).when(competence.award, awarding(NOON, NOON + YEAR)).row
    state = given(state).when(absence.clock, Due(ANNA), at=NOON + YEAR - RENEWED_BEFORE).row
    assert state.next_due_at == NOON + YEAR
    given(state).when(absence.clock, Due(ANNA), at=NOON + YEAR - timedelta(microseconds=1)).then_nothing()
    decision = (
        given(state)
        .when(absence.clock, Due(ANNA), at=NOON + YEAR)
        .then(
            CompetenceExpired(
                practitioner_id=ANNA,
                team_id=TEAM,
                competence=COMPETENCE,
                valid_until=NOON + YEAR,
                expired_at=NOON + YEAR,
            )
        )
    )
    (row,) = decision.rows
    assert row.next_due_at is None
    given(row).when(absence.clock, Due(ANNA), at=NOON + YEAR + DAY).then_nothing()


def test_a_certificate_of_the_past_is_told_as_awarded_and_run_out() -> None:
    awarded, expired = given(anna()).when(competence.award, awarding(NOON - YEAR, NOON - DAY)).events
    assert isinstance(awarded, CompetenceAwarded)
    assert isinstance(expired, CompetenceExpired)


def test_that_a_certificate_runs_out_soon_is_told_once() -> None:
    state = given(anna()).when(competence.award, awarding(NOON, NOON + YEAR)).row
    due_at = NOON + YEAR - RENEWED_BEFORE
    given(state).when(absence.clock, Due(ANNA), at=due_at - timedelta(microseconds=1)).then_nothing()
    then = given(state).when(absence.clock, Due(ANNA), at=due_at)
    (event,) = then.events
    assert isinstance(event, RecertificationDue)
    assert (event.competence, event.valid_until, event.noticed_at) == (COMPETENCE, NOON + YEAR, due_at)
    given(then.row).when(absence.clock, Due(ANNA), at=due_at + DAY).then_nothing()


def test_a_short_certificate_is_told_to_run_out_soon_as_soon_as_the_clock_rings() -> None:
    state = given(anna()).when(competence.award, awarding(NOON, NOON + DAY)).row
    (event,) = given(state).when(absence.clock, Due(ANNA)).events
    assert isinstance(event, RecertificationDue)


def test_after_a_suspension_nobody_is_told_to_renew() -> None:
    state = given(anna()).when(competence.award, awarding(NOON, NOON + YEAR)).row
    suspended = given(state).when(competence.suspend, suspending()).row
    assert suspended.next_due_at is None
    given(suspended).when(absence.clock, Due(ANNA), at=NOON + YEAR - RENEWED_BEFORE).then_nothing()


def test_a_renewal_carries_on_without_an_expiry() -> None:
    first = given(anna()).when(competence.award, awarding(NOON, NOON + YEAR)).row
    renewed = given(first).when(competence.award, awarding(NOON + YEAR, NOON + 2 * YEAR)).row
    assert renewed.next_due_at == NOON + YEAR - RENEWED_BEFORE
    noticed = given(renewed).when(absence.clock, Due(ANNA), at=NOON + YEAR - RENEWED_BEFORE)
    noticed.then()
    assert noticed.row.next_due_at == NOON + YEAR
    carried_on = given(renewed).when(absence.clock, Due(ANNA), at=NOON + YEAR)
    carried_on.then()
    assert carried_on.row.next_due_at == NOON + 2 * YEAR - RENEWED_BEFORE


def test_a_renewal_after_a_gap_does_not_hide_the_expiry() -> None:
    first = given(anna()).when(competence.award, awarding(NOON, NOON + YEAR)).row
    later = given(first).when(competence.award, awarding(NOON + YEAR + DAY, NOON + 2 * YEAR)).row
    (event,) = given(later).when(absence.clock, Due(ANNA), at=NOON + YEAR).events
    assert isinstance(event, CompetenceExpired)


def test_another_competence_does_not_carry_on() -> None:
    state = anna(competences=(award_until(NOON),), next_due_at=NOON)
    state = (
        given(state).when(competence.award, awarding(NOON - DAY, NOON + YEAR, "eao_administration"), at=NOON - DAY).row
    )
    (event,) = given(state).when(absence.clock, Due(ANNA), at=NOON).events
    assert isinstance(event, CompetenceExpired)
    assert event.competence == COMPETENCE


def test_a_suspension_is_told_once_and_ends_the_clock() -> None:
    state = anna(competences=(award_until(NOON + YEAR),), next_due_at=NOON + YEAR)
    decision = (
        given(state)
        .when(competence.suspend, suspending())
        .then(
            CompetenceSuspended(
                practitioner_id=ANNA,
                team_id=TEAM,
                competence=COMPETENCE,
                reason="supervision_overdue",
                suspended_at=NOON,
            )
        )
    )
    (row,) = decision.rows
    assert row.next_due_at is None
    given(row).when(competence.suspend, suspending()).then(rows=(), reply=decision.reply)
    given(row).when(absence.clock, Due(ANNA), at=NOON + YEAR).then_nothing()


def test_a_new_award_counts_again_even_in_the_instant_of_the_suspension() -> None:
    state = anna(competences=(award_until(NOON + YEAR),), next_due_at=NOON + YEAR)
    suspended = given(state).when(competence.suspend, suspending()).row
    again = given(suspended).when(competence.award, awarding(NOON, NOON + YEAR))
    (event,) = again.events
    assert isinstance(event, CompetenceAwarded)
    assert event.awarded_at > suspended.competences[0].suspended_at
    assert again.row.next_due_at == NOON + YEAR - RENEWED_BEFORE


def test_refused() -> None:
    given(anna()).when(competence.suspend, suspending()).then_refused(competence.CompetenceNotHeld, "competence")
    given(anna()).when(competence.award, awarding(NOON, NOON)).then_refused(
        competence.ValidityNotPositive, "valid_until"
    )
    longest = competence.LONGEST
    given(anna()).when(competence.award, awarding(NOON, NOON + longest + timedelta(seconds=1))).then_refused(
        competence.ValidityTooLong, "valid_until"
    )
    given(anna()).when(competence.award, awarding(NOON, NOON + longest)).then_decided()


def test_what_has_run_out_cannot_be_suspended() -> None:
    state = given(anna()).when(competence.award, awarding(NOON - YEAR, NOON)).row
    given(state).when(competence.suspend, suspending()).then_refused(competence.CompetenceNotHeld)
