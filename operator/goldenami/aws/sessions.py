"""Who we are in each account: one session per AWSAccount, its assumed role, and clients made once per region and service.

Clients are safe to share between threads, sessions are not safe to make clients from in parallel: that happens under one lock.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.session
from botocore import exceptions as botocore_errors
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.utils import parse_timestamp

from goldenami import __version__
from goldenami.aws.dated import Dated
from goldenami.aws.errors import AwsError, FixTheAccess, account_mismatch, typed_errors
from goldenami.aws.models import loader
from goldenami.plan.values import Account, Place

# Every partition has a region that is always enabled; it answers what concerns the whole account.
HOME_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
IDENTITY_SECONDS = 3600.0
ROLE_SESSION = "goldenami"


@dataclass(frozen=True)
class AccountSpec:
    """An AWSAccount's spec. The empty name is the operator's own identity."""

    name: str = ""
    account_id: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    partition: str = "aws"
    endpoint_url: str | None = None


OWN = AccountSpec()


def client_config(workers: int) -> Config:
    """Explicit where botocore's defaults changed between versions, or are too long for a reconcile. `workers`: the most threads at once.

    One attempt: a retry inside botocore would hide throttling from the pacing, and sleep in the thread.
    """
    return Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=max(10, workers),
        user_agent_extra=f"goldenami/{__version__}",
        tcp_keepalive=True,
    )


SERVICES = ("sts", "ec2", "ssm", "kms")


def _new_session() -> botocore.session.Session:
    session = botocore.session.Session()
    session.register_component("data_loader", loader())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=timestamp)
    return session


def timestamp(value: Any) -> datetime:
    """What botocore makes of a time in an answer, eighty times faster where it has ISO 8601's form: botocore guesses the form of each."""
    with suppress(ValueError, TypeError):
        if (read := datetime.fromisoformat(value)).tzinfo is not None:
            return read
    return parse_timestamp(value)


