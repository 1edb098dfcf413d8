"""Our kinds on a real API server, over its HTTP interface: objects in, objects or refusals out."""

import json
from dataclasses import dataclass, field
from typing import Any

from kubernetes.client import CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from cluster.manifests import Manifest
from goldenami.api.kinds import GROUP, KINDS, VERSION, Kind
from goldenami.local.kubernetes import ControlPlane


class Refused(Exception):  # noqa: N818 - what the API server did, not an error of ours
    """The API server's answer, in its own words."""

    def __init__(self, error: ApiException) -> None:
        super().__init__(str(json.loads(error.body or "{}").get("message", error)))
        self.status = error.status


@dataclass
class ApiServer:
    """Works in one namespace, as the administrator, as strictly as kubectl does. `clean` removes what was made there and cluster-wide."""

    plane: ControlPlane
    namespace: str
    _made: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        client = new_client_from_config(str(self.plane.kubeconfig))  # type: ignore[no-untyped-call]  # the kubernetes package is not typed
        self._objects = CustomObjectsApi(client)

    def create(self, manifest: Manifest) -> Manifest:
        kind = kind_of(manifest)
        if kind.namespaced:
            return self._call("create_namespaced_custom_object", kind, body=manifest, field_validation="Strict")
        made = self._call("create_cluster_custom_object", kind, body=manifest, field_validation="Strict")
        self._made.add(manifest["metadata"]["name"])
        return made

    def replace(self, manifest: Manifest) -> Manifest:
        name = manifest["metadata"]["name"]
        return self._call("replace_$_custom_object", kind_of(manifest), name=name, body=manifest, field_validation="Strict")

    def merge(self, manifest: Manifest, spec: Manifest) -> Manifest:
        """A JSON merge patch of the spec: None removes a field."""
        name = manifest["metadata"]["name"]
        return self._call("patch_$_custom_object", kind_of(manifest), name=name, body={"spec": spec}, field_validation="Strict")

    def merge_status(self, manifest: Manifest, status: Manifest) -> Manifest:
        name = manifest["metadata"]["name"]
        return self._call("patch_$_custom_object_status", kind_of(manifest), name=name, body={"status": status})

    def get(self, manifest: Manifest) -> Manifest:
        return self._call("get_$_custom_object", kind_of(manifest), name=manifest["metadata"]["name"])

    def delete(self, manifest: Manifest) -> None:
        self._call("delete_$_custom_object", kind_of(manifest), name=manifest["metadata"]["name"])
        self._made.discard(manifest["metadata"]["name"])

    def clean(self) -> None:
        for kind in KINDS:
            if kind.namespaced:
                self._call("delete_collection_$_custom_object", kind)
        for name in sorted(self._made):
            self.delete({"kind": "AWSAccount", "metadata": {"name": name}})

    def _call(self, operation: str, kind: Kind, **words: Any) -> Manifest:
        place = {"namespace": self.namespace} if kind.namespaced else {}
        call = getattr(self._objects, operation.replace("$", "namespaced" if kind.namespaced else "cluster"))
        try:
            answer: Manifest = call(group=GROUP, version=VERSION, plural=kind.plural, **place, **words)
        except ApiException as error:
            raise Refused(error) from error
        return answer


def kind_of(manifest: Manifest) -> Kind:
    return next(kind for kind in KINDS if kind.kind == manifest["kind"])
