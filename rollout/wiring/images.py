"""What `rollout image` needs: the host part, which knows the engines, and the store, which knows who needs what."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from rollout.errors import UsageError
from rollout.model.image import Form, Reference, shortly
from rollout.operations import fleet as operations
from rollout.operations import images
from rollout.operations.fleet import View
from rollout.operations.images import Listed, Pruned
from rollout.operations.saying import Say
from rollout.wiring import fleet
from rollout.wiring.home import find
from rollout.wiring.host import host_part


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an image stands in a file or folder of this host, and which of those there is meant; None: that is open."""

    path: str
    tag: str | None = None
    digest: str | None = None


def place(what: str) -> Place:
    """Where the image is that a person names by its path, as a reference to a file, or by a service that is made of it.

    UsageError where a service is made of none that stands in a file; what is no service is taken for a path.
    """
    if os.path.exists(what):
        return Place(path=what)
    form = what.partition(":")[0]
    if form in set(Form) and Form(form).file:
        reference = Reference.parse(what)
        return Place(path=reference.place, tag=reference.tag or None)
    try:
        with fleet.fleet() as services:
            view = operations.view(services, what)
    except UsageError:
        return Place(path=what)
    return _of_service(view)


def _of_service(view: View) -> Place:
    service = view.service
    reference = Reference.parse(service.image) if service.image else None
    if reference is None or not reference.form.file:
        told = f"is made of {shortly(view.image) or service.image}" if reference else "has no image"
        raise UsageError(f"{service.id} {told}: no file on this host is that", then="rollout image list")
    digest = view.image.rpartition("@")[2] or None
    return Place(path=reference.place, tag=reference.tag or None, digest=digest)


def listed(say: Say) -> Sequence[Listed]:
    """The images of the home that is found. The host part is started where there is none, and that is said."""
    home = find()
    database = home.database()
    try:
        return images.listed(host_part(home, say=say), database)
    finally:
        database.close()


def prune(say: Say) -> Sequence[Pruned]:
    """What nobody needs now is gone: looked at again, since a person may have thought for a while."""
    home = find()
    database = home.database()
    try:
        shelf = host_part(home, say=say)
        return images.prune(shelf, images.listed(shelf, database))
    finally:
        database.close()
