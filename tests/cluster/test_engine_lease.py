"""The Lease among candidates in one process, with short times: one holder at a time, taken over when silent, lost when not renewed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.connection import load_configuration
from goldenami.kube.lease import LeaseElection, LeaseTiming
from goldenami.local.kubernetes import ControlPlane
from support.faulty_proxy import FaultyProxy, faulty_proxy
from support.operator import eventually

SHORT = LeaseTiming(duration=2.0, renew_deadline=1.0, retry=0.2)


@dataclass
class Candidate:
    """One competitor, with a thread that waits for the Lease."""

    election: LeaseElection
    stopping: threading.Event = field(default_factory=threading.Event)
    won_at: float = math.inf
    lost_at: float = math.inf
    lost: list[str] = field(default_factory=list)
    thread: threading.Thread | None = None

    def compete(self) -> Candidate:
        self.thread = threading.Thread(target=self._acquire)
        self.thread.start()
        return self

    def _acquire(self) -> None:
        if self.election.acquire(self.stopping):
            self.won_at = time.monotonic()
            self.election.keep(self._lose)

    def _lose(self, problem: str) -> None:
        self.lost_at = time.monotonic()
        self.lost.append(problem)

    @property
    def won(self) -> bool:
        return self.won_at < math.inf

    def end(self) -> None:
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()
        self.election.release()


@dataclass
class Race:
    """Candidates for one Lease."""

    kubernetes: Kubernetes
    namespace: str
    candidates: dict[str, Candidate] = field(default_factory=dict)

    def candidate(self, name: str, kubernetes: Kubernetes | None = None) -> Candidate:
        client = kubernetes if kubernetes is not None else self.kubernetes
        election = LeaseElection(client, namespace=self.namespace, name="race", identity=name, timing=SHORT)
        self.candidates[name] = Candidate(election)
        return self.candidates[name]

    def lease(self) -> Body:
        return dict(self.kubernetes.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/race")["spec"])


@pytest.fixture
def race(control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Race]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    race = Race(Kubernetes(load_configuration()), namespace)
    yield race
    for candidate in race.candidates.values():
        candidate.end()


def test_of_many_that_start_at_once_one_wins_and_stays_the_only_one(race: Race) -> None:
    candidates = [race.candidate(f"c{number}") for number in range(5)]
    for candidate in candidates:
        candidate.compete()
    eventually(lambda: any(candidate.won for candidate in candidates), "somebody wins")
    winner = race.lease()["holderIdentity"]
    for _ in range(2):
        until_renewed(race)
        assert [name for name, candidate in race.candidates.items() if candidate.won] == [winner]
        assert [name for name, candidate in race.candidates.items() if candidate.election.held] == [winner]
    assert race.lease()["holderIdentity"] == winner


def until_renewed(race: Race) -> None:
    before = race.lease()["renewTime"]
    eventually(lambda: race.lease()["renewTime"] != before, "it is renewed")


def test_a_released_lease_goes_to_the_next_with_a_counted_transition(race: Race) -> None:
    first = race.candidate("first").compete()
    eventually(lambda: first.won, "the first wins")
    second = race.candidate("second").compete()
    first.end()
    eventually(lambda: second.won, "the second wins")
    assert not first.election.held
    assert (race.lease()["holderIdentity"], race.lease()["leaseTransitions"]) == ("second", 1)


def test_a_holder_that_renews_is_not_taken_over(race: Race) -> None:
    first = race.candidate("first").compete()
    eventually(lambda: first.won, "the first wins")
    second = race.candidate("second").compete()
    before = race.lease()["renewTime"]
    eventually(lambda: seconds_between(before, race.lease()["renewTime"]) > SHORT.duration + 1, "renewals beyond its duration")
    assert (first.election.held, second.won) == (True, False)


def seconds_between(before: str, after: str) -> float:
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


@pytest.mark.parametrize(
    "break_off",
    [
        pytest.param(lambda proxy: proxy.refuse("/leases/", 503), id="it is refused"),
        pytest.param(lambda proxy: proxy.trickle("/leases/"), id="its request has no end and no timeout"),
    ],
)
def test_a_holder_cut_off_from_the_api_server_loses_before_another_may_take_over(
    race: Race, control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_off: Callable[[FaultyProxy], None]
) -> None:
    with faulty_proxy(control_plane.kubeconfig, tmp_path) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig))
        cut_off = race.candidate("cut-off", Kubernetes(load_configuration())).compete()
        eventually(lambda: cut_off.won, "it wins")
        other = race.candidate("other").compete()
        break_off(proxy)
        eventually(lambda: bool(cut_off.lost), "it notices")
        assert not cut_off.election.held
        eventually(lambda: other.won, "the other takes over")
        assert cut_off.lost_at < other.won_at
        assert len(cut_off.lost) == 1
        proxy.allow("/leases/")
        cut_off.end()
        assert race.lease()["holderIdentity"] == "other"


def test_a_lease_deleted_by_hand_is_made_again_by_its_holder(race: Race) -> None:
    holder = race.candidate("holder").compete()
    eventually(lambda: holder.won, "it wins")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{race.namespace}/leases/race"
    race.kubernetes.call("DELETE", path)
    eventually(lambda: race.kubernetes.call("GET", path.rpartition("/")[0])["items"] != [], "it is there again")
    assert (race.lease()["holderIdentity"], holder.lost) == ("holder", [])


def test_a_standby_that_is_stopped_gives_up_at_once(race: Race) -> None:
    first = race.candidate("first").compete()
    eventually(lambda: first.won, "the first wins")
    second = race.candidate("second").compete()
    second.end()
    assert not second.won
    assert race.lease()["holderIdentity"] == "first"