class Sessions:
    """The way into every account. Safe to use from several threads.

    `clients` bounds how many clients are kept, about 0.2 MB each; the least recently used go first, and come back in a few milliseconds.
    """

    def __init__(self, *, workers: int = 32, clients: int = 256, clock: Callable[[], float] = time.time) -> None:
        self._config = client_config(workers)
        self._most_clients = clients
        self._clock = clock
        self._making = threading.RLock()
        self._own = _new_session()
        self._specs: dict[str, AccountSpec] = {}
        self._sessions: dict[str, botocore.session.Session] = {}
        self._identities: dict[str, Dated[str]] = {}
        self._clients: OrderedDict[tuple[str, str, str], Any] = OrderedDict()
        self._register(OWN)

    def resolve(self, spec: AccountSpec = OWN) -> Account:
        """Asks STS who we are there, once an hour, before anything is written. Raises FixTheAccess (AccountMismatch) and what STS says."""
        with self._making:
            if self._specs.get(spec.name) != spec:
                self._register(spec)
            identity = self._identities[spec.name]
        actual = identity.get(self._clock() - IDENTITY_SECONDS)
        if spec.account_id and spec.account_id != actual:
            raise account_mismatch(spec.name, spec.account_id, actual)
        return Account(spec.name, actual, spec.partition)

    def client(self, place: Place, service: str) -> Any:
        """A client of boto3's kind. LookupError for an account that was never resolved: that is a bug."""
        return self._client(place.account.name, place.region, service)

    def preload(self) -> None:
        """Reads AWS's models of every service we call, half a second of processor time that the first object need not wait for."""
        # What is wrong with the SDK's settings is told where an object needs them.
        with suppress(BotoCoreError):
            home = self._home_region(OWN.partition)
            for service in SERVICES:
                self._client(OWN.name, home, service)

    def home(self, account: Account) -> Place:
        """Where to ask what concerns the whole account: a region that is enabled in any case."""
        return Place(account, self._home_region(account.partition))

    def is_accepted(self, account: Account) -> bool:
        """Whether AWS takes our credentials for this account right now."""
        with self._making:
            spec = self._specs[account.name]
        try:
            return self._ask_identity(spec) == account.account_id
        except AwsError:
            return False

    def renew(self, name: str) -> None:
        """Forgets credentials and identity, after AWS refused them: the next call loads them again."""
        with self._making:
            if spec := self._specs.get(name):
                if not spec.role_arn:
                    self._own = _new_session()
                self._register(spec)

    def _home_region(self, partition: str) -> str:
        configured = self._own.get_config_variable("region")
        return configured if configured and partition == OWN.partition else HOME_REGIONS.get(partition, HOME_REGIONS["aws"])

    def _register(self, spec: AccountSpec) -> None:
        """A changed spec replaces session, identity and clients; calls under way end with the old ones."""
        self._specs[spec.name] = spec
        self._sessions.pop(spec.name, None)
        self._identities[spec.name] = Dated(lambda: self._ask_identity(spec), self._clock)
        for key in [key for key in self._clients if key[0] == spec.name]:
            del self._clients[key]

    def _ask_identity(self, spec: AccountSpec) -> str:
        with typed_errors("GetCallerIdentity", None):  # a profile that is not there is found out here
            place = Place(Account(spec.name, spec.account_id or "", spec.partition), self._home_region(spec.partition))
        with typed_errors("GetCallerIdentity", place):
            return str(self.client(place, "sts").get_caller_identity()["Account"])

    def _client(self, name: str, region: str, service: str) -> Any:
        key = (name, region, service)
        with self._making:
            if key not in self._clients:
                spec = self._specs[name]
                self._clients[key] = self._made(spec, region, service)
                while len(self._clients) > self._most_clients:
                    self._clients.popitem(last=False)
            self._clients.move_to_end(key)
            return self._clients[key]

    def _made(self, spec: AccountSpec, region: str, service: str) -> Any:
        try:
            return self._session(spec).create_client(service, region_name=region, endpoint_url=spec.endpoint_url, config=self._config)
        except BotoCoreError:
            raise
        except ValueError as error:
            # botocore's own answer to an AWS_ENDPOINT_URL without http://, which is not one of its exceptions.
            raise botocore_errors.InvalidEndpointConfigurationError(msg=str(error).removeprefix("Invalid endpoint: ")) from error

    def _session(self, spec: AccountSpec) -> botocore.session.Session:
        if not spec.role_arn:
            return self._own
        if spec.name not in self._sessions:
            self._sessions[spec.name] = self._assuming(spec, spec.role_arn)
        return self._sessions[spec.name]

    def _assuming(self, spec: AccountSpec, role_arn: str) -> botocore.session.Session:
        """A session whose credentials assume the role when first needed, and again ahead of their end: at most an hour, as roles chain."""
        core = _new_session()
        # botocore has no public way to hand a session credentials that refresh themselves.
        vars(core)["_credentials"] = DeferredRefreshableCredentials(
            refresh_using=lambda: self._assume(spec, role_arn), method="assume-role"
        )
        return core

    def _assume(self, spec: AccountSpec, role_arn: str) -> Any:
        source = self._own.get_credentials()
        if source is None:
            raise NoCredentialsError
        arguments = {"RoleSessionName": ROLE_SESSION, **({"ExternalId": spec.external_id} if spec.external_id else {})}
        fetcher = AssumeRoleCredentialFetcher(self._sts_maker(spec), source, role_arn, extra_args=arguments)
        return fetcher.fetch_credentials()

    def _sts_maker(self, spec: AccountSpec) -> Callable[..., Any]:
        """A regional endpoint: tokens of the global one are not valid in regions that need opting in."""

        def make(service: str, **credentials: Any) -> Any:
            with self._making:
                return self._own.create_client(
                    service,
                    region_name=self._home_region(spec.partition),
                    endpoint_url=spec.endpoint_url,
                    config=self._config,
                    **credentials,
                )

        return make


def is_about_credentials(error: Exception) -> bool:
    """Whether AWS did not accept who we say we are, as opposed to what we ask for."""
    return isinstance(error, FixTheAccess) and error.problem.reason == "CredentialsInvalid"
