"""The only door to Kubernetes: reads and writes, the watch, events, the Lease."""
