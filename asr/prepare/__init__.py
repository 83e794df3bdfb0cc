"""Corpora to manifests, one module a corpus."""
