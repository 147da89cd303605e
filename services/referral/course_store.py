"""Courses, children, tasks and rules: their tables, what each rule is given of them, and the worklists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.needs import Need, State
from chassis.tables import Table
from services.referral.domain.children import Child
from services.referral.domain.clocks import Born, Course
from services.referral.domain.consultation import RequestAtHand, concern_id
from services.referral.domain.direct_work import AtEnd, AtPlanning
from services.referral.domain.failsafes import (
    AboutMessage,
    AboutMissed,
    PoolAndTask,
    task_of_lapse,
    task_of_missed,
)
from services.referral.domain.losses import AboutChild, AboutTwo
from services.referral.domain.progress import Progress
from services.referral.domain.rules import NAME, Rules
from services.referral.domain.sessions import AtSession
from services.referral.domain.tasks import AtTask, Task
from services.referral.domain.triage import AtTriage
from services.referral.store import consultation, consultations, earlier_of_child, pools
from services.referral.work_store import direct_works, loaded_intervention

OF_CHILD = 100
"""Consultations, courses and tasks about one child that a rule is given at most."""

# A consultation gets its row here when somebody works with it, and else once it is twelve hours old: no clock can be
# due soon before that, and most of the writing is kept off the way from a concern to its practitioner.
progress = Table(
    Progress,
    "progress",
    key="consultation_id",
    due_sql="""
(SELECT consultation_id, next_due_at FROM progress WHERE next_due_at <= $1 ORDER BY next_due_at LIMIT $2)
UNION ALL
(SELECT consultation_id, requested_at + interval '12 hours' FROM consultations c
 WHERE ended_at IS NULL AND acknowledged_at IS NULL AND requested_at <= $1 - interval '12 hours'
   AND NOT EXISTS (SELECT FROM progress p WHERE p.consultation_id = c.consultation_id)
 ORDER BY requested_at LIMIT $2)
LIMIT $2""",
)
children = Table(Child, "children", key="child_id")
children_of_consultations = Table(Born, "children_of_consultations", key="consultation_id")
rules = Table(Rules, "rules", key="name")
tasks = Table(Task, "tasks", key="task_id", due="next_due_at")

in_force = rules.by(lambda _: NAME)
task = tasks.by("task_id")
task_due = State(AtTask, task=tasks.by("key"), case=consultations.named_in(tasks.by("key"), "consultation_id"))
_of = {
    "case": consultation,
    "progress": progress.by("consultation_id"),
    "rules": in_force,
    "child": children_of_consultations.by("consultation_id"),
    "work": direct_works.by("consultation_id"),
}
course = State(Course, **_of)
course_due = State(
    Course,
    case=consultations.by("key"),
    progress=progress.by("key"),
    rules=in_force,
    child=children_of_consultations.by("key"),
    work=direct_works.by("key"),
)
at_planning = State(
    AtPlanning,
    case=consultation,
    work=_of["work"],
    intervention=loaded_intervention,
    progress=_of["progress"],
)
at_session = State(AtSession, case=consultation, work=_of["work"], progress=_of["progress"])
at_end = State(AtEnd, case=consultation, work=_of["work"], pool=pools.by("team_id"), progress=_of["progress"])
at_triage = State(AtTriage, **_of, pool=pools.by("team_id"), other=pools.by("to_team_id"))
request_at_hand = State(
    RequestAtHand, existing=consultation, earlier=earlier_of_child, child=children.by("child_id"), rules=in_force
)


def _open(task: Task) -> bool:
    return task.done_at is None


_of_child: dict[str, Need] = {
    "cases": consultations.many("child_id", column="child_id", order="requested_at DESC", limit=OF_CHILD),
    "courses": progress.many("child_id", column="child_id", order="started_at DESC", limit=OF_CHILD),
    "tasks": tasks.many(
        "child_id", column="child_id", where="done_at IS NULL", holds=_open, order="due_at, task_id", limit=OF_CHILD
    ),
}
about_child = State(
    AboutChild,
    child=children.by("child_id"),
    **_of_child,
    looked_for=tasks.many(
        "child_id",
        column="child_id",
        where="kind = 'missed_screening' AND done_at IS NOT NULL",
        holds=lambda task: task.kind == "missed_screening" and task.done_at is not None,
        order="done_at DESC, task_id",
        limit=1,
    ),
)
about_two = State(
    AboutTwo,
    ending=children.by("child_id"),
    into=children.by("into_child_id"),
    at_its_end=children.named_in(children.by("into_child_id"), "merged_into"),
    merged_before=children.many("child_id", column="merged_into", order="child_id", limit=OF_CHILD),
    **_of_child,
    others=consultations.many(
        "into_child_id",
        column="child_id",
        where="ended_at IS NULL",
        holds=lambda case: case.ended_at is None,
        order="requested_at DESC",
        limit=OF_CHILD,
    ),
)
_record: dict[str, Need] = {
    "child": children.by("child_id"),
    "into": children.named_in(children.by("child_id"), "merged_into"),
}
about_message = State(
    AboutMessage,
    subject=tasks.by("about_id"),
    case=consultations.by("about_id"),
    **_record,
    of_child=consultations.many("child_id", column="child_id", order="requested_at DESC", limit=1),
    to_do=tasks.many(
        "about_id", column="about_id", where="done_at IS NULL", holds=_open, order="due_at, task_id", limit=20
    ),
)
about_missed = State(AboutMissed, known=tasks.by(task_of_missed), case=consultations.by(lambda _: None), **_record)
about_overdue = State(
    AboutMissed,
    known=tasks.by(task_of_missed),
    case=consultations.by(lambda event: concern_id(event.screening_id)),
    **_record,
)
pool_and_task = State(PoolAndTask, pool=pools.by("team_id"), known=tasks.by(task_of_lapse))

_TASK = "task_id, kind, about_id, consultation_id, child_id, team_id, owner_id, note, due_at, escalated, raised_at"


async def is_sealed(connection: Connection, child_id: UUID) -> bool:
    """Whether the child was adopted: then only few may look at this identity."""
    return bool(await connection.fetchval("SELECT gone = 'record_sealed' FROM children WHERE child_id = $1", child_id))


async def course_view(connection: Connection, consultation_id: UUID) -> Course:
    """A consultation with everything that its clocks depend on."""
    return (await _courses(connection, [consultation_id]))[0]


async def courses_of_practitioner(connection: Connection, practitioner_id: UUID, limit: int) -> list[Course]:
    """Whatever one practitioner has, found by the pools that this practitioner belongs to."""
    rows = await connection.fetch(
        """SELECT consultation_id FROM consultations
        WHERE status = 'accepted' AND assigned_to = $1::uuid
          AND team_id = ANY (ARRAY(SELECT team_id FROM pools
            WHERE members @> jsonb_build_array(jsonb_build_object('practitioner_id', $1::uuid::text))))
        ORDER BY requested_at LIMIT $2""",
        practitioner_id,
        limit,
    )
    return await _courses(connection, [r[0] for r in rows])


async def courses_without_owner(connection: Connection, team_id: UUID, limit: int) -> list[Course]:
    """What waits in a team: for a person's triage, and for a place."""
    rows = await connection.fetch(
        """(SELECT consultation_id FROM consultations WHERE team_id = $1 AND status = 'requested'
          ORDER BY requested_at LIMIT $2)
        UNION ALL
        (SELECT consultation_id FROM consultations WHERE team_id = $1 AND (unsettled OR place IS NOT NULL)
          AND waiting_since IS NOT NULL ORDER BY place LIMIT $2)""",
        team_id,
        limit,
    )
    return await _courses(connection, [r[0] for r in rows])


