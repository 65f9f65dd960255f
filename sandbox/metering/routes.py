"""The paths of plans, usage and subscriptions, and of what a gateway asks."""

from sandbox.metering import catalogue, gateway, queries, subscriptions
from sandbox.routing import Route, asked_by_gateway, reads, writes

_BUCKET = "/v3/metering/{bucketId}"
_SUBSCRIPTION = _BUCKET + "/subscriptions/{subscription}"

ROUTES: dict[str, dict[str, Route]] = {
    _BUCKET + "/meters": {"GET": reads(catalogue.list_meters), "POST": writes(catalogue.create_meter)},
    _BUCKET + "/meters/{meter}": {
        "GET": reads(catalogue.read_meter),
        "PUT": writes(catalogue.change_meter),
        "DELETE": writes(catalogue.delete_meter),
    },
    _BUCKET + "/meters/{meter}/query": {"GET": reads(queries.query_meter), "POST": reads(queries.query_meter)},
    _BUCKET + "/features": {"GET": reads(catalogue.list_features), "POST": writes(catalogue.create_feature)},
    _BUCKET + "/features/{feature}": {
        "GET": reads(catalogue.read_feature),
        "DELETE": writes(catalogue.archive_feature),
    },
    _BUCKET + "/plans": {"GET": reads(catalogue.list_plans), "POST": writes(catalogue.create_plan)},
    _BUCKET + "/plans/{plan}": {
        "GET": reads(catalogue.read_plan),
        "PUT": writes(catalogue.change_plan),
        "DELETE": writes(catalogue.delete_plan),
    },
    _BUCKET + "/plans/{plan}/publish": {"POST": writes(catalogue.publish_plan)},
    _BUCKET + "/plans/{plan}/archive": {"POST": writes(catalogue.archive_plan)},
    _BUCKET + "/plan-invites": {"POST": writes(catalogue.create_invite)},
    _BUCKET + "/plan-invites/{invite}": {"DELETE": writes(catalogue.delete_invite)},
    _BUCKET + "/monetization-configuration": {
        "GET": reads(catalogue.read_configuration),
        "PUT": writes(catalogue.change_configuration),
        "DELETE": writes(catalogue.delete_configuration),
    },
    _BUCKET + "/customers": {
        "GET": reads(subscriptions.list_customers),
        "POST": writes(subscriptions.create_customer),
    },
    _BUCKET + "/customers/{customer}": {"GET": reads(subscriptions.read_customer)},
    _BUCKET + "/customers/{customer}/subscriptions": {"GET": reads(subscriptions.list_subscriptions)},
    _BUCKET + "/subscriptions": {"POST": writes(subscriptions.create_subscription)},
    _SUBSCRIPTION + "/change": {"POST": writes(subscriptions.change)},
    _SUBSCRIPTION + "/change/estimate-credit": {"POST": reads(subscriptions.estimate_credit)},
    _SUBSCRIPTION + "/cancel": {"POST": writes(subscriptions.cancel)},
    _SUBSCRIPTION + "/unschedule-cancelation": {"POST": writes(subscriptions.resume)},
    _SUBSCRIPTION + "/restore": {"POST": writes(subscriptions.resume)},
    _SUBSCRIPTION + "/access": {"GET": reads(subscriptions.access)},
    # Asked by the gateway
    _BUCKET + "/validate-api-key": {"POST": asked_by_gateway(gateway.validate_api_key)},
    _BUCKET + "/events": {"POST": asked_by_gateway(gateway.take_events, writes=True)},
    "/rate-limit": {"POST": asked_by_gateway(gateway.count_call, writes=True)},
    "/rate-limits/check": {"POST": asked_by_gateway(gateway.check_limits)},
    "/rate-limits/increment": {"POST": asked_by_gateway(gateway.increment_limits, writes=True)},
    "/quota/{quota}": {
        "GET": asked_by_gateway(gateway.read_quota),
        "POST": asked_by_gateway(gateway.count_quota, writes=True),
    },
    "/v1/runtime/telemetry": {"POST": asked_by_gateway(gateway.take_report)},
    "/v1/runtime/audit-events": {"POST": asked_by_gateway(gateway.take_report)},
}
