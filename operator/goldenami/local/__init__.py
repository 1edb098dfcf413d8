"""AWS and a Kubernetes control plane on this machine: for the demo, the tests, and trying things out.

Imported by `goldenami.cli` and by tests only; the operator itself never knows whether the services it talks to are local.
"""
