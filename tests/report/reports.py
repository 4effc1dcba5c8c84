"""Reports to render, of any size, with texts that nobody should trust."""

from datetime import UTC, datetime, timedelta

from rollout.model.fleet import Tier
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.operations.course import Fallback, Gap
from rollout.operations.numbers import Comparison
from rollout.operations.report import Pinned, Report, Scope, Slot, Totals, WaveLine

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"' onload='x' &lt; ]]> --> </style></svg> "
    "\x00\x1b[31m\u202egnp.\ud800 größer 日本語 👩‍👩‍👧"
)


def report(moves: int, *, text: str = "traffic: v2 failed 4 of 15 (26.7%), legacy 0.0%, allowed 2.0%") -> Report:
    """Of so many moves in waves of 20; one of ten fell back, one of five went by recreate and was measured."""
    waves, fell = -(-moves // 20), moves // 10
    begin = NOW - timedelta(minutes=waves * 3 + 1)
    slots, fallen = min(48, waves), range(fell)
    return Report(
        at=NOW,
        home="/home/ann/.rollout",
        scope=Scope(),
        services={"legacy": fell, "both": 0, "v2": moves - fell, "nowhere": 0},
        totals=Totals(began=moves, moved=moves - fell, kept=0, fell_back=fell),
        waves=tuple(
            WaveLine(
                name=f"wave-{n + 1}",
                tier=list(Tier)[n * 4 // max(1, waves)],
                state="ended" if n < waves - 1 else "running",
                size=20,
                began=begin + timedelta(minutes=3 * n),
                ended=begin + timedelta(minutes=3 * n + 2, seconds=n % 60) if n < waves - 1 else None,
                moved=18,
                fell_back=2,
                brought_back=0,
            )
            for n in range(waves)
        ),
        waiting=0,
        slots=tuple(
            Slot(
                begin=begin + timedelta(minutes=3 * n),
                end=begin + timedelta(minutes=3 * n + 3),
                moved=18,
                fell_back=n % 4,
                brought_back=0,
                reverted=0,
                on_v2=18 * (n + 1),
            )
            for n in range(slots)
        ),
        causes=(("traffic gate", fell - fell // 3), ("failed while launching", fell // 3)) if fell else (),
        fallbacks=tuple(
            Fallback(
                service=f"shop/svc-{n}",
                wave=f"wave-{n // 2 + 1}",
                at=NOW - timedelta(minutes=n),
                state=State.FELL_BACK,
                cause="traffic gate",
                reason=text,
                back_s=1.25 + n,
                afterwards="blocked",
            )
            for n in fallen
        ),
        gaps=tuple(
            Gap(
                service=f"shop/volume-{n}",
                wave="wave-1",
                begin=begin,
                end=begin + timedelta(seconds=50 - n % 50),
                seconds=50.0 - n % 50,
                declared_s=42.0,
            )
            for n in range(moves // 5)
        ),
        overlapping=moves - moves // 5,
        pins=tuple(Pinned(service=f"lab/pinned-{n}", told=f"by ann until 2026-12-24: {text}", holds=n % 3 > 0) for n in fallen),
        comparisons=tuple(
            Comparison(
                service=f"shop/svc-{n}",
                legacy_p50_ms=10.0,
                v2_p50_ms=7.0 + n % 9,
                legacy_p99_ms=40.0 + n % 3,
                v2_p99_ms=25.0 + 6 * (n % 17),
                verdict=list(Outcome)[n % 2],
            )
            for n in range(min(500, moves // 2))
        ),
        compared=min(500, moves),
    )
