"""Rewards for chart-to-code reinforcement learning."""

__version__ = "0.1.0"
