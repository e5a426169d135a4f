"""What tables the state has that is no archive's: what was promised and has to outlive a restart.

A change here needs a migration.
"""

from typing import Final

import sqlalchemy as sa

HEAD: Final = "0006"
"""The migration that makes what is described here."""

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SEND: Final = sa.Table(
    "send",
    METADATA,
    sa.Column("transaction_uid", sa.Text, primary_key=True),
    sa.Column("mount", sa.Text, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False, comment="it was asked of, below the mount"),
    sa.Column("refs", sa.Text, nullable=False, comment="JSON: [patient, study, series, instance]"),
    sa.Column("state", sa.Text, nullable=False, comment="see model.sending.State"),
    sa.Column("remaining", sa.Integer, comment="NULL where nobody knows"),
    sa.Column("completed", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("warning", sa.Integer, nullable=False),
    sa.Column("failures", sa.Text, nullable=False, comment="JSON: [instance, class, reason, text]"),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("asked", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Column("changed", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Index("ix_send_state_changed", "state", "changed"),
)
"""Sends that run in the background, and those that ended a while ago."""

TOKEN: Final = sa.Table(
    "token",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False, comment="of the whole text"),
    sa.Column("rights", sa.Text, nullable=False, comment="JSON: see model.principal.Right"),
    sa.Column("mounts", sa.Text, nullable=False, comment="JSON: AE titles, or *"),
    sa.Column("created", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Column("expires", sa.Float, comment="NULL: never"),
    sa.Column("last_used", sa.Float, comment="about; NULL: never"),
    sa.Column("revoked", sa.Float, comment="when; NULL: it is not"),
)
"""Tokens that we have issued. What proves one is not here: only its hash."""

SESSION: Final = sa.Table(
    "session",
    METADATA,
    sa.Column("sha256", sa.LargeBinary, primary_key=True, comment="of what the browser has"),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="the token, see sessions"),
    sa.Column("began", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Column("expires", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Index("ix_session_expires", "expires"),
)
"""Browsers that are logged in. Their tokens are sealed by what only the browser has."""

PATIENT: Final = sa.Table(
    "patient",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True, comment="that FHIR knows the patient by"),
    sa.Column("mount", sa.Text, nullable=False),
    sa.Column("patient_id", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("study", sa.Text, nullable=False, comment="where there is no Patient ID, else empty"),
    sa.Index("ix_patient_known", "mount", "patient_id", "issuer", "study", unique=True),
)
"""The ids of FHIR's Patients, which are random: nothing can be read from them."""

ERRAND: Final = sa.Table(
    "errand",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False, comment="who does it"),
    sa.Column("target", sa.Text, nullable=False, comment="for whom"),
    sa.Column("key", sa.Text, nullable=False, comment="what it is about"),
    sa.Column("payload", sa.Text, nullable=False, comment="JSON"),
    sa.Column("version", sa.Integer, nullable=False, comment="grows when a newer one came"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Column("due", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Column("dead", sa.Integer, nullable=False, comment="1: given up"),
    sa.Column("reason", sa.Text, nullable=False, comment="of the last failure"),
    sa.Column("leased_by", sa.Text, nullable=False, comment="empty: nobody does it"),
    sa.Column("lease", sa.Text, nullable=False, comment="names one claim"),
    sa.Column("leased_until", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Index("ix_errand_about", "kind", "target", "key", unique=True),
    sa.Index("ix_errand_due", "kind", "dead", "due"),
    sa.Index("ix_errand_due_for", "kind", "target", "dead", "due"),
)
"""What is to be done at far sides: one row for each kind, target and key. See `core.queue`."""

SUBSCRIPTION: Final = sa.Table(
    "subscription",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("mount", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("root", sa.Text, nullable=False, comment="FHIR's, as the owner sees it"),
    sa.Column("status", sa.Text, nullable=False, comment="as FHIR has it"),
    sa.Column("error", sa.Text, nullable=False, comment="why it is in error"),
    sa.Column("owner", sa.Text, nullable=False, comment="JSON: see model.principal.Principal"),
    sa.Column("said", sa.Text, nullable=False, comment="JSON: the resource without its secrets"),
    sa.Column("headers", sa.Text, nullable=False, comment="JSON; secret"),
    sa.Column("changed", sa.Float, nullable=False, comment="seconds since the epoch"),
    sa.Index("ix_subscription_mount", "mount"),
)
"""Who wants to be told of changes. See `core.fhir.subscriptions`."""

SEEN: Final = sa.Table(
    "seen",
    METADATA,
    sa.Column("mount", sa.Text, primary_key=True),
    sa.Column("study", sa.Text, primary_key=True, comment="empty: it was looked at once"),
    sa.Column("digest", sa.Text, nullable=False, comment="of what was said of the study"),
)
"""What a system elsewhere said of its recent studies, when it was polled last."""
