"""What the host part does by itself, in memory."""

from pathlib import Path

import pytest

from rollout.contract.host_part import FENCE, LEGACY, NAME, SERVICE, V2
from rollout.errors import BrokenError, FencedError, PartialError
from rollout.host.known import Known, Note
from rollout.host.ports import Phase
from rollout.model.fleet import RestartPolicy
from rollout.runtimes.engines.memory import Fault
from tests.host.host_rigs import MemoryRig, SocketRig, spec

AT = "2026-11-23T09:00:00+00:00"


@pytest.fixture
def rig(tmp_path: Path) -> MemoryRig:
    return MemoryRig(tmp_path / "host")


def both_sides(rig: MemoryRig, weight: int = 50) -> None:
    for token, runtime in (("old", LEGACY), ("new", V2)):
        rig.desk.start(rig.spec(token, runtime=runtime), FENCE)
        rig.desk.attach(f"{token}.0", rig.desk.reserve(rig.spec(token), FENCE), "", FENCE)
    rig.desk.weigh(SERVICE, NAME, weight, FENCE)


def phase(rig: MemoryRig, instance: str) -> Phase:
    return next(one.facts.phase for one in rig.desk.instances() if one.id == instance)


def test_a_lost_instance_is_replaced_and_told_once(rig: MemoryRig) -> None:
    both_sides(rig)
    rig.programs.lose("old.0")
    rig.desk.look()
    assert phase(rig, "old.0") is Phase.RUNNING
    assert rig.desk.bring_back() == ["old.0"]
    assert rig.desk.bring_back() == []


def test_policy_never_is_not_replaced_until_a_person_says_up(rig: MemoryRig) -> None:
    rig.desk.start(spec("t1", restart=RestartPolicy.NEVER), FENCE)
    rig.programs.lose("t1.0")
    rig.desk.look()
    assert phase(rig, "t1.0") is Phase.LOST
    assert rig.desk.bring_back() == ["t1.0"]


def test_a_stopped_one_stays_stopped(rig: MemoryRig) -> None:
    both_sides(rig)
    rig.desk.stop("new.0", 1, FENCE)
    rig.desk.look()
    assert rig.desk.bring_back() == []
    assert phase(rig, "new.0") is Phase.GONE


def test_one_that_gave_up_is_left_alone_until_the_host_starts_again(rig: MemoryRig) -> None:
    both_sides(rig)
    rig.desk.bring_back()
    rig.programs.end("new.0", 3)
    rig.desk.look()
    rig.again()
    assert rig.desk.bring_back() == []
    assert phase(rig, "new.0") is Phase.FAILED
    rig.programs.lose("old.0")
    rig.boot = "boot-2"
    rig.again()
    assert rig.desk.bring_back() == ["new.0", "old.0"]
    rig.again()
    assert rig.desk.bring_back() == []


def test_edge_and_names_say_again_what_they_said(rig: MemoryRig) -> None:
    both_sides(rig, weight=30)
    routes, known = dict(rig.edge.routes), dict(rig.names.known)
    rig.edge.routes.clear()
    rig.names.known.clear()
    rig.again()
    rig.desk.bring_back()
    assert (rig.edge.routes, rig.names.known) == (routes, known)


def test_what_cannot_be_brought_back_is_named_and_the_rest_runs(rig: MemoryRig) -> None:
    both_sides(rig)
    rig.desk.end_all()
    assert {phase(rig, "old.0"), phase(rig, "new.0")} == {Phase.GONE}
    rig.programs.faults[SERVICE, V2] = Fault(unstartable="its command is not there any more")
    with pytest.raises(PartialError, match="not there any more"):
        rig.desk.bring_back()
    assert phase(rig, "old.0") is Phase.RUNNING
    del rig.programs.faults[SERVICE, V2]
    assert rig.desk.bring_back() == ["new.0"]


def test_a_replacement_that_fails_is_tried_again_after_ten_seconds(rig: MemoryRig, capsys: pytest.CaptureFixture[str]) -> None:
    both_sides(rig)
    rig.programs.lose("new.0")
    rig.programs.faults[SERVICE, V2] = Fault(unstartable="disk gone")
    rig.desk.look()
    rig.desk.look()
    assert capsys.readouterr().err.count("disk gone") == 1
    del rig.programs.faults[SERVICE, V2]
    rig.desk.look()
    assert phase(rig, "new.0") is Phase.LOST
    rig.now += 10
    rig.desk.look()
    assert phase(rig, "new.0") is Phase.RUNNING


