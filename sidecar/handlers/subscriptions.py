"""Subscriptions: channels that outlive their request."""

from __future__ import annotations

from sidecar.contract.life import SubscribeParams, SubscribeResult, UnsubscribeParams, UnsubscribeResult
from sidecar.contract.topics import SubscriptionDone
from sidecar.events.live_feed import LiveFeed
from sidecar.handlers.call import Call, Handler
from sidecar.services import Services
from sidecar.subscriptions.topics import Stop, Topics


class SubscriptionHandlers:
    """subscribe, unsubscribe."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def methods(self) -> dict[str, Handler]:
        return {"subscribe": self.subscribe, "unsubscribe": self.unsubscribe}

    async def subscribe(self, params: SubscribeParams, call: Call) -> SubscribeResult:
        feed = LiveFeed()
        sources: list[Stop] = []

        def stop() -> None:
            for stop_source in sources:
                stop_source()
            feed.close(SubscriptionDone())

        call.subscribe(params.channel, feed, stop)  # first, since it refuses a channel that is in use
        sources += self._topics.feed(feed, params.topics, params.options)
        return SubscribeResult(channel=params.channel, topics=params.topics)

    async def unsubscribe(self, params: UnsubscribeParams, call: Call) -> UnsubscribeResult:
        return UnsubscribeResult(channel=params.channel, found=call.unsubscribe(params.channel))


def register(services: Services) -> dict[str, Handler]:
    topics = Topics(
        servers=services.servers,
        history=services.history,
        logs=services.logs,
        downloads=services.downloads,
        builds=services.builds,
        monitor=services.monitor,
        library=services.library,
    )
    services.run_until_stop.append(topics.run)
    return SubscriptionHandlers(topics).methods()
