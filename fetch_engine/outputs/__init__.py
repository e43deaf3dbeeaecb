"""Results as NDJSON, CSV, HAR and JUnit. Imports fetch and model."""
