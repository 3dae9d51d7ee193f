"""HTTP, and only HTTP: one module per resource, routes a few lines long."""

from fastapi import APIRouter

from evidence.api import (
    accounts,
    agency,
    approvals,
    break_glass,
    cameras,
    cases,
    custody,
    docks,
    exhibits,
    explanations,
    exports,
    group_mappings,
    health,
    incidents,
    items,
    lifting,
    own_account,
    references,
    referrals,
    restrictions,
    sign_in_sessions,
    tasks,
    trust,
    units,
    uploads,
    viewings,
)

PARTS = (
    sign_in_sessions,
    own_account,
    accounts,
    group_mappings,
    agency,
    units,
    approvals,
    tasks,
    docks,
    cameras,
    items,
    viewings,
    break_glass,
    references,
    cases,
    exhibits,
    referrals,
    restrictions,
    lifting,
    explanations,
    incidents,
    custody,
    exports,
    trust,
)
"""The resources whose requests are small, in the order in which they are described."""

BODY_LIMIT = 1 << 20
"""Bytes a request's body may have, except that of an upload."""


def router() -> APIRouter:
    """Join the resources."""
    joined = APIRouter()
    joined.include_router(health.router, max_body_size=BODY_LIMIT)
    for part in PARTS:
        joined.include_router(part.router, prefix="/api/v1", max_body_size=BODY_LIMIT)
    joined.include_router(uploads.router, prefix="/api/v1")
    return joined
