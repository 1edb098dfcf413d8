"""Where the image core hangs in moto: a subclass of its EC2 response that answers our operations and leaves the rest to moto.

The only module that meets moto's response machinery, which is not a public API.
"""

import logging
from collections.abc import Mapping
from typing import Any

from botocore.model import OperationNotFoundError
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.ec2.responses import EC2Response

from goldenami.local.aws import lab
from goldenami.local.aws.answers import RefusedError
from goldenami.local.aws.ec2 import errors, render
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.operations import OPERATIONS, UNANSWERED
from goldenami.local.aws.ec2.shell import Original, Shell
from goldenami.local.aws.ec2.store import STORE, settled

_log = logging.getLogger(__name__)

Answered = tuple[int, dict[str, Any], str | bytes]


class ImageCoreResponse(EC2Response):
    """One EC2 request, of any account and region. All of EC2 takes turns: moto's models are no safer for threads than ours."""

    misread: errors.Refused | None = None

    def parse_parameters(self, request: Any) -> None:
        """What cannot be read is refused later, in EC2's own form: an operation that EC2 does not have, a number that is none."""
        self.params = {}
        try:
            super().parse_parameters(request)
        except OperationNotFoundError:
            self.misread = errors.invalid_action(str(self._get_action()))
        except (ValueError, TypeError) as error:
            self.misread = errors.invalid_value(f"A parameter cannot be read: {error}")

    def call_action(self) -> Answered:
        action = str(self._get_action() or "")
        try:
            with STORE.lock:
                return self._answer(action)
        except errors.Refused as refused:
            return self._xml(refused.status, render.error_document(refused))
        except ServiceException as error:  # moto's own refusals
            return self._moto_error(error)
        except RefusedError:  # of a service stacked on this one; the shell answers it
            raise
        except Exception:  # noqa: BLE001 - a bug, ours or moto's, must not reach a caller as an HTML page that no SDK can read
            _log.exception("%s failed", action)
            return self._xml(500, render.error_document(errors.internal_error()))

    def _answer(self, action: str) -> Answered:
        if self.misread is not None:
            raise self.misread
        operation = OPERATIONS.get(action)
        if operation is None:
            return self._leave_to_moto(action)
        answer = operation(self._call(action))
        if isinstance(answer, Original):
            return self._serialised(answer.result)
        return self._xml(200, render.document(action, answer))

    def _call(self, action: str) -> Call:
        present = lab.current()
        return Call(
            action=action,
            account=self.current_account,
            region=self.region,
            params=self.params,
            now=present.clock.now(),
            lab=present,
            store=settled(),
            shell=Shell(self.current_account, self.region, lambda: self._original(action)),
        )

    def _original(self, action: str) -> Any:
        return getattr(EC2Response, camelcase_to_underscores(action))(self)

    def _leave_to_moto(self, action: str) -> Answered:
        method = getattr(self, camelcase_to_underscores(action), None) if action else None
        if method is None or action in UNANSWERED:
            raise errors.invalid_action(action)
        settled()
        try:
            return self._serialised(method())
        except NotImplementedError as error:  # an operation, or one of its filters, that moto lacks
            raise errors.Refused("InvalidAction", f"The action {action} is not answered so by this local EC2: {error}") from error

    def _serialised(self, answer: Any) -> Answered:
        """moto's answer as moto writes it."""
        if isinstance(answer, ActionResult):
            status, headers, body = self.serialized(answer)
        elif isinstance(answer, str):
            status, headers, body = 200, dict(self.response_headers), answer
        else:
            status, headers, body = self._transform_response(self.response_headers, answer)
        return status, _as_text(headers), body

    def _moto_error(self, error: ServiceException) -> Answered:
        status, headers, body = self.serialized(ActionResult(error))
        return (412 if getattr(error, "code", "") == "DryRunOperation" else status), _as_text(headers), body

    def _xml(self, status: int, body: str) -> Answered:
        return status, {**self.response_headers, "Content-Type": "text/xml;charset=UTF-8"}, body


def _as_text(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) for name, value in headers.items() if name != "status"}
