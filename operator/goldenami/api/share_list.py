"""ShareList: principals that many GoldenImages of a namespace are shared with."""

from pydantic import ConfigDict

from goldenami.api.fields import Description, rules
from goldenami.api.meta import Model, Resource
from goldenami.api.sharing import WITHIN_QUOTA, Accounts, OrganizationalUnitArns, OrganizationArns


class ShareListSpec(Model):
    """Whom images are shared with."""

    model_config = ConfigDict(json_schema_extra=rules(WITHIN_QUOTA))

    accounts: Accounts = ()
    """AWS accounts, 12 digits each, in quotes."""
    organization_arns: OrganizationArns = ()
    """Full ARNs of AWS organizations."""
    organizational_unit_arns: OrganizationalUnitArns = ()
    """Full ARNs of organizational units."""
    description: Description | None = None
    """Who they are, for people."""


class ShareList(Resource):
    """A named list of principals: editing it changes the grants of every GoldenImage that names it.

    It has no status: nobody works on it, and a kind without one reads as current at once.
    """

    spec: ShareListSpec
