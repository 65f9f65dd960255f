"""URL routes of the example."""

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import views
from django.urls import include, path
from django.views.generic import TemplateView

from tidewater import people

urlpatterns = [
    path("", TemplateView.as_view(template_name="home.html"), name="home"),
    path("sign-in/", views.LoginView.as_view(), name="login"),
    path("sign-out/", views.LogoutView.as_view(), name="logout"),
    path("prove/", people.ask_for_password, name="prove"),
    path("account/keys/", include("keys.urls")),  # keys:
    path("admin/keys/", include("keys.staff.urls", namespace="service")),  # keys: for colleagues
    path("admin/", admin.site.urls),
]
if apps.is_installed("plans"):
    urlpatterns += [path("account/plans/", include("plans.urls"))]  # plans:
