"""An import of an export changes nothing, with the values of env and without; what nobody knows is not made up."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.errors import UsageError
from rollout.manifests.draft import Given
from rollout.manifests.fleet_write import Form, pieces
from rollout.manifests.mapping import MappingFile
from rollout.manifests.scan import Scan, scan
from rollout.model.fleet import Service, Tier
from rollout.operations.fleet_export import export, record_secrets
from rollout.operations.fleet_import import import_found, with_known_env
from rollout.operations.setting import Rules
from rollout.store import audit
from rollout.store.services import Services
from rollout.wiring.home import Home

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(who="ann", now=NOW)
WEB = Service(name="web", environment="shop", customer="c", tier=Tier.PRO, directory="/nowhere", env={"Z": "planted", "A": ""})
API = Service(name="api", environment="shop", customer="c", tier=Tier.TRIAL, directory="/nowhere", command=("a b", "$c"))


@pytest.fixture
def fleet(home: Path) -> Services:
    opened = Home(home)
    services = Services(opened.database(), opened.keyed_hash, lambda: NOW)
    services.put([WEB, API], who="ann")
    return services


def file(fleet: Services, folder: Path, form: Form, *names: str, secrets: bool = False) -> Scan:
    path = folder / f"any.{form}"
    path.write_text("".join(pieces(export(fleet, names, secrets=secrets).entries, form, secrets=secrets)))
    return scan([path], Given(), MappingFile())


@pytest.mark.parametrize("secrets", [True, False])
@pytest.mark.parametrize("form", Form)
def test_an_import_of_an_export_changes_nothing(fleet: Services, tmp_path: Path, form: Form, secrets: bool) -> None:
    found = with_known_env(fleet, file(fleet, tmp_path, form, secrets=secrets))
    done = import_found(fleet, found, RULES)
    assert (done.added, done.changed, done.unchanged, found.problems) == ((), {}, ("shop/api", "shop/web"), ())
    assert fleet.get("shop/web") == WEB


def test_a_variable_that_is_not_named_goes_and_a_changed_field_leaves_the_values(fleet: Services, tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_text('{"format_version": 1, "services": [{"name": "web", "environment": "shop", "customer": "c", "tier": "pro",'
                    '"directory": "/nowhere", "env_names": ["Z"], "env": {"B": "new"}, "replicas": 2}]}')  # fmt: skip
    found = with_known_env(fleet, scan([path], Given(), MappingFile()))
    done = import_found(fleet, found, RULES)
    assert done.changed == {"shop/web": ("replicas", "env.A", "env.B")}
    assert fleet.get("shop/web") == replace(WEB, env={"Z": "planted", "B": "new"}, replicas=2)


def test_a_value_that_nobody_knows_is_a_problem_of_its_service_alone(fleet: Services, tmp_path: Path) -> None:
    found = file(fleet, tmp_path, Form.TOML)
    fleet.put([replace(WEB, env={"A": ""})], who="ann")
    checked = with_known_env(fleet, found)
    assert [one.service.id for one in checked.found] == ["shop/api"]
    (problem,) = checked.problems
    assert problem.reason == "shop/web: no value is known of Z: give it in env, or export --with-secrets"
    assert problem.line == 13


def test_services_are_chosen_by_name_each_once_and_in_order(fleet: Services) -> None:
    assert [one["name"] for one in export(fleet, ["web", "shop/api", "web"], secrets=False).entries] == ["api", "web"]
    with pytest.raises(UsageError, match="no service wbe; did you mean web"):
        export(fleet, ["wbe"], secrets=False)


def test_the_audit_says_whose_values_left_and_never_a_value(fleet: Services) -> None:
    record_secrets(fleet, export(fleet, [], secrets=True), who="ann", into="/tmp/x.toml")
    with fleet.database.reading() as session:
        rows = [row for row in audit.read(session) if row.what == "export"]
    assert [(row.subject, row.who, row.why) for row in rows] == [("shop/web", "ann", "with secrets, to /tmp/x.toml")]
    assert "planted" not in str(rows)
