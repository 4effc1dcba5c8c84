"""What `execute` and the verbs read of a home beside the means to drive: names that people type, and who is left in a tier."""

from collections.abc import Mapping, Sequence

from rollout.model.fleet import Tier
from rollout.model.policy import Policy
from rollout.operations.means import Means
from rollout.operations.order import TierLeft
from rollout.operations.subject import is_wave, wave_number
from rollout.operations.tiers import of_fleet
from rollout.store.candidates import AsOf
from rollout.store.plans import Plans
from rollout.store.services import Services
from rollout.wiring import actor
from rollout.wiring.able import here
from rollout.wiring.home import Home, find


class Names:
    """Waves, plans and services as people name them."""

    def __init__(self, means: Means, home: Home | None = None) -> None:
        self._means = means
        self._home = home or find()

    def waves(self, name: str) -> Sequence[int]:
        """The number of the wave, or the numbers of all waves of the plan, in order. UsageError for an unknown name."""
        if is_wave(name):
            return [wave_number(name)]
        return Plans(self._means.database).waves(name)

    def service(self, name: str) -> str:
        """The id of the service. UsageError for an unknown or ambiguous name."""
        return Services(self._means.database, self._home.keyed_hash, actor.now).find(name).id

    def left(self, policy: Policy) -> Mapping[Tier, TierLeft]:
        """Who keeps each tier from being done."""
        return of_fleet(self._means.database, policy, AsOf(now=actor.now(), apart=here()))
