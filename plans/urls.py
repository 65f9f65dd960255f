"""Addresses of plans. A consumer's own stand below `consumer/`, so that no name of one is taken for a verb."""

from django.urls import path

from keys.web import url_converters  # noqa: F401, it registers them
from plans.web import payment_views, subscription_views, views

app_name = "plans"

_consumer = "<slug:environment>/consumer/<keys_name:name>/"

urlpatterns = [
    path("", views.page, name="page"),
    path("stripe/webhook/", payment_views.webhook, name="stripe_webhook"),
    path("<slug:environment>/", views.page, name="environment"),
    path("<slug:environment>/choose/<slug:plan>/", views.choose, name="choose"),
    path("<slug:environment>/start/<slug:plan>/", views.start, name="start"),
    path("<slug:environment>/pay/<slug:plan>/", payment_views.pay, name="pay"),
    path("<slug:environment>/paid/", payment_views.paid, name="paid"),
    path("<slug:environment>/request/<slug:plan>/", views.request_plan, name="request"),
    path("<slug:environment>/withdraw/<int:pk>/", views.withdraw, name="withdraw"),
    path(_consumer, subscription_views.page, name="subscription"),
    path(_consumer + "panel/", subscription_views.panel, name="panel"),
    path(_consumer + "change/", subscription_views.change, name="change"),
    path(_consumer + "change/<slug:plan>/", subscription_views.change_to, name="change_to"),
    path(_consumer + "request/<slug:plan>/", views.request_plan, name="request_for"),
    path(_consumer + "pay/<slug:plan>/", payment_views.pay, name="pay_for"),
    path(_consumer + "payment/", payment_views.manage, name="manage_payment"),
    path(_consumer + "cancel/", subscription_views.cancel, name="cancel"),
    path(_consumer + "resume/", subscription_views.resume, name="resume"),
]
