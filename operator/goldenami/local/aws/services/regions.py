"""DescribeRegions with each region's opt-in state.

States are `opt-in-not-required`, `opted-in` and `not-opted-in`; regions of the last kind are listed with AllRegions only (EC2 API
reference, DescribeRegions). Which regions are enabled from the start: AWS Account Management guide, "Enable or disable AWS Regions".
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import botocore.session
from moto.core.responses import ActionResult
from moto.ec2 import urls

from goldenami.local.aws import lab
from goldenami.local.aws.answers import RefusedError

ENABLED_BY_DEFAULT = frozenset(
    {
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    }
)
FILTERS = {"region-name": "RegionName", "endpoint": "Endpoint", "opt-in-status": "OptInStatus"}


def install() -> None:
    """Stacks DescribeRegions on whatever class answers EC2 by now."""
    below = _answering_class()
    if not issubclass(below, Regions):
        urls.url_paths["{0}/"] = type("WithRegions", (Regions, below), {}).dispatch  # type: ignore[attr-defined]


def _answering_class() -> Any:
    dispatch: Any = urls.url_paths["{0}/"]  # a bound class method
    return dispatch.__self__


class Regions:
    """Mixed into moto's EC2Response, whose methods the two names are."""

    _get_param: Any
    error_on_dryrun: Any

    def describe_regions(self) -> ActionResult:
        self.error_on_dryrun()
        names: Sequence[str] = self._get_param("RegionNames", [])
        regions = [_region(name) for name in all_regions()]
        if unknown := set(names) - {region["RegionName"] for region in regions}:
            raise RefusedError("InvalidParameterValue", f"Invalid region names provided: {', '.join(sorted(unknown))}")
        everything = bool(self._get_param("AllRegions", False))
        listed = [region for region in regions if region["RegionName"] in names or (not names and (everything or _enabled(region)))]
        filters = self._get_param("Filters", [])
        return ActionResult({"Regions": [region for region in listed if all(_passes(region, each) for each in filters)]})


@cache
def all_regions() -> tuple[str, ...]:
    """Every region of the `aws` partition that has EC2."""
    return tuple(sorted(botocore.session.get_session().get_available_regions("ec2")))


def _region(name: str) -> dict[str, str]:
    if name in lab.current().settings.regions_not_opted_in:
        status = "not-opted-in"
    else:
        status = "opt-in-not-required" if name in ENABLED_BY_DEFAULT else "opted-in"
    return {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": status}


def _enabled(region: dict[str, str]) -> bool:
    return region["OptInStatus"] != "not-opted-in"


def _passes(region: dict[str, str], wanted: Any) -> bool:
    name = str(wanted["Name"])
    if name not in FILTERS:
        raise RefusedError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(fnmatchcase(region[FILTERS[name]], str(value)) for value in wanted["Values"])
