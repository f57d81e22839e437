"""The fault matrix: each part that people depend on, with each fault, while each thing is done (docs/reliability.md)."""
