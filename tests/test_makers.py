"""One contract for all public Makers."""

import copy
import dataclasses
import importlib
import inspect
import json
import pkgutil
import re

import pytest
from jobflow import Maker
from monty.json import MontyDecoder, MontyEncoder, jsanitize

import disolyte
from disolyte.workers.roles import Role


def all_makers():
    """Every Maker class that the package defines."""
    found = {}
    for module_info in pkgutil.walk_packages(disolyte.__path__, "disolyte."):
        if module_info.name.endswith((".makers", "_makers", ".vasp")) or ".flows." in module_info.name:
            module = importlib.import_module(module_info.name)
            own = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
            found |= {cls.__name__: cls for cls in own if issubclass(cls, Maker)}
    return found


MAKERS = all_makers()


def test_public_makers_are_among_them():
    public = {name for name in disolyte.__all__ if name.endswith("Maker")}
    assert public <= set(MAKERS)
    assert len(MAKERS) >= 12


@pytest.mark.parametrize("name", sorted(MAKERS))
class TestContract:
    def test_constructs_without_arguments(self, name):
        assert MAKERS[name]().name

    def test_json_round_trip_is_equal(self, name):
        maker = MAKERS[name]()
        decoded = MontyDecoder().process_decoded(json.loads(json.dumps(maker, cls=MontyEncoder)))
        assert type(decoded) is type(maker)
        assert json.dumps(decoded, cls=MontyEncoder) == json.dumps(maker, cls=MontyEncoder)
        if "ScanStatic" not in json.dumps(maker, cls=MontyEncoder):  # atomate2's generators compare by identity
            assert decoded == maker

    def test_survives_fireworks(self, name):
        """FireWorks stores ``as_dict``, whose leaves must be JSON or know their own ``as_dict``."""
        maker = MAKERS[name]()
        stored = json.loads(json.dumps(jsanitize(maker.as_dict())))
        decoded = MontyDecoder().process_decoded(stored)
        assert jsanitize(decoded.as_dict()) == stored
        for field in dataclasses.fields(maker):
            assert type(getattr(decoded, field.name)) is type(getattr(maker, field.name)), field.name

    def test_first_field_is_the_name(self, name):
        assert dataclasses.fields(MAKERS[name])[0].name == "name"

    def test_every_field_is_documented(self, name):
        cls = MAKERS[name]
        documented = set()
        for base in cls.__mro__:
            documented |= set(re.findall(r"^    (\w+)(?:\s*:.*)?$", base.__doc__ or "", flags=re.MULTILINE))
        missing = [field.name for field in dataclasses.fields(cls) if field.name not in documented]
        assert missing == []

    def test_job_makers_state_their_role(self, name):
        cls = MAKERS[name]
        if hasattr(cls.make, "original"):
            assert isinstance(cls.role, Role)

    def test_make_does_not_change_self(self, name):
        source = inspect.getsource(MAKERS[name])
        body = source[source.find("def make") :]
        assert not re.search(r"^\s*self\.\w+\s*(=|\+=)[^=]", body, flags=re.MULTILINE)

    def test_few_own_fields(self, name):
        cls = MAKERS[name]
        own = [field for field in dataclasses.fields(cls) if field.name in inspect.get_annotations(cls)]
        assert len(own) <= 9, [field.name for field in own]


def test_job_names_are_unique():
    names = [cls().name for cls in MAKERS.values()]
    assert sorted(names) == sorted(set(names))


def test_copies_of_default_makers_are_independent():
    first, second = MAKERS["DisorderedElectrolyteFlowMaker"](), MAKERS["DisorderedElectrolyteFlowMaker"]()
    changed = copy.deepcopy(first)
    changed.training_set_maker.selection_maker.n_select += 1
    assert first == second
    assert changed != second
