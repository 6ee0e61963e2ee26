"""From judged hospitals to error rates, the promises they must keep, and the page that shows them.

Not here: making and judging hospitals (`truth.py`, `scenarios.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import sqrt

import numpy as np
import pandas as pd

from tests.bench.scenarios import SCENARIOS, Scenario
from trust.estimators import NAIVE_METHOD
from trust.simulation import STRATEGY_IDS
from trust.verdict import EFFECT_THAT_MATTERS

COVERAGE = (0.93, 0.97)
"""The least and the most of the intervals that may hold the truth, give or take two Monte Carlo errors."""

MOST_FALSE = 0.03
"""Of a strategy that does nothing, at most this share may be called better, and at most this share worse; likewise."""

LEAST_WARNED = 0.90
"""Where the assumption is broken on purpose, at least this share must carry the warning or no verdict."""

FEWEST_JUDGED = 0.2
"""Where a method refuses more than the rest of the hospitals it does not claim to hold, and coverage is not judged."""

PRE_TREND_WORDS = "already differed before"


def share_error(share: float, n: int) -> float:
    """The Monte Carlo standard error of a share."""
    return sqrt(max(share * (1 - share), 0.0) / n) if n else float("nan")


def error_rates(results: pd.DataFrame, scenarios: Sequence[Scenario]) -> pd.DataFrame:
    """One row per scenario and strategy: what the primary estimate and the naive one do over all hospitals."""
    rows = []
    for scenario in scenarios:
        for strategy_id in STRATEGY_IDS:
            of_pair = results[(results["scenario"] == scenario.name) & (results["strategy_id"] == strategy_id)]
            primary = of_pair[of_pair["is_primary"].astype(bool)]
            naive = of_pair[of_pair["method"] == NAIVE_METHOD]
            rows.append(
                {
                    "scenario": scenario.name,
                    "strategy_id": strategy_id,
                    "is_broken": strategy_id in scenario.broken,
                    "is_claimed": strategy_id not in scenario.not_claimed,
                }
                | _rates(primary)
                | {f"naive_{name}": value for name, value in _naive_rates(naive).items()}
            )
    return pd.DataFrame(rows)


def _rates(rows: pd.DataFrame) -> dict[str, float]:
    given = rows[rows["estimate"].notna()]
    error = (given["estimate"] - given["truth"]).to_numpy(dtype=float)
    n, n_given = len(rows), len(given)
    covers = ((given["low"] <= given["truth"]) & (given["truth"] <= given["high"])).to_numpy(dtype=bool)
    # Moved so that the truth is 5 points, does the interval lie above 0?
    found = (given["low"] - given["truth"] + EFFECT_THAT_MATTERS > 0).to_numpy(dtype=bool)
    is_warned = rows["warnings"].map(lambda texts: any(PRE_TREND_WORDS in text for text in texts))
    coverage = covers.mean() if n_given else float("nan")
    better, worse = (float((rows["verdict"] == word).mean()) for word in ("better", "worse"))
    return {
        "n": n,
        "n_given": n_given,
        "truth": float(rows["truth"].mean()),
        "bias": error.mean() if n_given else float("nan"),
        "bias_error": error.std(ddof=1) / sqrt(n_given) if n_given > 1 else float("nan"),
        "rmse": float(np.sqrt(np.mean(error**2))) if n_given else float("nan"),
        "std_error": float(given["std_error"].mean()) if n_given else float("nan"),
        "coverage": float(coverage),
        "coverage_error": share_error(float(coverage), n_given),
        "better": better,
        "worse": worse,
        "verdict_error": share_error(max(better, worse), n),
        "no_clear_change": float((rows["verdict"] == "no_clear_change").mean()),
        "cannot_tell": float((rows["verdict"] == "cannot_tell_yet").mean()),
        "warned": float((is_warned | (rows["verdict"] == "cannot_tell_yet")).mean()),
        "power": found.mean() if n_given else float("nan"),
        "power_error": share_error(float(found.mean()), n_given) if n_given else float("nan"),
    }


def _naive_rates(rows: pd.DataFrame) -> dict[str, float]:
    rows = rows[rows["estimate"].notna()]
    error = (rows["estimate"] - rows["truth"]).to_numpy(dtype=float)
    return {
        "bias": float(error.mean()) if len(rows) else float("nan"),
        "rmse": float(np.sqrt(np.mean(error**2))) if len(rows) else float("nan"),
        "coverage": float(((rows["low"] <= rows["truth"]) & (rows["truth"] <= rows["high"])).mean()),
        "better": float((rows["low"] > 0).mean()),
        "worse": float((rows["high"] < 0).mean()),
    }


def broken_promises(rates: pd.DataFrame) -> tuple[int, list[str]]:
    """How many promises there are, and a sentence for each that is not kept."""
    n_promises, broken = 0, []
    for row in rates.to_dict("records"):
        where = f"{row['scenario']}, {row['strategy_id']}"
        if row["is_broken"]:
            n_promises += 1
            if row["warned"] < LEAST_WARNED:
                broken.append(f"{where}: only {row['warned']:.0%} carry the warning or no verdict")
            continue
        if not row["is_claimed"]:
            continue
        if row["n_given"] >= FEWEST_JUDGED * row["n"]:
            n_promises += 1
            least, most = (
                limit + side * 2 * share_error(limit, int(row["n_given"]))
                for limit, side in zip(COVERAGE, (-1, 1), strict=True)
            )
            if not least <= row["coverage"] <= most:
                broken.append(f"{where}: {row['coverage']:.1%} of the intervals hold the truth")
        words = ("better", "worse") if abs(row["truth"]) < 1e-9 else ("worse",)
        for word in words:
            n_promises += 1
            if row[word] > MOST_FALSE + 2 * share_error(MOST_FALSE, int(row["n"])):
                broken.append(f"{where}: {row[word]:.1%} called {word}, and falsely")
    return n_promises, broken


HEAD = """# How often the verdicts are right

