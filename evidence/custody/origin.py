"""The name of this installation, which stands in every custody record and never changes."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.models import CustodyOrigin
from evidence.errors import SetupError


def read(session: Session) -> str:
    """Return the name."""
    return session.scalars(select(CustodyOrigin.origin)).one()


def require(session: Session, wanted: str | None) -> str:
    """Return the name; raise SetupError when the settings give another one."""
    origin = read(session)
    if wanted is not None and wanted != origin:
        raise SetupError(
            f"this installation is called {origin}, and EVIDENCE_ORIGIN says otherwise",
            next_step="unset EVIDENCE_ORIGIN: every custody record holds the name, so it cannot change",
        )
    return origin
