"""What the run that is going on makes: a whole run makes everything, one started in Dagster what was selected there.

Asking Dagster about the run belongs here. What a step does is with its asset.
"""

from __future__ import annotations

import dagster as dg


def makes(key: dg.AssetKey) -> bool:
    """Whether the run in whose step this is asked makes the asset; one taken up again makes what it had not made."""
    context = dg.AssetExecutionContext.get()
    steps = context.run.step_keys_to_execute
    return key in context.job_def.asset_layer.selected_asset_keys and (
        steps is None or key.to_python_identifier() in steps
    )
