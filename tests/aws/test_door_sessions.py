"""Who we are, and what a call goes through: roles, mismatches, expired credentials, throttles, silence."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from goldenami.aws import metrics
from goldenami.aws.calls import Breaker, Calls
from goldenami.aws.errors import AwsError, FixTheAccess, Throttled, Unreachable
from goldenami.aws.inventory import Inventory
from goldenami.aws.pacing import Limit, Pacer
from goldenami.aws.sessions import AccountSpec, Sessions, client_config
from goldenami.local.aws import LocalAws, lab
from goldenami.plan import actions as do
from goldenami.plan.values import Account, Place
from support.door import Door, open_door

ROLE = "arn:aws:iam::{}:role/golden"
EXTERNAL_ID = "a-secret-external-id"
Open = Callable[..., Door]


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    return open_door(ec2_lab, monkeypatch)


@pytest.fixture
def build(door: Door) -> AccountSpec:
    """The other account, behind a role that asks for an external id."""
    role = ROLE.format(door.cloud.other)
    lab.current().settings.roles = {role: EXTERNAL_ID}
    lab.current().settings.strict_roles = True
    return AccountSpec("build", door.cloud.other, role, EXTERNAL_ID)


def named(door: Door, operation: str = "DescribeRegions") -> dict[str, int]:
    return door.counts(operation=operation)


class TestIdentity:
    def test_our_own_identity_is_asked_once_an_hour(self, door: Door) -> None:
        door.forget_audit()
        assert {door.sessions.resolve() for _ in range(5)} == {Account("", door.cloud.account)}
        assert door.counts() == {}
        door.cloud.pass_time(3601.0)
        door.sessions.resolve()
        assert door.counts() == {"sts.GetCallerIdentity": 1}

    def test_a_role_acts_in_its_account(self, door: Door, build: AccountSpec) -> None:
        account = door.sessions.resolve(build)
        assert account == Account("build", door.cloud.other)
        image_id = door.cloud.image(account=door.cloud.other)
        found = door.inventory.image(Place(account, "us-east-1"), image_id)
        assert found is not None
        assert found.owner_id == door.cloud.other

    def test_a_role_is_assumed_once_for_all_regions(self, door: Door, build: AccountSpec) -> None:
        account = door.sessions.resolve(build)
        door.forget_audit()
        for region in ("us-east-1", "eu-west-1", "eu-west-3"):
            door.inventory.region(Place(account, region), not_older_than=door.now)
        assert door.counts(operation="sts.*") == {}

    def test_a_role_is_assumed_once_by_many_threads(self, door: Door, build: AccountSpec) -> None:
        door.forget_audit()
        with ThreadPoolExecutor(16) as threads:
            accounts = set(threads.map(lambda _: door.sessions.resolve(build), range(16)))
        assert accounts == {Account("build", door.cloud.other)}
        assert door.counts(operation="sts.AssumeRole") == {"sts.AssumeRole": 1}

    @pytest.mark.parametrize("external_id", [pytest.param(None, id="none"), pytest.param("another", id="another")])
    def test_a_wrong_external_id_is_the_access_to_fix_and_is_not_told(
        self, door: Door, build: AccountSpec, external_id: str | None
    ) -> None:
        with pytest.raises(FixTheAccess) as raised:
            door.sessions.resolve(replace(build, external_id=external_id))
        assert raised.value.problem.reason == "CredentialsInvalid"
        assert "trust policy" in raised.value.problem.message
        assert EXTERNAL_ID not in raised.value.problem.message

    def test_another_account_than_declared_is_a_mismatch(self, door: Door, build: AccountSpec) -> None:
        with pytest.raises(FixTheAccess) as raised:
            door.sessions.resolve(replace(build, account_id="121212121212"))
        assert raised.value.problem.reason == "AccountMismatch"
        for number in ("121212121212", door.cloud.other):
            assert number in raised.value.problem.message

    def test_a_changed_spec_takes_effect_at_once(self, door: Door, build: AccountSpec) -> None:
        with pytest.raises(FixTheAccess):
            door.sessions.resolve(replace(build, external_id="another"))
        assert door.sessions.resolve(build).account_id == door.cloud.other
        own = door.sessions.resolve(AccountSpec("build"))
        assert own.account_id == door.cloud.account

    def test_an_account_with_its_own_endpoint(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        sessions = Sessions(clock=lab.current().clock.now)
        with pytest.raises(Unreachable):
            sessions.resolve()
        spec = AccountSpec("here", endpoint_url=door.cloud.aws.endpoint_url)
        assert sessions.resolve(spec).account_id == door.cloud.account

    def test_no_credentials_at_all_say_so(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, "/nonexistent")
        with pytest.raises(FixTheAccess) as raised:
            Sessions(clock=lab.current().clock.now).resolve()
        assert raised.value.problem.reason == "CredentialsInvalid"

    def test_an_account_that_was_never_resolved_is_a_bug(self, door: Door) -> None:
        with pytest.raises(LookupError):
            door.sessions.client(Place(Account("nobody", "121212121212"), "us-east-1"), "ec2")


class TestClients:
    def test_there_is_one_for_each_region_and_service_whoever_asks(self, door: Door) -> None:
        place = Place(door.account, "eu-west-3")
        with ThreadPoolExecutor(16) as threads:
            clients = list(threads.map(lambda _: door.sessions.client(place, "ec2"), range(64)))
        assert len({id(client) for client in clients}) == 1

    def test_the_least_recently_used_go_first(self, door: Door) -> None:
        sessions = Sessions(clients=2, clock=lab.current().clock.now)
        account = sessions.resolve()
        first, second, third = (Place(account, region) for region in ("us-east-1", "eu-west-1", "eu-west-3"))
        kept = sessions.client(first, "ec2")
        gone = sessions.client(second, "ec2")
        assert sessions.client(first, "ec2") is kept
        sessions.client(third, "ec2")
        assert sessions.client(first, "ec2") is kept
        assert sessions.client(second, "ec2") is not gone

    def test_they_never_retry_by_themselves_and_say_who_they_are(self) -> None:
        config = client_config(48)
        assert config.retries == {"mode": "standard", "total_max_attempts": 1}  # type: ignore[attr-defined]
        assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (5, 30, 48)  # type: ignore[attr-defined]
        assert config.user_agent_extra.startswith("goldenami/")  # type: ignore[attr-defined]


class TestCredentialsThatEnd:
    def test_a_role_whose_credentials_ended_is_assumed_again(self, door: Door, build: AccountSpec) -> None:
        account = door.sessions.resolve(build)
        place = Place(account, "us-east-1")
        door.cloud.aws.lab.add_fault("credentials_expired", account=door.cloud.other, operation="ec2.*", times=1)
        door.forget_audit()
        assert door.inventory.region(place, not_older_than=door.now).problem is None
        assert door.counts(operation="sts.AssumeRole") == {"sts.AssumeRole": 1}

    def test_credentials_that_stay_refused_are_a_problem_and_are_not_loaded_again_and_again(self, door: Door) -> None:
        door.fault("credentials_expired", operation="ec2.*")
        for _ in range(5):
            door.cloud.pass_time(1.0)
            problem = door.inventory.region(door.away, not_older_than=door.now).problem
            assert problem is not None
            assert (problem.reason, problem.stalled) == ("CredentialsInvalid", True)
        assert door.counts(operation="ec2.DescribeImages")["ec2.DescribeImages"] <= 6


class TestAuthFailure:
    """One code for three things: bad credentials, a region that is not enabled, and resources that others look after."""

    def test_a_resource_of_others_is_not_a_matter_of_credentials(self, door: Door) -> None:
        image_id = door.cloud.image(door.away.region)
        door.fault("refuse", operation="ec2.ModifyImageAttribute", code="AuthFailure", status=401)
        with pytest.raises(FixTheAccess) as raised:
            door.effects.perform(do.SetDescription(door.away, image_id, "x"))
        assert raised.value.problem.reason == "AccessDenied"
        assert image_id in raised.value.problem.message

    def test_a_role_that_is_repaired_works_soon(self, door: Door, build: AccountSpec) -> None:
        lab.current().settings.roles = {str(build.role_arn): "not yet told to us"}
        with pytest.raises(FixTheAccess):
            door.sessions.resolve(build)
        lab.current().settings.roles = {str(build.role_arn): EXTERNAL_ID}
        door.cloud.pass_time(5.0)
        assert door.sessions.resolve(build).account_id == door.cloud.other


class TestGate:
    def gate(self, door: Door, limit: Limit, **pacing: float) -> tuple[Calls, Inventory]:
        clock = lab.current().clock.now
        calls = Calls(door.sessions, Pacer(limits=lambda _: limit, share=1.0, **pacing), clock=clock)  # type: ignore[arg-type]
        return calls, Inventory(calls, clock=clock)

    def test_a_throttle_answer_slows_us_down_there_and_nowhere_else(self, door: Door) -> None:
        calls, _ = self.gate(door, Limit(100, 0.001), patience_seconds=0.0)
        door.fault("refuse", operation="ec2.DescribeRegions", region="eu-west-1", code="RequestLimitExceeded", status=503)

        def ask(place: Place) -> None:
            calls.ec2(place, "DescribeRegions", lambda ec2: ec2.describe_regions())

        with pytest.raises(Throttled) as raised:
            ask(door.away)
        assert raised.value.code == "RequestLimitExceeded"
        door.forget_audit()
        with pytest.raises(Throttled) as raised:
            ask(door.away)
        assert (raised.value.code, named(door)) == ("", {})
        ask(door.home)
        assert named(door) == {"ec2.DescribeRegions": 1}

    def test_our_burst_is_half_of_aws_s(self, door: Door) -> None:
        lab.current().settings.throttling = True
        image_id = door.cloud.image(door.away.region)
        calls = Calls(door.sessions, Pacer(patience_seconds=0.0))

        def tag_until_refused() -> None:
            for _ in range(200):
                calls.ec2(door.away, "CreateTags", lambda ec2: ec2.create_tags(Resources=[image_id], Tags=[{"Key": "a", "Value": "b"}]))

        door.forget_audit()
        with pytest.raises(Throttled) as raised:
            tag_until_refused()
        assert raised.value.problem.reason == "Queued"
        assert door.counts(outcome="throttled") == {}
        assert 50 <= door.counts()["ec2.CreateTags"] < 70

    def test_silence_is_noticed_and_a_place_that_answers_again_is_used_again(self, door: Door) -> None:
        fault = door.fault("region_down", region="eu-west-1")
        for _ in range(10):
            with pytest.raises(Unreachable):
                door.inventory.image(door.away, "ami-0123456789abcdef0")
        # Reads are asked twice when a connection breaks; after three failures the place is left alone.
        assert sum(door.counts(region="eu-west-1").values()) <= 2 * Breaker.FAILURES
        door.cloud.aws.lab.remove_fault(fault)
        assert door.inventory.image(door.home, "ami-0123456789abcdef0") is None

    def test_every_call_is_counted_with_its_answer(self, door: Door) -> None:
        def count(code: str) -> float:
            return float(metrics.CALLS.labels("ec2", "DescribeImages", code)._value.get())

        before = count("OK"), count("InvalidAMIID.Malformed")
        door.inventory.image(door.home, door.cloud.image())
        with pytest.raises(AwsError):
            door.inventory.image(door.home, "ami-xyz")
        assert (count("OK") - before[0], count("InvalidAMIID.Malformed") - before[1]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("AWS_ENDPOINT_URL", "10.85.0.1:4566", id="an endpoint without http"),
        pytest.param("AWS_PROFILE", "nobody", id="a profile that is not there"),
        pytest.param("AWS_CONFIG_FILE", __file__, id="a configuration file that is none"),
        pytest.param("AWS_DEFAULT_REGION", "not%a%region", id="a region that is no name"),
    ],
)
def test_settings_of_the_sdk_that_cannot_be_are_told_with_where_to_correct_them(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000111111111111")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv(name, value)
    sessions = Sessions()
    sessions.preload()
    with pytest.raises(FixTheAccess) as raised:
        sessions.resolve()
    assert value in str(raised.value)
    assert "Correct the operator's own AWS settings" in str(raised.value)
