"""HTTP, and only HTTP: one module per resource, routes a few lines long."""

from fastapi import APIRouter

from evidence.api import (
    accounts,
    cameras,
    cases,
    custody,
    docks,
    exports,
    health,
    items,
    own_account,
    sign_in_sessions,
    trust,
    uploads,
)

BODY_LIMIT = 1 << 20
"""Bytes a request's body may have, except that of an upload."""


def router() -> APIRouter:
    """Join the resources."""
    joined = APIRouter()
    joined.include_router(health.router, max_body_size=BODY_LIMIT)
    for part in (sign_in_sessions, own_account, accounts, docks, cameras, items, cases, custody, exports, trust):
        joined.include_router(part.router, prefix="/api/v1", max_body_size=BODY_LIMIT)
    joined.include_router(uploads.router, prefix="/api/v1")
    return joined
