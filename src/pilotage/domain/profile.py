"""Names as settings: two profiles bundle them, the resource overrides single ones."""

import msgspec

from pilotage.domain.mesh import ProfileName, ServiceMeshSpec
from pilotage.domain.version import Minor, Version


class Profile(msgspec.Struct, frozen=True):
    """Every name a control plane is installed under."""

    name: ProfileName
    namespace: str
    revision_prefix: str
    hub: str
    proxy_image: str  # whole image with {version}, or "" where the chart composes hub/proxyv2:tag
    charts: str

    def revision_of(self, minor: Minor) -> str:
        """1.31 -> `asm-1-31`."""
        return f"{self.revision_prefix}{minor.major}-{minor.minor}"

    def proxy_image_of(self, version: Version) -> str:
        return self.proxy_image.replace("{version}", str(version))  # other braces are the registry's to judge


_CHARTS = "oci://ghcr.io/istio/release/charts"
PROFILES = {
    ProfileName.ISTIO: Profile(ProfileName.ISTIO, "istio-system", "", "docker.io/istio", "", _CHARTS),
    ProfileName.AKS: Profile(
        ProfileName.AKS,
        "aks-istio-system",
        "asm-",
        "mcr.microsoft.com/oss/istio",
        "mcr.microsoft.com/oss/istio/proxyv2:{version}-distroless",
        _CHARTS,
    ),
}


def profile_of(spec: ServiceMeshSpec) -> Profile:
    """The profile with the resource's overrides applied."""
    base = PROFILES[spec.profile]
    names, artifacts = spec.names, spec.artifacts
    return Profile(
        base.name,
        names.namespace or base.namespace,
        base.revision_prefix if names.revision_prefix is None else names.revision_prefix,
        artifacts.hub or base.hub,
        base.proxy_image if artifacts.proxy_image is None else artifacts.proxy_image,
        artifacts.charts or base.charts,
    )
