import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0004_what_people_read"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="outgoingmail",
            options={
                "ordering": ("-created_at", "-pk"),
                "verbose_name": "outgoing mail",
                "verbose_name_plural": "outgoing mails",
            },
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="attempts",
            field=models.PositiveIntegerField(default=0, verbose_name="attempts"),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="created_at",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="due_at",
            field=models.DateTimeField(verbose_name="due at"),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="failed_at",
            field=models.DateTimeField(null=True, verbose_name="failed at"),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="recipients",
            field=models.JSONField(verbose_name="recipients"),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="sent_at",
            field=models.DateTimeField(null=True, verbose_name="sent at"),
        ),
        migrations.AlterField(
            model_name="outgoingmail",
            name="subject",
            field=models.CharField(max_length=998, verbose_name="subject"),
        ),
    ]
