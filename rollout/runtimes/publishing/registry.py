"""Names in registries: what they stand for now, for the platform of this host."""

import hashlib
import ipaddress

from rollout.errors import BrokenError
from rollout.model.image import ImageDigest, Reference
from rollout.runtimes.images.choose import Wanted, listed, of_platform
from rollout.runtimes.images.descriptor import CONFIGS, MANIFESTS, Descriptor, descriptor, expect
from rollout.runtimes.images.documents import Doc, parsed
from rollout.runtimes.images.image import here
from rollout.runtimes.images.reason import Reason, Refused
from rollout.runtimes.publishing.skopeo import Skopeo

LATEST = "latest"


def look(reference: Reference, skopeo: Skopeo) -> ImageDigest:
    """What the name stands for now: of an index the image for this host. BrokenError where the registry does not say."""
    name = f"{reference.place}@{reference.digest}" if reference.digest else f"{reference.place}:{reference.tag or LATEST}"
    plain = no_tls(reference.registry, "--tls-verify=false")
    try:
        data = skopeo.manifest(name, *plain)
        digest = summed(data, reference.digest)
        doc = Doc(parsed(data), name)
        if "manifests" in doc:
            chosen = _chosen(doc, name)
            data = skopeo.manifest(f"{reference.place}@{chosen.digest}", *plain)
            digest = summed(data, chosen.digest)
            doc = Doc(parsed(data), name)
        config = descriptor(doc.inner("config"))
        expect(config, CONFIGS, "the config of an image")
    except Refused as refused:
        raise BrokenError(f"{name} {refused.told}", state="nothing was published", then=refused.then) from refused
    return ImageDigest(digest=digest, config=config.digest)


def summed(data: bytes, expected: str) -> str:
    """The digest of a document. Refused where another one is expected."""
    algorithm = expected.partition(":")[0] or "sha256"
    found = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    if expected and found != expected:
        raise Refused(Reason.WRONG_DIGEST, f"is {found} in truth, and not {expected}")
    return found


def _chosen(index: Doc, name: str) -> Descriptor:
    """The image of an index that is for this host."""
    itself = Descriptor(media_type=index.text("mediaType"), digest="", size=0)
    offered = [one for one in listed(index, itself) if not one.attests and one.media_type in MANIFESTS]
    found = [(one.platform or here(), one) for one in offered]
    return of_platform(found, Wanted(tag=None, platform=here(), show=f"skopeo inspect --raw docker://{name}"))


def no_tls(registry: str, option: str) -> tuple[str, ...]:
    """The option that spares TLS, for a registry on this host's loopback alone, as Docker has it too."""
    host = registry.rpartition(":")[0] if registry.rpartition(":")[2].isdigit() else registry
    if host == "localhost":
        return (option,)
    try:
        return (option,) if ipaddress.ip_address(host.strip("[]")).is_loopback else ()
    except ValueError:
        return ()
