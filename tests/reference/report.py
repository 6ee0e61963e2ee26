"""How close our numbers are to published ones: case, values compared, largest difference. Run with `make cases`.

The list of cases belongs here. How one is compared is `compare` in its own module, beside its tests.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.reference.comparison import Comparison, largest

CASES = {
    "cahps_ahrq_41c": "tests.reference.test_cahps_ahrq_41c",
    "did_mpdta": "tests.reference.test_did_mpdta",
    "survey_api": "tests.reference.test_survey_api",
    "sunab_base_stagg": "tests.reference.test_sunab_base_stagg",
    "spc_nhs_xmr": "tests.reference.test_control_chart_nhs",
    "spc_qicharts2": "tests.reference.test_control_chart_qicharts2",
    "funnel_overdispersion": "tests.reference.test_funnel_overdispersion",
    "compress_trade": "tests.reference.test_compress_trade",
    "psychometrics": "tests.reference.test_psychometrics",
    "cfa_holzinger": "tests.reference.test_cfa_holzinger",
    "cfa_longitudinal_polidem": "tests.reference.test_cfa_holzinger:compare_waves",
    "reliability_icc_rci": "tests.reference.test_retest_and_growth:compare_icc",
    "mixed_sleepstudy": "tests.reference.test_retest_and_growth:compare_sleep",
    "mixed_orthodont": "tests.reference.test_retest_and_growth:compare_orthodont",
    "cr2_clubsandwich": "tests.reference.test_cr2_clubsandwich",
    "wild_cluster_full_enum": "tests.reference.test_wild_cluster_full_enum",
    "its_sicily": "tests.reference.test_its_sicily",
    "its_seatbelts": "tests.reference.test_its_seatbelts",
    "multiple_testing": "tests.reference.test_multiple_testing",
    "meta_bcg_partial_pooling": "tests.reference.test_meta_bcg_partial_pooling",
    "honestdid_ehec": "tests.reference.test_honestdid_ehec",
    "rtm_barnett": "tests.reference.test_rtm_barnett",
    "rtm_meechua": "tests.reference.test_rtm_meechua",
}
"""Case in ../shared/cases -> the module whose `compare(folder)` returns its comparisons, or module:function; folder is
../shared.
"""


def main() -> None:
    """Print one line per case, or those named, and end with 1 where one is not within its tolerance."""
    folder = Path(__file__).resolve().parents[3] / "shared"
    names = sys.argv[1:] or list(CASES)
    is_equal = True
    print(f"{'case':28} {'values':>7} {'largest':>10} {'allowed':>10}  where")
    for name in names:
        module, _, function = CASES[name].partition(":")
        comparisons: list[Comparison] = getattr(importlib.import_module(module), function or "compare")(folder)
        worst = largest(comparisons)
        is_equal &= all(comparison.is_equal for comparison in comparisons)
        verdict = "" if worst.is_equal else "  NOT EQUAL"
        print(
            f"{name:28} {len(comparisons):7} {worst.difference:10.1e} {worst.tolerance:10.0e}  {worst.label}{verdict}"
        )
    if not is_equal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
