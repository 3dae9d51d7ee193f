"""Sign-ins, accounts, roles and docks, as auth reports them, entered in the chain of custody.

auth never learns what custody is: it reports to a Recorder, and this is the one it is handed.
"""

from functools import singledispatchmethod

from sqlalchemy.orm import Session

from auth import events as auth_events
from evidence import custody
from evidence.custody import events
from evidence.custody.events import Actor, CustodyEvent


class CustodyRecorder:
    """Records what auth reports, in the transaction in which it happened."""

    def record(self, session: Session, event: auth_events.AuthEvent) -> None:
        """Enter the event in the chain it belongs to."""
        custody.record(session, self._translate(event))

    @singledispatchmethod
    def _translate(self, event: object) -> CustodyEvent:
        raise TypeError(f"auth reports {type(event).__name__}, and custody has no act for it")

    @_translate.register
    def _(self, event: auth_events.SignedIn) -> CustodyEvent:
        return events.AccountSignedIn(actor=Actor.of(event.principal), request_id=event.request_id, source=event.source)

    @_translate.register
    def _(self, event: auth_events.DockSignedIn) -> CustodyEvent:
        return events.DockSignedIn(actor=Actor.of(event.principal), request_id=event.request_id, source=event.source)

    @_translate.register
    def _(self, event: auth_events.SignInRefused) -> CustodyEvent:
        return events.SignInRefused(
            actor=Actor.unknown(),
            request_id=event.request_id,
            reason=event.reason,
            account_id=event.id if event.kind == "account" else None,
            dock_id=event.id if event.kind == "dock" else None,
            source=event.source,
        )

    @_translate.register
    def _(self, event: auth_events.AccountCreated) -> CustodyEvent:
        return events.AccountCreated(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            account_id=event.account_id,
            email=event.email,
            name=event.name,
            badge=event.badge,
        )

    @_translate.register
    def _(self, event: auth_events.AccountSuspended) -> CustodyEvent:
        return events.AccountSuspended(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id, reason=event.reason
        )

    @_translate.register
    def _(self, event: auth_events.RoleGranted) -> CustodyEvent:
        return events.RoleGranted(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id, role=event.role
        )

    @_translate.register
    def _(self, event: auth_events.RoleEnded) -> CustodyEvent:
        return events.RoleEnded(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id, role=event.role
        )

    @_translate.register
    def _(self, event: auth_events.DockInvited) -> CustodyEvent:
        return events.DockInvited(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            invitation_id=event.invitation_id,
            name=event.dock_name,
        )

    @_translate.register
    def _(self, event: auth_events.DockEnrolled) -> CustodyEvent:
        return events.DockEnrolled(
            actor=Actor(type="dock", id=str(event.dock_id), method="enrolment_code", name=event.name),
            request_id=event.request_id,
            dock_id=event.dock_id,
            fingerprint=event.fingerprint,
            name=event.name,
            invitation_id=event.invitation_id,
        )

    @_translate.register
    def _(self, event: auth_events.DockKeyReplaced) -> CustodyEvent:
        return events.DockKeyReplaced(
            actor=Actor(type="dock", id=str(event.dock_id), method="private_key_jwt", name=event.name),
            request_id=event.request_id,
            dock_id=event.dock_id,
            fingerprint=event.fingerprint,
            replaced=event.replaced,
            name=event.name,
        )

    @_translate.register
    def _(self, event: auth_events.DockRetired) -> CustodyEvent:
        return events.DockRetired(
            actor=Actor.of(event.by), request_id=event.request_id, dock_id=event.dock_id, reason=event.reason
        )