def test_a_port_that_changes_is_followed_only_where_that_was_asked(rig: MemoryRig) -> None:
    both_sides(rig)
    rig.desk.follow("new.0", FENCE)
    for instance, port in (("old.0", 6001), ("new.0", 6002)):
        rig.programs.listen(instance, port)
    before = rig.edge.routes[NAME].legacy
    rig.desk.look()
    assert rig.edge.routes[NAME].v2 == ("127.0.0.1:6002",)
    assert rig.names.known[f"v2.{NAME}"] == ("127.0.0.1", 6002)
    assert rig.edge.routes[NAME].legacy == before
    rig.programs.listen("new.0", 6003, 6004)
    rig.desk.look()
    assert rig.edge.routes[NAME].v2 == ("127.0.0.1:6002",)
    rig.desk.detach("new.0", FENCE)
    rig.programs.listen("new.0", 6005)
    rig.desk.look()
    assert f"v2.{NAME}" not in rig.names.known


def test_lead_back_gives_all_to_legacy_stops_nothing_and_refuses_drivers(rig: MemoryRig) -> None:
    both_sides(rig)
    note = rig.desk.lead_back(SERVICE, "ann", AT)
    assert note == Note(service=SERVICE, actor="ann", at=AT)
    assert rig.edge.routes[NAME].weight == 0
    assert {phase(rig, "old.0"), phase(rig, "new.0")} == {Phase.RUNNING}
    for host in (rig.desk, (rig.again(), rig.desk)[1]):
        with pytest.raises(FencedError, match=f"{SERVICE}: led back to legacy without the store by ann"):
            host.weigh(SERVICE, NAME, 60, FENCE + 1)
    rig.desk.bring_back()
    assert rig.edge.routes[NAME].weight == 0
    assert rig.desk.notes() == [note]
    rig.desk.forget_note(SERVICE)
    rig.desk.forget_note(SERVICE)
    assert rig.desk.notes() == []
    rig.again()
    rig.desk.bring_back()
    assert rig.edge.routes[NAME].weight == 0
    rig.desk.weigh(SERVICE, NAME, 60, FENCE + 1)


def test_lead_back_counts_a_detached_but_healthy_copy_again(rig: MemoryRig) -> None:
    both_sides(rig, weight=100)
    address = rig.edge.routes[NAME].legacy
    rig.desk.detach("old.0", FENCE)
    rig.desk.lead_back(SERVICE, "ann", AT)
    assert (rig.edge.routes[NAME].legacy, rig.edge.routes[NAME].weight) == (address, 0)


def test_lead_back_to_a_sick_or_absent_legacy_changes_nothing(rig: MemoryRig) -> None:
    both_sides(rig)
    rig.sick[rig.edge.routes[NAME].legacy[0]] = "its copy answers 503"
    with pytest.raises(BrokenError, match="answers 503"):
        rig.desk.lead_back(SERVICE, "ann", AT)
    rig.sick.clear()
    rig.desk.stop("old.0", 1, FENCE)
    with pytest.raises(BrokenError, match="no copy of shop/api runs on legacy"):
        rig.desk.lead_back(SERVICE, "ann", AT)
    assert rig.edge.routes[NAME].weight == 50
    assert rig.desk.notes() == []
    rig.desk.weigh(SERVICE, NAME, 60, FENCE)


def test_upkeep_over_the_socket(tmp_path: Path) -> None:
    rig = SocketRig(tmp_path / "host")
    try:
        both_sides(rig)
        rig.programs.lose("old.0")
        assert rig.client.bring_back() == ["old.0"]
        assert rig.client.lead_back(SERVICE, "ann", AT) == Note(service=SERVICE, actor="ann", at=AT)
        assert rig.client.notes() == [Note(service=SERVICE, actor="ann", at=AT)]
        rig.client.forget_note(SERVICE)
        assert rig.client.notes() == []
    finally:
        rig.close()


def lose_the_records(rig: MemoryRig) -> None:
    for path in (rig.folder / "services").iterdir():
        path.unlink()
    rig.again()


def test_without_its_records_a_program_that_runs_is_taken_back_on_its_port(rig: MemoryRig) -> None:
    both_sides(rig)
    before = {one.id: (one.facts.pid, one.address) for one in rig.desk.instances()}
    lose_the_records(rig)
    assert list(rig.desk.instances()) == []
    both_sides(rig)
    assert {one.id: (one.facts.pid, one.address) for one in rig.desk.instances()} == before


def test_without_its_records_a_program_that_listens_nowhere_is_started_anew(rig: MemoryRig) -> None:
    both_sides(rig)
    before = {one.id: one.facts.pid for one in rig.desk.instances()}
    rig.programs.listen("new.0")
    lose_the_records(rig)
    both_sides(rig)
    changed = [one.id for one in rig.desk.instances() if one.facts.pid != before[one.id]]
    assert changed == ["new.0"]


def test_the_end_of_all_ends_programs_without_a_record(rig: MemoryRig) -> None:
    both_sides(rig)
    lose_the_records(rig)
    rig.desk.end_all()
    assert [rig.programs.pids(name) for name in ("old.0", "new.0")] == [[], []]


def test_known_tells_fence_and_weight(rig: MemoryRig) -> None:
    assert list(rig.desk.known()) == []
    both_sides(rig, weight=30)
    assert list(rig.desk.known()) == [Known(service=SERVICE, fence=FENCE, weight=30)]
