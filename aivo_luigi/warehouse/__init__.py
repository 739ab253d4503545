"""The ways in which rows land in the warehouse, its migrations, its checks and what it rejects."""

from aivo_luigi.warehouse.day import DayPartition
from aivo_luigi.warehouse.load import Counts, Load
from aivo_luigi.warehouse.scd1 import Scd1
from aivo_luigi.warehouse.scd2 import Scd2

__all__ = ["Counts", "DayPartition", "Load", "Scd1", "Scd2"]
