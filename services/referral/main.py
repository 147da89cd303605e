"""The map of the referral service.

A concern, or a professional's request, becomes a consultation. The team's pool gives its case to a practitioner with
free points, or keeps it in the waiting list. Whatever becomes of the practitioner, no case is without owner or place.
What follows a request (triage, course, clocks, losses, tasks) stands in `course_inputs.py`.
"""

from pathlib import Path

from attune_contracts.screening import ScreeningCompleted
from attune_contracts.workforce import (
    AbsenceEnded,
    AbsenceStarted,
    CapacityChanged,
    CompetenceAwarded,
    PractitionerLeft,
    PractitionerRegistered,
)
from chassis.inputs import command, due, on
from chassis.service import Service
from services.referral import api, course_store, store, work_store
from services.referral.course_inputs import COURSE
from services.referral.domain import (
    allocation,
    catalogue,
    consultation,
    direct_work,
    hand_over,
    measuring,
    membership,
    offer,
    recalled,
    sessions,
    team_policy,
    whole_caseload,
)
from services.referral.domain.commands import (
    AcceptCase,
    DeclineCase,
    HandOverCase,
    HandOverCaseload,
    RequestConsultation,
    SetPolicy,
)
from services.referral.domain.work_commands import (
    EndDirectWork,
    LoadIntervention,
    LoadMeasure,
    PlanDirectWork,
    RecordMeasure,
    RecordSession,
)
from services.referral.settings import ReferralSettings

INPUTS = (
    # A consultation is asked for, and asks the pool of its team for a place.
    on(
        ScreeningCompleted,
        decide=consultation.consider_screening,
        state=store.consultation_of_screening,
        makes_due=store.pool_asked_by_screening,
    ),
    command(
        "POST /consultations",
        RequestConsultation,
        decide=consultation.request,
        state=course_store.request_at_hand,
        may="consultation.request",
        status=201,
        makes_due=store.pools,
    ),
    *COURSE,
    # Cases change hands, by hand or by an offer that was not taken.
    command(
        "POST /cases/{consultation_id}/hand-over",
        HandOverCase,
        decide=hand_over.hand_over,
        state=store.case_in_pool,
        may="case.hand_over",
        makes_due=store.pools,
    ),
    command(
        "POST /pools/{team_id}/hand-over",
        HandOverCaseload,
        decide=whole_caseload.hand_over,
        state=store.caseloads,
        may="caseload.hand_over",
        makes_due=store.pools,
    ),
    command(
        "POST /cases/{consultation_id}/acceptance",
        AcceptCase,
        decide=offer.accept,
        state=store.consultation,
        may="case.answer",
    ),
    command(
        "POST /cases/{consultation_id}/refusal",
        DeclineCase,
        decide=offer.decline,
        state=store.consultation,
        may="case.answer",
        makes_due=store.pools,
    ),
    due(store.offers, decide=offer.lapse, state=store.offered, makes_due=store.pools),
    command(
        "PUT /pools/{team_id}/policy",
        SetPolicy,
        decide=team_policy.set_policy,
        state=store.pool_named,
        may="pool.policy",
    ),
    # Direct work: planned by the catalogue, begun with the points for it, session by session to its end.
    command(
        "PUT /interventions/{intervention}/{intervention_version}",
        LoadIntervention,
        decide=catalogue.load_intervention,
        state=work_store.loaded_intervention,
        may="definition.load",
    ),
    command(
        "PUT /measures/{measure}/{measure_version}",
        LoadMeasure,
        decide=catalogue.load_measure,
        state=work_store.loaded_measure,
        may="definition.load",
    ),
    command(
        "POST /cases/{consultation_id}/direct-work",
        PlanDirectWork,
        decide=direct_work.plan,
        state=course_store.at_planning,
        may="direct_work.do",
        status=201,
        makes_due=store.pools,
    ),
    command(
        "POST /cases/{consultation_id}/sessions",
        RecordSession,
        decide=sessions.record,
        state=course_store.at_session,
        may="direct_work.do",
        status=201,
    ),
    command(
        "POST /cases/{consultation_id}/measures",
        RecordMeasure,
        decide=measuring.record,
        state=work_store.at_measuring,
        may="direct_work.do",
        status=201,
    ),
    command(
        "POST /cases/{consultation_id}/direct-work/end",
        EndDirectWork,
        decide=direct_work.end,
        state=course_store.at_end,
        may="direct_work.do",
        makes_due=store.pools,
    ),
    due(work_store.direct_works, decide=direct_work.follow, state=work_store.work_due, makes_due=store.pools),
    # The workforce changes, and with it who is in the pool and what they can take.
    on(
        PractitionerRegistered,
        decide=membership.practitioner_registered,
        state=store.pool_of_event,
        makes_due=store.pools,
    ),
    on(PractitionerLeft, decide=membership.practitioner_left, state=store.pool_of_event, makes_due=store.pools),
    on(CompetenceAwarded, decide=membership.competence_awarded, state=store.pool_of_event, makes_due=store.pools),
    on(CapacityChanged, decide=membership.capacity_changed, state=store.pool_of_event, makes_due=store.pools),
    on(AbsenceStarted, decide=membership.absence_started, state=store.pool_of_event, makes_due=store.pools),
    on(AbsenceEnded, decide=membership.absence_ended, state=store.pool_of_event, makes_due=store.pools),
    # The pool at work: assigns, keeps waiting, hands over what its owner cannot keep.
    due(store.pools, decide=allocation.allocate, state=store.pool_at_work, makes_due=store.pools),
)

_ASKS = frozenset(
    {
        "consultation.request",
        "consultation.withdraw",
        "consultation.consent",
        "consultation.read",
        "task.work",
        "worklist.read",
    }
)
_WORKS = _ASKS | {
    "consultation.acknowledge",
    "consultation.triage",
    "consultation.hold",
    "clock.pause",
    "case.answer",
    "case.close",
    "case.hand_over",
    "pool.read",
    "worklist.team",
    "direct_work.do",
    "direct_work.read",
    "definition.read",
}

ROLES = {
    "health_visitor": _ASKS,
    "midwife": _ASKS,
    "specialist": _WORKS,
    "team_lead": _WORKS | {"pool.policy", "caseload.hand_over", "worklist.others"},
    "safeguarding_lead": frozenset({"consultation.read", "consultation.read_sealed", "pool.read"}),
    "operator": frozenset(
        {"operator.read", "operator.resolve", "pool.read", "rules.set", "definition.load", "definition.read"}
    ),
}

SERVICE = Service(
    "referral",
    inputs=INPUTS,
    settings=ReferralSettings,
    api=api.routes,
    migrations=Path(__file__).parent / "migrations",
    roles=ROLES,
    stuck=store.STUCK,
    recalls=recalled.RECALLS,
)
