"""The Lease among candidates in one process, with short times: one holder at a time, taken over when silent, lost when not renewed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.connection import load_configuration
from goldenami.kube.lease import LeaseElection, LeaseTiming
from goldenami.local.kubernetes import ControlPlane
from support.faulty_proxy import faulty_proxy
from support.operator import eventually

SHORT = LeaseTiming(duration=2.0, renew_deadline=1.0, retry=0.2)


@dataclass
class Candidate:
    """One competitor, with a thread that waits for the Lease."""

    election: LeaseElection
    stopping: threading.Event = field(default_factory=threading.Event)
    won: bool = False
    lost: list[str] = field(default_factory=list)
    thread: threading.Thread | None = None

    def compete(self) -> Candidate:
        self.thread = threading.Thread(target=self._acquire)
        self.thread.start()
        return self

    def _acquire(self) -> None:
        if self.election.acquire(self.stopping):
            self.won = True
            self.election.keep(self.lost.append)

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


def test_of_many_that_start_at_once_one_wins(race: Race) -> None:
    candidates = [race.candidate(f"c{number}") for number in range(5)]
    for candidate in candidates:
        candidate.compete()
    eventually(lambda: any(candidate.won for candidate in candidates), "somebody wins")
    winners = [name for name, candidate in race.candidates.items() if candidate.won]
    assert winners == [race.lease()["holderIdentity"]]
    assert [candidate.election.held for candidate in candidates].count(True) == 1


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


def test_a_holder_cut_off_from_the_api_server_loses_before_another_may_take_over(
    race: Race, control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_proxy(control_plane.kubeconfig, tmp_path) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig))
        cut_off = race.candidate("cut-off", Kubernetes(load_configuration())).compete()
        eventually(lambda: cut_off.won, "it wins")
        other = race.candidate("other").compete()
        proxy.refuse("/leases/", 503)
        eventually(lambda: bool(cut_off.lost), "it notices")
        assert not other.won
        assert not cut_off.election.held
        eventually(lambda: other.won, "the other takes over")
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
