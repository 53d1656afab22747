"""What the database knows about itself, to recognize that it was restored from a backup."""

from django.db import models


class Instance(models.Model):
    """The only row counts the writes sent to GitHub, in the transaction that commits `sent`.

    A mark outside the database holds the same number. If it is ahead of this one, the database was
    restored from a backup that is older than what was sent.
    """

    sends = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.sends} writes sent"
