"""Which regions a service has, asked of botocore once.

botocore reads the service's whole model for the answer, and each new session reads it anew: EC2's was read eight times while a local AWS
started, half of what that start computed, three of them by moto alone.
"""

from functools import cache

from botocore.session import Session, get_session


def remember() -> None:
    """For all sessions of this process; the lists are the installed botocore's own, and nothing changes them while it runs."""
    ask = Session.get_available_regions
    shared = cache(get_session)

    @cache
    def known(service: str, partition: str, non_regional: bool) -> tuple[str, ...]:
        return tuple(ask(shared(), service, partition, non_regional))

    def get_available_regions(_: Session, service_name: str, partition_name: str = "aws", allow_non_regional: bool = False) -> list[str]:
        return list(known(service_name, partition_name, allow_non_regional))

    Session.get_available_regions = get_available_regions  # type: ignore[assignment,method-assign]
