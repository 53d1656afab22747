"""The columns that all rows mirroring one of GitHub's lists have in common."""

from django.db import models


class ListedModel(models.Model):
    """One item of a list GitHub answers. The row stays, with its history, when the item is gone.

    `observed_at` is when the content was last written from one of GitHub's answers: a list whose
    reading began earlier must not change the row. `missing_since` is set while lists lack the item,
    which proves nothing yet; `gone_at` is set once it is proven that GitHub no longer has it.
    """

    row_hash = models.CharField(max_length=64, blank=True)
    observed_at = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    missing_since = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
