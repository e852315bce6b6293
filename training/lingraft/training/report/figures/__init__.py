"""Pictures of the report, as SVG that takes its colours from the page."""
