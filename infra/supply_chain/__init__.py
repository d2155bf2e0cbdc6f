"""Licenses, bills of materials and vulnerabilities of the locked dependencies."""
