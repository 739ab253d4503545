"""Databases made from templates: each test has its own, and pays a few hundredths of a second for it."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg2

from support.server import AnyServer

_numbers = itertools.count(1)
_LEFT = 4  # databases that wait for being dropped


class Databases:
    """The databases that one test run makes on a server, and takes away again."""

    def __init__(self, server: AnyServer) -> None:
        self.server = server
        self._prefix = f"aivo_test_{os.getpid()}"
        self._admin = psycopg2.connect(server.url("postgres"))
        self._admin.autocommit = True
        self._beside = ThreadPoolExecutor(1, "databases")  # the only one that speaks through _admin
        self._templates: dict[str, str] = {}
        self._ahead: dict[str, Future[str]] = {}
        self._left: deque[str] = deque()

    def create(self, template: str = "template0") -> str:
        """A new database; returns its URL."""
        return self._beside.submit(self._create, template).result()

    def next_of(self, template: str) -> str:
        """The same of a template that nearly each test copies: the next one is made while this one is used."""
        made = self._ahead.get(template) or self._beside.submit(self._create, template)
        self._ahead[template] = self._beside.submit(self._create, template)
        return made.result()

    def create_from(self, kind: str, prepare: Callable[[str], object], base: str = "template0") -> str:
        """A copy of a template that `prepare` fills once in a test run."""
        return self.create(self.template(kind, prepare, base))

    def template(self, kind: str, prepare: Callable[[str], object], base: str = "template0") -> str:
        """The name of a template that `prepare` fills once in a test run, itself a copy of another one."""
        if kind not in self._templates:
            url = self.create(base)
            name = self.name_of(url)
            try:
                prepare(url)
            except BaseException:
                self._drop(name)
                raise
            self._templates[kind] = name
            self._disconnect(name)
        return self._templates[kind]

    def drop_template(self, kind: str) -> None:
        """Takes a template away before the test run ends."""
        if name := self._templates.pop(kind, None):
            self._drop_left()
            self._drop(name)

    def drop(self, url: str) -> None:
        self._drop(self.name_of(url))

    def drop_soon(self, url: str) -> None:
        """Takes a database away some databases later: PostgreSQL sleeps for 0.1 s where a client has only just left."""
        self._left.append(self.name_of(url))
        if len(self._left) > _LEFT:
            self._beside.submit(self._drop_now, self._left.popleft())

    @staticmethod
    def name_of(url: str) -> str:
        """The name of the database that a URL leads to."""
        return url.partition("?")[0].rpartition("/")[2]

    def close(self) -> None:
        for made in self._ahead.values():
            self.drop(made.result())
        self._drop_left()
        for name in self._templates.values():
            self._drop(name)
        self._beside.shutdown()
        self._admin.close()

    def _drop_left(self) -> None:
        while self._left:
            self._drop(self._left.popleft())

    def _drop(self, name: str) -> None:
        self._beside.submit(self._drop_now, name).result()

    def _disconnect(self, name: str) -> None:
        """A template can't be copied while somebody is still connected to it."""
        leave = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        self._beside.submit(self._execute, leave).result()

    # What the other thread does

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{next(_numbers)}"
        # Measured on PostgreSQL 18, create and drop: file_copy 27 + 9 ms, wal_log 33 + 24 ms.
        self._execute(f'create database "{name}" template "{template}" strategy file_copy')
        return self.server.url(name)

    def _drop_now(self, name: str) -> None:
        self._execute(f'drop database if exists "{name}" with (force)')

    def _execute(self, sql: str) -> None:
        with self._admin.cursor() as cursor:
            cursor.execute(sql)