async def _courses(connection: Connection, ids: list[UUID]) -> list[Course]:
    cases = await _by_key(connection, consultations, ids)
    done = await _by_key(connection, progress, ids)
    born = await _by_key(connection, children_of_consultations, ids)
    kept = await _by_key(connection, rules, [NAME])
    work = await _by_key(connection, direct_works, ids)
    return [Course(cases.get(id_), done.get(id_), kept.get(NAME), born.get(id_), work.get(id_)) for id_ in ids]


async def _by_key(connection: Connection, table: Table, keys: Sequence[Any]) -> dict[Any, Any]:
    return {table.key_of(row): row for _, row in map(table.row, await connection.fetch(table.select, keys))}


async def tasks_of_owner(connection: Connection, owner_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The open tasks of one person, the next to be due first."""
    rows = await connection.fetch(
        f"SELECT {_TASK} FROM tasks WHERE done_at IS NULL AND owner_id = $1 ORDER BY due_at, task_id LIMIT $2",
        owner_id,
        limit,
    )
    return [dict(row) for row in rows]


async def tasks_of_team(connection: Connection, team_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The open tasks that any lead of the team has to take up, the next to be due first."""
    rows = await connection.fetch(
        f"""SELECT {_TASK} FROM tasks WHERE done_at IS NULL AND owner_id IS NULL AND team_id = $1
        ORDER BY due_at, task_id LIMIT $2""",
        team_id,
        limit,
    )
    return [dict(row) for row in rows]


async def tasks_of_nobody(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The open tasks of which nobody knows whose they are."""
    rows = await connection.fetch(
        f"""SELECT {_TASK} FROM tasks WHERE done_at IS NULL AND owner_id IS NULL AND team_id IS NULL
        ORDER BY due_at, task_id LIMIT $1""",
        limit,
    )
    return [dict(row) for row in rows]


async def open_loops(connection: Connection, team_id: UUID, limit: int) -> list[dict[str, Any]]:
    """Consultations that were held and of which whoever asked has no report, the oldest first."""
    rows = await connection.fetch(
        """SELECT c.consultation_id, c.status, c.requested_by, c.assigned_to,
          jsonb_array_length(p.holdings) AS held, jsonb_array_length(p.reports) AS reported
        FROM progress p JOIN consultations c USING (consultation_id)
        WHERE jsonb_array_length(p.holdings) > jsonb_array_length(p.reports) AND c.team_id = $1
        ORDER BY c.requested_at LIMIT $2""",
        team_id,
        limit,
    )
    return [dict(row) for row in rows]
