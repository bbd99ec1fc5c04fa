"""A follow-up as plain JSON values, in the form ``endplate/followup/1``."""

import math
from typing import Any, Final

from endplate.study.followup import FollowUp, VisitResult
from endplate.study.new_findings import JunctionAngle, NewFracture
from endplate.study.plain import measurement_to_dict, plain_number

__all__ = ["FOLLOWUP_SCHEMA", "followup_to_dict"]

FOLLOWUP_SCHEMA: Final = "endplate/followup/1"


def followup_to_dict(result: FollowUp) -> dict[str, Any]:
    """Plain values: what `json.dumps(..., allow_nan=False)` accepts."""
    margin = result.naming_margin
    return {
        "schema": FOLLOWUP_SCHEMA,
        "subject": result.subject,
        "operation": None if result.operation is None else result.operation.isoformat(),
        "index_level": result.index_level or None,
        "index_level_why": result.index.why,
        "index_level_probability": plain_number(result.index.probability, 4),
        "index_level_second": result.index.second or None,
        "index_level_doubtful": result.index.doubtful,
        "estimate": result.estimate,
        "noise": None if result.noise is None else [plain_number(x, 4) for x in result.noise],
        "naming_margin": plain_number(margin, 2) if math.isfinite(margin) else None,
        "visits": [_visit(v) for v in result.visits],
        "new_fractures": [_fracture(f) for f in result.fractures],
        "junctions": [_junction(j) for j in result.junctions],
        "left_out": [
            {"path": r.source.path, "reading": r.id, "reason": reason}
            for r, reason in result.left_out
        ],
    }


def _visit(result: VisitResult) -> dict[str, Any]:
    visit = result.visit
    reading = visit.reading
    return {
        "time_point": visit.name,
        "date": None if visit.taken is None else visit.taken.isoformat(),
        "days": visit.days,
        "reading": reading.id,
        "parent": reading.parent,
        "path": reading.source.path,
        "sha256": reading.source.sha256,
        "reader": {
            "kind": reading.reader.kind,
            "name": reading.reader.name,
            "version": reading.reader.version,
        },
        "modality": reading.source.modality,
        "position": reading.source.position,
        "levels_moved_by": result.shift,
        "flags": list(result.flags),
        "values": [measurement_to_dict(m) for m in result.values],
        "own_values": [measurement_to_dict(m) for m in result.own_values],
        "changes": [measurement_to_dict(m) for m in result.changes],
        "other_films": [r.source.path for r in visit.others],
    }


def _fracture(found: NewFracture) -> dict[str, Any]:
    return {
        "level": found.level,
        "time_point": found.visit,
        "since": found.since,
        "height": found.where,
        "loss_before_pct": plain_number(found.before),
        "loss_now_pct": plain_number(found.now),
        "se": plain_number(found.se),
        "probability": plain_number(found.probability),
        "adjacent": found.adjacent,
    }


def _junction(found: JunctionAngle) -> dict[str, Any]:
    return {
        "side": found.side,
        "time_point": found.visit,
        "angle": measurement_to_dict(found.angle),
        "change": measurement_to_dict(found.change),
        "junctional_kyphosis": found.junctional,
    }
