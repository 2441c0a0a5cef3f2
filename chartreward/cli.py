"""The `chartreward` command. Each command lives in a module of its own; this one only puts them together."""

from __future__ import annotations

import typer

from chartreward import cli_info, cli_references, cli_score, cli_serve, cli_submit, cli_weights
from chartreward.cli_errors import Commands

main = typer.Typer(
    name="chartreward",
    cls=Commands,
    help="Rewards for chart-to-code reinforcement learning.",
    epilog="Ends with 0: done. 1: something given cannot be used. 2: wrong usage. 3: no answer, or no reward.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (cli_serve, cli_score, cli_info, cli_submit, cli_references, cli_weights):
    module.register(main)
