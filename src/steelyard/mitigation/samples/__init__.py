"""mitigation/samples."""
