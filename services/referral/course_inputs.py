"""The map of what follows a request: triage, the course to its end, clocks, losses, and tasks for people."""

from attune_contracts.notification import BookletMissed, MessageDoubtful, MessageFailed, MessageSuppressed
from attune_contracts.screening import (
    BirthCorrected,
    BirthRecorded,
    ChildAdopted,
    ChildDied,
    ChildMoved,
    ConsultationOverdueForConcern,
    PregnancyEnded,
    RecordsMerged,
    ScreeningMissed,
)
from attune_contracts.workforce import CompetenceExpired, CompetenceSuspended
from chassis.inputs import command, due, on
from services.referral import course_store, store
from services.referral.domain import (
    clocks,
    consent,
    course,
    ending,
    failsafes,
    losses,
    pauses,
    reopening,
    rules,
    tasks,
    triage,
)
from services.referral.domain.commands import (
    AcknowledgeConsultation,
    CloseCase,
    DelegateTask,
    FinishTask,
    HoldConsultation,
    PauseClock,
    RaiseTask,
    RecordConsent,
    ReopenConsultation,
    ReportConsultation,
    ResumeClock,
    SetConsultationRules,
    TriageConsultation,
    WithdrawConsultation,
    WriteOnwardPlan,
)

COURSE = (
    # People work with a consultation, until it ends and its points are free again.
    command(
        "POST /consultations/{consultation_id}/acknowledgement",
        AcknowledgeConsultation,
        decide=course.acknowledge,
        state=course_store.course,
        may="consultation.acknowledge",
    ),
    command(
        "POST /consultations/{consultation_id}/triage",
        TriageConsultation,
        decide=triage.triage,
        state=course_store.at_triage,
        may="consultation.triage",
        makes_due=store.pools,
    ),
    command(
        "PUT /consultations/{consultation_id}/consent",
        RecordConsent,
        decide=consent.record_consent,
        state=store.consultation,
        may="consultation.consent",
        makes_due=store.pools,
    ),
    command(
        "POST /consultations/{consultation_id}/holding",
        HoldConsultation,
        decide=course.hold,
        state=course_store.course,
        may="consultation.hold",
    ),
    command(
        "POST /consultations/{consultation_id}/report",
        ReportConsultation,
        decide=course.report,
        state=course_store.course,
        may="consultation.hold",
    ),
    command(
        "PUT /cases/{consultation_id}/onward-plan",
        WriteOnwardPlan,
        decide=course.write_onward_plan,
        state=course_store.course,
        may="consultation.hold",
    ),
    command(
        "POST /consultations/{consultation_id}/withdrawal",
        WithdrawConsultation,
        decide=ending.withdraw,
        state=store.consultation,
        may="consultation.withdraw",
        makes_due=store.pools,
    ),
    command(
        "POST /cases/{consultation_id}/closure",
        CloseCase,
        decide=ending.close,
        state=store.consultation,
        may="case.close",
        makes_due=store.pools,
    ),
    command(
        "POST /consultations/{consultation_id}/reopening",
        ReopenConsultation,
        decide=reopening.reopen,
        state=course_store.course,
        may="consultation.triage",
        makes_due=store.pools,
    ),
    # Its clocks run, stand still and are told of.
    command(
        "POST /consultations/{consultation_id}/pauses",
        PauseClock,
        decide=pauses.pause,
        state=course_store.course,
        may="clock.pause",
    ),
    command(
        "POST /consultations/{consultation_id}/resumptions",
        ResumeClock,
        decide=pauses.resume,
        state=course_store.course,
        may="clock.pause",
    ),
    command(
        "PUT /consultation-rules",
        SetConsultationRules,
        decide=rules.set_rules,
        state=course_store.in_force,
        may="rules.set",
    ),
    due(course_store.progress, decide=clocks.look, state=course_store.course_due, makes_due=store.pools),
    # What happens to the child happens to its consultations.
    on(BirthRecorded, decide=losses.birth_recorded, state=course_store.about_child, makes_due=store.pools),
    on(BirthCorrected, decide=losses.birth_corrected, state=course_store.about_child),
    on(PregnancyEnded, decide=losses.pregnancy_ended, state=course_store.about_child, makes_due=store.pools),
    on(ChildDied, decide=losses.child_died, state=course_store.about_child, makes_due=store.pools),
    on(ChildMoved, decide=losses.child_moved, state=course_store.about_child, makes_due=store.pools),
    on(ChildAdopted, decide=losses.child_adopted, state=course_store.about_child, makes_due=store.pools),
    on(RecordsMerged, decide=losses.records_merged, state=course_store.about_two),
    # What did not happen becomes somebody's task.
    on(MessageFailed, decide=failsafes.message_not_told, state=course_store.about_message),
    on(MessageSuppressed, decide=failsafes.message_not_told, state=course_store.about_message),
    on(MessageDoubtful, decide=failsafes.message_doubtful, state=course_store.about_message),
    on(ScreeningMissed, decide=failsafes.missed, state=course_store.about_missed),
    on(BookletMissed, decide=failsafes.missed, state=course_store.about_missed),
    on(ConsultationOverdueForConcern, decide=failsafes.missed, state=course_store.about_overdue),
    on(
        CompetenceSuspended,
        decide=failsafes.competence_suspended,
        state=course_store.pool_and_task,
        makes_due=store.pools,
    ),
    on(
        CompetenceExpired,
        decide=failsafes.competence_expired,
        state=course_store.pool_and_task,
        makes_due=store.pools,
    ),
    command("POST /tasks", RaiseTask, decide=tasks.raise_by_hand, may="task.work", status=201),
    command(
        "POST /tasks/{task_id}/completion", FinishTask, decide=tasks.finish, state=course_store.task, may="task.work"
    ),
    command(
        "POST /tasks/{task_id}/delegation",
        DelegateTask,
        decide=tasks.delegate,
        state=course_store.task,
        may="task.work",
    ),
    due(course_store.tasks, decide=tasks.escalate, state=course_store.task_due),
)
