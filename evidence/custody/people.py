"""Sign-ins, accounts, roles and docks, as auth reports them, entered in the chain of custody.

auth never learns what custody is: it reports to a Recorder, and this is the one it is handed.
"""

from functools import singledispatchmethod

from sqlalchemy.orm import Session

from auth import events as auth_events
from evidence import custody
from evidence.custody import access_events, events, identity_events, sign_in_events
from evidence.custody.events import Actor, CustodyEvent, digest_of_session


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
        return events.AccountSignedIn(
            actor=Actor.of(event.principal),
            request_id=event.request_id,
            amr=" ".join(event.amr) or None,
            banner=event.banner,
            source=event.source,
            provider=event.provider,
        )

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
            provider=event.provider,
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
    def _(self, event: auth_events.IdentityExpected) -> CustodyEvent:
        return identity_events.IdentityExpected(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            account_id=event.account_id,
            provider=event.provider,
            subject=event.subject,
        )

    @_translate.register
    def _(self, event: auth_events.IdentityLinked) -> CustodyEvent:
        return identity_events.IdentityLinked(
            actor=Actor.of(event.principal),
            request_id=event.request_id,
            account_id=event.principal.id,
            provider=event.provider,
            subject=event.subject,
        )

    @_translate.register
    def _(self, event: auth_events.RoleGranted) -> CustodyEvent:
        return events.RoleGranted(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            account_id=event.account_id,
            role=event.role,
            mapping_id=event.mapping_id,
        )

    @_translate.register
    def _(self, event: auth_events.RoleEnded) -> CustodyEvent:
        return events.RoleEnded(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id, role=event.role
        )

    @_translate.register
    def _(self, event: auth_events.GroupMapped) -> CustodyEvent:
        return identity_events.GroupMapped(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            mapping_id=event.mapping_id,
            provider=event.provider,
            group=event.group,
            roles=" ".join(event.roles),
            reason=event.reason,
        )

    @_translate.register
    def _(self, event: auth_events.GroupUnmapped) -> CustodyEvent:
        return identity_events.GroupUnmapped(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            mapping_id=event.mapping_id,
            provider=event.provider,
            group=event.group,
            reason=event.reason,
        )

    @_translate.register
    def _(self, event: auth_events.UnitFounded) -> CustodyEvent:
        return access_events.UnitFounded(
            actor=Actor.of(event.by), request_id=event.request_id, unit_id=event.unit_id, name=event.name
        )

    @_translate.register
    def _(self, event: auth_events.UnitJoined) -> CustodyEvent:
        return access_events.UnitJoined(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            account_id=event.account_id,
            unit_id=event.unit_id,
            standing="supervisor" if event.supervises else "member",
            unit_name=event.unit,
        )

    @_translate.register
    def _(self, event: auth_events.UnitLeft) -> CustodyEvent:
        return access_events.UnitLeft(
            actor=Actor.of(event.by),
            request_id=event.request_id,
            account_id=event.account_id,
            unit_id=event.unit_id,
            unit_name=event.unit,
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

    @_translate.register
    def _(self, event: auth_events.SessionEnded) -> CustodyEvent:
        return sign_in_events.SessionEnded(
            actor=Actor.of(event.by) if event.by else Actor.system(),
            request_id=event.request_id,
            account_id=event.account_id,
            session=digest_of_session(str(event.session_id)),
            reason=event.because,
        )

    @_translate.register
    def _(self, event: auth_events.ProvedAgain) -> CustodyEvent:
        return sign_in_events.ProvedAgain(
            actor=Actor.of(event.principal), request_id=event.request_id, amr=event.method
        )

    @_translate.register
    def _(self, event: auth_events.SecondFactorEnrolled) -> CustodyEvent:
        return sign_in_events.SecondFactorEnrolled(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id
        )

    @_translate.register
    def _(self, event: auth_events.RecoveryCodesMade) -> CustodyEvent:
        return sign_in_events.RecoveryCodesMade(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id, count=event.count
        )

    @_translate.register
    def _(self, event: auth_events.RecoveryCodeUsed) -> CustodyEvent:
        return sign_in_events.RecoveryCodeUsed(
            actor=Actor.system(), request_id=event.request_id, account_id=event.account_id, left=event.left
        )

    @_translate.register
    def _(self, event: auth_events.PasswordChanged) -> CustodyEvent:
        return sign_in_events.PasswordChanged(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id
        )

    @_translate.register
    def _(self, event: auth_events.LockedOut) -> CustodyEvent:
        return sign_in_events.LockedOut(
            actor=Actor.system(),
            request_id=event.request_id,
            account_id=event.account_id,
            failures=event.failures,
            source=event.source,
        )

    @_translate.register
    def _(self, event: auth_events.AccountReleased) -> CustodyEvent:
        return sign_in_events.AccountReleased(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id, reason=event.reason
        )

    @_translate.register
    def _(self, event: auth_events.SourceReleased) -> CustodyEvent:
        return sign_in_events.SourceReleased(
            actor=Actor.of(event.by), request_id=event.request_id, source=event.source, reason=event.reason
        )

    @_translate.register
    def _(self, event: auth_events.AccountReset) -> CustodyEvent:
        return sign_in_events.AccountReset(
            actor=Actor.of(event.by), request_id=event.request_id, account_id=event.account_id
        )
