"""Models of energies and forces: foundation models by name and hash, trained models as documents.

Consumes a :class:`ModelSource` or a :class:`~disolyte.models.schema.ModelDoc`; produces a :class:`LoadedModel`, through
which every stage gets its energies, forces and stresses. No pickle is read unless its hash is known or the user vouches
for it.
"""

from disolyte.models.loaded import LoadedModel, Predictions
from disolyte.models.loading import SMALL_MODEL_CAVEAT, load_model
from disolyte.models.schema import ModelDoc, ModelIdentity, PackedModel
from disolyte.models.sources import BROAD, SHIPPED, ModelSource

__all__ = [
    "BROAD",
    "SHIPPED",
    "SMALL_MODEL_CAVEAT",
    "LoadedModel",
    "ModelDoc",
    "ModelIdentity",
    "ModelSource",
    "PackedModel",
    "Predictions",
    "load_model",
]
