"""Template tags and filters of Trackside, built in for every template."""

from django import template

register = template.Library()
