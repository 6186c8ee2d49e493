# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""The tables as Django's models."""

from __future__ import annotations

from django.db import models

from ..models import Status


class StatusField(models.TextField):
    """A status, which is stored as its value."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else Status(value)

    def get_prep_value(self, value):
        return None if value is None else value.value

    def to_python(self, value):
        return value if value is None else Status(value)


class User(models.Model):
    name = models.TextField()
    email = models.TextField()
    age = models.BigIntegerField()
    score = models.FloatField()
    active = models.BooleanField()
    created = models.DateTimeField()
    status = StatusField()
    payload = models.JSONField()
    id = models.BigAutoField(primary_key=True)

    class Meta:
        app_label = "benchmark"
        db_table = "users"


class Contact(models.Model):
    name = models.TextField()
    email = models.TextField()
    age = models.BigIntegerField()
    score = models.FloatField()
    id = models.BigAutoField(primary_key=True)

    class Meta:
        app_label = "benchmark"
        db_table = "contacts"


class Member(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.TextField()
    email = models.TextField()
    age = models.BigIntegerField()
    score = models.FloatField()
    active = models.BooleanField()
    created = models.DateTimeField()
    status = StatusField()
    payload = models.JSONField()

    class Meta:
        app_label = "benchmark"
        db_table = "members"


class Author(models.Model):
    name = models.TextField()
    email = models.TextField()
    id = models.BigAutoField(primary_key=True)

    class Meta:
        app_label = "benchmark"
        db_table = "authors"


class Post(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="posts")
    title = models.TextField()
    views = models.BigIntegerField()
    id = models.BigAutoField(primary_key=True)

    class Meta:
        app_label = "benchmark"
        db_table = "posts"
