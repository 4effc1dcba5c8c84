"""The loop that acts: claims due rows, decides, commits in groups, runs effects."""

from rollout.executor.result import Until, WaveResult
from rollout.executor.world import World
from rollout.model.lease import Lease
from rollout.model.plan import Wave


def drive(world: World, wave: Wave, lease: Lease, *, until: Until = Until.WARM) -> WaveResult:
    """Drive every move of the wave until it is warm (or final) or stuck, whatever is forbidden being waited for.

    Planned moves without a row are enrolled first. A wave of back moves has a negative number and no planned moves: its rows
    were enrolled by `enrol.enrol`. Returns early when `stop_requested`; all can be resumed by a new driver from the journal.
    Raises FencedError when another driver has taken the lease over; what it holds then is no longer ours.
    """
    raise RuntimeError(f"{world} {wave} {lease} {until}")
