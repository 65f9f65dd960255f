from django.db import migrations


def forget_sessions(apps, schema_editor):
    """From now on the table holds digests; ids that stood there in clear must not open anything any more."""
    for app, model in (("sessions", "Session"), ("usersessions", "UserSession")):
        apps.get_model(app, model).objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0006_mail_states"),
        ("sessions", "0001_initial"),
        ("usersessions", "0001_initial"),
    ]

    operations = [migrations.RunPython(forget_sessions, migrations.RunPython.noop)]