Nobody knows the truth of a real hospital. So `make truth` makes hospitals up whose truth is known, {n} of each
of {scenarios} kinds, hides the truth, and judges each as a real one is judged: the same SQL, the same estimates, the
same verdicts. This page is written by that command. Everything on it is a share or a mean over those hospitals.

![Share of the 95 % intervals that hold the truth, by scenario and strategy: full dots for the honest estimates, open
dots for plain before and after, and a band from 93 to 97 of 100, where the full dots should lie.](error-rates.svg)

## How to read it

- **Truth**: points of the 0-100 score the strategy really moved trust by, on those who got it.
- **Bias**: how far the estimates are off on average; the number after ± is its Monte Carlo standard error, the luck of
  having made up {n} hospitals and not more. **RMSE**: how far a single one is off, typically.
- **Holds**: share of the 95 % intervals that hold the truth. It should be {low:.0%} to {high:.0%}, give or take two of
  its Monte Carlo errors ({coverage_error:.1%} each at 95 %).
- **Better**, **worse**, **cannot tell**: share of verdicts. Where the truth is 0, better and worse are false, and each
  should be at most {false:.0%}, likewise.
- **Power**: how often an effect of {effect:.0f} points would be found, that is, its interval lie above 0.
- **Naive**: the same for plain before and after. "Says better" is its interval lying above 0.
- A dash: the method refused, and said why. What is refused is never right nor wrong.

