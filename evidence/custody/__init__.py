"""Chain of custody."""
