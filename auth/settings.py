"""AuthSettings: how long things last and what tokens are called."""

from datetime import timedelta

from pydantic import BaseModel, Field


class AuthSettings(BaseModel):
    """Settings of sign-in and tokens, nested in the installation's settings as `auth`."""

    token_life: timedelta = Field(
        default=timedelta(minutes=55), le=timedelta(hours=1), description="How long a token is good; at most an hour."
    )
    enrolment_life: timedelta = Field(
        default=timedelta(minutes=15), description="How long a one-time enrolment code for a dock is good."
    )
    leeway: timedelta = Field(default=timedelta(seconds=30), description="Clock difference forgiven in tokens.")
    audience: str = Field(default="urn:evidence-room:api", description="What our tokens are for (`aud`).")