"""


def page(rates: pd.DataFrame, n_hospitals: int) -> str:
    """The whole page, in Markdown."""
    promises, broken = broken_promises(rates)
    text = HEAD.format(
        n=n_hospitals,
        scenarios=rates["scenario"].nunique(),
        low=COVERAGE[0],
        high=COVERAGE[1],
        coverage_error=share_error(0.95, n_hospitals),
        false=MOST_FALSE,
        effect=EFFECT_THAT_MATTERS,
    )
    text += f"## What was promised\n\nKept: {promises - len(broken)} of {promises}."
    text += " Not kept:\n\n" + "\n".join(f"- {sentence}" for sentence in broken) + "\n\n" if broken else "\n\n"
    for scenario in SCENARIOS:
        text += f"## {scenario.name.replace('_', ' ').capitalize()}\n\n{scenario.sentence}\n"
        if scenario.not_claimed:
            names = ", ".join(sorted(name.replace("_", " ") for name in scenario.not_claimed))
            text += (
                f"\nThe method does not claim to hold here for {names}, and a warning is not sure to come: the column "
                "**warned** says how often it did.\n"
            )
        if scenario.broken:
            text += (
                "\nThe assumption is broken on purpose. What counts is the column **warned**: the verdict says "
                "cannot tell, or carries the warning that the two sides already differed before.\n"
            )
        text += (
            "\n"
            + _table(rates[rates["scenario"] == scenario.name], bool(scenario.broken or scenario.not_claimed))
            + "\n"
        )
    return re.sub(r"(\d)%", r"\1 %", text).rstrip() + "\n"


def _table(rates: pd.DataFrame, is_warned_of: bool) -> str:
    heads = ["strategy", "truth", "bias", "RMSE", "holds", "better", "worse", "cannot tell", "power"]
    heads += ["warned"] if is_warned_of else []
    heads += ["naive bias", "naive holds", "naive says better"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rates.to_dict("records"):
        is_given = row["n_given"] > 0
        cells = [
            str(row["strategy_id"]).replace("_", " "),
            f"{row['truth']:+.1f}".replace("+0.0", "0.0"),
            f"{row['bias']:+.2f} ± {row['bias_error']:.2f}" if is_given else "-",
            f"{row['rmse']:.2f}" if is_given else "-",
            f"{row['coverage']:.1%}" if is_given else "-",
            f"{row['better']:.1%}",
            f"{row['worse']:.1%}",
            f"{row['cannot_tell']:.1%}",
            f"{row['power']:.0%}" if is_given else "-",
            *([f"{row['warned']:.1%}"] if is_warned_of else []),
            f"{row['naive_bias']:+.1f}",
            f"{row['naive_coverage']:.0%}",
            f"{row['naive_better']:.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


LEFT, TOP, WIDTH, ROW, GAP = 150, 46, 560, 15, 12


def figure(rates: pd.DataFrame) -> str:
    """Share of intervals that hold the truth: one band per scenario, one line per strategy, as SVG."""
    names = list(dict.fromkeys(rates["scenario"]))
    height = TOP + len(names) * (len(STRATEGY_IDS) * ROW + GAP) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 140} {height}">',
        '<g font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{LEFT + WIDTH + 140}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="16">Share of 95 % intervals that hold the truth</text>',
        f'<circle cx="{LEFT + 330}" cy="12" r="4" fill="#1f4e79"/><text x="{LEFT + 340}" y="16">honest</text>',
        f'<circle cx="{LEFT + 400}" cy="12" r="4" fill="none" stroke="#6b6b6b" stroke-width="1.5"/>',
        f'<text x="{LEFT + 410}" y="16">plain before/after</text>',
    ]
    low, high = (_x(share) for share in COVERAGE)
    parts.append(f'<rect x="{low}" y="{TOP - 6}" width="{high - low}" height="{height - TOP - 18}" fill="#d9e6f2"/>')
    for tick in (0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="{_x(tick)}" y="{TOP - 12}" text-anchor="middle" fill="#444">{tick:.0%}</text>')
        parts.append(f'<line x1="{_x(tick)}" x2="{_x(tick)}" y1="{TOP - 6}" y2="{height - 24}" stroke="#e0e0e0"/>')
    y = TOP
    for name in names:
        of_scenario = rates[rates["scenario"] == name]
        middle = y + len(STRATEGY_IDS) * ROW / 2
        parts.append(f'<text x="8" y="{middle}" font-weight="600">{name.replace("_", " ")}</text>')
        for row in of_scenario.to_dict("records"):
            y += ROW
            parts.append(
                f'<text x="{LEFT + WIDTH + 12}" y="{y}" fill="#444">{str(row["strategy_id"]).replace("_", " ")}</text>'
            )
            if not np.isnan(row["naive_coverage"]):
                parts.append(
                    f'<circle cx="{_x(row["naive_coverage"])}" cy="{y - 4}" r="4" fill="none" stroke="#6b6b6b" '
                    'stroke-width="1.5"/>'
                )
            if row["n_given"]:
                parts.append(f'<circle cx="{_x(row["coverage"])}" cy="{y - 4}" r="4" fill="#1f4e79"/>')
        y += GAP
    return "\n".join([*parts, "</g></svg>"]) + "\n"


def _x(share: float) -> float:
    return round(LEFT + WIDTH * share, 1)
