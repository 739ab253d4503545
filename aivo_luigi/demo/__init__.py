"""A first try without a database: an embedded PostgreSQL, and a source that makes any day's data on demand."""

from aivo_luigi.demo.server import embedded_urls
from aivo_luigi.demo.source import install, make_day

__all__ = ["embedded_urls", "install", "make_day"]
