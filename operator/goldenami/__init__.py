"""Golden AMIs as Kubernetes objects: declared, copied, shared, published, and kept so."""

__version__ = "0.1.0"
