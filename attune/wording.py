"""What each event says in a few words, for people at a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from attune_contracts import notification, referral, screening, workforce
from attune_contracts.event import Event

Names = Callable[[UUID | None], str]
"""How a person is called: `short` where nobody is known by name."""

SHORT = 8

OUTCOME_STYLES: Final = {"urgent_concern": "bold red", "concern": "yellow", "monitor": "cyan"}
SERVICE_STYLES: Final = {"screening": "blue", "referral": "magenta", "notification": "green", "workforce": "cyan"}


def short(id_: UUID | None) -> str:
    """The last eight hex digits: the random part of a UUIDv7, so what tells two of them apart."""
    return id_.hex[-SHORT:] if id_ is not None else "nobody"


def words(code: str) -> str:
    """A code as words: `lightest_share` -> `lightest share`."""
    return code.replace("_", " ")


def kind_of(type_: str) -> str:
    """`attune.referral.case-assigned.v1` -> `case-assigned`."""
    parts = type_.split(".")
    return parts[2] if len(parts) == 4 else type_


def lasting(time: timedelta) -> str:
    """A span of time in its two largest units at most: `12 ms`, `3 h 5 min`, `40 d`."""
    seconds = time.total_seconds()
    if seconds < 0.9995:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = divmod(int(seconds // 60), 60)[::-1]
    if hours == 0:
        return f"{minutes} min"
    days, hours = divmod(hours, 24)
    if days == 0:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"


def said(event: Event, names: Names = short) -> str:
    """The main fact of an event; for a type without words of its own, its fields that are codes."""
    tell = _SAID.get(event.type)
    return tell(event, names) if tell is not None else _codes(event)


def style_of(event: Event | None) -> str:
    """How the fact is shown: what needs attention stands out."""
    if event is None:
        return "bold red"
    outcome = getattr(event, "outcome", None)
    if outcome is not None:
        return OUTCOME_STYLES.get(outcome, "")
    return _STYLES.get(event.type, "")


def _codes(event: Event) -> str:
    fields = event.model_dump()
    said_so = (f"{words(k)} {words(str(v))}" for k, v in fields.items() if isinstance(v, str | int))
    return textwrap.shorten(", ".join(said_so) or words(kind_of(event.type).replace("-", "_")), 90)


def _days(count: int, before: str, after: str) -> str:
    days = "day" if abs(count) == 1 else "days"
    return f"{before} {count} {days}" if count >= 0 else f"{after} {-count} {days} ago"


def _screened(e: screening.ScreeningCompleted, names: Names) -> str:
    notes = [f"{e.age_days} days old", f"by {names(e.administered_by)}"]
    notes += [f"in {e.language}"] if e.language != "en" else []
    notes += ["overridden"] if e.overridden else []
    notes += [f"certificate {e.certificate}"] if e.certificate != "valid" else []
    return f"{words(e.outcome)}: {', '.join(notes)}"


def _not_screened(e: screening.ScreeningNotCompleted, names: Names) -> str:
    return f"not completed, {words(e.reason)}: {e.age_days} days old, by {names(e.administered_by)}"


def _born(e: screening.BirthRecorded, _: Names) -> str:
    of = {1: "", 2: ", one of twins", 3: ", one of triplets"}.get(e.children_born, f", one of {e.children_born}")
    return f"{'born' if e.birth == 'live' else 'stillborn'} {e.age_days} days ago{of}"


def _moved(e: screening.ChildMoved, _: Names) -> str:
    if e.to_team_id is None:
        return "moved out of the area"
    return f"moved {'in' if e.team_id is None else 'to another team'}, team {short(e.to_team_id)}"


def _requested(e: referral.ConsultationRequested, names: Names) -> str:
    kind = "consultation" if e.kind == "case_consultation" else words(e.kind)
    through = "after screening" if e.requested_through == "screening" else "asked for"
    return f"{e.priority} {kind}, {through} by {names(e.requested_by)}"


def _waits(e: referral.WaitingListJoined, _: Names) -> str:
    return f"on the waiting list, {e.priority}: {words(e.reason)}"


_BECAUSE = {
    "same_practitioner_for_sibling": "has the sibling",
    "language": "speaks the language",
    "lightest_share": "lightest share",
}


def _assigned(e: referral.CaseAssigned, names: Names) -> str:
    because = _BECAUSE.get(e.because, words(e.because))
    why = "the only one free" if e.candidates == 1 else f"{because}, of {e.candidates}"
    waited = f", waited {lasting(timedelta(seconds=e.waited_seconds))}" if e.waited_seconds else ""
    return f"assigned to {names(e.practitioner_id)}: {why}{waited}"


def _handed_over(e: referral.CaseHandedOver, names: Names) -> str:
    to = names(e.to_practitioner_id) if e.to_practitioner_id is not None else "the waiting list"
    return f"handed from {names(e.from_practitioner_id)} to {to}: {words(e.reason)}"


def _closed(e: referral.CaseClosed, names: Names) -> str:
    free = f"; a place is free with {names(e.practitioner_id)}" if e.practitioner_id is not None else ""
    return f"closed, {words(e.reason)}{free}"


def _triaged(e: referral.ConsultationTriaged, names: Names) -> str:
    to = f" to team {short(e.to_team_id)}" if e.to_team_id is not None else ""
    return f"{e.decision}{to} by {names(e.triaged_by)}: {words(e.reason)}"


def _clock(e: referral.ClockBreached | referral.ClockDueSoon, names: Names) -> str:
    whose = names(e.practitioner_id) if e.practitioner_id is not None else "nobody yet"
    how = "is overdue" if isinstance(e, referral.ClockBreached) else "is due soon"
    return f"{words(e.clock)} {how}, {e.due_at:%d %b}: with {whose}"


def _near_limit(e: referral.AgeLimitNear, _: Names) -> str:
    age = {"21_months": "21 months old", "30_days": "two in 30 days"}.get(e.reason, "two years old")
    return f"{age}, {'with' if e.onward_plan else 'without'} onward plan"


def _task(e: referral.TaskRaised, names: Names) -> str:
    return f"task for {names(e.owner_id) if e.owner_id is not None else 'the leads'}: {words(e.kind)}"


def _session(e: referral.SessionRecorded, names: Names) -> str:
    how = "MISSED" if e.attendance == "missed" else words(e.attendance)
    return f"session {e.number} with {names(e.practitioner_id)}: {how}"


_LETTERS = {
    "case_assigned_to_you": "a case is yours",
    "case_assigned": "the case is assigned",
    "case_waiting": "the case waits",
    "case_handed_over": "the case changed hands",
    "consultation_declined": "the request was declined",
    "consultation_redirected": "another team is asked",
    "consultation_reported": "the written plan is there",
    "urgent_concern": "an urgent concern",
    "safeguarding_raised": "a risk seen in the work with a case",
    "certificate_lapsed": "a screening without valid certificate",
    "recertification_due": "a certificate runs out soon",
    "supervision_overdue": "supervision is overdue",
    "please_call": "please call",
}


def _letter(e: Any, names: Names) -> str:
    whom = names(e.recipient_id) if e.recipient_id is not None else words(e.recipient_kind)
    return f"{whom}: {_LETTERS.get(e.kind, words(e.kind))}"


def _registered(e: workforce.PractitionerRegistered, names: Names) -> str:
    return f"{names(e.practitioner_id)}, {words(e.role)}, {e.capacity_points} points"


def _certificate(e: Any, names: Names, what: str) -> str:
    return f"{names(e.practitioner_id)}: {words(e.competence)} {what}"


_SAID: Final[dict[str, Callable[[Any, Names], str]]] = {
    screening.PregnancyRegistered.type: lambda e, _: _days(e.expected_in_days, "expected in", "was expected"),
    screening.BirthRecorded.type: _born,
    screening.BirthCorrected.type: lambda e, _: f"date of birth corrected: {e.age_days} days old",
    screening.PregnancyEnded.type: lambda e, _: f"the pregnancy ended: {words(e.reason)}",
    screening.ChildDied.type: lambda e, _: f"died at {e.age_days} days",
    screening.ChildMoved.type: _moved,
    screening.RecordsMerged.type: lambda e, _: f"the same child as {short(e.into_child_id)}: this record ends",
    screening.ChildAdopted.type: lambda *_: "adopted: this identity ends, its history is sealed",
    screening.ScreeningDue.type: lambda e, _: f"to be screened until {e.due_at:%Y-%m-%d}, {words(e.reason)}",
    screening.ScreeningCompleted.type: _screened,
    screening.ScreeningNotCompleted.type: _not_screened,
    screening.FollowUpDue.type: lambda *_: "to be looked at again after an earlier result",
    screening.ScreeningMissed.type: lambda e, _: f"NOT screened by {e.age_days} days: {words(e.reason)}",
    screening.ConsultationOverdueForConcern.type: lambda e, _: f"{words(e.outcome)} and NO consultation requested",
    screening.SecondRatingRequested.type: lambda *_: "to be rated by a second person too",
    screening.SecondRatingRecorded.type: lambda e, names: f"rated by {names(e.rater_id)} too: {words(e.agreement)}",
    referral.ConsultationRequested.type: _requested,
    referral.ConsultationAcknowledged.type: lambda e, names: f"seen by {names(e.acknowledged_by)}",
    referral.WaitingListJoined.type: _waits,
    referral.CaseAssigned.type: _assigned,
    referral.CaseHandedOver.type: _handed_over,
    referral.CaseClosed.type: _closed,
    referral.ConsultationTriaged.type: _triaged,
    referral.ConsultationHeld.type: lambda e, names: f"held by {names(e.practitioner_id)}: {words(e.outcome)}",
    referral.ConsultationReported.type: lambda e, names: f"reported to {names(e.requested_by)}",
    referral.ConsultationReopened.type: lambda e, names: f"reopened by {names(e.reopened_by)}",
    referral.CaseOpened.type: lambda e, _: f"work with the family begins: {words(e.outcome)}",
    referral.ClockDueSoon.type: _clock,
    referral.ClockBreached.type: _clock,
    referral.ClockPaused.type: lambda e, _: f"{words(e.clock)} stands still: {words(e.reason)}",
    referral.ClockResumed.type: lambda e, _: f"{words(e.clock)} runs on, due {e.due_at:%d %b}",
    referral.AgeLimitNear.type: _near_limit,
    referral.SafeguardingRaised.type: lambda e, names: f"a risk seen by {names(e.raised_by)}",
    referral.TaskRaised.type: _task,
    referral.TaskHandedOver.type: lambda e, _: f"task {words(e.kind)} {e.reason}",
    referral.TaskDone.type: lambda e, _: f"task {words(e.kind)}: {words(e.outcome)}",
    referral.ConsultationWithdrawn.type: lambda e, names: f"taken back by {names(e.withdrawn_by)}",
    referral.CaseAccepted.type: lambda e, names: f"accepted by {names(e.practitioner_id)}",
    referral.ConsentRecorded.type: lambda e, _: f"consent: {words(e.consent)}",
    referral.DirectWorkStarted.type: lambda e, _: f"{words(e.intervention)}, {e.planned_sessions} sessions planned",
    referral.SessionRecorded.type: _session,
    referral.MeasureRecorded.type: lambda e, _: f"{words(e.instrument)} at the {e.point}",
    referral.DirectWorkEnded.type: lambda e, _: f"direct work ended, {words(e.reason)}: {e.sessions_attended} sessions",
    notification.MessageSent.type: lambda e, names: f"told {_letter(e, names)}",
    notification.MessageDelivered.type: lambda e, names: f"reached {_letter(e, names)}",
    notification.MessageFailed.type: lambda e, names: f"NOT told {_letter(e, names)} ({words(e.reason)})",
    notification.MessageSuppressed.type: lambda e, names: f"not told {_letter(e, names)} ({words(e.reason)})",
    notification.MessageDoubtful.type: lambda e, names: f"perhaps told {_letter(e, names)} ({words(e.reason)})",
    notification.BookletGiven.type: lambda e, _: f"booklet given, {words(e.how)}, in {e.language}",
    notification.BookletMissed.type: lambda e, _: f"booklet missed, due by {e.due_by:%Y-%m-%d}",
    workforce.PractitionerRegistered.type: _registered,
    workforce.PractitionerLeft.type: lambda e, names: f"{names(e.practitioner_id)} leaves: {words(e.reason)}",
    workforce.TrainingCompleted.type: lambda e, names: f"{names(e.practitioner_id)} completed {words(e.course)}",
    workforce.RecertificationDue.type: lambda e, names: _certificate(e, names, f"runs out {e.valid_until:%Y-%m-%d}"),
    workforce.SupervisionOverdue.type: lambda e, names: f"{names(e.practitioner_id)}: supervision overdue",
    workforce.CompetenceAwarded.type: lambda e, names: _certificate(e, names, f"until {e.valid_until:%Y-%m-%d}"),
    workforce.CompetenceSuspended.type: lambda e, names: _certificate(e, names, f"suspended, {words(e.reason)}"),
    workforce.CompetenceExpired.type: lambda e, names: _certificate(e, names, "ran out"),
    workforce.CapacityChanged.type: lambda e, names: f"{names(e.practitioner_id)}: {e.capacity_points} points now",
    workforce.AbsenceStarted.type: lambda e, names: f"{names(e.practitioner_id)} is away: {words(e.kind)}",
    workforce.AbsenceEnded.type: lambda e, names: f"{names(e.practitioner_id)} is back",
}  # fmt: skip

_STYLES: Final = {
    screening.ScreeningMissed.type: "bold red",
    screening.ConsultationOverdueForConcern.type: "bold red",
    referral.WaitingListJoined.type: "yellow",
    referral.CaseAssigned.type: "bold",
    referral.CaseHandedOver.type: "bold",
    referral.CaseClosed.type: "bold",
    referral.ClockBreached.type: "bold red",
    referral.ClockDueSoon.type: "yellow",
    referral.SafeguardingRaised.type: "bold red",
    referral.AgeLimitNear.type: "yellow",
    referral.TaskRaised.type: "yellow",
    notification.MessageFailed.type: "bold red",
    notification.MessageDoubtful.type: "bold red",
    notification.BookletMissed.type: "yellow",
    notification.MessageSuppressed.type: "yellow",
    workforce.PractitionerLeft.type: "bold",
    workforce.CompetenceExpired.type: "yellow",
}
