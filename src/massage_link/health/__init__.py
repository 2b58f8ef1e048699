"""Whether everything works: probes that a command, a status page and `link.verify_integration()` share."""

from massage_link.health.check import WITHIN, reach, verify
from massage_link.health.metrics import prometheus
from massage_link.health.report import HealthReport, Probe, State, Step

__all__ = ["WITHIN", "HealthReport", "Probe", "State", "Step", "prometheus", "reach", "verify"]
