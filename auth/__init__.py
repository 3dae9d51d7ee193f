"""Who is acting, and which roles they hold. Knows nothing of evidence, cases or video."""

from auth.principals import Principal, PrincipalKind, Role

__all__ = ["Principal", "PrincipalKind", "Role"]
