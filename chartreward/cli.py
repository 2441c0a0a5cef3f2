"""The `chartreward` command. Each command lives in a module of its own; this one only puts them together."""

from __future__ import annotations

import typer

from chartreward import cli_info, cli_references, cli_score, cli_serve, cli_submit

main = typer.Typer(
    name="chartreward",
    help="Rewards for chart-to-code reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (cli_serve, cli_score, cli_info, cli_submit, cli_references):
    module.register(main)
