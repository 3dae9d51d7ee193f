"""${message}.

Purpose: what this step is for, in one sentence.
Risk: which locks it takes, on how many rows.
Undo: what a downgrade loses.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
from evidence.engines.grants import grant

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
