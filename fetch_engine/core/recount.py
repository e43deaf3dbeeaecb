"""After a change of state was interrupted half way: all that is counted, counted anew from the jobs.

The steps of every change are in such an order that each job is at every moment known to the lanes, among those that
run, on a shelf of the ledger, or the subject of the entry that was interrupted, and that the mark on it which says that
a step is done comes last. So nothing has to be noted while nothing is interrupted, and the entry may be begun anew.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fetch_engine.core.slots import SlotRequest, depart, turn_away
from fetch_engine.core.task import Job

if TYPE_CHECKING:
    from fetch_engine.core.scheduler import Scheduler


def recount(scheduler: Scheduler, _: None) -> None:
    """An entry of the mailbox, put before the one that was interrupted. The cost is the number of jobs."""
    interrupted = next((entry for entry in scheduler.mailbox.pending() if entry[0] is not recount), None)
    action, subject = interrupted or (None, None)
    job = subject[0] if isinstance(subject, tuple) else getattr(subject, "job", subject)
    lanes = scheduler.lanes
    waiting = set(lanes.waiting())
    if lanes.given is not None and lanes.given not in waiting:
        given = lanes.given.job if isinstance(lanes.given, SlotRequest) else lanes.given
        if given not in scheduler.granted:
            scheduler.place(lanes.given)
    lanes.given = None
    if lanes.turned_away is not None:
        turn_away(scheduler, *lanes.turned_away)
    lanes.turned_away = None
    jobs = {ticket for ticket in waiting if isinstance(ticket, Job)}
    jobs |= {*scheduler.running, *scheduler.ledger.finished_jobs()}
    is_admission = action is type(scheduler).admit
    queued_anew = subject if is_admission or action is depart else None
    if isinstance(job, Job):
        jobs.add(job)
        if is_admission and job.outcome is None:
            job.generation = None
            jobs.discard(job)
    scheduler.running -= {one for one in scheduler.running if one.outcome is not None}
    scheduler.announcing.recount(scheduler.granted)
    scheduler.ledger.recount(jobs, is_opened_known=not is_admission)
    lanes.recount(
        Counter(one.lane for one in jobs if one.lane is not None),
        lambda ticket: ticket is queued_anew or _has_ended(ticket),
    )
    scheduler.session.recount(
        Counter(one.generation for one in jobs if one.generation is not None),
        Counter(one.generation for one in scheduler.running if one.begun and one.generation is not None),
    )


def _has_ended(ticket: Job | SlotRequest) -> bool:
    return (ticket.job if isinstance(ticket, SlotRequest) else ticket).outcome is not None
