from datetime import UTC, datetime

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0004_indexes_of_the_audit_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="auditevent",
            name="recency",
            field=models.GeneratedField(
                expression=models.Case(
                    models.When(
                        models.Q(action__in=["key:copy", "key:reveal", "key:try"]) | models.Q(facts__has_key="doubt"),
                        then=None,
                    ),
                    models.When(
                        outcome__in=["started", "unconfirmed"], then=models.Value(datetime(9999, 12, 31, tzinfo=UTC))
                    ),
                    models.When(outcome__in=["done", "partly"], then=models.F("started_at")),
                ),
                output_field=models.DateTimeField(null=True),
                db_persist=True,
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                fields=["environment", "consumer", "recency"],
                condition=models.Q(recency__isnull=False),
                name="audit_recent_of_consumer",
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                fields=["user", "recency"], condition=models.Q(recency__isnull=False), name="audit_recent_of_user"
            ),
        ),
    ]
