"""The embedded services."""
