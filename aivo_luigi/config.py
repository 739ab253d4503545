"""Configuration: sections [etl], [alerts] and [retention] of luigi.cfg, and the database URLs of the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from configparser import InterpolationError, SectionProxy
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.configuration.cfg_parser import InterpolationMissingEnvvarError as _NoVariable

from aivo_luigi.errors import SOURCE_VARIABLE, WAREHOUSE_VARIABLE, ConfigurationError, secret

_Section = TypeVar("_Section", bound=luigi.Config)

MOST_DAYS = 100_000  # 273 years: what lies so far back is still a date
_HOURS = 24 * MOST_DAYS
_MONTHS = 12_000
_SECONDS = 2_147_483  # PostgreSQL's timeouts are milliseconds in 32 bits


class _Named(luigi.Parameter[Any]):
    """A parameter that knows which setting it is."""

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)  # type: ignore[no-untyped-call]
        self._setting = f"{name} of [{owner.__name__}]"

    def _refusal(self, x: str, what: str) -> ConfigurationError:
        return ConfigurationError(f"{x!r} can't be used as {self.description}: give {self._setting} {what}")


class _Share(_Named, luigi.FloatParameter):
    """A number from 0 to 1."""

    def parse(self, x: str) -> float:
        """The number; ConfigurationError for any other text."""
        with suppress(ValueError):
            if 0 <= (value := float(x)) <= 1:
                return value
        raise self._refusal(x, "a number from 0 to 1")


class _Whole(_Named, luigi.IntParameter):
    """A whole number, neither less than the least nor more than the most."""

    def __init__(self, *, least: int = 0, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._least, self._most = least, most

    def parse(self, x: str) -> int:
        """The number; ConfigurationError for any other text."""
        with suppress(ValueError):
            if self._least <= (value := int(x)) <= self._most:
                return value
        raise self._refusal(x, f"a whole number from {self._least} to {self._most}")


@contextmanager
def _told() -> Iterator[None]:
    """A value that can't be used, or read, is told as what it is; Luigi would wrap it in a ValueError."""
    try:
        yield
    except (ValueError, InterpolationError) as error:
        cause = error.__cause__ if isinstance(error, ValueError) else error
        if isinstance(cause, ConfigurationError):
            raise cause from None
        if isinstance(cause, InterpolationError):
            why = "what ${…} names is not set" if isinstance(cause, _NoVariable) else "write %% for %"
            raise ConfigurationError(
                f"{cause.option} can't be read in section [{cause.section}] of luigi.cfg: {why}"
            ) from None
        raise


class _Told:
    """A section whose values are told so."""

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        """The values; ConfigurationError for one that can't be used."""
        with _told():
            return super().get_param_values(params, args, kwargs)  # type: ignore[misc]


class etl(_Told, luigi.Config):  # noqa: N801 - the name is the section's and the options' prefix: --etl-max-reject-share
    """Section [etl] of luigi.cfg; each key is also an option, for instance --etl-max-reject-share 0.1."""

    max_reject_share = _Share(
        default=0.05, description="share of a job's rows, 0 to 1, that may be rejected whole before the job fails"
    )
    allow_mass_close = luigi.BoolParameter(
        default=False, description="let a sync close or deactivate more than a fifth of a dimension's current members"
    )
    allow_empty_rebuild = luigi.BoolParameter(
        default=False, description="let a rebuild replace the rows of a day by none at all"
    )
    allow_lagging_source = luigi.BoolParameter(
        default=False, description="build a day that the source, or the replica that it is, has not passed yet"
    )
    look_back_days = _Whole(least=1, most=MOST_DAYS, default=7, description="days in which late data are looked for")
    late_commit_hours = _Whole(
        most=_HOURS, default=24, description="hours that a transaction of the source may take to commit a changed row"
    )
    reconcile_hours = _Whole(
        most=_HOURS, default=24, description="hours after which a dimension is read as a whole again; 0: always"
    )
    reconcile_days = _Whole(
        most=MOST_DAYS, default=7, description="days after which the skill states are read as a whole again"
    )
    batch_days = _Whole(
        least=1,
        most=MOST_DAYS,
        default=31,
        description="days of a range that Luigi hands out at once for each fact; 1: each alone",
    )
    connect_timeout = _Whole(most=_SECONDS, default=10, description="seconds to wait for a database to answer")
    retry_seconds = _Whole(
        most=_SECONDS,
        default=5,
        description="seconds for which a database that refuses connections is tried again; 0: told at once",
    )
    retries = _Whole(
        most=1000,
        default=1,
        description="how often a job is begun again whose server was stopped, or that lost a race there",
    )
    statement_timeout = _Whole(most=_SECONDS, default=3600, description="seconds after which a statement is cancelled")
    work_mem = luigi.Parameter(
        default="64MB", description="memory of the servers for each sort, hash or temporary table of a statement"
    )
    lock_timeout = _Whole(most=_SECONDS, default=300, description="seconds to wait for a lock, another run's included")
    report_url = luigi.Parameter(
        default="", description="where people find the report of aivo-etl: Luigi's visualiser links each run there"
    )


