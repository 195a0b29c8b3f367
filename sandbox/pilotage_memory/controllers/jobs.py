"""Jobs: pods that run to their end. The crowd's pods of a Job end by themselves, as kwok's do."""

from collections.abc import Iterable

from pilotage_memory.controllers.base import Base, lives, place_of, place_of_owner, ready
from pilotage_memory.controllers.loop import Loop, Place
from pilotage_memory.controllers.objects import JOB, POD, deleting, holds, is_a
from pilotage_memory.controllers.refusals import Refusals
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Obj


class Jobs(Base):
    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self._refused = Refusals()

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(JOB, obj) and event != "DELETED":
            yield place_of("Job", obj)
        elif is_a(POD, obj):
            yield from place_of_owner(JOB, obj)
        yield from self._refused.after(event, obj)

    def reconcile(self, place: Place) -> None:
        job = self.cache.get(JOB, place.name, place.namespace)
        self._refused.note(place, "")
        if job is None or deleting(job) or holds(job, "Complete"):
            return
        pods = self.cache.owned(job, POD)
        done = sum(pod.get("status", {}).get("phase") == "Succeeded" for pod in pods)
        living = [pod for pod in pods if lives(pod)]
        parallel = job["spec"].get("parallelism", 1)
        wanted = min(parallel, job["spec"].get("completions", parallel) - done)
        if not job["spec"].get("suspend"):
            self._add(job, place, wanted - len(living))
        self._tell(job, done, wanted <= 0)

    def _add(self, job: Obj, place: Place, missing: int) -> None:
        labels = {"job-name": place.name, "batch.kubernetes.io/job-name": place.name}
        try:
            for _ in range(missing):
                self.make_pod(job, labels=labels)
        except ApiError as error:
            self._refused.note(place, error.message)

    def _tell(self, job: Obj, done: int, complete: bool) -> None:
        living = [pod for pod in self.cache.owned(job, POD) if lives(pod)]
        status: Obj = {"startTime": job.get("status", {}).get("startTime") or self.now, "ready": ready(living)}
        status |= {"active": len(living)} if living else {}
        status |= {"succeeded": done} if done else {}
        if complete:
            status["conditions"] = self.conditions(job, ("Complete", True, "CompletionsReached", ""))
            status["completionTime"] = self.now
        self.write_status(job, status)
