import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0005_recency"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="auditevent",
            options={
                "ordering": ("-started_at", "-id"),
                "verbose_name": "audit event",
                "verbose_name_plural": "audit events",
            },
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="action",
            field=models.CharField(
                choices=[
                    ("key:reveal", "Revealed a key"),
                    ("key:copy", "Copied a key"),
                    ("key:create", "Created a key"),
                    ("key:rotate", "Rotated a key"),
                    ("consumer:rotate-all", "Rotated all keys"),
                    ("key:rename", "Renamed a key"),
                    ("key:change-end", "Changed when a key ends"),
                    ("key:delete", "Deleted a key"),
                    ("key:try", "Tried a key"),
                    ("consumer:rename", "Renamed a consumer"),
                    ("consumer:change", "Changed a consumer"),
                    ("consumer:create", "Created a consumer"),
                    ("consumer:delete", "Deleted a consumer"),
                    ("consumer:add-manager", "Added a manager"),
                    ("consumer:remove-manager", "Removed a manager"),
                    ("support:start", "Began to look at the keys"),
                    ("support:end", "Ended looking at the keys"),
                ],
                max_length=32,
                verbose_name="action",
            ),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="consumer",
            field=models.CharField(blank=True, max_length=128, verbose_name="consumer"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="ended_at",
            field=models.DateTimeField(null=True, verbose_name="ended at"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="environment",
            field=models.CharField(max_length=64, verbose_name="environment"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="facts",
            field=models.JSONField(blank=True, default=dict, verbose_name="facts"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="key_ending",
            field=models.CharField(blank=True, max_length=8, verbose_name="key ending"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="key_id",
            field=models.CharField(blank=True, max_length=128, verbose_name="key id"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="key_label",
            field=models.CharField(blank=True, max_length=600, verbose_name="key label"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("started", "Started"),
                    ("done", "Done"),
                    ("partly", "Partly done"),
                    ("refused", "Refused"),
                    ("failed", "Not done"),
                    ("unconfirmed", "Not confirmed"),
                ],
                default="started",
                max_length=16,
                verbose_name="outcome",
            ),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="reason",
            field=models.CharField(blank=True, max_length=200, verbose_name="reason"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="reference",
            field=models.CharField(blank=True, max_length=64, verbose_name="reference"),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="started_at",
            field=models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="started at"),
        ),
    ]