class alerts(_Told, luigi.Config):  # noqa: N801 - as above
    """Section [alerts] of luigi.cfg: when `aivo-etl check` and the task Check raise the alarm."""

    look_back_days = _Whole(
        least=1, most=MOST_DAYS, default=7, description="days of facts that are looked at, today left out"
    )
    fact_hours = _Whole(most=_HOURS, default=4, description="hours after its day's end by which a fact is complete")
    dimension_hours = _Whole(most=_HOURS, default=3, description="hours that may pass between two syncs of a dimension")
    hours_of_job = luigi.DictParameter(
        default={"build_fact_learning_progress": 5, "sync_dim_subject": 26, "sync_dim_skill": 26},
        description="the same of single jobs, as JSON",
    )
    rejected_share = _Share(default=0.05, description="share of a day's rows, 0 to 1, that may be rejected")
    unusual_days = _Whole(
        most=MOST_DAYS, default=3, description="days for which an unusual number of rows is told; 0: never"
    )


class retention(_Told, luigi.Config):  # noqa: N801 - as above
    """Section [retention] of luigi.cfg: how many whole months the task Retention keeps of each table; 0: for ever."""

    fact_sessions = _Whole(most=_MONTHS, default=0, description="whole months of sessions to keep (0: for ever)")
    fact_focus_events = _Whole(
        most=_MONTHS, default=0, description="whole months of focus events to keep (0: for ever)"
    )
    fact_homework_events = _Whole(most=_MONTHS, default=0, description="whole months of homework to keep (0: for ever)")
    fact_learning_progress = _Whole(
        most=_MONTHS, default=0, description="whole months of learning progress to keep (0: for ever)"
    )
    fact_recommendation_events = _Whole(
        most=_MONTHS, default=0, description="whole months of recommendations to keep (0: for ever)"
    )
    learner_skill_history = _Whole(
        most=_MONTHS,
        default=0,
        description="whole months of ended skill states to keep, as learning progress at least (0: for ever)",
    )
    etl_rejected_rows = _Whole(
        most=_MONTHS, default=12, description="whole months of rejected rows to keep (0: for ever)"
    )
    etl_job_runs = _Whole(
        most=_MONTHS,
        default=24,
        description="whole months of run rows to keep, besides those that say what is complete (0: for ever)",
    )


class core:  # noqa: N801 - as above
    """What aivo-etl looks at before Luigi does, whose section [core] is."""

    workers = _Whole(least=1, most=1000, default=1, description="the number of jobs that run side by side")


def require_workers(given: int | None) -> None:
    """With no number given, `workers` of [core] counts: Luigi would take a 0 in silence, and run nothing.

    Raises ConfigurationError for it, and for what is no number.
    """
    if given:
        return
    with _told():
        core.workers.parse(luigi.configuration.get_config().get("core", "workers", "1"))


def settings() -> etl:
    """Section [etl] as it stands now."""
    return _standing(etl)


def alert_settings() -> alerts:
    """Section [alerts] as it stands now."""
    return _standing(alerts)


def _standing(section: type[_Section]) -> _Section:
    """A section, read again only when it or the command line is another: Luigi takes 0.7 ms to read one."""
    written = ""
    with _told(), suppress(KeyError):  # no such section
        written = _as_written(luigi.configuration.get_config()[section.__name__])
    read: _Section = _read(section, written, CmdlineParser.get_instance())
    return read


def _as_written(section: Mapping[str, str]) -> str:
    """The text of a section, with what ${…} stands for now, where there is any: that takes Luigi ten times as long."""
    if isinstance(section, SectionProxy):
        bare = repr(section.parser.items(section.name, raw=True))
        if "${" not in bare:
            return bare
    return repr(list(section.items()))


@lru_cache(maxsize=8)
def _read(section: type[Any], _written: str, _command_line: object) -> Any:
    return section()


@dataclass(frozen=True)
class DatabaseUrls:
    """Where the source and the warehouse are. `embedded`: they are the demo's."""

    source: str
    warehouse: str
    embedded: bool = False


def database_urls() -> DatabaseUrls:
    """The two URLs of the environment, or of the files that it names; with neither set, those of the embedded demo.

    Raises ConfigurationError when only one is set, or one is no PostgreSQL URL.
    """
    source, warehouse = secret(SOURCE_VARIABLE), secret(WAREHOUSE_VARIABLE)
    if not source and not warehouse:
        from aivo_luigi.demo import embedded_urls

        return DatabaseUrls(*embedded_urls(), embedded=True)
    if not source or not warehouse:
        missing, there = (WAREHOUSE_VARIABLE, SOURCE_VARIABLE) if source else (SOURCE_VARIABLE, WAREHOUSE_VARIABLE)
        raise ConfigurationError(f"{missing} is not set, but {there} is: set both, or neither for the embedded demo")
    return DatabaseUrls(_postgresql(source, SOURCE_VARIABLE), _postgresql(warehouse, WAREHOUSE_VARIABLE))


def warehouse_url() -> str:
    """The warehouse's URL, which is enough for who needs no source; as of database_urls, where it is not set."""
    warehouse = secret(WAREHOUSE_VARIABLE)
    return _postgresql(warehouse, WAREHOUSE_VARIABLE) if warehouse else database_urls().warehouse


def _postgresql(url: str, variable: str) -> str:
    """The URL as libpq reads it; SQLAlchemy's spelling, postgresql+psycopg2://, is understood."""
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"postgres(ql)?(\+psycopg2?)?", scheme):
        raise ConfigurationError(
            f"{variable} is no PostgreSQL URL: write it as postgresql://user:password@host:5432/database"
        )
    return f"postgresql://{rest}"
