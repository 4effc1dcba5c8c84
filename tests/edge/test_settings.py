"""What a home decides about its edge: kept, read again, and refused with the file's name where it makes no sense."""

import json
from pathlib import Path

import pytest

from rollout.edge.envoy import EnvoyEdge
from rollout.edge.settings import EdgeSettings, keep_settings, settings_of
from rollout.errors import UsageError


def test_what_was_kept_is_what_the_next_edge_has(tmp_path: Path) -> None:
    kept = EdgeSettings(retries=False, workers=1, copy_idle_s=2.5)
    keep_settings(tmp_path / "edge", kept)
    assert settings_of(tmp_path / "edge") == kept
    edge = EnvoyEdge(tmp_path / "edge")
    edge.prepare()
    config = json.loads((tmp_path / "edge" / "bootstrap.json").read_text())
    assert "retry_policy" not in json.dumps(config)
    assert edge.kept().argv[edge.kept().argv.index("--concurrency") + 1] == "1"
    edge.close()


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    assert settings_of(tmp_path) == EdgeSettings()


@pytest.mark.parametrize("text", ["{", "[]", '{"retry": false}', '{"retries": "no"}', '{"workers": 1.5}', '{"workers": true}'])
def test_what_makes_no_sense_is_refused_with_the_name_of_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(UsageError, match=r"settings\.json"):
        settings_of(tmp_path)


def test_a_whole_number_is_a_number_of_seconds(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"copy_idle_s": 2}')
    assert settings_of(tmp_path).copy_idle_s == 2
