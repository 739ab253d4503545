"""Connections to the two databases, the snapshot of the source, and COPY from one to the other."""

from aivo_luigi.db.connection import (
    Connection,
    connect_source,
    connect_warehouse,
    forget_connections,
    open_source_ahead,
)

__all__ = ["Connection", "connect_source", "connect_warehouse", "forget_connections", "open_source_ahead"]
