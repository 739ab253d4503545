"""The report: one HTML page about what ran, made from the warehouse's views."""
