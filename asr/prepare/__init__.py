"""Corpora, and recordings of your own, to manifests: one module a corpus or layout."""
